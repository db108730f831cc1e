//! Several handles on the same data, at once and one after the other.

use omemo_storage::blocking::wait;
use omemo_storage::{Committed, Storage};

use super::concurrency::increment;
use super::tenant::{Tenant, batch, key, text};
use super::together::together;
use crate::storage::Factory;

/// What one handle has committed, the next load and the next listing of any other handle have.
pub async fn handles_see_what_others_committed<F: Factory>(factory: &F) {
    let handles = [open(factory).await, open(factory).await, open(factory).await];
    let account = Tenant::new(&handles[0]).account;
    let key = key("p", "i");
    let mut revision = None;
    for turn in 0..12 {
        let writer = Tenant::named(&handles[turn % 3], account.as_str());
        revision = Some(writer.put(&key, revision, &turn.to_string()).await);
        for handle in &handles {
            let reader = Tenant::named(handle, account.as_str());
            let record = reader.record(&key).await.unwrap();
            assert_eq!(
                (Some(record.revision), record.value),
                (revision, text(&turn.to_string()))
            );
            let listed = handle.records(&account, None, 10).await.unwrap();
            assert_eq!(listed.entries.len(), 1);
            assert_eq!(Some(listed.entries[0].revision), revision);
        }
    }
    let purger = Tenant::named(&handles[1], account.as_str());
    purger.storage.purge(&account).await.unwrap();
    for handle in &handles {
        assert_eq!(Tenant::named(handle, account.as_str()).record(&key).await, None);
    }
}

/// Four handles each add one, twenty times, and begin again after a conflict: no addition is lost.
pub async fn handles_do_not_lose_increments_of_one_another<F: Factory>(factory: &F) {
    let handles = [
        open(factory).await,
        open(factory).await,
        open(factory).await,
        open(factory).await,
    ];
    let account = Tenant::new(&handles[0]).account;
    let counter = key("p", "counter");
    together(handles.iter().collect(), |handle| {
        let tenant = Tenant::named(handle, account.as_str());
        for _ in 0..20 {
            while wait(increment(&tenant, &counter)) == Committed::Conflict {}
        }
    });
    let handle = open(factory).await;
    let tenant = Tenant::named(&handle, account.as_str());
    assert_eq!(tenant.value(&counter).await.as_deref(), Some("80"));
}

/// What was committed is there when every handle was dropped and the data opened again; what was deleted is not.
pub async fn committed_records_survive_reopening<F: Factory>(factory: &F) {
    let handle = open(factory).await;
    let tenant = Tenant::new(&handle);
    let account = tenant.account.clone();
    let [kept, deleted] = ["kept", "deleted"].map(|item| key("p", item));
    let mut revision = tenant.put(&kept, None, "0").await;
    let deleted_at = tenant.put(&deleted, None, "deleted").await;
    tenant.delete(&deleted, deleted_at).await;
    drop(handle);

    for turn in 1..4 {
        let handle = open(factory).await;
        let tenant = Tenant::named(&handle, account.as_str());
        let record = tenant.record(&kept).await.unwrap();
        assert_eq!(
            (record.revision, record.value),
            (revision, text(&(turn - 1).to_string()))
        );
        assert_eq!(tenant.record(&deleted).await, None);
        revision = tenant.put(&kept, Some(revision), &turn.to_string()).await;
    }
}

/// A batch whose answer was lost is known to whoever opens the data later: it is answered, not applied.
pub async fn resent_batch_is_known_after_reopening<F: Factory>(factory: &F) {
    let key = key("p", "i");
    let mut lost = batch();
    lost.put(key.clone(), None, text("lost answer"));
    let handle = open(factory).await;
    let tenant = Tenant::new(&handle);
    let account = tenant.account.clone();
    assert_eq!(tenant.commit(&lost).await, Committed::Applied);
    let theirs = tenant.put(&key, Some(lost.id().into()), "theirs").await;
    drop(handle);

    for _ in 0..2 {
        let handle = open(factory).await;
        let tenant = Tenant::named(&handle, account.as_str());
        assert_eq!(tenant.commit(&lost).await, Committed::Applied);
        assert_eq!(tenant.record(&key).await.unwrap().revision, theirs);
    }
}

/// A handle; a storage that does not open panics.
async fn open<F: Factory>(factory: &F) -> F::Storage {
    factory.open().await.unwrap()
}
