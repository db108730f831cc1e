//! Applying a batch with one call of a function, whatever its size.

use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Stake, StorageError, Write};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Error, PgConnection, Row};

use crate::call::Argument;
use crate::connections::{Connections, Kind};
use crate::error::{error, error_of_write, is_conflict};
use crate::stored::Stored;

pub(crate) async fn commit(
    connections: &Connections,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let lists = Lists::new(account, batch);
    let arguments = lists.arguments(connections.durable());
    let call = connections.call(
        |statements| match connections.kind() {
            Kind::SetUp => &statements.own_commit,
            Kind::Plain => &statements.commit,
            Kind::Shared => &statements.lone_commit,
        },
        arguments,
    );
    committed(connections.run(call).await?, error_of_write)
}

/// The same within a transaction of the caller.
pub(crate) async fn commit_in(
    connections: &Connections,
    transaction: &mut PgConnection,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let lists = Lists::new(account, batch);
    let arguments = lists.arguments(connections.durable());
    let call = connections.call(|statements| &statements.commit, arguments);
    // What is lost with an open transaction has not taken effect.
    let is_undone = transaction.is_in_transaction();
    let outcome = call.run(transaction).await;
    committed(outcome, if is_undone { error } else { error_of_write })
}

/// A deadlock or a race with someone who does not take the account's lock leaves nothing written.
fn committed(
    outcome: Result<Vec<PgRow>, Error>,
    error: impl FnOnce(Error) -> StorageError,
) -> Result<Committed, StorageError> {
    let applied = outcome.and_then(|rows| match rows.first() {
        Some(row) => row.try_get(0),
        None => Err(Error::RowNotFound),
    });
    match applied {
        Ok(true) => Ok(Committed::Applied),
        Ok(false) => Ok(Committed::Conflict),
        Err(conflict) if is_conflict(&conflict) => Ok(Committed::Conflict),
        Err(failed) => Err(error(failed)),
    }
}

/// A record of a batch, by its names as they are stored.
struct Named<'a> {
    partition: Stored<'a>,
    item: Stored<'a>,
    expected: Option<&'a [u8]>,
    /// Whether it is deleted, if no value is put.
    deleted: bool,
    put: Option<&'a [u8]>,
}

/// A batch as the function reads it; see `migrations/0002_own_connections.sql`.
struct Lists<'a> {
    account: Stored<'a>,
    id: CommitId,
    puts: Vec<Named<'a>>,
    /// What is deleted, or only relied on.
    kept: Vec<Named<'a>>,
}

impl<'a> Lists<'a> {
    fn new(account: &'a AccountId, batch: &'a Batch) -> Self {
        let (puts, kept) = batch
            .stakes()
            .map(|(key, stake)| Named::new(key, stake))
            .partition(|named| named.put.is_some());
        Self {
            account: Stored::new(account.as_str()),
            id: batch.id(),
            puts,
            kept,
        }
    }

    /// `durable`: whether the commit has to wait for the disk.
    fn arguments(&'a self, durable: bool) -> Vec<Argument<'a>> {
        let Self { puts, kept, .. } = self;
        vec![
            Argument::Text(&self.account.key),
            Argument::OptionalText(self.account.full),
            Argument::Bytes(self.id.as_bytes()),
            Argument::Texts(each(puts, |named| &*named.partition.key)),
            Argument::Texts(each(puts, |named| &*named.item.key)),
            Argument::ListOfBytes(each(puts, |named| named.expected)),
            Argument::ListOfBytes(each(puts, |named| named.put)),
            Argument::OptionalTexts(each_if_any(puts, |named| named.partition.full, Option::is_some)),
            Argument::OptionalTexts(each_if_any(puts, |named| named.item.full, Option::is_some)),
            Argument::Texts(each(kept, |named| &*named.partition.key)),
            Argument::Texts(each(kept, |named| &*named.item.key)),
            Argument::ListOfBytes(each(kept, |named| named.expected)),
            Argument::Booleans(each_if_any(kept, |named| named.deleted, |deleted| *deleted)),
            Argument::Boolean(durable),
        ]
    }
}

impl<'a> Named<'a> {
    fn new(key: &'a Key, stake: &'a Stake) -> Self {
        let expected = stake.expected.as_ref();
        Self {
            partition: Stored::new(key.partition.as_str()),
            item: Stored::new(key.item.as_str()),
            expected: expected.map(|revision| revision.as_bytes().as_slice()),
            deleted: stake.write == Write::Delete,
            put: match &stake.write {
                Write::Put(value) => Some(value.as_bytes()),
                Write::Keep | Write::Delete => None,
            },
        }
    }
}

/// Nothing instead of a list without elements.
fn each<'a, T>(records: &'a [Named<'a>], field: impl Fn(&'a Named<'a>) -> T) -> Option<Vec<T>> {
    (!records.is_empty()).then(|| records.iter().map(field).collect())
}

/// Nothing if no element says anything.
fn each_if_any<'a, T>(
    records: &'a [Named<'a>],
    field: impl Fn(&'a Named<'a>) -> T,
    says_anything: impl Fn(&T) -> bool,
) -> Option<Vec<T>> {
    each(records, field).filter(|list| list.iter().any(says_anything))
}
