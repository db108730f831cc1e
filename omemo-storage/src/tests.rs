//! Bounds, and what must not be shown.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use super::*;

fn key(item: &str) -> Key {
    Key::new("partition", item).unwrap()
}

#[test]
fn names_have_bounds() {
    assert_eq!(Name::new(""), Err(InvalidName::Empty));
    assert_eq!(Name::new("a\0b"), Err(InvalidName::Nul));
    assert!(Name::new(&"a".repeat(MAX_NAME)).is_ok());
    assert_eq!(
        Name::new(&"a".repeat(MAX_NAME + 1)),
        Err(InvalidName::TooLong(MAX_NAME + 1))
    );
    // A partition may be a bare JID of the longest kind with a prefix.
    assert!(Name::new(&format!("contact/{}", "j".repeat(3071))).is_ok());
}

#[test]
fn a_batch_has_bounds() {
    let mut batch = Batch::new(CommitId::from_bytes([1; 16]));
    batch.put(key("fits"), None, Value::from(vec![0; MAX_VALUE]));
    assert!(batch.check().is_ok());
    batch.put(key("too large"), None, Value::from(vec![0; MAX_VALUE + 1]));
    let error = batch.check().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::TooLarge, Retry::Never));
    let mut batch = Batch::new(CommitId::from_bytes([1; 16]));
    (0..MAX_RECORDS).for_each(|n| batch.expect(key(&format!("{n}")), None));
    assert!(batch.check().is_ok());
    batch.expect(key("one more"), None);
    assert_eq!(batch.check().unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn a_batch_names_a_record_once() {
    let mut batch = Batch::new(CommitId::from_bytes([1; 16]));
    batch.expect(key("a"), None);
    batch.put(key("a"), None, Value::from(vec![1]));
    batch.delete(key("b"), Some(Revision::from_bytes([2; 16])));
    assert_eq!((batch.stakes().len(), batch.writes()), (2, 2));
}

#[test]
fn all_memory_of_a_value_is_wiped() {
    fn wiped_when_dropped<T: zeroize::ZeroizeOnDrop>() {}
    wiped_when_dropped::<Value>();
    let mut bytes = vec![0xab; 100];
    let capacity = bytes.capacity();
    bytes.truncate(10);
    super::record::wipe(&mut bytes);
    assert_eq!(bytes, vec![0; capacity]);
}

#[test]
fn a_value_shows_its_size_alone() {
    let value = Value::from(vec![0xab; 5]);
    assert_eq!(format!("{value:?}"), "Value(5 bytes)");
    let mut batch = Batch::new(CommitId::from_bytes([1; 16]));
    batch.put(key("a"), None, value);
    let shown: String = format!("{batch:?}");
    assert!(!shown.contains("171") && !shown.contains("ab, ab"), "{shown}");
}

#[test]
fn an_unknown_outcome_wants_the_same_batch() {
    let retry = |kind| StorageError::new(kind, "why").retry();
    assert_eq!(retry(ErrorKind::OutcomeUnknown), Retry::SameBatch);
    assert_eq!(retry(ErrorKind::Unavailable), Retry::Later);
    assert_eq!(retry(ErrorKind::Corrupt), Retry::Never);
}
