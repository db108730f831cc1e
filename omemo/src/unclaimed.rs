//! What was read by calls that were dropped, for messages that come again by another call: in a page instead of alone, or
//! in another page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_sansio::{Decrypted, Error, IncomingMessage};
use omemo_storage::Storage;

use crate::drive::Driver;
use crate::network::Network;
use crate::parked::Request;

/// The most messages that are kept; the oldest goes first.
const MAX_UNCLAIMED: usize = 4_096;

/// Messages that were read, and not handed out to anybody.
#[derive(Default)]
pub(crate) struct Unclaimed(Mutex<VecDeque<(IncomingMessage, Decrypted)>>);

impl Unclaimed {
    fn keep(&self, message: &IncomingMessage, decrypted: Decrypted) {
        if decrypted.as_received().is_none() {
            return;
        }
        let mut unclaimed = self.lock();
        unclaimed.push_back((message.clone(), decrypted));
        if unclaimed.len() > MAX_UNCLAIMED {
            tracing::warn!("a message that was read and never asked for again is let go");
            unclaimed.pop_front();
        }
    }

    /// What is to be handed out for a message: what was read before, where this call has only found that it was.
    pub(crate) fn claim(
        &self,
        message: &IncomingMessage,
        outcome: Result<Decrypted, Error>,
    ) -> Result<Decrypted, Error> {
        let mut unclaimed = self.lock();
        let index = unclaimed.iter().position(|(unclaimed, _)| unclaimed == message);
        let claimed = index.and_then(|index| unclaimed.remove(index));
        match (outcome, claimed) {
            (Ok(Decrypted::AlreadyDecrypted), Some((_, claimed))) => Ok(claimed),
            (outcome, _) => outcome,
        }
    }

    /// Nothing here panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(IncomingMessage, Decrypted)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage, N: Network> Driver<S, N> {
    /// Drives the dropped calls that hold a message of this one to their end, and keeps what they read.
    ///
    /// # Errors
    ///
    /// What keeps them from their end; they go on waiting then.
    pub(crate) async fn end_overlapping(&self, request: &Request) -> Result<(), Error> {
        for parked in self.parked.overlapping(request) {
            match &parked {
                Request::Decrypt(message) => {
                    let begin = Arc::clone(message);
                    let decrypted = self.run(parked.clone(), |account| account.decrypt(begin)).await;
                    match decrypted {
                        Ok(decrypted) => self.unclaimed.keep(message, decrypted),
                        // This call finds out for itself.
                        Err(Error::Decrypt(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Request::DecryptMany(page) => {
                    let begin = Arc::clone(page);
                    let outcomes = self
                        .run(parked.clone(), |account| account.decrypt_many(begin))
                        .await?;
                    for (message, outcome) in page.iter().zip(outcomes) {
                        if let Ok(decrypted) = outcome {
                            self.unclaimed.keep(message, decrypted);
                        }
                    }
                }
                Request::Encrypt(_) | Request::BeginCatchUp | Request::Repeatable => {}
            }
        }
        Ok(())
    }
}
