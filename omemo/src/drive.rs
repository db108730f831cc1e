//! The loop that drives an operation: perform its effects, answer them, advance.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_lock::MutexGuard;
use event_listener::Event;
use futures_util::stream::{FuturesUnordered, StreamExt};
use omemo_sansio::engine::{DownloadBundle, Effect, ForeignReply, Load, Operation, Reply, Step, Store};
use omemo_sansio::{
    Account, BareJid, Bundle, CatchUp, Error, MAX_FORGOTTEN, MAX_LOOKED_OVER, Namespace, NetworkError,
    contact_of,
};
use omemo_storage::{AccountId, Committed, ErrorKind, Page, Storage, StorageError};
use rand_core::{CryptoRng, Rng};

use crate::commits::{Alone, Commits};
use crate::network::{Network, TrustPrompt};
use crate::parked::{Held, Parked, Request};
use crate::patience::Pause;
use crate::time::{Clock, Timer};
use crate::unclaimed::Unclaimed;

/// How often a commit of unknown outcome is sent again where there is no timer.
const RESENDS_WITHOUT_TIMER: u32 = 16;

/// How long a commit of unknown outcome is sent again where there is one, in seconds by the clock: five minutes, half of
/// what storages promise to remember commits for.
const RESEND_FOR: u64 = 300;

/// How many records are listed at a time.
const LISTED: usize = 1_000;

/// How many effects of one step are performed at a time.
const CONCURRENT: usize = 32;

/// What the calls of a client share.
pub(crate) struct Driver<S, N> {
    /// Which account, for the storage.
    pub(crate) id: AccountId,
    pub(crate) account: RwLock<Account>,
    /// The catch-up that opening has begun, until it is ended.
    pub(crate) catch_up: Mutex<Option<CatchUp>>,
    pub(crate) storage: S,
    pub(crate) network: N,
    pub(crate) prompt: Arc<dyn TrustPrompt>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timer: Option<Arc<dyn Timer>>,
    pub(crate) rng: Mutex<Box<dyn CryptoRng + Send>>,
    /// Held by an operation from its load to its commit, so that those of one process do not conflict; never while one
    /// waits for the network or for a person.
    pub(crate) turn: async_lock::Mutex<()>,
    /// How many conflicts the last operation had that ended. Who has won against others lets them go first.
    pub(crate) contended: AtomicU32,
    pub(crate) parked: Parked,
    pub(crate) unclaimed: Unclaimed,
    /// Held by whoever drives calls of others to their end, until what they have read is among the unclaimed.
    pub(crate) ending: async_lock::Mutex<()>,
    /// Told when something was put in the outbox.
    pub(crate) outbox: Event,
}

/// How an effect ended, ready to be handed to its operation.
type Answer<T> = Box<dyn FnOnce(&mut Operation<T>) -> Result<(), ForeignReply> + Send>;

/// An effect that is being performed.
/// Bundles are downloaded together, so there may be several answers.
type Performing<'a, T> = Pin<Box<dyn Future<Output = Vec<Answer<T>>> + Send + 'a>>;

/// What makes the driver wait, or give up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Conflict,
    OutcomeUnknown,
}

/// Waits for a future, and drops something that is not needed any more once the future is at work.
async fn drop_while_waiting<F: Future>(future: F, leftovers: impl Sized) -> F::Output {
    let (mut future, mut leftovers) = (pin!(future), Some(leftovers));
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        drop(leftovers.take());
        polled
    })
    .await
}

