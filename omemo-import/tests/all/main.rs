//! Accounts of other implementations, taken over and used.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod python_omemo_legacy;
mod robustness;
mod versions;

use std::sync::Arc;

use omemo_import::Reading;
use omemo_sansio::engine::{Effect, Operation, Step};
use omemo_sansio::protocol::{Legacy, Omemo2};
use omemo_sansio::{Account, Error, Settings, Timestamp};
use omemo_storage::Storage;
use omemo_storage::blocking::wait;
use omemo_storage_memory::MemoryStorage;
use rand_core::UnwrapErr;

/// An account on a storage, without network.
struct Device {
    account: Account,
    storage: MemoryStorage,
}

impl Device {
    fn new(reading: &Reading) -> Self {
        let mut settings = Settings::new(reading.jid.clone());
        settings.protocols = vec![Arc::new(Omemo2), Arc::new(Legacy)];
        Self {
            account: Account::new(settings).unwrap(),
            storage: MemoryStorage::new(),
        }
    }

    /// Drives an operation that needs the storage alone.
    fn drive<T>(&self, begin: impl FnOnce(&Account) -> Operation<T>) -> Result<T, Error> {
        let mut operation = begin(&self.account);
        let mut rng = UnwrapErr(getrandom::SysRng);
        loop {
            let effects = match operation.advance(Timestamp::from_unix(1_800_000_000), &mut rng) {
                Step::Done(result) => return result,
                Step::Perform(effects) => effects,
            };
            for effect in effects {
                match effect {
                    Effect::Load(load, reply) => {
                        let loaded = wait(self.storage.load(self.account.id(), &load.query));
                        operation.fulfil(reply, loaded).unwrap();
                    }
                    Effect::Store(store, reply) => {
                        let stored = wait(self.storage.commit(self.account.id(), &store.batch));
                        operation.fulfil(reply, stored).unwrap();
                    }
                    Effect::DownloadDeviceList(_, reply) => operation.fulfil(reply, Ok(None)).unwrap(),
                    other => panic!("nobody answers {other:?}"),
                }
            }
        }
    }

    /// How many records there are.
    fn records(&self) -> usize {
        let page = wait(self.storage.records(self.account.id(), None, 1000)).unwrap();
        page.entries.len()
    }
}
