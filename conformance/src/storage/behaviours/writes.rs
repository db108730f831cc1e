//! A batch is written whole or not at all.

use omemo_storage::{Committed, Storage};

use super::tenant::{Tenant, batch, key, readable, text};

/// What a batch puts is loaded again, with the batch's id as its revision.
pub async fn applied_batch_is_stored<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("contact/juliet@capulet.lit", "contact");

    let mut first = batch();
    first.put(key.clone(), None, text("first"));
    assert_eq!(tenant.commit(&first).await, Committed::Applied);
    let record = tenant.record(&key).await.unwrap();
    assert_eq!(record.revision, first.id().into());
    assert_eq!(record.value, text("first"));

    let mut second = batch();
    second.put(key.clone(), Some(record.revision), text("second"));
    assert_eq!(tenant.commit(&second).await, Committed::Applied);
    let record = tenant.record(&key).await.unwrap();
    assert_eq!(record.revision, second.id().into());
    assert_eq!(record.value, text("second"));
}

/// One expectation that fails keeps every write of the batch from happening, whichever it is and whatever they are.
pub async fn commit_is_atomic<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let keys = ["a", "b", "c", "d"].map(|item| key("p", item));
    let [put, delete, create, keep] = &keys;
    let put_at = tenant.put(put, None, "old").await;
    let delete_at = tenant.put(delete, None, "old").await;
    let keep_at = tenant.put(keep, None, "old").await;
    let stale = Some(batch().id().into());
    let before = tenant.partition("p").await;

    for failing in &keys {
        let or_stale = |key, expected| if key == failing { stale } else { expected };
        let mut batch = batch();
        batch.put(put.clone(), or_stale(put, Some(put_at)), text("new"));
        batch.delete(delete.clone(), or_stale(delete, Some(delete_at)));
        batch.put(create.clone(), or_stale(create, None), text("new"));
        batch.expect(keep.clone(), or_stale(keep, Some(keep_at)));
        assert_eq!(tenant.commit(&batch).await, Committed::Conflict);
        assert_eq!(tenant.partition("p").await, before, "{failing:?} is stale");
    }
}

/// One batch creates, replaces, deletes and only reads, in several partitions.
pub async fn batch_deletes_and_puts_together<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let [kept, replaced, deleted] = ["kept", "replaced", "deleted"].map(|item| key("p", item));
    let created = key("q", "created");
    let kept_at = tenant.put(&kept, None, "old").await;
    let replaced_at = tenant.put(&replaced, None, "old").await;
    let deleted_at = tenant.put(&deleted, None, "old").await;

    let mut batch = batch();
    batch.expect(kept, Some(kept_at));
    batch.put(replaced, Some(replaced_at), text("new"));
    batch.delete(deleted, Some(deleted_at));
    batch.delete(key("p", "never there"), None);
    batch.put(created, None, text("new"));
    assert_eq!(tenant.commit(&batch).await, Committed::Applied);

    let mut records = tenant.partition("p").await;
    records.append(&mut tenant.partition("q").await);
    let records: Vec<_> = records
        .iter()
        .map(|(key, record)| (key.item.as_str(), readable(&record.value), record.revision))
        .collect();
    let expected = [
        ("kept", "old".to_owned(), kept_at),
        ("replaced", "new".to_owned(), batch.id().into()),
        ("created", "new".to_owned(), batch.id().into()),
    ];
    assert_eq!(records, expected);
}

/// A batch that names no record has nothing to fail on.
pub async fn empty_batch_is_applied<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    assert_eq!(tenant.commit(&batch()).await, Committed::Applied);
}

/// One batch moves items between sixty partitions: what is deleted in one is put under the same name in the next.
pub async fn batch_moves_items_between_partitions<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let place = |n: usize, item: &str| key(&format!("p{n}"), item);
    let mut create = batch();
    for n in 0..60 {
        create.put(
            place(n, if n % 2 == 0 { "a" } else { "b" }),
            None,
            text(&n.to_string()),
        );
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);

    let mut exchange = batch();
    for n in 0..60 {
        let (gone, come) = if n % 2 == 0 { ("a", "b") } else { ("b", "a") };
        exchange.delete(place(n, gone), Some(create.id().into()));
        exchange.put(place(n, come), None, text(&format!("{n} moved")));
    }
    assert_eq!(tenant.commit(&exchange).await, Committed::Applied);
    for n in 0..60 {
        let records = tenant.partition(&format!("p{n}")).await;
        let come = place(n, if n % 2 == 0 { "b" } else { "a" });
        assert_eq!(Vec::from_iter(records.keys()), [&come]);
        assert_eq!(readable(&records[&come].value), format!("{n} moved"));
        assert_eq!(records[&come].revision, exchange.id().into());
    }
}
