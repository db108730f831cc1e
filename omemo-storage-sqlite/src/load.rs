//! Answering a query with one statement that gives one row, whatever it asks for.
//!
//! sqlx hands rows over from another thread one by one, and that costs more than finding them. So SQLite joins all
//! records into one text, and we take it apart.

use omemo_storage::{AccountId, Key, Name, Query, Record, Revision, Snapshot, StorageError, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::{corrupt, error};
use crate::jsonb::Jsonb;

/// `?2` is an array of partitions; `?3` an object with an entry for each record, of its partition and its item.
///
/// Of each record the answer has three lengths in bytes, and the bytes themselves: of partition and item, of the
/// revision, and of the value. In a database in UTF-8, a text has the bytes of the blobs it was joined from.
pub(crate) const LOAD: &str = "\
    SELECT
        group_concat(octet_length(partition) || ' ' || octet_length(item) || ' ' || octet_length(value), ' '),
        CAST(group_concat(partition || item || revision || value, '') AS BLOB)
    FROM (
        SELECT record.partition, record.item, record.revision, record.value
        FROM json_each(?2) AS wanted
        CROSS JOIN omemo_record AS record
            ON record.account = ?1 AND record.partition = wanted.value
        UNION ALL
        SELECT record.partition, record.item, record.revision, record.value
        FROM json_each(?3) AS wanted
        CROSS JOIN omemo_record AS record
            ON record.account = ?1 AND record.partition = wanted.key AND record.item = wanted.value
    )";

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    let (partitions, records) = parameters(query);
    let row = sqlx::query(LOAD)
        .bind(account.as_str())
        .bind(partitions)
        .bind(records)
        .fetch_one(connection)
        .await
        .map_err(error)?;
    let lengths: Option<&str> = row.try_get(0).map_err(error)?;
    let bytes: Option<&[u8]> = row.try_get(1).map_err(error)?;
    let records = Joined::new(lengths.unwrap_or_default(), bytes.unwrap_or_default());
    Ok(Snapshot::new(records.collect::<Result<_, _>>()?))
}

/// Records that were joined, being taken apart.
struct Joined<'a> {
    lengths: std::str::SplitAsciiWhitespace<'a>,
    bytes: &'a [u8],
    /// Of the record before: most often the next lies in the same one.
    partition: Option<Name>,
}

impl<'a> Joined<'a> {
    fn new(lengths: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            lengths: lengths.split_ascii_whitespace(),
            bytes,
            partition: None,
        }
    }

    fn length(&mut self) -> Option<usize> {
        self.lengths.next()?.parse().ok()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], StorageError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(torn)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn name(&mut self, length: usize) -> Result<&'a str, StorageError> {
        std::str::from_utf8(self.take(length)?).map_err(not_a_name)
    }

    fn record(&mut self, partition: usize) -> Result<(Key, Record), StorageError> {
        let (Some(item), Some(value)) = (self.length(), self.length()) else {
            return Err(torn());
        };
        let partition = self.name(partition)?;
        let partition = match self.partition.take() {
            Some(before) if before.as_str() == partition => before,
            _ => Name::new(partition).map_err(not_a_name)?,
        };
        self.partition = Some(partition.clone());
        let item = Name::new(self.name(item)?).map_err(not_a_name)?;
        let record = Record {
            revision: revision(self.take(16)?)?,
            value: Value::from(self.take(value)?.to_vec()),
        };
        Ok((Key { partition, item }, record))
    }
}

impl Iterator for Joined<'_> {
    type Item = Result<(Key, Record), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.length() {
            Some(partition) => Some(self.record(partition)),
            None if self.bytes.is_empty() => None,
            None => {
                self.bytes = &[];
                Some(Err(torn()))
            }
        }
    }
}

fn torn() -> StorageError {
    corrupt("stored records do not have the lengths they are said to have")
}

fn not_a_name(invalid: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    corrupt("a stored name is not one").with_source(invalid)
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

/// The key in the first two columns.
pub(crate) fn key(row: &SqliteRow) -> Result<Key, StorageError> {
    let partition = row.try_get(0).map_err(error)?;
    let item = row.try_get(1).map_err(error)?;
    Key::new(partition, item).map_err(not_a_name)
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
