//! Many more calls at once than a storage has connections.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use omemo_storage::Storage;
use omemo_storage::blocking::wait;

use super::tenant::{Tenant, key};
use super::together::together;

/// A hundred threads each write and read, a few times: every call ends, and ends well.
pub async fn calls_of_a_hundred_threads_all_end<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    together((0..100).collect(), |n: usize| {
        let name = n.to_string();
        wait(write_and_read(&tenant, &name, 3));
    });
    assert_eq!(tenant.partition("p").await.len(), 100);
}

/// A hundred calls are under way at once on one thread, polled in turn: every one ends, also where one that waits for a
/// connection is polled before the one that has it.
pub async fn calls_of_one_thread_all_end<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let names: Vec<String> = (0..100).map(|n: usize| n.to_string()).collect();
    let mut calls: Vec<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = Vec::new();
    for name in &names {
        calls.push(Box::pin(write_and_read(&tenant, name, 2)));
    }
    let all = poll_fn(move |context| {
        calls.retain_mut(|call| call.as_mut().poll(context).is_pending());
        // The one that was last is first the next time.
        calls.reverse();
        if calls.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    all.await;
    assert_eq!(tenant.partition("p").await.len(), names.len());
}

/// Writes a record a number of times, and reads it after each.
async fn write_and_read<S: Storage>(tenant: &Tenant<'_, S>, name: &str, times: usize) {
    let key = key("p", name);
    let mut revision = None;
    for turn in 0..times {
        let value = format!("{name}/{turn}");
        revision = Some(tenant.put(&key, revision, &value).await);
        assert_eq!(tenant.value(&key).await, Some(value));
    }
}
