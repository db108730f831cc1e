//! Where operations are driven: devices with their storages, a server between them, and what goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: an assertion is the result"
)]

mod copy;
mod drive;
mod server;
mod used_keys;

use omemo_sansio::engine::{DownloadBundle, Effect, SendMessage, UploadBundle, UploadDeviceList};
use omemo_sansio::trust::{TrustDecision, UndecidedKey};
use omemo_sansio::{Account, Timestamp};
use omemo_storage::{Batch, Storage};

use crate::faults::{Fault, TestRng};

pub(crate) use copy::{Copy, stored};
pub(crate) use drive::{Interrupted, Running, begin, drive, proceed};
pub(crate) use server::Server;
pub(crate) use used_keys::UsedKeys;

/// What an operation is driven in. Devices are known by their numbers.
pub(crate) trait Scene {
    type Storage: Storage;

    fn now(&self) -> Timestamp;

    fn account(&self, device: usize) -> &Account;

    fn storage(&self, device: usize) -> &Self::Storage;

    fn rng(&mut self, device: usize) -> &mut TestRng;

    fn server(&mut self) -> &mut Server;

    /// Counts an effect that a device is about to perform; answers the fault that strikes it.
    fn next_effect(&mut self, device: usize, effect: &Effect) -> Option<Fault>;

    /// A message that the core has made itself is on its way.
    fn sends(&mut self, device: usize, send: &SendMessage);

    /// Somebody else is at work on the account of the device, just before it commits this batch. Tells whether the
    /// batch must meet a conflict now.
    fn meddle(&mut self, device: usize, batch: &Batch) -> bool;

    /// A commit has met a conflict.
    fn met_conflict(&mut self) {}

    /// A bundle was downloaded.
    fn downloaded(&mut self, _device: usize, _wanted: &DownloadBundle) {}

    /// A device publishes its bundle.
    fn publishes_bundle(&mut self, device: usize, upload: UploadBundle) {
        let jid = self.account(device).settings().jid.clone();
        self.server().publish_bundle(&jid, upload);
    }

    /// A device publishes the list of its account.
    fn publishes_list(&mut self, device: usize, upload: UploadDeviceList) {
        let jid = self.account(device).settings().jid.clone();
        self.server().publish_list(&jid, upload);
    }

    /// A person is asked whom to trust, and says nothing unless there is one.
    fn is_asked(&mut self, _device: usize, _undecided: &[UndecidedKey]) -> Vec<TrustDecision> {
        Vec::new()
    }

    /// The process of a device has died; another takes its place.
    fn restart(&mut self, device: usize);
}
