//! Listing and removing what is stored. A cursor names the last entry of the page it ended.

use omemo_storage::{AccountId, Cursor, Page, RecordInfo, StorageError};
use sqlx::{Row, SqliteConnection};

use crate::error::{corrupt, error, error_of_write};
use crate::framed::LENGTHS;
use crate::load::{key, revision};

/// Leaps from each account to the next in the index, without reading the records between.
const ACCOUNTS: &str = "\
    WITH RECURSIVE listed (account) AS (
        SELECT min(account) FROM omemo_framed WHERE account > ?1
        UNION ALL
        SELECT (SELECT min(account) FROM omemo_framed WHERE account > listed.account)
        FROM listed WHERE listed.account IS NOT NULL
    )
    SELECT account FROM listed WHERE account IS NOT NULL LIMIT ?2";

const RECORDS: &str = "\
    SELECT partition, item, revision, length(framed) - ?5
    FROM omemo_framed
    WHERE account = ?1 AND (partition, item) > (?2, ?3)
    ORDER BY partition, item
    LIMIT ?4";

const PURGE: &str = "INSERT INTO omemo_purge (account) VALUES (?1)";

pub(crate) async fn accounts(
    connection: &mut SqliteConnection,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<AccountId>, StorageError> {
    let after = after.map_or("", |after| after.0.as_str());
    let names: Vec<String> = sqlx::query_scalar(ACCOUNTS)
        .bind(after)
        .bind(one_more(limit))
        .fetch_all(connection)
        .await
        .map_err(error)?;
    let accounts = names
        .iter()
        .map(|name| AccountId::new(name))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))?;
    Ok(page(accounts, limit, |account| account.as_str().to_owned()))
}

pub(crate) async fn records(
    connection: &mut SqliteConnection,
    account: &AccountId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<RecordInfo>, StorageError> {
    // A name holds no NUL.
    let (partition, item) = after
        .and_then(|after| after.0.split_once('\0'))
        .unwrap_or_default();
    let rows = sqlx::query(RECORDS)
        .bind(account.as_str())
        .bind(partition)
        .bind(item)
        .bind(one_more(limit))
        .bind(LENGTHS as i64)
        .fetch_all(connection)
        .await
        .map_err(error)?;
    let records = rows
        .iter()
        .map(|row| {
            let bytes: i64 = row.try_get(3).map_err(error)?;
            Ok(RecordInfo {
                key: key(row)?,
                revision: revision(row.try_get(2).map_err(error)?)?,
                bytes: usize::try_from(bytes).unwrap_or_default(),
            })
        })
        .collect::<Result<Vec<_>, StorageError>>()?;
    Ok(page(records, limit, |info| {
        format!("{}\0{}", info.key.partition, info.key.item)
    }))
}

pub(crate) async fn purge(
    connection: &mut SqliteConnection,
    account: &AccountId,
) -> Result<(), StorageError> {
    sqlx::query(PURGE)
        .bind(account.as_str())
        .execute(connection)
        .await
        .map_err(error_of_write)?;
    Ok(())
}

/// A page has at least one entry, lest a caller that follows the cursors never arrives. One more is asked for, to know
/// whether another page follows.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit.max(1)).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

fn page<T>(mut entries: Vec<T>, limit: usize, position: impl Fn(&T) -> String) -> Page<T> {
    let limit = limit.max(1);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| Cursor(position(last)));
    Page { entries, next }
}
