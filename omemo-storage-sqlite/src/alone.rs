//! Writing on connections of the application's, where somebody may have left a transaction open: what is written within it
//! would be answered as written, and vanish if nobody ends it.

use omemo_storage::{AccountId, Batch, Committed, ErrorKind, StorageError};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use crate::error::{error, error_of_write, is_within_a_transaction};
use crate::{admin, commit};

/// A transaction that is nobody else's. It has the write lock from its beginning, so that it cannot fail to get it between a
/// look and a write.
pub(crate) async fn begin(
    connection: &mut SqliteConnection,
) -> Result<Transaction<'_, Sqlite>, StorageError> {
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(|failed| {
        if is_within_a_transaction(&failed) {
            let message = "somebody has left a transaction open on a connection of the application's pool";
            StorageError::new(ErrorKind::Misconfigured, message).with_source(failed)
        } else {
            error(failed)
        }
    })
}

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let mut transaction = begin(connection).await?;
    let committed = commit::commit(&mut transaction, account, batch).await?;
    match committed {
        Committed::Applied => transaction.commit().await.map_err(error_of_write)?,
        Committed::Conflict => transaction.rollback().await.map_err(error)?,
    }
    Ok(committed)
}

pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    account: &AccountId,
) -> Result<(), StorageError> {
    let mut transaction = begin(connection).await?;
    admin::purge(&mut transaction, account).await?;
    transaction.commit().await.map_err(error_of_write)
}
