//! A batch that is sent again, because its answer was lost, is applied once.

use omemo_storage::{Committed, Storage};

use super::tenant::{Tenant, batch, key, text};

/// The same batch twice: the second time it is answered, not applied.
pub async fn resent_batch_is_applied_once<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let mut create = batch();
    create.put(key.clone(), None, text("created"));
    for _ in 0..3 {
        assert_eq!(tenant.commit(&create).await, Committed::Applied);
        let record = tenant.record(&key).await.unwrap();
        assert_eq!(record.revision, create.id().into());
        assert_eq!(record.value, text("created"));
    }
}

/// Many commits later, of the same records and of others, the batch is still known.
pub async fn resent_batch_spares_later_writes<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let keys = ["a", "b"].map(|item| key("p", item));
    let mut lost = batch();
    for key in &keys {
        lost.put(key.clone(), None, text("lost answer"));
    }
    assert_eq!(tenant.commit(&lost).await, Committed::Applied);

    let mut revision = lost.id().into();
    for later in 0..300 {
        revision = tenant.put(&keys[0], Some(revision), &later.to_string()).await;
    }
    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    assert_eq!(tenant.value(&keys[0]).await.as_deref(), Some("299"));
    assert_eq!(tenant.value(&keys[1]).await.as_deref(), Some("lost answer"));
}

/// The answer was lost and someone else has replaced the record since: the batch had been applied, and theirs stays.
pub async fn resent_batch_spares_writes_of_others<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let first = tenant.put(&key, None, "first").await;
    let mut lost = batch();
    lost.put(key.clone(), Some(first), text("lost answer"));
    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    let others = tenant.put(&key, Some(lost.id().into()), "theirs").await;

    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    let record = tenant.record(&key).await.unwrap();
    assert_eq!((record.revision, record.value), (others, text("theirs")));
}

/// The same with a deletion: what was created since stays.
pub async fn resent_deletion_spares_a_new_record<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let first = tenant.put(&key, None, "first").await;
    let mut lost = batch();
    lost.delete(key.clone(), Some(first));
    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    tenant.put(&key, None, "theirs").await;

    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    assert_eq!(tenant.value(&key).await.as_deref(), Some("theirs"));
}

/// A batch that only validated is remembered like any other.
pub async fn resent_validation_is_not_judged_again<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let mut validate = batch();
    validate.expect(key.clone(), None);
    assert_eq!(tenant.commit(&validate).await, Committed::Applied);
    tenant.put(&key, None, "created").await;
    assert_eq!(tenant.commit(&validate).await, Committed::Applied);
}

/// A conflict is no commit: the same batch applies once its expectations hold.
pub async fn conflicting_batch_is_not_remembered<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let key = key("p", "i");
    let revision = tenant.put(&key, None, "in the way").await;
    let mut create = batch();
    create.put(key.clone(), None, text("created"));
    for _ in 0..2 {
        assert_eq!(tenant.commit(&create).await, Committed::Conflict);
    }
    tenant.delete(&key, revision).await;
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    assert_eq!(tenant.value(&key).await.as_deref(), Some("created"));
}

/// The same batch for two accounts is applied for each: what one account has committed tells nothing of the other.
pub async fn batch_is_remembered_for_its_account_alone<S: Storage>(storage: &S) {
    let key = key("p", "i");
    let mut create = batch();
    create.put(key.clone(), None, text("created"));
    for tenant in [Tenant::new(storage), Tenant::new(storage)] {
        assert_eq!(tenant.commit(&create).await, Committed::Applied);
        assert_eq!(tenant.value(&key).await.as_deref(), Some("created"));
    }
}
