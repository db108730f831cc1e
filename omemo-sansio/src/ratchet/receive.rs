//! Receiving: which key a message needs, and what follows when it fits.
//!
//! Everything is computed aside and applied at the end, so that a message that does not decrypt changes nothing.

use alloc::boxed::Box;
use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::chain::Chain;
use super::history::ChainId;
use super::message_key::MessageKey;
use super::root_key::RootKey;
use super::session::{PastEnd, Session};
use super::skipped::{Position, SkippedKey};
use super::{DecryptError, SkipLimits, SkippedKeys};
use crate::keys::curve::Point;
use crate::keys::{KeyPair, PublicKey, SharedSecret};
use crate::protocol::{Header, Message, Protocol};

/// Which chain a message belongs to.
enum Place {
    /// The current one, at or past its end.
    Ahead,
    /// One there was, the current one included, before its end.
    Behind,
    /// The message past the announced end of its chain, whose key is kept apart.
    PastEnd,
    /// A chain that is not known: a new one, or one that was forgotten.
    Unknown,
}

/// What a message does to the session, once it is authenticated.
enum Change {
    TakeSkipped(Position),
    TakePastEnd,
    Advance(Run),
    Step(Box<Step>),
}

impl Session {
    /// Whether [`decrypt`](Self::decrypt) has to be given the skipped keys: because the message's key must be among them,
    /// or because it adds some. A message in order needs none, however many there are.
    pub fn needs_skipped_keys(&self, message: &Message) -> bool {
        let header = message.header();
        match self.place(header) {
            Place::Ahead => header.n > self.receiving_chain_length(),
            Place::Behind => self.skipped > 0,
            Place::PastEnd => false,
            Place::Unknown => {
                let left_over = self
                    .receiving
                    .as_ref()
                    .is_some_and(|chain| chain.next() < self.end(header));
                header.n > 0 || left_over
            }
        }
    }

    /// Decrypts a message (Double Ratchet, section 3.5), in whatever order messages come. Where it begins a new chain, 32
    /// bytes are drawn for the next ratchet key, after it was authenticated.
    ///
    /// `skipped` are the session's skipped keys, changed only where
    /// [`needs_skipped_keys`](Self::needs_skipped_keys) said that they are needed.
    ///
    /// # Errors
    ///
    /// [`DecryptError`]; neither the session nor the skipped keys have changed then.
    pub fn decrypt(
        &mut self,
        protocol: &dyn Protocol,
        message: &Message,
        skipped: Option<&mut SkippedKeys>,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        if skipped.is_none() && self.needs_skipped_keys(message) {
            return Err(DecryptError::SkippedKeysNeeded);
        }
        let (plaintext, change) = self.open(protocol, message, skipped.as_deref(), limits)?;
        self.apply(protocol, message.header(), change, skipped, limits, rng)?;
        Ok(plaintext)
    }

    fn place(&self, header: &Header) -> Place {
        if let Some(receiving) = &self.receiving
            && header.ratchet_key == self.peer_ratchet
        {
            return if header.n < receiving.next() {
                Place::Behind
            } else {
                Place::Ahead
            };
        }
        let chain = ChainId::of(&header.ratchet_key);
        match &self.past_end {
            Some(past_end) if (past_end.chain, past_end.n) == (chain, header.n) => Place::PastEnd,
            _ if self.history.contains(chain) => Place::Behind,
            _ => Place::Unknown,
        }
    }

    /// Where the previous chain ends, if the message begins a new one: how many messages it has had.
    fn end(&self, header: &Header) -> u32 {
        header.pn.saturating_add(u32::from(self.counts_short))
    }

    /// Finds the key and decrypts; changes nothing.
    fn open(
        &self,
        protocol: &dyn Protocol,
        message: &Message,
        skipped: Option<&SkippedKeys>,
        limits: SkipLimits,
    ) -> Result<(Zeroizing<Vec<u8>>, Change), DecryptError> {
        let header = message.header();
        let open = |key: &MessageKey| {
            key.open(
                protocol,
                &self.origin.associated_data,
                self.origin.role.other(),
                message,
            )
        };
        let kept = || skipped.and_then(|skipped| skipped.find(&header.ratchet_key, header.n));
        match (self.place(header), &self.receiving, &self.past_end) {
            (Place::Ahead, Some(receiving), _) => {
                let run = Run::new(receiving, header.n, limits)?;
                let plaintext = open(&run.key)?;
                Ok((plaintext, Change::Advance(run)))
            }
            (Place::PastEnd, _, Some(past_end)) => Ok((open(&past_end.key)?, Change::TakePastEnd)),
            (Place::Unknown, receiving, _) => {
                if let Some((position, key)) = kept() {
                    return Ok((open(key)?, Change::TakeSkipped(position)));
                }
                let step = self.step(protocol, receiving.as_ref(), header, limits)?;
                let plaintext = open(&step.run.key).map_err(|error| match error {
                    // It may be of a chain that was forgotten, with a key that was kept.
                    DecryptError::InvalidMac if skipped.is_none() && self.skipped > 0 => {
                        DecryptError::SkippedKeysNeeded
                    }
                    error => error,
                })?;
                Ok((plaintext, Change::Step(Box::new(step))))
            }
            (Place::Behind | Place::Ahead | Place::PastEnd, ..) => {
                let (position, key) = kept().ok_or(DecryptError::AlreadyDecrypted)?;
                Ok((open(key)?, Change::TakeSkipped(position)))
            }
        }
    }

