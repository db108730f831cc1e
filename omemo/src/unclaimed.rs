//! What was read by calls that were dropped, for messages that come again by another call: in a page instead of alone, or
//! in another page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_sansio::{Content, Decrypted, DecryptedPage, Error, IncomingMessage};
use omemo_storage::Storage;

use crate::drive::Driver;
use crate::network::Network;
use crate::parked::Request;

/// The most bytes that the messages may have together, as they came and as they were read: 64 MiB. The oldest goes first.
const MAX_UNCLAIMED_BYTES: usize = 64 << 20;

/// How many bytes a message is counted for besides: its names, its structure, and its place.
const OVERHEAD: usize = 1 << 10;

/// Messages that were read, and not handed out to anybody.
#[derive(Default)]
pub(crate) struct Unclaimed(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    messages: VecDeque<(IncomingMessage, Decrypted)>,
    /// What they are counted for.
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, message: IncomingMessage, decrypted: Decrypted) {
        self.bytes = self.bytes.saturating_add(bytes(&message, &decrypted));
        self.messages.push_back((message, decrypted));
    }

    fn remove(&mut self, index: usize) -> Option<Decrypted> {
        let (message, decrypted) = self.messages.remove(index)?;
        self.bytes = self.bytes.saturating_sub(bytes(&message, &decrypted));
        Some(decrypted)
    }
}

impl Unclaimed {
    /// Keeps what was read for whoever asks for it; gives back what needs no other place, as what waits in the inbox.
    fn keep(&self, message: &IncomingMessage, decrypted: Decrypted) -> Option<Decrypted> {
        if decrypted
            .as_received()
            .is_none_or(|received| received.inbox.is_some())
        {
            return Some(decrypted);
        }
        let mut unclaimed = self.lock();
        unclaimed.push(message.clone(), decrypted);
        while unclaimed.messages.len() > 1 && unclaimed.bytes > MAX_UNCLAIMED_BYTES {
            tracing::warn!("a message that was read and never asked for again is let go");
            unclaimed.remove(0);
        }
        None
    }

    /// What is to be handed out for a message: what was read before, where this call has only found that it was. Stays where
    /// this call has found out nothing.
    fn claim(
        &self,
        message: &IncomingMessage,
        outcome: Result<Decrypted, Error>,
    ) -> Result<Decrypted, Error> {
        if !matches!(outcome, Ok(Decrypted::AlreadyDecrypted)) {
            return outcome;
        }
        let mut unclaimed = self.lock();
        let index = unclaimed
            .messages
            .iter()
            .position(|(unclaimed, _)| unclaimed == message);
        match index.and_then(|index| unclaimed.remove(index)) {
            Some(claimed) => Ok(claimed),
            None => outcome,
        }
    }

    /// Nothing here panics half-way through a change, so a poisoned lock protects sound data.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(message: &IncomingMessage, decrypted: &Decrypted) -> usize {
    let read = match decrypted.as_received().map(|received| &received.content) {
        Some(Content::Plaintext(plaintext)) => plaintext.len(),
        _ => 0,
    };
    message.bytes().saturating_add(read).saturating_add(OVERHEAD)
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
        if !self.parked.overlapping(messages, Some(request)).is_empty() {
            let _ending = self.ending.lock().await;
            self.end(self.parked.overlapping(messages, Some(request))).await?;
        }
        Ok(())
    }

    /// What is to be handed out for a message that a call has ended with.
    ///
    /// # Errors
    ///
    /// What the call has ended with, or what keeps others from their end that may have read the message.
    pub(crate) async fn claim(
        &self,
        message: &IncomingMessage,
        outcome: Result<Decrypted, Error>,
    ) -> Result<Decrypted, Error> {
        if matches!(outcome, Ok(Decrypted::AlreadyDecrypted)) {
            self.await_others(std::slice::from_ref(message)).await?;
        }
        self.unclaimed.claim(message, outcome)
    }

    /// The same for a page. What this call has read is kept while others are waited for: it may be dropped meanwhile.
    ///
    /// # Errors
    ///
    /// What keeps others from their end that may have read one of the messages. Nothing is lost: the page can be asked for
    /// again.
    pub(crate) async fn claim_page(
        &self,
        page: &[IncomingMessage],
        outcomes: DecryptedPage,
    ) -> Result<DecryptedPage, Error> {
        let repeated =
            |outcome: &Result<Decrypted, Error>| matches!(outcome, Ok(Decrypted::AlreadyDecrypted));
        let outcomes = if outcomes.iter().any(repeated) && self.others_may_have_read(page) {
            let kept = page.iter().zip(outcomes).map(|(message, outcome)| {
                let outcome = outcome.map(|decrypted| self.unclaimed.keep(message, decrypted));
                outcome.map(|left| left.unwrap_or(Decrypted::AlreadyDecrypted))
            });
            let kept = kept.collect();
            self.await_others(page).await?;
            kept
        } else {
            outcomes
        };
        let outcomes = page.iter().zip(outcomes);
        let claimed = outcomes.map(|(message, outcome)| self.unclaimed.claim(message, outcome));
        Ok(claimed.collect())
    }

    /// A message that was read already may have been read by a call that was dropped, and that is being driven to its end by
    /// another one since, which may be dropped too.
    async fn await_others(&self, messages: &[IncomingMessage]) -> Result<(), Error> {
        if self.others_may_have_read(messages) {
            let _ending = self.ending.lock().await;
            self.end(self.parked.overlapping(messages, None)).await?;
        }
        Ok(())
    }

    fn others_may_have_read(&self, messages: &[IncomingMessage]) -> bool {
        match self.ending.try_lock() {
            None => true,
            // Held while looking, so that nobody takes one up or drops one meanwhile.
            Some(_ending) => !self.parked.overlapping(messages, None).is_empty(),
        }
    }

    /// Drives dropped calls to their end.
    async fn end(&self, dropped: Vec<Request>) -> Result<(), Error> {
        for request in dropped {
            match &request {
                Request::Decrypt(message) => {
                    let begin = Arc::clone(message);
                    let decrypted = self.run(request.clone(), |account| account.decrypt(begin)).await;
                    self.take_in(message, decrypted)?;
                }
                Request::DecryptMany(page) => {
                    let begin = Arc::clone(page);
                    let outcomes = self
                        .run(request.clone(), |account| account.decrypt_many(begin))
                        .await?;
                    for (message, outcome) in page.iter().zip(outcomes) {
                        // Of a page, each message ends for itself.
                        let _ = self.take_in(message, outcome);
                    }
                }
                Request::DecryptIn(_)
                | Request::Encrypt(_)
                | Request::EncryptIn(_)
                | Request::BeginCatchUp
                | Request::Repeatable => {}
            }
        }
        Ok(())
    }

    fn take_in(&self, message: &IncomingMessage, outcome: Result<Decrypted, Error>) -> Result<(), Error> {
        self.note_owed(message, &outcome);
        match outcome {
            Ok(decrypted) => {
                let _ = self.unclaimed.keep(message, decrypted);
                Ok(())
            }
            // It has not come to its end.
            Err(error @ (Error::Storage(_) | Error::Contention { .. })) => Err(error),
            // Whoever asks for it finds out.
            Err(_) => Ok(()),
        }
    }
}
