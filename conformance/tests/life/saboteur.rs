//! Faults that are planted: storages that each do one thing wrong, as the library would with that fault in it.

use std::collections::BTreeMap;
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
    /// Commits say what they rely on only where they write.
    OnlyWritesExpected,
    /// Sessions that were replaced before a restore, or before a contact was forgotten, are still there after it.
    ArchiveOutlivesSessions,
    /// Pre keys that were there before a restore are still offered after it.
    PreKeysOutliveRestore,
    /// Pre keys that were used are not deleted.
    UsedPreKeysOffered,
    /// What is owed to others is forgotten.
    RepliesForgotten,
    /// What is to wait in the inbox is not kept there.
    InboxForgotten,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 11] = [
        Self::OutputBeforeCommit,
        Self::NoExpectations,
        Self::PreKeyDeletedTooEarly,
        Self::SkippedKeysNotStored,
        Self::ArchiveNotTried,
        Self::OnlyWritesExpected,
        Self::ArchiveOutlivesSessions,
        Self::PreKeysOutliveRestore,
        Self::UsedPreKeysOffered,
        Self::RepliesForgotten,
        Self::InboxForgotten,
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

    /// The same batch, with the pre keys left that are offered now.
    async fn with_old_pre_keys(&self, account: &AccountId, batch: &Batch) -> Result<Batch, StorageError> {
        let mut query = Query::new();
        query.records.extend(batch.stakes().map(|(key, _)| key.clone()));
        let there = self.inner.load(account, &query).await?.records;
        let stakes = batch.stakes().map(|(key, stake)| {
            let write = match (&stake.write, there.get(key)) {
                (Write::Put(value), Some(before)) if key.item.as_str().starts_with("prekeys/") => {
                    Write::Put(with_visible(value, &before.value))
                }
                (other, _) => other.clone(),
            };
            (
                key.clone(),
                Stake {
                    write,
                    ..stake.clone()
                },
            )
        });
        Ok(Batch::of(batch.id(), stakes))
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

/// The same batch without what it relies on and does not write.
fn only_writes(batch: &Batch) -> Batch {
    let writes = batch.stakes().filter(|(_, stake)| stake.write != Write::Keep);
    Batch::of(
        batch.id(),
        writes.map(|(key, stake)| (key.clone(), stake.clone())),
    )
}

/// The same batch, with nothing deleted of the items that begin so.
fn kept(batch: &Batch, prefix: &str) -> Batch {
    let stakes = batch.stakes().map(|(key, stake)| {
        let write = match &stake.write {
            Write::Delete if key.item.as_str().starts_with(prefix) => Write::Keep,
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

/// Whether the batch writes the record of the account itself, as that which begins to accept a copy does.
fn writes_account(batch: &Batch) -> bool {
    batch
        .stakes()
        .any(|(key, stake)| matches!(stake.write, Write::Put(_)) && key.item.as_str() == "account")
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

/// The bytes of a pre key in their record, its id first.
const PRE_KEY: usize = 68;

/// Where the visible ones end in a record of pre keys: a version byte, their number, then they; hidden ones follow.
fn end_of_visible(bytes: &[u8]) -> usize {
    let visible = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
    5 + visible * PRE_KEY
}

/// A record of pre keys without those that are hidden.
fn nothing_hidden(_: &Stake, value: &Value) -> Write {
    let bytes = value.as_bytes();
    let mut bytes = bytes[..end_of_visible(bytes)].to_vec();
    bytes.extend([0; 4]);
    Write::Put(Value::from(bytes))
}

/// A record of pre keys with all visible ones that another has.
fn with_visible(value: &Value, before: &Value) -> Value {
    let (bytes, before) = (value.as_bytes(), before.as_bytes());
    let (visible, rest) = bytes.split_at(end_of_visible(bytes));
    let all = [&visible[5..], &before[5..end_of_visible(before)]];
    let all = all.into_iter().flat_map(|keys| keys.chunks(PRE_KEY));
    let all: BTreeMap<_, _> = all.map(|key| (&key[..4], key)).collect();
    let count = (all.len() as u32).to_be_bytes();
    let mut joined = [&bytes[..1], &count].concat();
    joined.extend(all.into_values().flatten());
    joined.extend(rest);
    Value::from(joined)
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
            Sabotage::OnlyWritesExpected => only_writes(batch),
            Sabotage::ArchiveOutlivesSessions => kept(batch, "archive/"),
            Sabotage::PreKeysOutliveRestore if !writes_account(batch) => batch.clone(),
            Sabotage::PreKeysOutliveRestore | Sabotage::UsedPreKeysOffered => {
                self.with_old_pre_keys(account, batch).await?
            }
            Sabotage::RepliesForgotten => changed(batch, "outbox/reply/", not_there),
            Sabotage::InboxForgotten => changed(batch, "message/", not_there),
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
