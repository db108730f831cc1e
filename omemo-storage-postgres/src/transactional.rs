//! Batches in one transaction with writes of the application.

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Companion, ErrorKind, StorageError, Transactional,
};
use sqlx::{Connection, PgConnection, Row};

use crate::call::Argument;
use crate::connections::Connections;
use crate::error::{error, error_of_write};
use crate::runtime::within;
use crate::stored::Stored;
use crate::{PostgresStorage, commit};

/// Whatever the session's default is: the storage's functions refuse any other level.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

impl Transactional for PostgresStorage {
    type Transaction = PgConnection;

    async fn commit_with<C>(
        &self,
        account: &AccountId,
        batch: &Batch,
        companion: C,
    ) -> Result<Committed, StorageError>
    where
        C: for<'t> FnOnce(&'t mut PgConnection) -> Companion<'t> + Send,
    {
        batch.check()?;
        within(async {
            let mut lease = self.connections.lease().await?;
            let committed = transact(&self.connections, lease.get(), account, batch, companion).await;
            if committed.is_ok() {
                lease.give_back();
            }
            committed
        })
        .await
    }
}

async fn transact<C>(
    connections: &Connections,
    connection: &mut PgConnection,
    account: &AccountId,
    batch: &Batch,
    companion: C,
) -> Result<Committed, StorageError>
where
    C: for<'t> FnOnce(&'t mut PgConnection) -> Companion<'t> + Send,
{
    let mut transaction = connection.begin_with(BEGIN).await.map_err(error)?;
    if is_remembered(connections, &mut transaction, account, batch.id()).await? {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Applied);
    }
    if commit::commit_in(connections, &mut transaction, account, batch).await? == Committed::Conflict {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Conflict);
    }
    companion(&mut transaction).await.map_err(|failed| {
        let message = "what the application writes along with a batch failed";
        StorageError::new(ErrorKind::Companion, message).with_source(failed)
    })?;
    transaction.commit().await.map_err(error_of_write)?;
    Ok(Committed::Applied)
}

/// Whether the batch was applied before, along with what belongs to it. Locks the account.
async fn is_remembered(
    connections: &Connections,
    connection: &mut PgConnection,
    account: &AccountId,
    id: CommitId,
) -> Result<bool, StorageError> {
    let account = Stored::new(account.as_str());
    let arguments = vec![
        Argument::Text(&account.key),
        Argument::Bytes(id.as_bytes()),
        Argument::Boolean(connections.durable()),
    ];
    let call = connections.call(|statements| &statements.remembers, arguments);
    let rows = call.run(connection).await.map_err(error)?;
    let row = rows.first().ok_or_else(|| error(sqlx::Error::RowNotFound))?;
    row.try_get(0).map_err(error)
}
