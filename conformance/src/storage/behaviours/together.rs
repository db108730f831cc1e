//! Records that are only ever written together, by whoever likes, so that each load tells whether a commit was torn and
//! each value how many commits there were.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use omemo_storage::{Batch, Committed, Key, Storage};

use super::tenant::{Tenant, batch, key, readable, text};

/// How many records each commit writes, all with the same value.
const RECORDS: usize = 20;
/// The partition they are in.
const PARTITION: &str = "together";

/// Runs `act` on as many threads as there are `actors`, which start together; answers what each returned.
pub(super) fn together<A: Send, T: Send>(actors: Vec<A>, act: impl Fn(A) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(actors.len());
    let (start, act) = (&start, &act);
    thread::scope(|scope| {
        let threads: Vec<_> = actors
            .into_iter()
            .map(|actor| {
                scope.spawn(move || {
                    start.wait();
                    act(actor)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Commits over and over until one is applied.
pub(super) async fn raise<S: Storage>(tenant: &Tenant<'_, S>) {
    while try_raise(tenant).await == Committed::Conflict {}
}

/// Adds one to the value that all records have, unless somebody comes between.
pub(super) async fn try_raise<S: Storage>(tenant: &Tenant<'_, S>) -> Committed {
    let records = tenant.partition(PARTITION).await;
    tenant.commit(&raising(records)).await
}

/// A batch that adds one to the value that all records have.
pub(super) fn raising(records: Records) -> Batch {
    let raised = text(&(value(&records) + 1).to_string());
    let mut batch = batch();
    for item in 0..RECORDS {
        let key = key(PARTITION, &item.to_string());
        let expected = records.get(&key).map(|record| record.revision);
        batch.put(key, expected, raised.clone());
    }
    batch
}

pub(super) type Records = std::collections::BTreeMap<Key, omemo_storage::Record>;

/// The value that all records have; 0 where there are none.
pub(super) fn value(records: &Records) -> usize {
    let Some(first) = records.values().next() else {
        return 0;
    };
    assert_eq!(records.len(), RECORDS, "a commit was torn");
    assert!(
        records.values().all(|record| record == first),
        "a commit was torn"
    );
    readable(&first.value).parse().unwrap()
}

/// The value that all records of the account have.
pub(super) async fn raised<S: Storage>(tenant: &Tenant<'_, S>) -> usize {
    value(&tenant.partition(PARTITION).await)
}

/// What [`value`] is told of.
pub(super) fn all_records() -> omemo_storage::Query {
    let mut query = omemo_storage::Query::new();
    query
        .partitions
        .insert(omemo_storage::Name::new(PARTITION).unwrap());
    query
}
