//! Batches in one transaction with writes of the application.

use omemo_storage::{
    AccountId, Batch, CommitId, Committed, Companion, ErrorKind, StorageError, Transactional,
};
use sqlx::{Connection, Error, PgConnection, Row};

use crate::call::Argument;
use crate::connections::{Connections, Lease};
use crate::error::{error, error_of_write, is_lost};
use crate::runtime::within;
use crate::stored::Stored;
use crate::{PostgresStorage, commit};

/// Whatever the session's default is: the storage's functions refuse any other level. The application's statements are to
/// be planned as everywhere else, also on a connection that the storage has set up for itself.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL plan_cache_mode TO DEFAULT; \
     SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL jit TO DEFAULT";

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
            let committed = transact(&self.connections, &mut lease, account, batch, companion).await;
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
    lease: &mut Lease<'_>,
    account: &AccountId,
    batch: &Batch,
    companion: C,
) -> Result<Committed, StorageError>
where
    C: for<'t> FnOnce(&'t mut PgConnection) -> Companion<'t> + Send,
{
    let mut beginning = Beginning {
        lease,
        has_begun: false,
    };
    let begun = beginning.lease.get().begin_with(BEGIN).await;
    let mut transaction = begun.map_err(error)?;
    beginning.has_begun = true;
    let is_remembered = remembers(connections, &mut transaction, account, batch.id()).await;
    if is_remembered.map_err(error)? {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Applied);
    }
    if commit::commit_in(connections, &mut transaction, account, batch).await? == Committed::Conflict {
        transaction.rollback().await.map_err(error)?;
        return Ok(Committed::Conflict);
    }
    companion(&mut transaction)
        .await
        .map_err(|failed| companion_failed().with_source(failed))?;
    // What has failed unsaid is rolled back when it is told to be committed, and PostgreSQL calls that no error.
    match remembers(connections, &mut transaction, account, batch.id()).await {
        Ok(true) => {}
        Err(lost) if is_lost(&lost) => return Err(error(lost)),
        Err(unsaid) => return Err(companion_failed().with_source(unsaid)),
        Ok(false) => return Err(companion_failed().with_source("it ended the transaction")),
    }
    transaction.commit().await.map_err(|failed| {
        if violates_constraint(&failed) {
            companion_failed().with_source(failed)
        } else {
            error_of_write(failed)
        }
    })?;
    Ok(Committed::Applied)
}

fn companion_failed() -> StorageError {
    let message = "what the application writes along with a batch failed";
    StorageError::new(ErrorKind::Companion, message)
}

/// As constraints do that are looked at in the end. The storage's own tables have none.
fn violates_constraint(failed: &Error) -> bool {
    let code = failed.as_database_error().and_then(|refused| refused.code());
    code.is_some_and(|code| code.starts_with("23"))
}

/// A transaction on its way. What sqlx takes back when it is dropped is one that has begun; until then nobody would end it,
/// and whoever gets the connection from the application's pool next would write in it.
struct Beginning<'l, 'a> {
    lease: &'l mut Lease<'a>,
    has_begun: bool,
}

impl Drop for Beginning<'_, '_> {
    fn drop(&mut self) {
        if !self.has_begun {
            self.lease.close_when_dropped();
        }
    }
}

/// Whether the batch was applied before, along with what belongs to it. Locks the account.
async fn remembers(
    connections: &Connections,
    connection: &mut PgConnection,
    account: &AccountId,
    id: CommitId,
) -> Result<bool, Error> {
    let account = Stored::new(account.as_str());
    let arguments = vec![
        Argument::Text(&account.key),
        Argument::Bytes(id.as_bytes()),
        Argument::Boolean(connections.durable()),
    ];
    let call = connections.call(|statements| &statements.remembers, arguments);
    let rows = call.run(connection).await?;
    rows.first().ok_or(Error::RowNotFound)?.try_get(0)
}
