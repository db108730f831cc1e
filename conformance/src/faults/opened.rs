//! Devices whose storages are accounts of one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use omemo_storage::blocking::wait;
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

use crate::random;
use crate::storage::{Capability, Factory};

/// Opens the storages of the devices of a story: accounts of one storage, with random names.
///
/// All devices begin on one handle, as in a server's process; one whose process dies is opened anew, on a handle of its
/// own. What it answers is what [`at_every_effect`](super::at_every_effect) and [`interleaved`](super::interleaved) take:
///
/// ```no_run
/// # use omemo_conformance::storage::Factory;
/// # fn test(factory: &impl Factory) {
/// use omemo_conformance::faults::{at_every_effect, devices_of, interleaved};
///
/// let devices = devices_of(factory);
/// println!("{}", at_every_effect(|run, device| devices.open(run, device)));
/// println!("{}", interleaved(|run, device| devices.open(run, device)));
/// # }
/// ```
///
/// # Panics
///
/// If the factory lacks [`Capability::Shared`], or its storage cannot be opened.
pub fn devices_of<F: Factory>(factory: &F) -> Devices<'_, F> {
    assert!(
        factory.capabilities().has(Capability::Shared),
        "devices that die need the storage to be open several times"
    );
    Devices {
        factory,
        first: Arc::new(wait(factory.open()).unwrap()),
        id: random(),
        known: Mutex::default(),
    }
}

/// What [`devices_of`] answers.
pub struct Devices<'a, F: Factory> {
    factory: &'a F,
    first: Arc<F::Storage>,
    /// Tells the accounts from those of other stories.
    id: u64,
    known: Mutex<BTreeSet<(usize, String)>>,
}

impl<F: Factory> Devices<'_, F> {
    /// The storage of a device in one telling; asked again, on a new handle.
    ///
    /// # Panics
    ///
    /// If the storage cannot be opened.
    pub fn open(&self, run: usize, device: &str) -> OfDevice<F::Storage> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.insert((run, device.to_owned()));
        drop(known);
        let storage = if is_new {
            self.first.clone()
        } else {
            Arc::new(wait(self.factory.open()).unwrap())
        };
        let suffix = format!(" on {device} in story {:016x}/{run}", self.id);
        OfDevice { storage, suffix }
    }
}

/// The storage of one device: each account has the name of the device and of the story behind its own.
#[derive(Debug)]
pub struct OfDevice<S> {
    storage: Arc<S>,
    suffix: String,
}

impl<S> OfDevice<S> {
    fn named(&self, account: &AccountId) -> AccountId {
        AccountId::new(&format!("{account}{}", self.suffix)).expect("the names in a story are short")
    }
}

impl<S: Storage> Storage for OfDevice<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.storage.load(&self.named(account), query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.storage.commit(&self.named(account), batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.storage.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.storage.records(&self.named(account), after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.storage.purge(&self.named(account)).await
    }
}
