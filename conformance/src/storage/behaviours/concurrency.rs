//! Commits of one account are serializable, whoever makes them at the same time.

use omemo_storage::blocking::wait;
use omemo_storage::{Batch, Committed, Key, Name, Query, Record, Storage};

use super::tenant::{Tenant, batch, key, readable, text};
use super::together::{raise, raised, together};

/// Commits the batches at once; answers how many were applied.
fn applied<S: Storage>(tenant: &Tenant<'_, S>, batches: Vec<Batch>) -> usize {
    let outcomes = together(batches, |batch| wait(tenant.commit(&batch)));
    outcomes
        .iter()
        .filter(|outcome| **outcome == Committed::Applied)
        .count()
}

/// Sixteen writers each add one, ten times, and begin again after a conflict: no addition is lost.
pub async fn increments_of_sixteen_are_not_lost<S: Storage>(storage: &S) {
    increments_are_not_lost(storage, 16, 10).await;
}

/// The same with two writers, who meet less often and race more evenly.
pub async fn increments_of_two_are_not_lost<S: Storage>(storage: &S) {
    increments_are_not_lost(storage, 2, 60).await;
}

async fn increments_are_not_lost<S: Storage>(storage: &S, writers: u32, times: u32) {
    let tenant = Tenant::new(storage);
    let counter = key("p", "counter");
    together((0..writers).collect(), |_| {
        for _ in 0..times {
            while wait(increment(&tenant, &counter)) == Committed::Conflict {}
        }
    });
    assert_eq!(tenant.value(&counter).await, Some((writers * times).to_string()));
}

pub(super) async fn increment<S: Storage>(tenant: &Tenant<'_, S>, counter: &Key) -> Committed {
    let record = tenant.record(counter).await;
    let count: u32 = record
        .as_ref()
        .map_or(0, |record| readable(&record.value).parse().unwrap());
    let mut batch = batch();
    let expected = record.map(|record| record.revision);
    batch.put(counter.clone(), expected, text(&(count + 1).to_string()));
    tenant.commit(&batch).await
}

/// Of sixteen who create the same record, one does.
pub async fn absent_record_has_one_creator<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    for round in 0..10 {
        let key = key("p", &round.to_string());
        let creators = (0..16).map(|n| {
            let mut create = batch();
            create.put(key.clone(), None, text(&n.to_string()));
            create
        });
        assert_eq!(applied(&tenant, creators.collect()), 1);
    }
}

/// One batch sent by many at once, as by impatient resending, is applied for each of them and written once.
pub async fn concurrent_resends_are_applied_once<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    for round in 0..10 {
        let key = key("p", &round.to_string());
        let mut create = batch();
        create.put(key.clone(), None, text("created"));
        assert_eq!(applied(&tenant, vec![create.clone(); 8]), 8);
        assert_eq!(tenant.record(&key).await.unwrap().revision, create.id().into());
    }
}

/// Each of two batches writes the record whose revision the other relied on: one applies.
pub async fn write_skew_on_present_records<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    for round in 0..25 {
        let keys = ["a", "b"].map(|item| key(&round.to_string(), item));
        let mut create = batch();
        for key in &keys {
            create.put(key.clone(), None, text("old"));
        }
        assert_eq!(tenant.commit(&create).await, Committed::Applied);
        let [ours, theirs] = &keys;
        let batches = [(ours, theirs), (theirs, ours)].map(|(read, written)| {
            let mut batch = batch();
            batch.expect(read.clone(), Some(create.id().into()));
            batch.put(written.clone(), Some(create.id().into()), text("new"));
            batch
        });
        assert_eq!(applied(&tenant, batches.into()), 1);
    }
}

/// Each of two batches creates the record whose absence the other relied on: one applies.
pub async fn write_skew_on_absent_records<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    for round in 0..25 {
        let [ours, theirs] = ["a", "b"].map(|item| key(&round.to_string(), item));
        let batches = [(&ours, &theirs), (&theirs, &ours)].map(|(read, written)| {
            let mut batch = batch();
            batch.expect(read.clone(), None);
            batch.put(written.clone(), None, text("new"));
            batch
        });
        assert_eq!(applied(&tenant, batches.into()), 1);
        assert_eq!(tenant.partition(&round.to_string()).await.len(), 1);
    }
}

/// Records that are only ever written together are only ever seen together, asked for singly or by partition.
pub async fn snapshots_are_consistent<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    let keys = [key("p", "a"), key("p", "b"), key("q", "c"), key("r", "d")];
    let mut create = batch();
    for key in &keys {
        create.put(key.clone(), None, text("0"));
    }
    assert_eq!(tenant.commit(&create).await, Committed::Applied);
    let mut query = Query::new();
    query
        .partitions
        .extend(["p", "q"].map(|name| Name::new(name).unwrap()));
    query.records.insert(keys[3].clone());

    together(vec![true, false, false], |writes| {
        let mut revision = create.id().into();
        for n in 1..=100 {
            if writes {
                let mut replace = batch();
                for key in &keys {
                    replace.put(key.clone(), Some(revision), text(&n.to_string()));
                }
                assert_eq!(wait(tenant.commit(&replace)), Committed::Applied);
                revision = replace.id().into();
            } else {
                let seen = wait(tenant.load(&query)).records;
                let records: Vec<&Record> = seen.values().collect();
                assert_eq!(records.len(), keys.len());
                assert!(records.iter().all(|record| *record == records[0]));
            }
        }
    });
}

/// Sixteen writers of sixteen accounts never conflict, and none sees what another does.
pub async fn accounts_do_not_disturb_one_another<S: Storage>(storage: &S) {
    let tenants: Vec<_> = (0..16).map(|_| Tenant::new(storage)).collect();
    together(tenants.iter().collect(), |tenant| {
        let key = key("p", "i");
        let mut revision = None;
        for turn in 0..15 {
            // Putting panics on a conflict.
            revision = Some(wait(tenant.put(&key, revision, &turn.to_string())));
            assert_eq!(wait(tenant.record(&key)).unwrap().revision, revision.unwrap());
        }
    });
}

/// A purge in the midst of commits removes them whole: nobody ever sees a part of one, and in the end nothing is left.
pub async fn purges_during_commits_tear_nothing<S: Storage>(storage: &S) {
    let tenant = Tenant::new(storage);
    together((0..5).collect(), |n| {
        for _ in 0..25 {
            if n == 0 {
                wait(storage.purge(&tenant.account)).unwrap();
            } else {
                wait(raise(&tenant));
            }
            wait(raised(&tenant));
        }
    });
    storage.purge(&tenant.account).await.unwrap();
    assert_eq!(raised(&tenant).await, 0);
    assert!(
        storage
            .records(&tenant.account, None, 10)
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    raise(&tenant).await;
    assert_eq!(raised(&tenant).await, 1);
}
