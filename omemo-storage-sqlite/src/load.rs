//! Answering a query with one statement that gives two rows, whatever it asks for.
//!
//! sqlx hands rows over from another thread one by one, and that costs more than finding them. So SQLite joins the
//! records into texts, and we take those apart.

use std::collections::btree_set;

use omemo_storage::{AccountId, Key, Name, Query, Record, Revision, Snapshot, StorageError, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::{corrupt, error};
use crate::framed::{LENGTHS, Lengths};
use crate::jsonb::Jsonb;

/// `?2` is an array of the partitions that are asked for whole, `?3` an object of other records: their partitions, and their
/// items. What is found for each is joined by itself, in the order of what is asked for.
///
/// In a database in UTF-8, a text has the bytes of the blobs it was joined from. It is two rows and not two columns, since
/// SQLite copies the result of a subquery once more.
pub(crate) const LOAD: &str = "\
    SELECT CAST(group_concat(record.revision || record.framed || record.partition || record.item, '') AS BLOB)
    FROM json_each(?2) AS wanted
    CROSS JOIN omemo_framed AS record
        ON record.account = ?1
        AND record.partition = wanted.value
    UNION ALL
    SELECT CAST(group_concat(record.revision || record.framed || record.partition || record.item, '') AS BLOB)
    FROM json_each(?3) AS wanted
    CROSS JOIN omemo_framed AS record
        ON record.account = ?1
        AND record.partition = wanted.key
        AND record.item = wanted.value";

pub(crate) async fn load(
    connection: &mut SqliteConnection,
    account: &AccountId,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    let mut partitions = Jsonb::array(query.partitions.len());
    for partition in &query.partitions {
        partitions.text(partition.as_str());
    }
    let mut records = Jsonb::object(query.records.len());
    for key in others(query) {
        records.text(key.partition.as_str());
        records.text(key.item.as_str());
    }
    let rows = sqlx::query(LOAD)
        .bind(account.as_str())
        .bind(partitions.finish())
        .bind(records.finish())
        .fetch_all(connection)
        .await
        .map_err(error)?;
    let [whole, single] = rows.as_slice() else {
        return Err(torn());
    };

    let mut found = Vec::with_capacity(query.partitions.len() * 2 + query.records.len());
    let mut partitions = Partitions::of(query);
    for part in Joined::of(whole)? {
        let part = part?;
        found.push((partitions.key(&part)?, part.record()?));
    }
    let mut keys = others(query);
    for part in Joined::of(single)? {
        let part = part?;
        let key = keys.find(|key| part.is_of(key)).ok_or_else(torn)?;
        found.push((key.clone(), part.record()?));
    }
    Ok(Snapshot::new(found.into_iter().collect()))
}

/// The records that are asked for beside whole partitions.
fn others(query: &Query) -> impl Iterator<Item = &Key> {
    let records = query.records.iter();
    records.filter(|key| !query.partitions.contains(&key.partition))
}

/// The parts of one record.
struct Part<'a> {
    revision: &'a [u8],
    value: &'a [u8],
    partition: &'a [u8],
    item: &'a [u8],
}

impl Part<'_> {
    fn is_of(&self, key: &Key) -> bool {
        self.partition == key.partition.as_str().as_bytes() && self.item == key.item.as_str().as_bytes()
    }

    fn record(&self) -> Result<Record, StorageError> {
        Ok(Record {
            revision: revision(self.revision)?,
            value: Value::from(self.value.to_vec()),
        })
    }
}

/// Records that were joined, being taken apart.
struct Joined<'a>(&'a [u8]);

impl<'a> Joined<'a> {
    fn of(row: &'a SqliteRow) -> Result<Self, StorageError> {
        let bytes: Option<&[u8]> = row.try_get(0).map_err(error)?;
        Ok(Self(bytes.unwrap_or_default()))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn part(&mut self) -> Option<Part<'a>> {
        let revision = self.take(16)?;
        let lengths = Lengths::parse(*self.take(LENGTHS)?.as_array()?);
        Some(Part {
            revision,
            value: self.take(lengths.value)?,
            partition: self.take(lengths.partition)?,
            item: self.take(lengths.item)?,
        })
    }
}

impl<'a> Iterator for Joined<'a> {
    type Item = Result<Part<'a>, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.part().ok_or_else(torn))
    }
}

/// The names of records in partitions that were asked for whole.
struct Partitions<'a> {
    /// Those whose records are still to come, in that order.
    wanted: btree_set::Iter<'a, Name>,
    current: Option<&'a Name>,
    /// The item of the first record: partitions that are alike hold one of the same name.
    first: Option<Name>,
}

impl<'a> Partitions<'a> {
    fn of(query: &'a Query) -> Self {
        let mut wanted = query.partitions.iter();
        let current = wanted.next();
        Self {
            wanted,
            current,
            first: None,
        }
    }

    fn key(&mut self, part: &Part<'_>) -> Result<Key, StorageError> {
        let partition = loop {
            match self.current {
                Some(name) if name.as_str().as_bytes() == part.partition => break name.clone(),
                Some(_) => self.current = self.wanted.next(),
                None => return Err(torn()),
            }
        };
        let item = match &self.first {
            Some(first) if first.as_str().as_bytes() == part.item => first.clone(),
            _ => {
                let text = std::str::from_utf8(part.item).map_err(not_a_name)?;
                Name::new(text).map_err(not_a_name)?
            }
        };
        self.first.get_or_insert_with(|| item.clone());
        Ok(Key { partition, item })
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
        let searches: Vec<&str> = plan
            .iter()
            .filter_map(|step| {
                step.strip_prefix("SEARCH record USING INDEX sqlite_autoindex_omemo_framed_1 ")
            })
            .collect();
        let expected = [
            "(account=? AND partition=?)",
            "(account=? AND partition=? AND item=?)",
        ];
        assert_eq!(searches, expected, "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("SCAN record")));
    }
}
