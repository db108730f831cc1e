//! OMEMO state in memory, for tests and for programs that keep nothing.
//!
//! [`MemoryStorage`] is also the reference model of the [`Storage`] contract: whoever wonders what another storage
//! ought to do reads it here. One map of records and a list of commit ids for each account, behind one lock, so that
//! every call is atomic and all calls are serial.
//!
//! ```
//! use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Storage, Value, blocking};
//! use omemo_storage_memory::MemoryStorage;
//!
//! let storage = MemoryStorage::new();
//! let account = AccountId::new("romeo@montague.lit")?;
//! let key = Key::new("contact/juliet@capulet.lit", "contact")?;
//!
//! let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
//! batch.put(key.clone(), None, Value::from(b"opaque".to_vec()));
//! assert_eq!(blocking::wait(storage.commit(&account, &batch))?, Committed::Applied);
//!
//! let mut query = Query::new();
//! query.records.insert(key.clone());
//! let snapshot = blocking::wait(storage.load(&account, &query))?;
//! assert_eq!(snapshot.records[&key].value.as_bytes(), b"opaque");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admin;
mod commit;
mod load;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Name, Page, Query, Record, RecordInfo, Snapshot, Storage,
    StorageError,
};

use crate::commit::Remembered;

pub use crate::commit::REMEMBERED_COMMITS;

/// A storage in memory. Cloning shares what is stored, so a clone is what another storage's second opening is.
///
/// Nothing survives the last clone. There is no clock here: instead of ids of the last ten minutes, each account
/// remembers its last [`REMEMBERED_COMMITS`] commits.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    accounts: Arc<Mutex<Accounts>>,
}

type Accounts = BTreeMap<AccountId, Account>;

/// What one account has: records by partition, then item. No partition is kept empty.
#[derive(Default)]
struct Account {
    partitions: BTreeMap<Name, BTreeMap<Name, Record>>,
    commits: Remembered,
}

impl MemoryStorage {
    /// A storage that holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing in this crate panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStorage")
    }
}

impl Storage for MemoryStorage {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let accounts = self.lock();
        Ok(accounts
            .get(account)
            .map(|account| account.load(query))
            .unwrap_or_default())
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        batch.check()?;
        let mut accounts = self.lock();
        Ok(accounts.entry(account.clone()).or_default().commit(batch))
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        Ok(admin::accounts(&self.lock(), after, limit))
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        let accounts = self.lock();
        Ok(admin::records(accounts.get(account), after, limit))
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.lock().remove(account);
        Ok(())
    }
}
