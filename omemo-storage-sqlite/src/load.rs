//! Answering a query with one statement, whatever it asks for.

use omemo_storage::{AccountId, Key, Query, Record, Revision, Snapshot, StorageError, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::{corrupt, error};
use crate::jsonb::Jsonb;

/// `?2` is an array of partitions; `?3` an object with an entry for each record, of its partition and its item.
pub(crate) const LOAD: &str = "\
    SELECT record.partition, record.item, record.revision, record.value
    FROM json_each(?2) AS wanted
    CROSS JOIN omemo_record AS record
        ON record.account = ?1 AND record.partition = wanted.value
    UNION ALL
    SELECT record.partition, record.item, record.revision, record.value
    FROM json_each(?3) AS wanted
    CROSS JOIN omemo_record AS record
        ON record.account = ?1 AND record.partition = wanted.key AND record.item = wanted.value";

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    let (partitions, records) = parameters(query);
    let rows = sqlx::query(LOAD)
        .bind(account.as_str())
        .bind(partitions)
        .bind(records)
        .fetch_all(connection)
        .await
        .map_err(error)?;
    let records = rows.iter().map(record).collect::<Result<_, _>>()?;
    Ok(Snapshot::new(records))
}

/// Records of a partition that is asked for whole are not asked for again.
fn parameters(query: &Query) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut partitions = Jsonb::array();
    for partition in &query.partitions {
        partitions.text(&[partition.as_str()]);
    }
    let mut records = Jsonb::object();
    for key in &query.records {
        if !query.partitions.contains(&key.partition) {
            records.text(&[key.partition.as_str()]);
            records.text(&[key.item.as_str()]);
        }
    }
    (partitions.finish(), records.finish())
}

fn record(row: &SqliteRow) -> Result<(Key, Record), StorageError> {
    let value: Vec<u8> = row.try_get(3).map_err(error)?;
    let record = Record {
        revision: revision(row.try_get(2).map_err(error)?)?,
        value: Value::from(value),
    };
    Ok((key(row)?, record))
}

/// The key in the first two columns.
pub(crate) fn key(row: &SqliteRow) -> Result<Key, StorageError> {
    let partition = row.try_get(0).map_err(error)?;
    let item = row.try_get(1).map_err(error)?;
    Key::new(partition, item).map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))
}

pub(crate) fn revision(bytes: &[u8]) -> Result<Revision, StorageError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| corrupt("a stored revision does not have 16 bytes"))?;
    Ok(Revision::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row, SqliteConnection};

    use super::LOAD;
    use crate::schema;

    /// Whatever is asked for, the records are searched by the index, and the lists are what is walked.
    #[tokio::test]
    async fn load_uses_the_index() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        schema::migrate(&mut connection).await.unwrap();
        let plan: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LOAD}")))
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get("detail"))
            .collect();
        let searches: Vec<&String> = plan
            .iter()
            .filter(|step| step.contains("SEARCH record"))
            .collect();
        assert_eq!(searches.len(), 2, "{plan:#?}");
        assert!(searches[0].ends_with("(account=? AND partition=?)"));
        assert!(searches[1].ends_with("(account=? AND partition=? AND item=?)"));
        assert!(!plan.iter().any(|step| step.contains("SCAN record")));
    }
}
