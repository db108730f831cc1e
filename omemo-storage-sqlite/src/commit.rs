//! Applying a batch with one statement, whatever its size.

use omemo_storage::{AccountId, Batch, Committed, Key, StorageError, Value, Write};
use sqlx::SqliteConnection;

use crate::error::{error_of_write, is_conflict};
use crate::framed::{self, LENGTHS};
use crate::jsonb::Jsonb;

/// A trigger does the work; see `migrations/0004_framed_values.sql`.
const COMMIT: &str = "\
    INSERT INTO omemo_batch \
        (account, id, expected, revisions, changed, changed_at, added, added_at, framed_bytes, deleted, last) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, (SELECT max(rowid) FROM omemo_framed))";

pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    account: &AccountId,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let Parameters {
        mut expected,
        absent,
        revisions,
        changed,
        added,
        bytes,
        deleted,
    } = Parameters::new(batch);
    expected.append(&absent);
    let applied = sqlx::query(COMMIT)
        .bind(account.as_str())
        .bind(batch.id().as_bytes().as_slice())
        .bind(expected.finish())
        .bind(revisions)
        .bind(changed.entries.finish())
        .bind(changed.places)
        .bind(added.entries.finish())
        .bind(added.places)
        .bind(bytes)
        .bind(deleted.finish())
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
    absent: Jsonb,
    revisions: Vec<u8>,
    changed: Puts,
    added: Puts,
    bytes: Vec<u8>,
    deleted: Jsonb,
}

/// Records that are put, and where their parts of the bytes are.
struct Puts {
    entries: Jsonb,
    places: Vec<u8>,
}

impl Parameters {
    fn new(batch: &Batch) -> Self {
        // Most batches change records, and rely on others.
        let (changed, others) = (batch.writes(), batch.stakes().len() - batch.writes());
        let mut parameters = Self {
            expected: Jsonb::object(others),
            absent: Jsonb::object(0),
            revisions: Vec::with_capacity(16 * others),
            changed: Puts::new(changed),
            added: Puts::new(0),
            bytes: Vec::with_capacity(batch.stakes().map(|(_, stake)| room(&stake.write)).sum()),
            deleted: Jsonb::object(0),
        };
        for (key, stake) in batch.stakes() {
            match (&stake.write, stake.expected) {
                (Write::Put(value), Some(revision)) => {
                    let bytes = &mut parameters.bytes;
                    parameters.changed.put(key, bytes.len(), value);
                    bytes.extend_from_slice(revision.as_bytes());
                    framed::append(bytes, key, value);
                }
                (Write::Put(value), None) => {
                    let bytes = &mut parameters.bytes;
                    parameters.added.put(key, bytes.len(), value);
                    framed::append(bytes, key, value);
                }
                (Write::Keep | Write::Delete, Some(revision)) => {
                    entry(&mut parameters.expected, key);
                    parameters.revisions.extend_from_slice(revision.as_bytes());
                }
                (Write::Keep | Write::Delete, None) => entry(&mut parameters.absent, key),
            }
            if stake.write == Write::Delete {
                entry(&mut parameters.deleted, key);
            }
        }
        parameters
    }
}

impl Puts {
    fn new(records: usize) -> Self {
        Self {
            entries: Jsonb::object(records),
            places: Vec::with_capacity(17 * records),
        }
    }

    fn put(&mut self, key: &Key, at: usize, value: &Value) {
        entry(&mut self.entries, key);
        self.places.extend(digits::<10>(at + 1));
        self.places.extend(digits::<7>(LENGTHS + value.len()));
    }
}

fn entry(object: &mut Jsonb, key: &Key) {
    object.text(key.partition.as_str());
    object.text(key.item.as_str());
}

/// How many bytes a write takes at most, the revision and the lengths before it included.
fn room(write: &Write) -> usize {
    match write {
        Write::Put(value) => 16 + LENGTHS + value.len(),
        Write::Keep | Write::Delete => 0,
    }
}

/// A number in decimal, with zeros before it.
fn digits<const N: usize>(mut number: usize) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        // The remainder is below 10.
        *digit += (number % 10) as u8;
        number /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn digits_are_decimal() {
        assert_eq!(digits(0), *b"0000000");
        assert_eq!(digits(1_064_960), *b"1064960");
        assert_eq!(digits(1_000_000_001), *b"1000000001");
    }
}
