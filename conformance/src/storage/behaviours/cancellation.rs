//! Whoever loses patience drops a future at any of its awaits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use omemo_storage::blocking::wait;
use omemo_storage::{Committed, Storage};

use super::tenant::{Tenant, batch, key, text};

/// A commit that is dropped after any number of polls was applied whole or not at all, and hinders no later call.
pub async fn dropped_commits_leave_all_or_nothing<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    for polls in 0..12 {
        let partition = polls.to_string();
        let keys = ["a", "b", "c"].map(|item| key(&partition, item));
        let mut dropped = batch();
        for key in &keys {
            dropped.put(key.clone(), None, text("dropped"));
        }
        poll_and_drop(tenant.storage.commit(&tenant.account, &dropped), polls);
        poll_and_drop(tenant.storage.load(&tenant.account, &Default::default()), polls);

        let applied = tenant.partition(&partition).await.len();
        assert!(applied == 0 || applied == keys.len(), "{applied} records applied");
        // Whichever it was, sending it again tells, and it is there once.
        assert_eq!(tenant.commit(&dropped).await, Committed::Applied);
        let records = tenant.partition(&partition).await;
        assert_eq!(records.len(), keys.len());
        assert!(
            records
                .values()
                .all(|record| record.revision == dropped.id().into())
        );
    }
    thread::scope(|scope| {
        for n in 0..8 {
            let (tenant, key) = (&tenant, key("after", &n.to_string()));
            scope.spawn(move || wait(tenant.put(&key, None, "after")));
        }
    });
}

/// Polls a future a number of times, with a little time in between for its work to go on, and drops it.
fn poll_and_drop(future: impl Future, polls: u32) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return;
        }
        thread::sleep(Duration::from_micros(20 * u64::from(polls)));
    }
}
