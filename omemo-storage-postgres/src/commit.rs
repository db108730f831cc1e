//! Applying a batch with one call of a function, whatever its size.

use omemo_storage::{AccountId, Batch, CommitId, Committed, Stake, StorageError, Write};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Error, PgConnection, Row};

use crate::call::Argument;
use crate::connections::Connections;
use crate::error::{error, error_of_write, is_conflict};
use crate::stored::Stored;

pub(crate) async fn commit(
    connections: &Connections,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let lists = Lists::new(account, batch);
    let call = connections.call(
        |statements| &statements.commit,
        lists.arguments(connections.durable()),
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
    let call = connections.call(
        |statements| &statements.commit,
        lists.arguments(connections.durable()),
    );
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

/// A batch as the function reads it; see `migrations/0001_records.sql`.
struct Lists<'a> {
    account: Stored<'a>,
    id: CommitId,
    stakes: Vec<(Stored<'a>, Stored<'a>, &'a Stake)>,
}

impl<'a> Lists<'a> {
    fn new(account: &'a AccountId, batch: &'a Batch) -> Self {
        let stakes = batch.stakes().map(|(key, stake)| {
            let partition = Stored::new(key.partition.as_str());
            (partition, Stored::new(key.item.as_str()), stake)
        });
        Self {
            account: Stored::new(account.as_str()),
            id: batch.id(),
            stakes: stakes.collect(),
        }
    }

    fn arguments(&'a self, durable: bool) -> Vec<Argument<'a>> {
        vec![
            Argument::Text(&self.account.key),
            Argument::OptionalText(self.account.full),
            Argument::Bytes(self.id.as_bytes()),
            Argument::Texts(Some(self.each(|(partition, ..)| &*partition.key))),
            Argument::Texts(Some(self.each(|(_, item, _)| &*item.key))),
            Argument::ListOfBytes(self.each(|(.., stake)| expected(stake))),
            Argument::ListOfBytes(self.each(|(.., stake)| put(stake))),
            Argument::Booleans(
                self.each_if_any(|(.., stake)| stake.write == Write::Delete, |deleted| *deleted),
            ),
            Argument::OptionalTexts(self.each_if_any(|(partition, ..)| partition.full, Option::is_some)),
            Argument::OptionalTexts(self.each_if_any(|(_, item, _)| item.full, Option::is_some)),
            Argument::Boolean(durable),
        ]
    }

    fn each<T>(&'a self, field: impl Fn(&'a (Stored<'a>, Stored<'a>, &'a Stake)) -> T) -> Vec<T> {
        self.stakes.iter().map(field).collect()
    }

    /// Nothing if no element says anything.
    fn each_if_any<T>(
        &'a self,
        field: impl Fn(&'a (Stored<'a>, Stored<'a>, &'a Stake)) -> T,
        says_anything: impl Fn(&T) -> bool,
    ) -> Option<Vec<T>> {
        let list = self.each(field);
        list.iter().any(says_anything).then_some(list)
    }
}

fn expected(stake: &Stake) -> Option<&[u8]> {
    stake
        .expected
        .as_ref()
        .map(|revision| revision.as_bytes().as_slice())
}

fn put(stake: &Stake) -> Option<&[u8]> {
    match &stake.write {
        Write::Put(value) => Some(value.as_bytes()),
        Write::Keep | Write::Delete => None,
    }
}
