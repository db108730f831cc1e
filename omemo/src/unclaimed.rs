//! What was read by calls that were dropped, for messages that come again by another call: in a page instead of alone, or
//! in another page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_sansio::{Content, Decrypted, Error, IncomingMessage};
use omemo_storage::Storage;

use crate::client::owes_something;
use crate::drive::Driver;
use crate::network::Network;
use crate::parked::Request;

/// The most bytes that the messages may have together, as they came and as they were read: 64 MiB. The oldest goes first.
const MAX_UNCLAIMED_BYTES: usize = 64 << 20;

/// Messages that were read, and not handed out to anybody.
#[derive(Default)]
pub(crate) struct Unclaimed(Mutex<VecDeque<(IncomingMessage, Decrypted)>>);

impl Unclaimed {
    /// What waits in the inbox needs no other place.
    fn keep(&self, message: &IncomingMessage, decrypted: Decrypted) {
        if decrypted
            .as_received()
            .is_none_or(|received| received.inbox.is_some())
        {
            return;
        }
        let mut unclaimed = self.lock();
        unclaimed.push_back((message.clone(), decrypted));
        while unclaimed.len() > 1 && bytes(&unclaimed) > MAX_UNCLAIMED_BYTES {
            tracing::warn!("a message that was read and never asked for again is let go");
            unclaimed.pop_front();
        }
    }

    /// What is to be handed out for a message: what was read before, where this call has only found that it was. Stays where
    /// this call has found out nothing.
    pub(crate) fn claim(
        &self,
        message: &IncomingMessage,
        outcome: Result<Decrypted, Error>,
    ) -> Result<Decrypted, Error> {
        if !matches!(outcome, Ok(Decrypted::AlreadyDecrypted)) {
            return outcome;
        }
        let mut unclaimed = self.lock();
        let index = unclaimed.iter().position(|(unclaimed, _)| unclaimed == message);
        match index.and_then(|index| unclaimed.remove(index)) {
            Some((_, claimed)) => Ok(claimed),
            None => outcome,
        }
    }

    /// Nothing here panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(IncomingMessage, Decrypted)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(unclaimed: &VecDeque<(IncomingMessage, Decrypted)>) -> usize {
    let read = |decrypted: &Decrypted| match decrypted.as_received().map(|received| &received.content) {
        Some(Content::Plaintext(plaintext)) => plaintext.len(),
        _ => 0,
    };
    let of_each =
        |(message, decrypted): &(IncomingMessage, Decrypted)| message.bytes().saturating_add(read(decrypted));
    unclaimed.iter().map(of_each).fold(0, usize::saturating_add)
}

impl<S: Storage, N: Network> Driver<S, N> {
    /// Drives the dropped calls but this one that hold one of its messages to their end, and keeps what they read.
    ///
    /// # Errors
    ///
    /// What keeps them from their end; they go on waiting then.
    pub(crate) async fn end_overlapping(
        &self,
        messages: &[IncomingMessage],
        request: &Request,
    ) -> Result<(), Error> {
        for parked in self.parked.overlapping(messages, request) {
            match &parked {
                Request::Decrypt(message) => {
                    let begin = Arc::clone(message);
                    let decrypted = self.run(parked.clone(), |account| account.decrypt(begin)).await;
                    self.take_in(message, decrypted)?;
                }
                Request::DecryptMany(page) => {
                    let begin = Arc::clone(page);
                    let outcomes = self
                        .run(parked.clone(), |account| account.decrypt_many(begin))
                        .await?;
                    for (message, outcome) in page.iter().zip(outcomes) {
                        // Of a page, each message ends for itself.
                        let _ = self.take_in(message, outcome);
                    }
                }
                Request::DecryptIn(_) | Request::Encrypt(_) | Request::BeginCatchUp | Request::Repeatable => {
                }
            }
        }
        Ok(())
    }

    fn take_in(&self, message: &IncomingMessage, outcome: Result<Decrypted, Error>) -> Result<(), Error> {
        if owes_something(&outcome) {
            self.outbox.notify(usize::MAX);
        }
        match outcome {
            Ok(decrypted) => {
                self.unclaimed.keep(message, decrypted);
                Ok(())
            }
            // Whoever asks for it finds out.
            Err(Error::Decrypt(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
