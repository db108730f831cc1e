//! Listing and removing what is stored. A cursor names the last entry of the page it ended, as it is stored.

use omemo_storage::{AccountId, Cursor, Page, RecordInfo, StorageError};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::call::Argument;
use crate::connections::{Connections, Kind};
use crate::error::{corrupt, error, error_of_write};
use crate::load::{key, revision};
use crate::stored::Stored;

pub(crate) async fn accounts(
    connections: &Connections,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<AccountId>, StorageError> {
    let after = after.map_or("", |after| after.0.as_str());
    let call = connections.call(
        |statements| &statements.accounts,
        vec![Argument::Text(after), Argument::Integer(one_more(limit))],
    );
    let rows = connections.run(call).await?.map_err(error)?;
    page(&rows, limit, account, |row| row.try_get(1).map_err(error))
}

fn account(row: &PgRow) -> Result<AccountId, StorageError> {
    let name = row.try_get(0).map_err(error)?;
    AccountId::new(name).map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))
}

pub(crate) async fn records(
    connections: &Connections,
    account: &AccountId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<RecordInfo>, StorageError> {
    let account = Stored::new(account.as_str());
    // A name holds no NUL.
    let (partition, item) = after
        .and_then(|after| after.0.split_once('\0'))
        .unwrap_or_default();
    let call = connections.call(
        |statements| &statements.records,
        vec![
            Argument::Text(&account.key),
            Argument::Text(partition),
            Argument::Text(item),
            Argument::Integer(one_more(limit)),
        ],
    );
    let rows = connections.run(call).await?.map_err(error)?;
    page(&rows, limit, info, |row| {
        let partition: &str = row.try_get(4).map_err(error)?;
        let item: &str = row.try_get(5).map_err(error)?;
        Ok(format!("{partition}\0{item}"))
    })
}

fn info(row: &PgRow) -> Result<RecordInfo, StorageError> {
    let bytes: i32 = row.try_get(3).map_err(error)?;
    Ok(RecordInfo {
        key: key(row)?,
        revision: revision(row)?,
        bytes: usize::try_from(bytes).unwrap_or_default(),
    })
}

pub(crate) async fn purge(connections: &Connections, account: &AccountId) -> Result<(), StorageError> {
    let account = Stored::new(account.as_str());
    let call = connections.call(
        |statements| match connections.kind() {
            Kind::SetUp | Kind::Plain => &statements.purge,
            Kind::Shared => &statements.lone_purge,
        },
        vec![
            Argument::Text(&account.key),
            Argument::Boolean(connections.durable()),
        ],
    );
    connections.run(call).await?.map_err(error_of_write)?;
    Ok(())
}

/// A page has at least one entry, lest a caller that follows the cursors never arrives. One more is asked for, to know
/// whether another page follows.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

fn page<T>(
    rows: &[PgRow],
    limit: usize,
    entry: impl Fn(&PgRow) -> Result<T, StorageError>,
    position: impl Fn(&PgRow) -> Result<String, StorageError>,
) -> Result<Page<T>, StorageError> {
    let limit = limit.max(1);
    let listed = rows.iter().take(limit);
    let last = listed.clone().last().filter(|_| rows.len() > limit);
    Ok(Page {
        entries: listed.map(entry).collect::<Result<_, _>>()?,
        next: last.map(position).transpose()?.map(Cursor),
    })
}
