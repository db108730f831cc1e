//! A query is answered whole, and with nothing else.

use omemo_storage::{Committed, Key, Name, Query, Storage};

use super::tenant::{Tenant, batch, key, text};

/// Nothing asked for, nothing answered.
pub async fn empty_query_is_answered<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    tenant.put(&key("p", "i"), None, "value").await;
    assert!(tenant.load(&Query::new()).await.records.is_empty());
}

/// Who is not there, is not in the answer: neither a record nor a partition, nor the whole account.
pub async fn absent_records_are_not_in_the_snapshot<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut query = Query::new();
    query.records.extend([key("p", "i"), key("p", "j")]);
    query.partitions.insert(Name::new("q").unwrap());
    assert!(tenant.load(&query).await.records.is_empty());

    tenant.put(&key("p", "i"), None, "value").await;
    let snapshot = tenant.load(&query).await;
    assert_eq!(Vec::from_iter(snapshot.records.into_keys()), [key("p", "i")]);
}

/// A partition comes with each of its records and none of its neighbours'.
pub async fn partition_is_loaded_whole_and_alone<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut create = batch();
    for partition in ["o", "p", "p ", "p/q", "q"] {
        for item in 0..120 {
            create.put(key(partition, &item.to_string()), None, text(partition));
        }
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let records = tenant.partition("p").await;
    assert_eq!(records.len(), 120);
    assert!(records.keys().all(|key| key.partition.as_str() == "p"));
    assert!(records.values().all(|record| record.value == text("p")));
}

/// Records and partitions are asked for together, also records of the very partitions.
pub async fn load_mixes_records_and_partitions<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut create = batch();
    for partition in ["p", "q", "r"] {
        for item in ["a", "b", "c"] {
            create.put(key(partition, item), None, text(item));
        }
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);

    let mut query = Query::new();
    query.partitions.insert(Name::new("q").unwrap());
    query
        .records
        .extend([key("p", "b"), key("q", "c"), key("r", "a"), key("r", "z")]);
    let snapshot = tenant.load(&query).await;
    let expected = [
        key("p", "b"),
        key("q", "a"),
        key("q", "b"),
        key("q", "c"),
        key("r", "a"),
    ];
    assert_eq!(Vec::from_iter(snapshot.records.into_keys()), expected);
}

/// A thousand partitions and a thousand records in one query.
pub async fn load_answers_many_partitions_at_once<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut create = batch();
    let mut query = Query::new();
    for n in 0..1_000 {
        let (whole, single) = (key(&format!("whole/{n}"), "i"), key("single", &n.to_string()));
        query.partitions.insert(whole.partition.clone());
        query.records.insert(single.clone());
        for key in [whole, single] {
            create.put(key.clone(), None, text(&format!("{key:?}")));
        }
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let snapshot = tenant.load(&query).await;
    assert_eq!(snapshot.records.len(), 2_000);
    for (key, record) in &snapshot.records {
        assert_eq!(record.value, text(&format!("{key:?}")));
    }
}

/// Keys are in the order of their bytes, as the storage listed them too.
pub async fn snapshot_is_ordered_by_bytes<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let items = [
        "B",
        "a",
        "aa",
        "b",
        "Ä",
        "ß",
        "é",
        "\u{ffff}",
        "\u{10000}",
        "10",
        "9",
    ];
    let mut create = batch();
    for item in items {
        create.put(key("p", item), None, text(item));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);

    let mut expected = items.map(|item| key("p", item));
    expected.sort_by(|a, b| a.item.as_str().as_bytes().cmp(b.item.as_str().as_bytes()));
    let loaded: Vec<Key> = tenant.partition("p").await.into_keys().collect();
    assert_eq!(loaded, expected);
    let listed = storage.records(&tenant.account, None, 100).await.unwrap();
    assert_eq!(listed.entries.len(), items.len());
}
