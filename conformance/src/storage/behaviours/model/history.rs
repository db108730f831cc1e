//! Whether what many saw at once could have happened one after the other.
//!
//! A history is linearizable if its calls can be put into an order in which each takes effect at one moment between its
//! beginning and its end, and is answered as the contract demands. The search tries every order that the times allow,
//! and none twice; it is the algorithm of Wing and Gong with the memory of Lowe.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use omemo_storage::{Batch, CommitId, Committed, Key, Query, Revision, Write};

/// A call, what it was answered, and when it began and ended, by a clock that all threads share.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) began: usize,
    pub(super) ended: usize,
    pub(super) what: What,
}

/// A call and its answer.
#[derive(Clone, Debug)]
pub(super) enum What {
    Commit(Batch, Committed),
    /// The revisions of all the records in the answer.
    Load(Query, BTreeMap<Key, Revision>),
}

/// What the account is like between two calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    records: BTreeMap<Key, Revision>,
    applied: BTreeSet<CommitId>,
}

/// How many calls of each thread have taken effect.
type Progress = Vec<usize>;

/// Whether there is an order. Each thread's calls are in the order it made them.
pub(super) fn is_linearizable(threads: &[Vec<Call>]) -> bool {
    let mut seen: HashSet<(Progress, State)> = HashSet::new();
    let mut reached = vec![(vec![0; threads.len()], State::default())];
    while let Some((progress, state)) = reached.pop() {
        let next: Vec<(usize, &Call)> = next(threads, &progress).collect();
        let Some(first_end) = next.iter().map(|(_, call)| call.ended).min() else {
            return true;
        };
        for (thread, call) in next {
            if call.began > first_end {
                // Another call had ended before this one began.
                continue;
            }
            let Some(state) = take_effect(&state, &call.what) else {
                continue;
            };
            let mut progress = progress.clone();
            progress[thread] += 1;
            if seen.insert((progress.clone(), state.clone())) {
                reached.push((progress, state));
            }
        }
    }
    false
}

/// The next call of each thread that has one.
fn next<'a>(threads: &'a [Vec<Call>], progress: &'a Progress) -> impl Iterator<Item = (usize, &'a Call)> {
    threads
        .iter()
        .zip(progress)
        .enumerate()
        .filter_map(|(thread, (calls, done))| Some((thread, calls.get(*done)?)))
}

/// The state after a call, if it could be answered like that.
fn take_effect(state: &State, what: &What) -> Option<State> {
    match what {
        What::Load(query, answered) => {
            let there = state.records.iter().filter(|(key, _)| query.covers(key));
            there.eq(answered.iter()).then(|| state.clone())
        }
        What::Commit(batch, answered) => {
            let (outcome, after) = commit(state, batch);
            (outcome == *answered).then_some(after)
        }
    }
}

fn commit(state: &State, batch: &Batch) -> (Committed, State) {
    let mut after = state.clone();
    if state.applied.contains(&batch.id()) {
        return (Committed::Applied, after);
    }
    let mut stakes = batch.stakes();
    if stakes.any(|(key, stake)| state.records.get(key) != stake.expected.as_ref()) {
        return (Committed::Conflict, after);
    }
    for (key, stake) in batch.stakes() {
        match stake.write {
            Write::Keep => {}
            Write::Put(_) => drop(after.records.insert(key.clone(), batch.id().into())),
            Write::Delete => drop(after.records.remove(key)),
        }
    }
    after.applied.insert(batch.id());
    (Committed::Applied, after)
}

#[cfg(test)]
mod tests {
    use omemo_storage::{CommitId, Name};

    use super::*;
    use crate::storage::behaviours::tenant::{key, text};

    fn id(n: u8) -> CommitId {
        CommitId::from_bytes([n; 16])
    }

    fn call(began: usize, ended: usize, what: What) -> Call {
        Call { began, ended, what }
    }

    /// Puts `item` as commit `n`, where commit `expected` must have put it (0: nobody).
    fn put(n: u8, item: &str, expected: u8) -> Batch {
        let mut batch = Batch::new(id(n));
        let expected = (expected != 0).then(|| id(expected).into());
        batch.put(key("p", item), expected, text("value"));
        batch
    }

    /// The same, relying on the absence of another item too.
    fn put_unless(n: u8, item: &str, other: &str) -> Batch {
        let mut batch = put(n, item, 0);
        batch.expect(key("p", other), None);
        batch
    }

    fn applied(batch: Batch) -> What {
        What::Commit(batch, Committed::Applied)
    }

