//! Answering a query with one statement that gives one row, whatever it asks for.
//!
//! sqlx hands rows over from another thread one by one, and that costs more than finding them. So SQLite joins all
//! records into one text, and we take it apart.

use omemo_storage::{AccountId, Key, Name, Query, Record, Revision, Snapshot, StorageError, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::{corrupt, error};
use crate::jsonb::Jsonb;

/// `?2` is an object with an entry for each that is asked for: its partition and its item, or an empty text for all items.
/// Every text is at least the empty one and less than any blob.
///
/// Of each record the answer has a number in decimal with a space after it, since each number costs as much as finding a
/// record: from the highest bits on the entry that asked for it; the length of the item in bytes, 13 bits; and that of the
/// value, 26 bits. Then come the bytes of item, revision and value. In a database in UTF-8, a text has the bytes of the
/// blobs it was joined from.
pub(crate) const LOAD: &str = "\
    SELECT CAST(
        group_concat(
            ((wanted.rowid << 39) | (octet_length(record.item) << 26) | octet_length(record.value)) || ' '
                || record.item || record.revision || record.value,
            ''
        ) AS BLOB
    )
    FROM json_each(?2) AS wanted
    CROSS JOIN omemo_record AS record
        ON record.account = ?1
        AND record.partition = wanted.key
        AND record.item BETWEEN wanted.value AND iif(wanted.value = '', x'', wanted.value)";

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    let wanted = wanted(query);
    let row = sqlx::query(LOAD)
        .bind(account.as_str())
        .bind(parameter(&wanted))
        .fetch_one(connection)
        .await
        .map_err(error)?;
    let bytes: Option<&[u8]> = row.try_get(0).map_err(error)?;
    let mut records = Vec::with_capacity(wanted.len() * 2);
    let mut joined = Joined {
        wanted,
        bytes: bytes.unwrap_or_default(),
        first: None,
    };
    while !joined.bytes.is_empty() {
        records.push(joined.record()?);
    }
    Ok(Snapshot::new(records.into_iter().collect()))
}

/// A partition, and one item of it unless all are asked for.
type Wanted<'a> = (&'a Name, Option<&'a Name>);

/// Everything that is asked for. Records of a partition that is asked for whole are not asked for again.
fn wanted(query: &Query) -> Vec<Wanted<'_>> {
    let partitions = query.partitions.iter().map(|partition| (partition, None));
    let records = query.records.iter();
    let records = records.filter(|key| !query.partitions.contains(&key.partition));
    partitions
        .chain(records.map(|key| (&key.partition, Some(&key.item))))
        .collect()
}

fn parameter(wanted: &[Wanted<'_>]) -> Option<Vec<u8>> {
    let mut object = Jsonb::object(wanted.len());
    for (partition, item) in wanted {
        object.text(partition.as_str());
        object.text(item.map_or("", Name::as_str));
    }
    object.finish()
}

/// Records that were joined, being taken apart.
struct Joined<'a> {
    wanted: Vec<Wanted<'a>>,
    bytes: &'a [u8],
    /// The item of the first record: partitions that are alike hold one of the same name.
    first: Option<Name>,
}

impl<'a> Joined<'a> {
    /// Which entry, and how long item and value are.
    fn numbers(&mut self) -> Result<[usize; 3], StorageError> {
        let joined = self.number()?;
        let part = |number: u64| usize::try_from(number).map_err(|_| torn());
        Ok([
            part(joined >> 39)?,
            part(joined >> 26 & 0x1fff)?,
            part(joined & 0x3ff_ffff)?,
        ])
    }

    /// A number in decimal, and the space after it.
    fn number(&mut self) -> Result<u64, StorageError> {
        let mut number = 0_u64;
        loop {
            match self.bytes.split_first().ok_or_else(torn)? {
                (b' ', rest) => {
                    self.bytes = rest;
                    return Ok(number);
                }
                (digit @ b'0'..=b'9', rest) => {
                    let shifted = number.checked_mul(10).ok_or_else(torn)?;
                    number = shifted.checked_add(u64::from(digit - b'0')).ok_or_else(torn)?;
                    self.bytes = rest;
                }
                _ => return Err(torn()),
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], StorageError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(torn)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn item(&mut self, length: usize) -> Result<Name, StorageError> {
        let bytes = self.take(length)?;
        if let Some(first) = &self.first
            && first.as_str().as_bytes() == bytes
        {
            return Ok(first.clone());
        }
        let text = std::str::from_utf8(bytes).map_err(not_a_name)?;
        let item = Name::new(text).map_err(not_a_name)?;
        if self.first.is_none() {
            self.first = Some(item.clone());
        }
        Ok(item)
    }

    fn record(&mut self) -> Result<(Key, Record), StorageError> {
        let [entry, item, value] = self.numbers()?;
        let item = self.item(item)?;
        let (partition, _) = self.wanted.get(entry).ok_or_else(torn)?;
        let partition = (*partition).clone();
        let record = Record {
            revision: revision(self.take(16)?)?,
            value: Value::from(self.take(value)?.to_vec()),
        };
        Ok((Key { partition, item }, record))
    }
}

fn torn() -> StorageError {
    corrupt("stored records do not have the lengths they are said to have")
}

fn not_a_name(invalid: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    corrupt("a stored name is not one").with_source(invalid)
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

    /// Whatever is asked for, the records are searched by the index, and the list is what is walked.
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
        assert_eq!(searches.len(), 1, "{plan:#?}");
        assert!(searches[0].ends_with("(account=? AND partition=? AND item>? AND item<?)"));
        assert!(!plan.iter().any(|step| step.contains("SCAN record")));
    }
}
