//! Values of every size that the contract allows.

use omemo_storage::{Committed, ErrorKind, MAX_RECORDS, MAX_VALUE, Storage, Value};

use super::tenant::{Tenant, batch, key, text};

/// A record without bytes is there.
pub async fn empty_value_is_a_value<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let empty = tenant.put(&key, None, "").await;
    let record = tenant.record(&key).await.unwrap();
    assert!(record.value.is_empty());
    let full = tenant.put(&key, Some(empty), "full").await;
    tenant.put(&key, Some(full), "").await;
    assert!(tenant.record(&key).await.unwrap().value.is_empty());
}

/// Values are bytes, not text.
pub async fn value_keeps_every_byte<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let values = [
        (0..=255).collect(),
        (0..=255).rev().collect(),
        vec![0; 3],
        vec![0xff; 3],
        b"\xc3".to_vec(),
    ];
    let mut create = batch();
    for (n, value) in values.iter().enumerate() {
        create.put(key("p", &n.to_string()), None, Value::from(value.clone()));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let records = tenant.partition("p").await;
    assert_eq!(records.len(), values.len());
    for (record, value) in records.values().zip(&values) {
        assert_eq!(record.value.as_bytes(), value);
    }
}

/// 1 MiB, a few times in one batch.
pub async fn largest_value_is_kept<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let largest: Vec<u8> = (0..MAX_VALUE).map(|n| (n * 31 % 251) as u8).collect();
    let mut create = batch();
    for item in ["a", "b", "c"] {
        create.put(key("p", item), None, Value::from(largest.clone()));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let records = tenant.partition("p").await;
    assert_eq!(records.len(), 3);
    assert!(records.values().all(|record| record.value.as_bytes() == largest));
}

/// One byte more is an error, and nothing of the batch is written.
pub async fn too_large_value_is_refused<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut create = batch();
    create.put(key("p", "small"), None, text("small"));
    create.put(key("p", "large"), None, Value::from(vec![0; MAX_VALUE + 1]));
    let refused = storage.commit(&tenant.account, &create).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(tenant.partition("p").await.is_empty());
}

/// Ten thousand records in one batch: created, then half replaced and half deleted. Partitions of thousands are loaded
/// and listed whole.
pub async fn batch_of_ten_thousand_records<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let keys: Vec<_> = (0..10_000)
        .map(|n| key(&format!("p{}", n % 4), &n.to_string()))
        .collect();
    let mut create = batch();
    for key in &keys {
        create.put(key.clone(), None, text(key.item.as_str()));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let third = tenant.partition("p3").await;
    assert_eq!(third.len(), 2_500);
    assert!(
        third
            .iter()
            .all(|(key, record)| record.value == text(key.item.as_str()))
    );
    let listed = storage.records(&tenant.account, None, 20_000).await.unwrap();
    assert_eq!(listed.entries.len() + usize::from(listed.next.is_some()), 10_000);

    let mut change = batch();
    for (n, key) in keys.iter().enumerate() {
        match n % 2 {
            0 => change.put(key.clone(), Some(create.id().into()), text("replaced")),
            _ => change.delete(key.clone(), Some(create.id().into())),
        }
    }
    assert_eq!(tenant.commit(&change).await, Committed::Applied);
    assert!(tenant.partition("p3").await.is_empty());
    let replaced = tenant.partition("p2").await;
    assert_eq!(replaced.len(), 2_500);
    assert!(replaced.values().all(|record| record.value == text("replaced")));
}

/// As many records as a batch may name, some of them only expected.
pub async fn largest_batch_is_applied<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let last = key("p", "last");
    let mut create = batch();
    for n in 0..MAX_RECORDS - 1 {
        let key = key(&format!("p{}", n % 7), &n.to_string());
        if n % 8 == 0 {
            create.expect(key, None);
        } else {
            create.put(key, None, text("v"));
        }
    }
    create.put(last.clone(), None, text("last"));
    assert_eq!(create.stakes().len(), MAX_RECORDS);
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    assert_eq!(tenant.value(&last).await.as_deref(), Some("last"));
    let mut found = 0;
    for partition in 0..7 {
        found += tenant.partition(&format!("p{partition}")).await.len();
    }
    assert_eq!(found, MAX_RECORDS - 1 - (MAX_RECORDS - 1).div_ceil(8));
    // Sent again it is answered, not applied.
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
}

/// More records than a batch may name are an error, and none is written.
pub async fn too_many_records_are_refused<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut create = batch();
    for n in 0..=MAX_RECORDS {
        create.put(key("p", &n.to_string()), None, text(""));
    }
    let refused = storage.commit(&tenant.account, &create).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(tenant.partition("p").await.is_empty());
}