    fn conflict(batch: Batch) -> What {
        What::Commit(batch, Committed::Conflict)
    }

    /// A load of the whole partition that found these items as written by these commits.
    fn saw(records: &[(&str, u8)]) -> What {
        let mut query = Query::new();
        query.partitions.insert(Name::new("p").unwrap());
        let records = records.iter().map(|(item, n)| (key("p", item), id(*n).into()));
        What::Load(query, records.collect())
    }

    #[test]
    fn calls_at_once_may_have_any_order() {
        for outcomes in [[applied, conflict], [conflict, applied]] {
            let [ours, theirs] = outcomes;
            let threads = [
                vec![call(0, 3, ours(put(1, "a", 0)))],
                vec![call(1, 2, theirs(put(2, "a", 0)))],
            ];
            assert!(is_linearizable(&threads));
        }
        for seen in [vec![], vec![("a", 1)]] {
            let threads = [
                vec![call(0, 3, applied(put(1, "a", 0)))],
                vec![call(1, 2, saw(&seen))],
            ];
            assert!(is_linearizable(&threads));
        }
    }

    #[test]
    fn lost_update() {
        let threads = [
            vec![
                call(0, 1, applied(put(1, "a", 0))),
                call(2, 5, applied(put(2, "a", 1))),
            ],
            vec![call(3, 4, applied(put(3, "a", 1)))],
        ];
        assert!(!is_linearizable(&threads));
    }

    #[test]
    fn two_creators() {
        let threads = [
            vec![call(0, 3, applied(put(1, "a", 0)))],
            vec![call(1, 2, applied(put(2, "a", 0)))],
        ];
        assert!(!is_linearizable(&threads));
    }

    #[test]
    fn write_skew() {
        let threads = [
            vec![call(0, 3, applied(put_unless(1, "a", "b")))],
            vec![call(1, 2, applied(put_unless(2, "b", "a")))],
        ];
        assert!(!is_linearizable(&threads));
    }

    #[test]
    fn unjustified_conflict() {
        let threads = [vec![call(0, 1, conflict(put(1, "a", 0)))]];
        assert!(!is_linearizable(&threads));
        let threads = [
            vec![call(0, 1, applied(put(1, "a", 0)))],
            vec![call(2, 3, conflict(put(2, "a", 1)))],
        ];
        assert!(!is_linearizable(&threads));
    }

    #[test]
    fn stale_load() {
        let write = call(0, 1, applied(put(1, "a", 0)));
        assert!(!is_linearizable(&[
            vec![write.clone()],
            vec![call(2, 3, saw(&[]))]
        ]));
        assert!(is_linearizable(&[
            vec![write],
            vec![call(2, 3, saw(&[("a", 1)]))]
        ]));
    }

    #[test]
    fn load_that_goes_back() {
        let threads = [
            vec![call(0, 9, applied(put(1, "a", 0)))],
            vec![call(1, 2, saw(&[("a", 1)])), call(3, 4, saw(&[]))],
        ];
        assert!(!is_linearizable(&threads));
    }

    #[test]
    fn torn_load() {
        let mut both = put(1, "a", 0);
        both.put(key("p", "b"), None, text("value"));
        let torn = vec![call(1, 2, saw(&[("a", 1)]))];
        assert!(!is_linearizable(&[vec![call(0, 3, applied(both))], torn]));
    }

    #[test]
    fn resent_batch() {
        let sent = [
            call(0, 1, applied(put(1, "a", 0))),
            call(2, 3, applied(put(2, "a", 1))),
        ];
        let again = call(4, 5, applied(put(1, "a", 0)));
        let seen = |n| call(6, 7, saw(&[("a", n)]));
        let with = |last: Call| [[&sent[..], &[again.clone(), last]].concat()];
        assert!(is_linearizable(&with(seen(2))));
        assert!(!is_linearizable(&with(seen(1))), "it was applied twice");
        let forgotten = call(4, 5, conflict(put(1, "a", 0)));
        assert!(!is_linearizable(&[[&sent[..], &[forgotten]].concat()]));
    }

    #[test]
    fn deletion_that_was_forgotten() {
        let mut delete = Batch::new(id(2));
        delete.delete(key("p", "a"), Some(id(1).into()));
        let threads = [vec![
            call(0, 1, applied(put(1, "a", 0))),
            call(2, 3, applied(delete)),
            call(4, 5, saw(&[("a", 1)])),
        ]];
        assert!(!is_linearizable(&threads));
    }
}
