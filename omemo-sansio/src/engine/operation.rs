//! An operation: what drives its function to the end.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use omemo_storage::{Batch, CommitId, Committed, ErrorKind, Query, Revision, Snapshot, StorageError, Write};
use rand_core::CryptoRng;

use super::effect::{Effect, Load, Outcome, Store, Wanted};
use super::reply::{ForeignReply, Reply, Request};
use super::{Env, Leftovers, Stop, View};
use crate::{Error, Timestamp};

/// How often an operation is run on fresh state after conflicts before it gives up: 64.
pub const MAX_ATTEMPTS: u32 = 64;

/// How often the function may stop for something it lacks. Each stop adds what was lacking, so honest ones are few.
const MAX_RUNS: u32 = 1_000;

type Function<T> = Box<dyn FnMut(&mut View, &mut Env<'_>) -> Result<T, Stop> + Send>;

/// Something an account was asked to do, on its way to its end.
///
/// Nothing has happened before its commit, so an operation may be dropped at any time before the first
/// [`Effect::Store`]. After that its outcome may be unknown: keep it, and go on with it later. An effect that was not
/// answered is issued again by the next [`advance`](Self::advance).
#[must_use = "an operation does nothing unless it is advanced"]
pub struct Operation<T> {
    /// Marks the replies of this operation.
    owner: Arc<()>,
    function: Function<T>,
    view: View,
    waiting: BTreeMap<u64, Wanted>,
    next_slot: u64,
    phase: Phase<T>,
    attempts: u32,
    runs: u32,
    /// How often the batch that is to be committed was issued.
    issues: u32,
}

enum Phase<T> {
    /// The function has to run, maybe after some effects.
    Gather,
    /// A batch has to be committed.
    Commit { batch: Arc<Batch>, then: Then<T> },
    /// It has ended, and the end was not handed out yet.
    Ended(Result<T, Error>),
    /// The end was handed out.
    Over,
}

enum Then<T> {
    End(Result<T, Error>),
    /// The function has more to do on the state it has just committed.
    RunAgain,
}

/// What to do next with an [`Operation`].
#[derive(Debug)]
#[must_use = "effects must be performed, and a result is handed out once"]
pub enum Step<T> {
    /// Perform these, in any order or at once; answer each by [`Operation::fulfil`], then advance again.
    Perform(Vec<Effect>),
    /// It has ended.
    Done(Result<T, Error>),
}

impl<T> Operation<T> {
    pub(crate) fn new(
        function: impl FnMut(&mut View, &mut Env<'_>) -> Result<T, Stop> + Send + 'static,
    ) -> Self {
        Self {
            owner: Arc::new(()),
            function: Box::new(function),
            view: View::default(),
            waiting: BTreeMap::new(),
            next_slot: 0,
            phase: Phase::Gather,
            attempts: 0,
            runs: 0,
            issues: 0,
        }
    }

    /// Goes on as far as possible. `now` should not go back between calls; `rng` must be cryptographic.
    pub fn advance(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) -> Step<T> {
        loop {
            if !self.waiting.is_empty() {
                return Step::Perform(self.issue());
            }
            match core::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Gather => self.run(now, rng),
                Phase::Commit { batch, then } => {
                    self.issues = 0;
                    self.wait_for(Wanted::Store(Store {
                        batch: Arc::clone(&batch),
                        unknown_outcomes: 0,
                    }));
                    self.phase = Phase::Commit { batch, then };
                }
                Phase::Ended(result) => return Step::Done(result),
                Phase::Over => return Step::Done(Err(Error::Internal("the operation has ended before"))),
            }
        }
    }

    /// Takes in how an effect ended.
    ///
    /// # Errors
    ///
    /// [`ForeignReply`] if the token is of another operation, or its effect was answered before.
    pub fn fulfil<R: Request>(&mut self, reply: Reply<R>, outcome: R::Outcome) -> Result<(), ForeignReply> {
        let slot = reply.slot(&self.owner)?;
        if matches!(self.phase, Phase::Ended(_) | Phase::Over) {
            // Another effect of the same step has ended it.
            return Ok(());
        }
        let wanted = self.waiting.remove(&slot).ok_or(ForeignReply)?;
        match (wanted, R::wrap(outcome)) {
            (Wanted::Store(store), Outcome::Store(outcome)) => self.committed(slot, store, outcome),
            (Wanted::Load(load), Outcome::Load(answer)) if matches!(self.phase, Phase::Commit { .. }) => {
                self.found(load, answer);
            }
            (wanted, outcome) => {
                if let Err(error) = self.view.record(wanted, outcome) {
                    self.end(Err(error));
                }
            }
        }
        Ok(())
    }

    /// Whether a commit was issued whose outcome is not known yet. Dropping the operation now may lose its result.
    pub fn is_committing(&self) -> bool {
        if matches!(self.phase, Phase::Commit { .. }) && !self.waiting.is_empty() {
            return true;
        }
        self.waiting
            .values()
            .any(|wanted| matches!(wanted, Wanted::Store(_)))
    }

    /// What the operation will hand out if the commit that it waits for is applied; `None` while it is not about to end, or
    /// if it will end with an error.
    pub fn outcome(&self) -> Option<&T> {
        match &self.phase {
            Phase::Commit {
                then: Then::End(Ok(output)),
                ..
            } => Some(output),
            _ => None,
        }
    }

    /// Takes the records that the operation has read, once it has made its last batch and needs them no more: nothing
    /// before. To wipe and free them takes a while, which a driver can spend while the storage is at work on the batch. They
    /// go with the operation otherwise.
    pub fn take_leftovers(&mut self) -> Leftovers {
        match self.phase {
            Phase::Commit {
                then: Then::End(_), ..
            } => Leftovers::new(self.view.take_stored()),
            _ => Leftovers::default(),
        }
    }

    fn issue(&mut self) -> Vec<Effect> {
        if self.is_committing() {
            self.issues = self.issues.saturating_add(1);
        }
        if self.issues > 1 {
            // What was issued before and not answered, since its future was dropped, may have been applied.
            for wanted in self.waiting.values_mut() {
                if let Wanted::Store(store) = wanted {
                    store.unknown_outcomes = store.unknown_outcomes.max(1);
                }
            }
        }
        self.waiting
            .iter()
            .map(|(slot, wanted)| wanted.issue(&self.owner, *slot))
            .collect()
    }

    fn wait_for(&mut self, wanted: Wanted) {
        self.waiting.insert(self.next_slot, wanted);
        self.next_slot += 1;
    }

    fn end(&mut self, result: Result<T, Error>) {
        self.waiting.clear();
        self.phase = Phase::Ended(result);
    }

    fn run(&mut self, now: Timestamp, rng: &mut dyn CryptoRng) {
        self.runs += 1;
        if self.runs > MAX_RUNS {
            return self.end(Err(Error::Internal("the operation does not come to an end")));
        }
        self.view.begin_run();
        let mut env = Env::new(now, rng);
        let result = (self.function)(&mut self.view, &mut env);
        let drawn = env.has_drawn();
        match result {
            Ok(output) => self.prepare_commit(Then::End(Ok(output)), rng),
            Err(Stop::Checkpoint) => self.prepare_commit(Then::RunAgain, rng),
            Err(Stop::FailKeeping(error)) => self.prepare_commit(Then::End(Err(error)), rng),
            Err(Stop::Fail(error)) => {
                self.view.discard_writes();
                self.prepare_commit(Then::End(Err(error)), rng);
            }
            Err(Stop::Need) => {
                debug_assert!(!drawn, "randomness was drawn before the last stop");
                self.gather();
            }
        }
    }

    fn gather(&mut self) {
        let needs = self.view.take_needs();
        if needs.is_empty() {
            return self.end(Err(Error::Internal("the operation stopped without need")));
        }
        needs.into_iter().for_each(|wanted| self.wait_for(wanted));
        self.phase = Phase::Gather;
    }

    fn prepare_commit(&mut self, then: Then<T>, rng: &mut dyn CryptoRng) {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let batch = self.view.batch(CommitId::from_bytes(id));
        if batch.writes() > 0 || !self.view.is_one_snapshot() {
            self.phase = Phase::Commit {
                batch: Arc::new(batch),
                then,
            };
        } else {
            // It relied on one snapshot alone and changes nothing: it was so at that moment.
            self.proceed(then);
        }
    }

    fn committed(&mut self, slot: u64, store: Store, outcome: Result<Committed, StorageError>) {
        match outcome {
            Ok(Committed::Applied) => self.applied(),
            Ok(Committed::Conflict) if self.issues > 1 => self.look_for_commit(&store.batch),
            Ok(Committed::Conflict) => self.conflict(),
            Err(error) if leaves_unknown(&error, &store) => {
                let unknown_outcomes = store.unknown_outcomes.saturating_add(1);
                self.waiting.insert(
                    slot,
                    Wanted::Store(Store {
                        unknown_outcomes,
                        ..store
                    }),
                );
            }
            Err(error) => self.end(Err(Error::Storage(error))),
        }
    }

    fn applied(&mut self) {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Commit { batch, then } => {
                if matches!(then, Then::RunAgain) {
                    self.view.applied(&batch);
                }
                self.attempts = 0;
                self.proceed(then);
            }
            _ => self.end(Err(Error::Internal("a commit was answered that was not made"))),
        }
    }

    fn proceed(&mut self, then: Then<T>) {
        match then {
            Then::End(result) => self.end(result),
            Then::RunAgain => {
                let effects = self.view.take_after_commit();
                effects.into_iter().for_each(|wanted| self.wait_for(wanted));
                self.phase = Phase::Gather;
            }
        }
    }

    /// A batch that was sent before meets a conflict: with itself, if it was applied then and the storage has forgotten
    /// its id since. What it wrote bears its id as revision.
    fn look_for_commit(&mut self, batch: &Batch) {
        let mut query = Query::new();
        let puts = batch
            .stakes()
            .filter(|(_, stake)| matches!(stake.write, Write::Put(_)));
        query.records.extend(puts.map(|(key, _)| key.clone()));
        if query.is_empty() {
            return self.conflict();
        }
        self.wait_for(Wanted::Load(Load {
            query: Arc::new(query),
        }));
    }

    fn found(&mut self, load: Load, answer: Result<Snapshot, StorageError>) {
        let Phase::Commit { batch, .. } = &self.phase else {
            return;
        };
        let ours = Revision::from(batch.id());
        match answer {
            Ok(snapshot) if snapshot.records.values().any(|record| record.revision == ours) => self.applied(),
            Ok(_) => self.conflict(),
            // Still unknown: ask again.
            Err(_) => self.wait_for(Wanted::Load(load)),
        }
    }

    fn conflict(&mut self) {
        self.attempts += 1;
        if self.attempts >= MAX_ATTEMPTS {
            return self.end(Err(Error::Contention {
                attempts: self.attempts,
            }));
        }
        self.view.forget_stored();
        self.phase = Phase::Gather;
    }
}

/// Whether it is not known, after this failure, if the batch was applied.
fn leaves_unknown(error: &StorageError, store: &Store) -> bool {
    match error.kind() {
        ErrorKind::OutcomeUnknown => true,
        // It was not applied before, or the application would not have been asked; and it is too large each time.
        ErrorKind::Companion | ErrorKind::TooLarge => false,
        // Once an answer was lost, no other failure can tell that the batch was not applied.
        _ => store.unknown_outcomes > 0,
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match &self.phase {
            Phase::Gather => "gathering",
            Phase::Commit { .. } => "committing",
            Phase::Ended(_) => "ended",
            Phase::Over => "over",
        };
        write!(f, "Operation({phase}, {} effects open)", self.waiting.len())
    }
}