    fn step(
        &self,
        protocol: &dyn Protocol,
        ending: Option<&Chain>,
        header: &Header,
        limits: SkipLimits,
    ) -> Result<Step, DecryptError> {
        limits.allow(header.n)?;
        let peer_ratchet = Point::new(&header.ratchet_key);
        let shared = peer_ratchet.agree(self.own_ratchet.secret())?;
        Step::new(
            protocol,
            &self.root_key,
            (peer_ratchet, shared),
            ending,
            header,
            limits,
        )
    }

    /// Applies what an authentic message changes.
    fn apply(
        &mut self,
        protocol: &dyn Protocol,
        header: &Header,
        change: Change,
        mut skipped: Option<&mut SkippedKeys>,
        limits: SkipLimits,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), DecryptError> {
        let mut keep = |ratchet_key: &PublicKey, keys| {
            if let Some(skipped) = &mut skipped {
                skipped.add(ratchet_key, keys, limits.per_session);
            }
        };
        match change {
            Change::Advance(run) => {
                keep(&self.peer_ratchet, run.skipped);
                self.receiving = Some(run.chain);
            }
            Change::Step(step) => {
                let answer = step.answer(protocol, rng)?;
                self.turn(header, *step, answer, keep);
            }
            Change::TakePastEnd => {
                self.past_end = None;
                self.counts_short = true;
            }
            Change::TakeSkipped(position) => {
                if let Some(skipped) = &mut skipped {
                    skipped.remove(position);
                }
            }
        }
        if let Some(skipped) = skipped {
            self.skipped = skipped.count();
        }
        self.confirmed = true;
        Ok(())
    }

    /// Ends the receiving chain and begins the next, and the sending chain that answers it.
    fn turn(
        &mut self,
        header: &Header,
        step: Step,
        answer: Answer,
        mut keep: impl FnMut(&PublicKey, Vec<SkippedKey>),
    ) {
        let ended = ChainId::of(&self.peer_ratchet);
        if let Some(ending) = &self.receiving {
            self.history.push(ended);
            self.counts_short |= ending.next() > header.pn;
        }
        if let Some(Run { mut skipped, key, .. }) = step.left_over {
            let n = header.pn;
            if self.counts_short {
                skipped.push(SkippedKey { n, key });
            } else {
                self.past_end = Some(PastEnd { chain: ended, n, key });
            }
            keep(&self.peer_ratchet, skipped);
        }
        keep(&header.ratchet_key, step.run.skipped);
        self.previous_sending = self.sending.next();
        self.root_key = answer.root_key;
        self.own_ratchet = answer.own_ratchet;
        self.sending = answer.sending;
        self.peer_ratchet = header.ratchet_key;
        self.receiving = Some(step.run.chain);
    }
}

/// A chain run up to a message: the keys before it, its own, and the chain after it.
pub(super) struct Run {
    pub(super) skipped: Vec<SkippedKey>,
    pub(super) key: MessageKey,
    pub(super) chain: Chain,
}

impl Run {
    /// Runs to message `n`, which the chain has not reached yet. Does nothing if it is too far.
    fn new(chain: &Chain, n: u32, limits: SkipLimits) -> Result<Self, DecryptError> {
        let count = n.saturating_sub(chain.next());
        limits.allow(count)?;
        let mut skipped = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let (mut chain, mut key) = chain.step().ok_or(DecryptError::Malformed)?;
        for n in n - count..n {
            skipped.push(SkippedKey { n, key });
            (chain, key) = chain.step().ok_or(DecryptError::Malformed)?;
        }
        Ok(Self { skipped, key, chain })
    }
}

/// The receiving half of a step of the Diffie-Hellman ratchet (Double Ratchet, section 3.5, `DHRatchet`).
pub(super) struct Step {
    pub(super) run: Run,
    /// The rest of the chain that ends, up to the message past its announced end; none if all of it was received, or if
    /// it is too much.
    left_over: Option<Run>,
    root_key: RootKey,
    peer_ratchet: Point,
}

/// The sending half.
pub(super) struct Answer {
    pub(super) root_key: RootKey,
    pub(super) own_ratchet: KeyPair,
    pub(super) sending: Chain,
}

impl Step {
    /// Steps with the other side's new ratchet key, and with what the own one agrees on with it.
    pub(super) fn new(
        protocol: &dyn Protocol,
        root_key: &RootKey,
        (peer_ratchet, shared): (Point, SharedSecret),
        ending: Option<&Chain>,
        header: &Header,
        limits: SkipLimits,
    ) -> Result<Self, DecryptError> {
        // What is too far behind is given up: refusing the message would end the session for good.
        let left_over = ending
            .filter(|chain| chain.next() <= header.pn)
            .and_then(|chain| Run::new(chain, header.pn, limits).ok());
        let (root_key, chain_key) = root_key.step(&shared, protocol.kdf_info());
        Ok(Self {
            run: Run::new(&Chain::new(chain_key), header.n, limits)?,
            left_over,
            root_key,
            peer_ratchet,
        })
    }

    /// Draws the next own ratchet key and begins the sending chain it leads to.
    pub(super) fn answer(
        &self,
        protocol: &dyn Protocol,
        rng: &mut dyn CryptoRng,
    ) -> Result<Answer, DecryptError> {
        let (own_ratchet, shared) = KeyPair::generate_and_agree(rng, &self.peer_ratchet)?;
        let (root_key, chain_key) = self.root_key.step(&shared, protocol.kdf_info());
        Ok(Answer {
            root_key,
            own_ratchet,
            sending: Chain::new(chain_key),
        })
    }
}
