//! Faults that are planted: storages that each do one thing wrong, as the library would with that fault in it.

use std::sync::Mutex;

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Stake, Storage,
    StorageError, Value, Write,
};

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// What an operation has made leaves before its commit: the commit is answered at once and made with the next call, and
    /// who dies meanwhile has not made it.
    OutputBeforeCommit,
    /// Commits do not say what they rely on.
    NoExpectations,
    /// Used pre keys are deleted while a catch-up is open, instead of hidden.
    PreKeyDeletedTooEarly,
    /// The keys of skipped messages are not stored.
    SkippedKeysNotStored,
    /// Sessions that were replaced are not there to be tried.
    ArchiveNotTried,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 5] = [
        Self::OutputBeforeCommit,
        Self::NoExpectations,
        Self::PreKeyDeletedTooEarly,
        Self::SkippedKeysNotStored,
        Self::ArchiveNotTried,
    ];
}

/// A storage that does one thing wrong.
pub(crate) struct Sabotaged<S> {
    inner: S,
    sabotage: Sabotage,
    /// What is still to be committed.
    late: Mutex<Option<(AccountId, Batch)>>,
}

impl<S: Storage> Sabotaged<S> {
    pub(crate) fn new(inner: S, sabotage: Sabotage) -> Self {
        Self {
            inner,
            sabotage,
            late: Mutex::new(None),
        }
    }

    /// Makes the commit that was answered before it was made.
    async fn catch_up(&self) -> Result<(), StorageError> {
        let late = self.late.lock().unwrap().take();
        if let Some((account, batch)) = late {
            assert_eq!(self.inner.commit(&account, &batch).await?, Committed::Applied);
        }
        Ok(())
    }

    async fn commit_late(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let mut probe = *batch.id().as_bytes();
        probe[0] ^= 0xff;
        let expectations = batch.stakes().map(|(key, stake)| {
            let write = Write::Keep;
            (
                key.clone(),
                Stake {
                    write,
                    ..stake.clone()
                },
            )
        });
        let probe = Batch::of(CommitId::from_bytes(probe), expectations);
        let outcome = self.inner.commit(account, &probe).await?;
        if outcome == Committed::Applied {
            *self.late.lock().unwrap() = Some((account.clone(), batch.clone()));
        }
        Ok(outcome)
    }

    /// The same batch, relying on what is there now.
    async fn without_expectations(&self, account: &AccountId, batch: &Batch) -> Result<Batch, StorageError> {
        let mut query = Query::new();
        query.records.extend(batch.stakes().map(|(key, _)| key.clone()));
        let there = self.inner.load(account, &query).await?.records;
        let stakes = batch.stakes().map(|(key, stake)| {
            let expected = there.get(key).map(|record| record.revision);
            (
                key.clone(),
                Stake {
                    expected,
                    ..stake.clone()
                },
            )
        });
        Ok(Batch::of(batch.id(), stakes))
    }
}

/// The same batch, with every put of an item that begins so made into what `change` makes of it.
fn changed(batch: &Batch, prefix: &str, change: impl Fn(&Stake, &Value) -> Write) -> Batch {
    let stakes = batch.stakes().map(|(key, stake)| {
        let write = match &stake.write {
            Write::Put(value) if key.item.as_str().starts_with(prefix) => change(stake, value),
            other => other.clone(),
        };
        (
            key.clone(),
            Stake {
                write,
                ..stake.clone()
            },
        )
    });
    Batch::of(batch.id(), stakes)
}

fn moves_a_session(batch: &Batch) -> bool {
    batch
        .stakes()
        .any(|(key, stake)| stake.write != Write::Keep && key.item.as_str().starts_with("session/"))
}

fn not_there(stake: &Stake, _: &Value) -> Write {
    match stake.expected {
        Some(_) => Write::Delete,
        None => Write::Keep,
    }
}

/// A record of pre keys without those that are hidden: a version byte, the number of visible ones and as many of 68 bytes,
/// then the number of hidden ones.
fn nothing_hidden(_: &Stake, value: &Value) -> Write {
    let bytes = value.as_bytes();
    let visible = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
    let mut bytes = bytes[..5 + visible * 68].to_vec();
    bytes.extend([0; 4]);
    Write::Put(Value::from(bytes))
}

impl<S: Storage> Storage for Sabotaged<S> {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.catch_up().await?;
        self.inner.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        self.catch_up().await?;
        let batch = match self.sabotage {
            Sabotage::OutputBeforeCommit if moves_a_session(batch) => {
                return self.commit_late(account, batch).await;
            }
            Sabotage::OutputBeforeCommit => batch.clone(),
            Sabotage::NoExpectations => self.without_expectations(account, batch).await?,
            Sabotage::PreKeyDeletedTooEarly => changed(batch, "prekeys/", nothing_hidden),
            Sabotage::SkippedKeysNotStored => changed(batch, "skipped/", not_there),
            Sabotage::ArchiveNotTried => changed(batch, "archive/", not_there),
        };
        self.inner.commit(account, &batch).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.catch_up().await?;
        self.inner.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.catch_up().await?;
        self.inner.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.catch_up().await?;
        self.inner.purge(account).await
    }
}
