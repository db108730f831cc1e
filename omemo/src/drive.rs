//! The loop that drives an operation: have its effects performed and answered, advance.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_lock::MutexGuard;
use event_listener::Event;
use omemo_sansio::engine::{Effect, Operation, Step};
use omemo_sansio::{
    Account, BareJid, CatchUp, EncryptRequest, Encrypted, Error, MAX_FORGOTTEN, MAX_LOOKED_OVER, Namespace,
    contact_of,
};
use omemo_storage::{AccountId, ErrorKind, Page, Storage, StorageError};
use rand_core::{CryptoRng, Rng};

use crate::commits::{Alone, Commits};
use crate::network::{Network, TrustPrompt};
use crate::parked::{Held, Parked, Request};
use crate::patience::Pause;
use crate::perform::Trouble;
use crate::time::{Clock, Timer};
use crate::unclaimed::Unclaimed;

/// How often a commit of unknown outcome is sent again where there is no timer.
const RESENDS_WITHOUT_TIMER: u32 = 16;

/// How long a commit of unknown outcome is sent again where there is one, in seconds by the clock: five minutes, half of
/// what storages promise to remember commits for.
const RESEND_FOR: u64 = 300;

/// How many records are listed at a time.
const LISTED: usize = 1_000;

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
    /// Held by an operation from its load to its commit, so that those of one client and its clones do not conflict; never while
    /// one waits for the network or for a person.
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
        // Given up after what it was held for is parked: whoever is next must find it.
        let mut turn = None;
        let mut held = Held::new(&self.parked, request, || begin(&self.account()));
        self.drive(&mut held, &mut turn, commits).await
    }

    /// Encrypts a message. One that has come to its end long after its commit is let go and encrypted anew, if it was decided
    /// meanwhile whom messages are for.
    pub(crate) async fn encrypt(&self, request: &Arc<EncryptRequest>) -> Result<Encrypted, Error> {
        loop {
            let mut turn = None;
            let begin = || self.account().encrypt(Arc::clone(request));
            let mut held = Held::new(&self.parked, Request::Encrypt(Arc::clone(request)), begin);
            let encrypted = self.drive(&mut held, &mut turn, &mut Alone).await;
            if encrypted.is_err() || !held.is_let_go() {
                return encrypted;
            }
        }
    }

    /// Drives an operation to its end, in its turn.
    async fn drive<'a, T: Send + Sync + 'static>(
        &'a self,
        held: &mut Held<'_, T>,
        turn: &mut Option<MutexGuard<'a, ()>>,
        commits: &mut impl Commits<S, T>,
    ) -> Result<T, Error> {
        let kind = held.kind();
        let mut unknown_since = None;
        let mut unknown = 0;
        let mut conflicts = 0;
        loop {
            if turn.is_none() {
                *turn = Some(self.next_turn().await);
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
                *turn = None;
            }
            let is_changing = effects.iter().any(may_change_whom_messages_are_for);
            let trouble = self.perform(operation, effects, commits).await;
            if is_changing {
                held.may_change_whom_messages_are_for();
            }
            match trouble {
                None => {}
                Some(Trouble::Conflict) => {
                    conflicts += 1;
                    self.pause(Pause::after_conflict(conflicts)).await;
                }
                Some(Trouble::OutcomeUnknown) => {
                    unknown += 1;
                    held.comes_late();
                    let since = *unknown_since.get_or_insert_with(|| self.clock.now());
                    if self.gives_up(unknown, self.clock.now() - since) {
                        return Err(Error::Storage(StorageError::new(
                            ErrorKind::OutcomeUnknown,
                            "the outcome of a commit is unknown; the same call goes on with it",
                        )));
                    }
                    // The others need not wait for a storage to come back.
                    *turn = None;
                    self.pause(Pause::after_unknown_outcome(unknown)).await;
                }
            }
        }
    }

    /// Waits for the turn, and lets others go first if the last operation has won against them.
    async fn next_turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.turn.lock().await;
        let contended = self.contended.swap(0, Ordering::Relaxed);
        self.pause(Pause::for_others(contended)).await;
        turn
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
}

/// Whether what it is answered may change whom messages are for.
fn may_change_whom_messages_are_for(effect: &Effect) -> bool {
    matches!(effect, Effect::DownloadDeviceList(..) | Effect::AskTrust(..))
}

/// Whether performing the effect may take as long as the network or a person likes.
fn reaches_outside(effect: &Effect) -> bool {
    !matches!(effect, Effect::Load(..) | Effect::Store(..))
}
