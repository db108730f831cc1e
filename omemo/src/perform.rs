//! How effects are performed, and answered to the operation that waits for them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use futures_util::stream::{FuturesUnordered, StreamExt};
use omemo_sansio::engine::{DownloadBundle, Effect, ForeignReply, Load, Operation, Reply, Store};
use omemo_sansio::{Bundle, NetworkError};
use omemo_storage::{Committed, Storage};

use crate::commits::Commits;
use crate::drive::Driver;
use crate::network::Network;

/// How many effects of one step are performed at a time.
const CONCURRENT: usize = 32;

/// How an effect ended, ready to be handed to its operation.
type Answer<T> = Box<dyn FnOnce(&mut Operation<T>) -> Result<(), ForeignReply> + Send>;

/// An effect that is being performed.
/// Bundles are downloaded together, so there may be several answers.
type Performing<'a, T> = Pin<Box<dyn Future<Output = Vec<Answer<T>>> + Send + 'a>>;

/// What makes the driver wait, or give up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Conflict,
    OutcomeUnknown,
}

impl<S: Storage, N: Network> Driver<S, N> {
    /// Performs the effects of a step at once and answers each as soon as it has ended.
    pub(crate) async fn perform<T: Send + 'static>(
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
