//! Driving an operation with a fault in its way.

use std::collections::VecDeque;

use omemo_sansio::engine::{Effect, Operation, Step, Store};
use omemo_sansio::{Account, Error, NetworkError};
use omemo_storage::blocking::wait;
use omemo_storage::{Batch, CommitId, Committed, ErrorKind, Query, Storage, StorageError};
use rand_core::Rng;

use super::Fault;
use super::world::World;

/// How an operation ended that did not end well.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// The process died. `committed`: a commit of the operation had gone through.
    Died { committed: bool },
    /// It failed.
    Failed(Error),
}

/// The process dies here.
struct Dies;

/// What one driving has seen.
#[derive(Default)]
struct Progress {
    /// Commits that were applied.
    applied: u32,
}

/// An operation under way on a device.
pub(super) struct Running<T> {
    device: usize,
    operation: Operation<T>,
    /// What it has asked for and was not given yet.
    effects: VecDeque<Effect>,
    progress: Progress,
}

impl<T> Running<T> {
    /// Whether a commit of it went through.
    pub(super) fn has_committed(&self) -> bool {
        self.progress.applied > 0
    }
}

impl<S: Storage> World<'_, S> {
    /// Drives an operation of a device to its end.
    pub(super) fn drive<T>(
        &mut self,
        device: usize,
        begin: impl FnOnce(&Account) -> Operation<T>,
    ) -> Result<(T, bool), Interrupted> {
        let mut running = self.begin(device, begin);
        loop {
            if let Some(output) = self.proceed(&mut running)? {
                return Ok((output, running.has_committed()));
            }
        }
    }

    pub(super) fn begin<T>(
        &mut self,
        device: usize,
        begin: impl FnOnce(&Account) -> Operation<T>,
    ) -> Running<T> {
        Running {
            device,
            operation: begin(&self.devices[device].account),
            effects: VecDeque::new(),
            progress: Progress::default(),
        }
    }

    /// Performs one effect, or finds that the operation has ended. When the process dies, the operation is gone and the
    /// storage opened again.
    pub(super) fn proceed<T>(&mut self, running: &mut Running<T>) -> Result<Option<T>, Interrupted> {
        let device = running.device;
        if running.effects.is_empty() {
            match running.operation.advance(self.now, &mut self.devices[device].rng) {
                Step::Done(Ok(output)) => return Ok(Some(output)),
                Step::Done(Err(error)) => return Err(Interrupted::Failed(error)),
                Step::Perform(effects) => running.effects.extend(effects),
            }
        }
        let effect = running.effects.pop_front().expect("a step has something to do");
        let performed = self.perform(device, &mut running.operation, effect, &mut running.progress);
        if let Err(Dies) = performed {
            self.restart(device);
            return Err(Interrupted::Died {
                committed: running.has_committed(),
            });
        }
        Ok(None)
    }

    /// Performs an effect, unless the fault forbids. An arm for each effect and nothing to split: hence its length.
    fn perform<T>(
        &mut self,
        device: usize,
        operation: &mut Operation<T>,
        effect: Effect,
        progress: &mut Progress,
    ) -> Result<(), Dies> {
        let fault = self.next_effect(matches!(effect, Effect::Store(..)));
        if fault == Some(Fault::CrashBefore) {
            return Err(Dies);
        }
        if fault == Some(Fault::Fails) {
            fail(operation, effect);
            return Ok(());
        }
        match effect {
            Effect::Load(load, reply) => {
                let this = &self.devices[device];
                let outcome = wait(this.storage.load(this.account.id(), &load.query));
                operation.fulfil(reply, outcome).unwrap();
            }
            Effect::Store(store, reply) => {
                let outcome = self.store(device, &store, fault, progress)?;
                operation.fulfil(reply, outcome).unwrap();
            }
            Effect::DownloadBundle(wanted, reply) => {
                let bundle = self.server.bundles.get(&(wanted.jid, wanted.device)).cloned();
                operation.fulfil(reply, Ok(bundle)).unwrap();
            }
            Effect::UploadBundle(upload, reply) => {
                let owner = (self.devices[device].jid.clone(), upload.device);
                self.server.bundles.insert(owner, upload.bundle);
                operation.fulfil(reply, Ok(())).unwrap();
            }
            Effect::DownloadDeviceList(wanted, reply) => {
                let list = self.server.lists.get(&wanted.jid).cloned();
                operation.fulfil(reply, Ok(list)).unwrap();
            }
            Effect::UploadDeviceList(upload, reply) => {
                self.server
                    .lists
                    .insert(self.devices[device].jid.clone(), upload.list);
                operation.fulfil(reply, Ok(())).unwrap();
            }
            Effect::SendMessage(send, reply) => {
                assert!(
                    progress.applied > 0,
                    "a message left before the commit it came from"
                );
                self.ledger.leaves(&send.message);
                self.post(device, &send.message, None);
                operation.fulfil(reply, Ok(())).unwrap();
            }
            Effect::AskTrust(_, reply) => operation.fulfil(reply, Vec::new()).unwrap(),
        }
        if fault == Some(Fault::CrashAfter) {
            Err(Dies)
        } else {
            Ok(())
        }
    }

    fn store(
        &mut self,
        device: usize,
        store: &Store,
        fault: Option<Fault>,
        progress: &mut Progress,
    ) -> Result<Result<Committed, StorageError>, Dies> {
        let unknown = || StorageError::new(ErrorKind::OutcomeUnknown, "the answer was lost");
        let meddled = match fault {
            Some(Fault::FalseConflict) => return Ok(Ok(Committed::Conflict)),
            Some(Fault::RequestLost) => return Ok(Err(unknown())),
            Some(Fault::Conflict) => self.meddle(device, &store.batch),
            _ => false,
        };
        let this = &self.devices[device];
        let outcome = wait(this.storage.commit(this.account.id(), &store.batch));
        match outcome {
            Ok(Committed::Applied) => progress.applied += 1,
            Ok(Committed::Conflict) => self.conflicts += 1,
            Err(_) => {}
        }
        if meddled {
            assert!(
                matches!(outcome, Ok(Committed::Conflict)),
                "the storage overlooked a conflict: {outcome:?}"
            );
        }
        if fault == Some(Fault::AppliedAnswerLost) {
            Ok(Err(unknown()))
        } else {
            Ok(outcome)
        }
    }

    /// Writes each record that the batch relies on anew, as another process would that changes nothing. Tells whether
    /// there was any.
    fn meddle(&mut self, device: usize, batch: &Batch) -> bool {
        let this = &mut self.devices[device];
        let mut query = Query::new();
        query.records.extend(batch.stakes().map(|(key, _)| key.clone()));
        let snapshot = wait(this.storage.load(this.account.id(), &query)).unwrap();
        let mut id = [0; 16];
        this.rng.fill_bytes(&mut id);
        let mut meddling = Batch::new(CommitId::from_bytes(id));
        for (key, record) in snapshot.records {
            meddling.put(key, Some(record.revision), record.value);
        }
        if meddling.writes() == 0 {
            // All it relies on is absence, and nothing that is there could be written anew.
            return false;
        }
        assert_eq!(
            wait(this.storage.commit(this.account.id(), &meddling)).unwrap(),
            Committed::Applied
        );
        true
    }
}

/// Answers an effect with an error.
fn fail<T>(operation: &mut Operation<T>, effect: Effect) {
    let storage = || StorageError::new(ErrorKind::Unavailable, "the storage was told to fail");
    let network = || NetworkError::new("the network was told to fail");
    let answered = match effect {
        Effect::Load(_, reply) => operation.fulfil(reply, Err(storage())),
        Effect::Store(_, reply) => operation.fulfil(reply, Err(storage())),
        Effect::DownloadBundle(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::UploadBundle(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::DownloadDeviceList(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::UploadDeviceList(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::SendMessage(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::AskTrust(_, reply) => operation.fulfil(reply, Vec::new()),
    };
    answered.unwrap();
}
