//! A batch applies only if each record is as it relied on.

use omemo_storage::{Committed, Key, Revision, Storage};

use super::tenant::{Tenant, batch, key, text};

/// Who creates a record relies on its absence; so does who deletes one that is not there.
pub async fn expectation_of_absence_when_writing<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");

    let mut delete = batch();
    delete.delete(key.clone(), None);
    assert_eq!(tenant.commit(&delete).await, Committed::Applied);
    tenant.put(&key, None, "first").await;

    let mut put = batch();
    put.put(key.clone(), None, text("second"));
    assert_eq!(tenant.commit(&put).await, Committed::Conflict);
    let mut delete = batch();
    delete.delete(key.clone(), None);
    assert_eq!(tenant.commit(&delete).await, Committed::Conflict);
    assert_eq!(tenant.value(&key).await.as_deref(), Some("first"));
}

/// Who replaces or deletes a record relies on the revision read.
pub async fn expectation_of_presence_when_writing<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let never = Some(batch().id().into());

    for stale in [never, Some(tenant.put(&key, None, "first").await)] {
        if let Some(record) = tenant.record(&key).await {
            tenant.put(&key, Some(record.revision), "second").await;
        }
        let before = tenant.record(&key).await;
        let mut put = batch();
        put.put(key.clone(), stale, text("stale"));
        assert_eq!(tenant.commit(&put).await, Committed::Conflict);
        let mut delete = batch();
        delete.delete(key.clone(), stale);
        assert_eq!(tenant.commit(&delete).await, Committed::Conflict);
        assert_eq!(tenant.record(&key).await, before);
    }

    let current = tenant.record(&key).await.unwrap().revision;
    tenant.delete(&key, current).await;
    assert_eq!(tenant.record(&key).await, None);
}

/// A record that is only read must still be at its revision.
pub async fn expectation_of_a_record_only_read<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let (read, written) = (key("p", "read"), key("q", "written"));

    let first = tenant.put(&read, None, "first").await;
    assert_eq!(
        write_having_read(&tenant, &written, &read, Some(first)).await,
        Committed::Applied
    );

    let second = tenant.put(&read, Some(first), "second").await;
    assert_eq!(
        write_having_read(&tenant, &written, &read, Some(first)).await,
        Committed::Conflict
    );
    tenant.delete(&read, second).await;
    assert_eq!(
        write_having_read(&tenant, &written, &read, Some(second)).await,
        Committed::Conflict
    );
}

/// An absence that was only read must still be one.
pub async fn expectation_of_absence_only_read<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let (read, written) = (key("p", "read"), key("q", "written"));

    assert_eq!(
        write_having_read(&tenant, &written, &read, None).await,
        Committed::Applied
    );
    let revision = tenant.put(&read, None, "first").await;
    assert_eq!(
        write_having_read(&tenant, &written, &read, None).await,
        Committed::Conflict
    );
    tenant.delete(&read, revision).await;
    assert_eq!(
        write_having_read(&tenant, &written, &read, None).await,
        Committed::Applied
    );
}

/// Writes one record, relying on another that is only read, and checks that a conflict left the first alone.
async fn write_having_read<S: Storage>(
    tenant: &Tenant<'_, S>,
    written: &Key,
    read: &Key,
    expected: Option<Revision>,
) -> Committed {
    let before = tenant.record(written).await;
    let mut batch = batch();
    batch.expect(read.clone(), expected);
    batch.put(
        written.clone(),
        before.as_ref().map(|record| record.revision),
        text("written"),
    );
    let committed = tenant.commit(&batch).await;
    let after = tenant.record(written).await;
    match committed {
        Committed::Applied => assert_eq!(after.unwrap().revision, batch.id().into()),
        Committed::Conflict => assert_eq!(after, before),
    }
    committed
}

/// A batch without writes tells whether what was read still holds.
pub async fn one_batch_can_only_validate<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let (present, absent) = (key("p", "present"), key("p", "absent"));
    let first = tenant.put(&present, None, "first").await;

    let validate = || {
        let mut batch = batch();
        batch.expect(present.clone(), Some(first));
        batch.expect(absent.clone(), None);
        batch
    };
    assert_eq!(tenant.commit(&validate()).await, Committed::Applied);
    let created = tenant.put(&absent, None, "created").await;
    assert_eq!(tenant.commit(&validate()).await, Committed::Conflict);
    tenant.delete(&absent, created).await;
    assert_eq!(tenant.commit(&validate()).await, Committed::Applied);
    tenant.put(&present, Some(first), "second").await;
    assert_eq!(tenant.commit(&validate()).await, Committed::Conflict);
}

/// The last of many expectations is looked at like the first.
pub async fn last_of_many_expectations_counts<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let keys: Vec<_> = (0..500).map(|n| key("p", &format!("{n:03}"))).collect();
    let mut create = batch();
    for key in &keys {
        create.put(key.clone(), None, text("old"));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let last = keys.last().unwrap();
    tenant.put(last, Some(create.id().into()), "newer").await;

    let mut replace = batch();
    for key in &keys {
        replace.put(key.clone(), Some(create.id().into()), text("new"));
    }
    assert_eq!(tenant.commit(&replace).await, Committed::Conflict);
    let records = tenant.partition("p").await;
    assert_eq!(records.len(), keys.len());
    assert!(records.values().all(|record| record.value != text("new")));
}

/// A record that was deleted is at no revision; created anew, it is at a new one.
pub async fn deleted_record_is_not_at_its_former_revision<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let former = tenant.put(&key, None, "value").await;
    tenant.delete(&key, former).await;

    let mut stale = batch();
    stale.put(key.clone(), Some(former), text("stale"));
    assert_eq!(tenant.commit(&stale).await, Committed::Conflict);
    assert_eq!(tenant.record(&key).await, None);

    let current = tenant.put(&key, None, "value").await;
    assert_ne!(current, former);
    let mut stale = batch();
    stale.put(key.clone(), Some(former), text("stale"));
    assert_eq!(tenant.commit(&stale).await, Committed::Conflict);
    assert_eq!(tenant.value(&key).await.as_deref(), Some("value"));
}

/// A record whose value came back is not at the revision it had with that value before.
pub async fn rewritten_record_is_not_at_its_former_revision<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let former = tenant.put(&key, None, "a").await;
    let between = tenant.put(&key, Some(former), "b").await;
    tenant.put(&key, Some(between), "a").await;

    let mut stale = batch();
    stale.put(key.clone(), Some(former), text("stale"));
    assert_eq!(tenant.commit(&stale).await, Committed::Conflict);
    assert_eq!(tenant.value(&key).await.as_deref(), Some("a"));
}
