//! Whoever loses patience drops a future at any of its awaits.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use omemo_storage::blocking::wait;
use omemo_storage::{Committed, Name, Query, Storage};

use super::tenant::{Tenant, batch, key, text};
use super::together::together;

/// How often a commit that goes on and on is polled before it is dropped, at most.
const MOST_POLLS: u32 = 60;

/// The last one is not dropped, however slow the storage is today: without one that ends nothing was compared.
const UNTIL_IT_ENDS: u32 = u32::MAX;

/// A commit that is dropped after any number of polls, up to those it needs, was applied whole or not at all, and hinders
/// no later call.
pub async fn dropped_commits_leave_all_or_nothing<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut ended = 0;
    for polls in (0..MOST_POLLS).chain([UNTIL_IT_ENDS]) {
        let partition = polls.to_string();
        let keys = ["a", "b", "c"].map(|item| key(&partition, item));
        let mut dropped = batch();
        for key in &keys {
            dropped.put(key.clone(), None, text("dropped"));
        }
        let commit = tenant.storage.commit(&tenant.account, &dropped);
        let has_ended = poll_and_drop(commit, polls);
        ended += u32::from(has_ended);

        let applied = tenant.partition(&partition).await.len();
        assert!(
            applied == keys.len() || applied == 0 && !has_ended,
            "{applied} records of {} were written",
            keys.len()
        );
        // Whichever it was, sending it again tells, and it is there once.
        assert_eq!(tenant.commit(&dropped).await, Committed::Applied);
        let records = tenant.partition(&partition).await;
        assert_eq!(records.len(), keys.len());
        let revision = dropped.id().into();
        assert!(records.values().all(|record| record.revision == revision));
        if ended == 3 {
            break;
        }
    }
    assert!(ended > 0, "no commit has ended");
}

/// Loads, commits and listings that were dropped by the hundred, at their first poll or later, keep no connection and no
/// lock.
pub async fn dropped_calls_hinder_no_later_call<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let mut query = Query::new();
    query.partitions.insert(Name::new("p").unwrap());
    for n in 0..100 {
        let mut dropped = batch();
        dropped.put(key("p", &n.to_string()), None, text("dropped"));
        let polls = n % 4;
        poll_and_drop(storage.commit(&tenant.account, &dropped), polls);
        poll_and_drop(storage.load(&tenant.account, &query), polls);
        poll_and_drop(storage.records(&tenant.account, None, 10), polls);
        poll_and_drop(storage.accounts(None, 10), polls);
    }
    together((0..8).collect(), |n: u32| {
        let key = key("after", &n.to_string());
        wait(tenant.put(&key, None, "after"));
        assert_eq!(wait(tenant.value(&key)).as_deref(), Some("after"));
    });
}

/// Polls a future a number of times, with a little time in between for its work to go on, and drops it. Tells whether it
/// had ended.
fn poll_and_drop(future: impl Future, polls: u32) -> bool {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        thread::sleep(Duration::from_micros(20 * u64::from(polls.min(MOST_POLLS))));
    }
    false
}
