//! Several threads on few records of one account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, Committed, Key, Revision, Storage, Write};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::prop_assert;
use proptest::test_runner::TestCaseError;

use super::explore;
use super::history::{Call, What, is_linearizable};
use super::program::{Belief, Part, Place, Question, any_part, batch_of};
use crate::storage::Factory;
use crate::storage::behaviours::tenant::Tenant;
use crate::storage::behaviours::together::together;

const PROGRAMS: u32 = 40;
const THREADS: usize = 4;
const STEPS: usize = 9;

/// A step of one thread.
#[derive(Clone, Debug)]
enum Step {
    Load(Question),
    /// Relies on what this thread has seen last.
    Commit(Vec<Part>),
    /// The last batch of this thread again.
    Resend,
}

fn any_step() -> impl Strategy<Value = Step> {
    let places = || Place::any(2, 2);
    prop_oneof![
        4 => Question::any(places()).prop_map(Step::Load),
        5 => vec(any_part(places()), 1..4).prop_map(Step::Commit),
        1 => Just(Step::Resend),
    ]
}

fn any_program() -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(vec(any_step(), 1..=STEPS), 2..=THREADS)
}

/// Four threads load and commit few records through one handle, as random programs say: there is an order of all calls
/// that explains every answer.
pub async fn history_of_one_handle_is_linearizable<S: Storage>(storage: &S) {
    explore(PROGRAMS, any_program(), |program| {
        let account = Tenant::new(storage).account;
        let threads = program.into_iter().map(|steps| (storage, steps)).collect();
        play(threads, &account)
    });
}

/// The same with a handle for each thread, as processes have.
pub async fn history_of_several_handles_is_linearizable<F: Factory>(factory: &F) {
    let mut handles = Vec::new();
    for _ in 0..THREADS {
        handles.push(factory.open().await.unwrap());
    }
    explore(PROGRAMS, any_program(), |program| {
        let account = Tenant::new(&handles[0]).account;
        let threads = handles.iter().zip(program).collect();
        play(threads, &account)
    });
}

fn play<S: Storage>(threads: Vec<(&S, Vec<Step>)>, account: &AccountId) -> Result<(), TestCaseError> {
    let storage = threads[0].0;
    let clock = AtomicUsize::new(0);
    let history = together(threads, |(storage, steps)| {
        let mut thread = Thread::new(Tenant::named(storage, account.as_str()), &clock);
        for step in steps {
            wait(thread.take(step));
        }
        thread.calls
    });
    wait(storage.purge(account)).unwrap();
    prop_assert!(is_linearizable(&history), "no order explains this: {history:#?}");
    Ok(())
}

/// What a thread has done and seen.
struct Thread<'a, S> {
    tenant: Tenant<'a, S>,
    clock: &'a AtomicUsize,
    calls: Vec<Call>,
    believes: BTreeMap<Key, Revision>,
    last: Option<Batch>,
}

impl<'a, S: Storage> Thread<'a, S> {
    fn new(tenant: Tenant<'a, S>, clock: &'a AtomicUsize) -> Self {
        Self {
            tenant,
            clock,
            calls: Vec::new(),
            believes: BTreeMap::new(),
            last: None,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Load(question) => self.load(&question).await,
            Step::Commit(parts) => {
                let batch = batch_of(&parts, |part| match part.belief {
                    Belief::Absent => None,
                    _ => self.believes.get(&part.place.key()).copied(),
                });
                self.commit(batch).await;
            }
            Step::Resend => {
                if let Some(batch) = self.last.clone() {
                    self.commit(batch).await;
                }
            }
        }
    }

    async fn load(&mut self, question: &Question) {
        let query = question.query();
        let began = self.tick();
        let snapshot = self.tenant.load(&query).await;
        let ended = self.tick();
        let seen: BTreeMap<Key, Revision> = snapshot
            .records
            .into_iter()
            .map(|(key, record)| (key, record.revision))
            .collect();
        self.believes.retain(|key, _| !query.covers(key));
        self.believes.extend(seen.clone());
        if !snapshot.from_cache {
            let what = What::Load(query, seen);
            self.calls.push(Call { began, ended, what });
        }
    }

    async fn commit(&mut self, batch: Batch) {
        let began = self.tick();
        let outcome = self.tenant.commit(&batch).await;
        let ended = self.tick();
        if outcome == Committed::Applied && self.last.as_ref() != Some(&batch) {
            for (key, stake) in batch.stakes() {
                match stake.write {
                    Write::Keep => {}
                    Write::Put(_) => drop(self.believes.insert(key.clone(), batch.id().into())),
                    Write::Delete => drop(self.believes.remove(key)),
                }
            }
        }
        self.last = Some(batch.clone());
        let what = What::Commit(batch, outcome);
        self.calls.push(Call { began, ended, what });
    }

    fn tick(&self) -> usize {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}
