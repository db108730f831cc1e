//! Applying a batch with one statement, whatever its size.

use std::fmt::Write as _;

use omemo_storage::{AccountId, Batch, Committed, Key, Revision, StorageError, Write};
use sqlx::SqliteConnection;

use crate::error::{error_of_write, is_conflict};
use crate::jsonb::Jsonb;

/// A trigger does the work; see `migrations/0001_records.sql`.
const COMMIT: &str = "\
    INSERT INTO omemo_batch (account, id, expected, put, deleted, bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let parameters = Parameters::new(batch);
    let applied = sqlx::query(COMMIT)
        .bind(account.as_str())
        .bind(batch.id().as_bytes().as_slice())
        .bind(parameters.expected.finish())
        .bind(parameters.put.finish())
        .bind(parameters.deleted.finish())
        .bind(parameters.bytes)
        .execute(connection)
        .await;
    match applied {
        Ok(_) => Ok(Committed::Applied),
        Err(conflict) if is_conflict(&conflict) => Ok(Committed::Conflict),
        Err(failed) => Err(error_of_write(failed)),
    }
}

/// A batch as the trigger reads it.
struct Parameters {
    expected: Jsonb,
    put: Jsonb,
    deleted: Jsonb,
    bytes: Vec<u8>,
}

impl Parameters {
    fn new(batch: &Batch) -> Self {
        let mut parameters = Self {
            expected: Jsonb::object(),
            put: Jsonb::object(),
            deleted: Jsonb::object(),
            bytes: Vec::new(),
        };
        let mut field = String::new();
        for (key, stake) in batch.stakes() {
            parameters.expect(key, stake.expected, &mut field);
            match &stake.write {
                Write::Keep => {}
                Write::Put(value) => parameters.put(key, value.as_bytes(), &mut field),
                Write::Delete => {
                    parameters.deleted.text(&[key.partition.as_str()]);
                    parameters.deleted.text(&[key.item.as_str()]);
                }
            }
        }
        parameters
    }

    /// The revision in hex, or a text as long that is no hex; then the item.
    fn expect(&mut self, key: &Key, expected: Option<Revision>, field: &mut String) {
        field.clear();
        // Writing to a string does not fail.
        let _ = match expected {
            Some(revision) => write!(field, "{:032x}", u128::from_be_bytes(*revision.as_bytes())),
            None => write!(field, "{:32}", "absent"),
        };
        self.expected.text(&[key.partition.as_str()]);
        self.expected.text(&[field, key.item.as_str()]);
    }

    /// Where the value lies among all bytes, counted from 1, and its length; then the item.
    fn put(&mut self, key: &Key, value: &[u8], field: &mut String) {
        field.clear();
        let _ = write!(field, "{:010}{:07}", self.bytes.len() + 1, value.len());
        self.put.text(&[key.partition.as_str()]);
        self.put.text(&[field, key.item.as_str()]);
        self.bytes.extend_from_slice(value);
    }
}
