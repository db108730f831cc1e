//! Asking as an application does: again, until there is an answer.

use omemo_sansio::engine::Operation;
use omemo_sansio::{Account, EncryptFailure, Error};
use omemo_storage::Storage;

use super::world::World;
use crate::scene::{Copy, Interrupted};

/// How often an application asks again. One fault strikes once.
pub(super) const ATTEMPTS: usize = 4;

/// What came of it.
pub(super) struct Answer<T> {
    pub(super) output: T,
    /// The operation that has answered has committed.
    pub(super) committed: bool,
    /// One before it has, and the process died before it could answer.
    pub(super) lost: bool,
}

impl<S: Storage> World<'_, S> {
    /// Asks until there is an answer; dying and failing on the way.
    pub(super) fn insists<T>(
        &mut self,
        device: usize,
        begin: impl Fn(&Account) -> Operation<T>,
    ) -> Answer<T> {
        let mut lost = false;
        for _ in 0..ATTEMPTS {
            match self.drive(device, &begin) {
                Ok((output, committed)) => {
                    return Answer {
                        output,
                        committed,
                        lost,
                    };
                }
                Err(Interrupted::Died { committed }) => lost |= committed,
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{error}"),
            }
        }
        panic!("no answer after {ATTEMPTS} attempts");
    }

    pub(super) fn asks<T>(&mut self, device: usize, begin: impl Fn(&Account) -> Operation<T>) -> T {
        self.insists(device, begin).output
    }

    /// Asks for a change, which must not be answered before it is stored.
    pub(super) fn changes<T>(
        &mut self,
        device: usize,
        begin: impl Fn(&Account) -> Operation<T>,
    ) -> Answer<T> {
        let answer = self.insists(device, begin);
        assert!(
            answer.committed || answer.lost,
            "a change was answered before its commit"
        );
        answer
    }

    /// Asks for something that must change nothing that is stored.
    pub(super) fn looks<T>(&mut self, device: usize, begin: impl Fn(&Account) -> Operation<T>) -> T {
        let before = self.copy(device);
        let output = self.asks(device, begin);
        assert!(before == self.copy(device), "looking has changed what is stored");
        output
    }

    /// Asks for something that must be refused, and change nothing that is stored.
    pub(super) fn is_refused<T>(
        &mut self,
        device: usize,
        begin: impl Fn(&Account) -> Operation<T>,
        because: impl Fn(&Error) -> bool,
    ) {
        let before = self.copy(device);
        for _ in 0..ATTEMPTS {
            match self.drive(device, &begin) {
                Err(Interrupted::Failed(error)) if because(&error) => {
                    assert!(
                        before == self.copy(device),
                        "what was refused has changed what is stored"
                    );
                    return;
                }
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{error}"),
                Err(Interrupted::Died { .. }) => {}
                Ok(_) => panic!("what must be refused was done"),
            }
        }
        panic!("no refusal after {ATTEMPTS} attempts");
    }

    /// All that is stored of a device.
    pub(super) fn copy(&self, device: usize) -> Copy {
        let device = &self.devices[device];
        Copy::of(&device.storage, device.account.id())
    }
}

/// Whether asking again may help: the fault was told to happen once.
pub(super) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.retry() != omemo_storage::Retry::Never,
        Error::Network { .. } => true,
        Error::Encrypt(EncryptFailure::NoEligibleDevices { .. } | EncryptFailure::TrustDecisionFailed(_)) => {
            true
        }
        _ => false,
    }
}
