//! Batches in one transaction with writes of the application.

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Companion, ErrorKind, StorageError, Transactional,
};
use sqlx::SqliteConnection;

use crate::error::{error, error_of_companion};
use crate::runtime::within;
use crate::{SqliteStorage, alone, commit};

const REMEMBERED: &str = "SELECT EXISTS (SELECT 1 FROM omemo_commit WHERE account = ?1 AND id = ?2)";

impl Transactional for SqliteStorage {
    type Transaction = SqliteConnection;

    async fn commit_with<C>(
        &self,
        account: &AccountId,
        batch: &Batch,
        companion: C,
    ) -> Result<Committed, StorageError>
    where
        C: for<'t> FnOnce(&'t mut SqliteConnection) -> Companion<'t> + Send,
    {
        batch.check()?;
        within(async {
            let mut lease = self.connections.to_write().await?;
            let committed = transact(lease.get(), account, batch, companion).await;
            self.note(batch, &committed);
            match &committed {
                Ok(_) => lease.give_back(),
                // A statement of the application's may have ended the transaction that sqlx believes open.
                Err(_) => lease.discard().await,
            }
            committed
        })
        .await
    }
}

async fn transact<C>(
    connection: &mut SqliteConnection,
    account: &AccountId,
    batch: &Batch,
    companion: C,
) -> Result<Committed, StorageError>
where
    C: for<'t> FnOnce(&'t mut SqliteConnection) -> Companion<'t> + Send,
{
    let mut transaction = alone::begin(connection).await?;
    if is_remembered(&mut transaction, account, batch.id()).await? {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Applied);
    }
    if commit::commit(&mut transaction, account, batch).await? == Committed::Conflict {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Conflict);
    }
    companion(&mut transaction).await.map_err(|failed| {
        let message = "what the application writes along with a batch failed";
        StorageError::new(ErrorKind::Companion, message).with_source(failed)
    })?;
    transaction.commit().await.map_err(error_of_companion)?;
    Ok(Committed::Applied)
}

/// Whether the batch was applied before, along with what belongs to it.
async fn is_remembered(
    connection: &mut SqliteConnection,
    account: &AccountId,
    id: CommitId,
) -> Result<bool, StorageError> {
    sqlx::query_scalar(REMEMBERED)
        .bind(account.as_str())
        .bind(id.as_bytes().as_slice())
        .fetch_one(connection)
        .await
        .map_err(error)
}