impl<S: Storage, N: Network> Driver<S, N> {
    /// Drives the operation for a request to its end: the one that was begun earlier, if its future was dropped.
    pub(crate) async fn run<T: Send + Sync + 'static>(
        &self,
        request: Request,
        begin: impl FnOnce(&Account) -> Operation<T>,
    ) -> Result<T, Error> {
        self.run_with(request, begin, &mut Alone).await
    }

    /// The same, with the commits made another way.
    pub(crate) async fn run_with<T: Send + Sync + 'static>(
        &self,
        request: Request,
        begin: impl FnOnce(&Account) -> Operation<T>,
        commits: &mut impl Commits<S, T>,
    ) -> Result<T, Error> {
        let kind = request.kind();
        let mut held = Held::new(&self.parked, request, || begin(&self.account()));
        let mut turn: Option<MutexGuard<'_, ()>> = None;
        let mut unknown_since = None;
        let mut unknown = 0;
        let mut conflicts = 0;
        loop {
            if turn.is_none() {
                turn = Some(self.turn.lock().await);
                self.pause(Pause::for_others(self.contended.swap(0, Ordering::Relaxed)))
                    .await;
            }
            let Some(operation) = held.operation() else {
                return Err(Error::Internal("an operation was driven past its end"));
            };
            let effects = match self.advance(operation) {
                Step::Perform(effects) => effects,
                Step::Done(result) => {
                    let succeeded = result.is_ok();
                    tracing::debug!(kind, succeeded, conflicts, "an operation has ended");
                    held.finish();
                    self.contended.store(conflicts, Ordering::Relaxed);
                    return result;
                }
            };
            tracing::trace!(kind, effects = effects.len(), "performing effects");
            if effects.iter().any(reaches_outside) {
                turn = None;
            }
            let trouble = self.perform(operation, effects, commits).await;
            match trouble {
                None => {}
                Some(Trouble::Conflict) => {
                    conflicts += 1;
                    self.pause(Pause::after_conflict(conflicts)).await;
                }
                Some(Trouble::OutcomeUnknown) => {
                    unknown += 1;
                    let since = *unknown_since.get_or_insert_with(|| self.clock.now());
                    if self.gives_up(unknown, self.clock.now() - since) {
                        return Err(Error::Storage(StorageError::new(
                            ErrorKind::OutcomeUnknown,
                            "the outcome of a commit is unknown; the same call goes on with it",
                        )));
                    }
                    // The others need not wait for a storage to come back.
                    turn = None;
                    self.pause(Pause::after_unknown_outcome(unknown)).await;
                }
            }
        }
    }

    pub(crate) fn account(&self) -> Account {
        self.account
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The accounts that the storage holds anything about, the own one too.
    pub(crate) async fn known_accounts(&self) -> Result<BTreeSet<BareJid>, Error> {
        let mut known = BTreeSet::new();
        let mut after = None;
        loop {
            let page = self.storage.records(&self.id, after.as_ref(), LISTED);
            let Page { entries, next } = page.await.map_err(Error::Storage)?;
            known.extend(entries.iter().filter_map(|record| contact_of(&record.key)));
            match next {
                Some(next) => after = Some(next),
                None => return Ok(known),
            }
        }
    }

    /// Forgets all sessions, or those of one protocol, a few accounts at a time.
    pub(crate) async fn forget_sessions(&self, namespace: Option<&Namespace>) -> Result<(), Error> {
        let known: Vec<_> = self.known_accounts().await?.into_iter().collect();
        for jids in known.chunks(MAX_FORGOTTEN) {
            self.run(Request::Repeatable, |account| {
                account.forget_sessions(jids.to_vec(), namespace.cloned())
            })
            .await?;
        }
        Ok(())
    }

    /// Looks which accounts have authenticated keys, a few at a time. One whose record is damaged keeps it from none of the
    /// others; it is not done then, and the first such error is what it ends with.
    pub(crate) async fn look_over_trust(&self) -> Result<(), Error> {
        let known: Vec<_> = self.known_accounts().await?.into_iter().collect();
        let mut damaged = None;
        for jids in known.chunks(MAX_LOOKED_OVER) {
            match self.look_over(jids, false).await {
                Err(Error::Corrupt { .. }) => {}
                looked => {
                    looked?;
                    continue;
                }
            }
            for jid in jids {
                match self.look_over(std::slice::from_ref(jid), false).await {
                    Err(error @ Error::Corrupt { .. }) => drop(damaged.get_or_insert(error)),
                    looked => looked?,
                }
            }
        }
        match damaged {
            Some(damaged) => Err(damaged),
            None => self.look_over(&[], true).await,
        }
    }

    async fn look_over(&self, jids: &[BareJid], last: bool) -> Result<(), Error> {
        let jids = jids.to_vec();
        self.run(Request::Repeatable, |account| account.look_over_trust(jids, last))
            .await
    }

    fn advance<T>(&self, operation: &mut Operation<T>) -> Step<T> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        operation.advance(self.clock.now(), rng.as_mut())
    }

    fn gives_up(&self, times: u32, seconds: u64) -> bool {
        if self.timer.is_some() {
            seconds >= RESEND_FOR
        } else {
            times >= RESENDS_WITHOUT_TIMER
        }
    }

    /// Waits, where there is a timer.
    async fn pause(&self, pause: Pause) {
        let Some(timer) = &self.timer else { return };
        if pause == Pause::NONE {
            return;
        }
        let random = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            rng.next_u64()
        };
        timer.sleep(pause.length(random)).await;
    }

    /// Performs the effects of a step at once and answers each as soon as it has ended.
    async fn perform<T: Send + 'static>(
        &self,
        operation: &mut Operation<T>,
        effects: Vec<Effect>,
        commits: &mut impl Commits<S, T>,
    ) -> Option<Trouble> {
        let effects = match <[Effect; 1]>::try_from(effects) {
            // A commit is waited for alone.
            Ok([Effect::Store(store, reply)]) => return self.store(operation, store, reply, commits).await,
            Ok([Effect::Load(load, reply)]) => return self.load(operation, load, reply).await,
            Ok([other]) => Vec::from([other]),
            Err(several) => several,
        };
        let mut waiting = self.performances(effects).into_iter();
        let mut running: FuturesUnordered<Performing<'_, T>> = waiting.by_ref().take(CONCURRENT).collect();
        while let Some(answers) = running.next().await {
            for answer in answers {
                if answer(operation).is_err() {
                    tracing::warn!("an effect was answered that the operation does not wait for");
                }
            }
            running.extend(waiting.next());
        }
        None
    }

    /// A future for each effect; bundles are downloaded by one call.
    fn performances<T: Send + 'static>(&self, effects: Vec<Effect>) -> Vec<Performing<'_, T>> {
        let mut performances: Vec<Performing<'_, T>> = Vec::new();
        let mut bundles = Vec::new();
        for effect in effects {
            performances.push(match effect {
                Effect::DownloadBundle(wanted, reply) => {
                    bundles.push((wanted, reply));
                    continue;
                }
                Effect::Load(load, reply) => {
                    answer(
                        reply,
                        async move { self.storage.load(&self.id, &load.query).await },
                    )
                }
                Effect::Store(store, reply) => {
                    answer(
                        reply,
                        async move { self.storage.commit(&self.id, &store.batch).await },
                    )
                }
                Effect::UploadBundle(upload, reply) => {
                    answer(reply, async move { self.network.upload_bundle(&upload).await })
                }
                Effect::DeleteBundle(deletion, reply) => {
                    answer(reply, async move { self.network.delete_bundle(&deletion).await })
                }
                Effect::DownloadDeviceList(wanted, reply) => {
                    answer(
                        reply,
                        async move { self.network.download_device_list(&wanted).await },
                    )
                }
                Effect::UploadDeviceList(upload, reply) => {
                    answer(
                        reply,
                        async move { self.network.upload_device_list(&upload).await },
                    )
                }
                Effect::SendMessage(message, reply) => {
                    answer(reply, async move { self.network.send_message(&message).await })
                }
                Effect::AskTrust(question, reply) => {
                    answer(reply, async move { self.prompt.ask(&question).await })
                }
            });
        }
        if !bundles.is_empty() {
            performances.push(Box::pin(self.download_bundles(bundles)));
        }
        performances
    }

    async fn store<T>(
        &self,
        operation: &mut Operation<T>,
        store: Store,
        reply: Reply<Store>,
        commits: &mut impl Commits<S, T>,
    ) -> Option<Trouble> {
        tracing::trace!(commit = ?store.batch.id(), writes = store.batch.writes(), "committing");
        let leftovers = operation.take_leftovers();
        let commit = commits.commit(&self.storage, &self.id, &store.batch, operation.outcome());
        let outcome = drop_while_waiting(commit, leftovers).await;
        let (failed, conflict) = (outcome.is_err(), matches!(outcome, Ok(Committed::Conflict)));
        if operation.fulfil(reply, outcome).is_err() {
            tracing::warn!("a commit was answered that the operation does not wait for");
        }
        if failed && operation.is_committing() {
            tracing::warn!(commit = ?store.batch.id(), "the outcome of a commit is unknown");
            return Some(Trouble::OutcomeUnknown);
        }
        conflict.then_some(Trouble::Conflict)
    }

    /// Loads what an operation needs, or what tells whether its commit was applied: then a failure is no end.
    async fn load<T>(&self, operation: &mut Operation<T>, load: Load, reply: Reply<Load>) -> Option<Trouble> {
        let outcome = self.storage.load(&self.id, &load.query).await;
        let failed = outcome.is_err();
        if operation.fulfil(reply, outcome).is_err() {
            tracing::warn!("a load was answered that the operation does not wait for");
        }
        (failed && operation.is_committing()).then_some(Trouble::OutcomeUnknown)
    }

    async fn download_bundles<T: 'static>(
        &self,
        wanted: Vec<(DownloadBundle, Reply<DownloadBundle>)>,
    ) -> Vec<Answer<T>> {
        let (wanted, replies): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        let mut outcomes = self.network.download_bundles(&wanted).await.into_iter();
        let answers = replies.into_iter().map(|reply| {
            let outcome: Result<Option<Bundle>, NetworkError> = outcomes
                .next()
                .unwrap_or_else(|| Err(NetworkError::new("the network gave no answer for a bundle")));
            Box::new(move |operation: &mut Operation<T>| operation.fulfil(reply, outcome)) as Answer<T>
        });
        answers.collect()
    }
}

/// Whether performing the effect may take as long as the network or a person likes.
fn reaches_outside(effect: &Effect) -> bool {
    !matches!(effect, Effect::Load(..) | Effect::Store(..))
}

/// Performs one effect and makes the answer to it.
fn answer<'a, T: 'static, R>(
    reply: Reply<R>,
    outcome: impl Future<Output = R::Outcome> + Send + 'a,
) -> Performing<'a, T>
where
    R: omemo_sansio::engine::Request + 'static,
    R::Outcome: Send,
{
    Box::pin(async move {
        let outcome = outcome.await;
        let answer: Answer<T> = Box::new(move |operation| operation.fulfil(reply, outcome));
        vec![answer]
    })
}
