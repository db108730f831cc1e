//! Sessions of ours, in the states that are measured.

use std::collections::{BTreeMap, VecDeque};

use getrandom::SysRng;
use omemo_sansio::keys::{IdentityKey, IdentityKeyPair, KeyPair};
use omemo_sansio::protocol::{Message, Omemo2, Protocol};
use omemo_sansio::ratchet::{Accepted, OwnKeys, Session, SkipLimits, SkippedKeys};
use omemo_sansio::{Bundle, PreKeyId, PublicSignedPreKey, Timestamp};
use rand_core::UnwrapErr;

use crate::measure::Failure;

/// What the double ratchet carries: a key of 32 bytes and a tag of 16.
pub(crate) const PLAINTEXT: [u8; 48] = [7; 48];

/// How many messages are lost where some are.
pub(crate) const SKIPPED: u32 = 1000;

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The device that a session is opened with: its secrets and its bundle, with 100 pre keys.
pub(crate) struct Published {
    identity: IdentityKeyPair,
    signed_pre_key: KeyPair,
    pre_keys: BTreeMap<PreKeyId, KeyPair>,
    pub(crate) bundle: Bundle,
}

impl Published {
    pub(crate) fn new() -> Self {
        let identity = IdentityKeyPair::from_seed([2; 32]);
        let signed_pre_key = KeyPair::from_secret([3; 32]);
        let pre_keys: BTreeMap<_, _> = (1..=100)
            .map(|id| (PreKeyId::new(u32::from(id)), KeyPair::from_secret([id; 32])))
            .collect();
        let public = PublicSignedPreKey {
            id: PreKeyId::new(1),
            key: *signed_pre_key.public(),
            signature: Omemo2.sign_pre_key(&identity, signed_pre_key.public(), &mut rng()),
        };
        let bundle = Bundle {
            identity_key: *identity.public(),
            signed_pre_key: public,
            pre_keys: pre_keys.iter().map(|(id, pair)| (*id, *pair.public())).collect(),
        };
        Self {
            identity,
            signed_pre_key,
            pre_keys,
            bundle,
        }
    }

    pub(crate) fn accept(&self, data: &[u8]) -> Result<Accepted, Failure> {
        let incoming = Omemo2.parse(data)?;
        let key_exchange = incoming.key_exchange.ok_or("no key exchange")?;
        let own = OwnKeys {
            identity_key: &self.identity,
            signed_pre_key: &self.signed_pre_key,
            pre_key: self
                .pre_keys
                .get(&key_exchange.pre_key)
                .ok_or("no such pre key")?,
        };
        let now = Timestamp::default();
        Ok(Session::accept(
            &Omemo2,
            own,
            &key_exchange,
            &incoming.message,
            SkipLimits::default(),
            now,
            &mut rng(),
        )?)
    }
}

pub(crate) fn first_message(own: &IdentityKeyPair, bundle: &Bundle) -> Result<(Session, Vec<u8>), Failure> {
    let bundle = Bundle {
        identity_key: IdentityKey::from_ed25519(*bundle.identity_key.ed25519())?,
        signed_pre_key: bundle.signed_pre_key.clone(),
        pre_keys: bundle
            .pre_keys
            .iter()
            .take(1)
            .map(|(id, key)| (*id, *key))
            .collect(),
    };
    let mut session = Session::initiate(
        &Omemo2,
        own,
        &bundle,
        PreKeyId::new(1),
        Timestamp::default(),
        &mut rng(),
    )?;
    let sealed = session.encrypt(&Omemo2, own.public(), &PLAINTEXT)?;
    Ok((session, sealed.data))
}

/// Both ends of a session that both have used.
pub(crate) struct Pair {
    pub(crate) identity: IdentityKeyPair,
    other: IdentityKeyPair,
    pub(crate) alice: Session,
    bob: Session,
}

impl Pair {
    pub(crate) fn new() -> Result<Self, Failure> {
        let identity = IdentityKeyPair::from_seed([1; 32]);
        let published = Published::new();
        let (alice, data) = first_message(&identity, &published.bundle)?;
        let bob = published.accept(&data)?.session;
        let mut pair = Self {
            identity,
            other: published.identity,
            alice,
            bob,
        };
        send(&mut pair.bob, pair.other.public(), &mut pair.alice)?;
        Ok(pair)
    }

    pub(crate) fn ping_pong(&mut self) -> Result<(), Failure> {
        let Self {
            identity,
            other,
            alice,
            bob,
        } = self;
        send(alice, identity.public(), bob)?;
        send(bob, other.public(), alice)
    }
}

fn send(from: &mut Session, identity: &IdentityKey, to: &mut Session) -> Result<(), Failure> {
    let sealed = from.encrypt(&Omemo2, identity, &PLAINTEXT)?;
    let message = Omemo2.parse(&sealed.data)?.message;
    to.decrypt(&Omemo2, &message, None, SkipLimits::default(), &mut rng())?;
    Ok(())
}

/// A session with messages of one chain that it has not received yet.
pub(crate) struct Receiving {
    session: Session,
    messages: VecDeque<Vec<u8>>,
    skipped: SkippedKeys,
}

impl Receiving {
    pub(crate) fn new(messages: u32) -> Result<Self, Failure> {
        let mut pair = Pair::new()?;
        pair.ping_pong()?;
        send(&mut pair.alice, pair.identity.public(), &mut pair.bob)?;
        let messages = (0..messages)
            .map(|_| {
                Ok(pair
                    .alice
                    .encrypt(&Omemo2, pair.identity.public(), &PLAINTEXT)?
                    .data)
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            session: pair.bob,
            messages,
            skipped: SkippedKeys::default(),
        })
    }

    fn next(&mut self) -> Result<Message, Failure> {
        let data = self.messages.pop_front().ok_or("no message")?;
        Ok(Omemo2.parse(&data)?.message)
    }

    pub(crate) fn next_in_order(&mut self) -> Result<(), Failure> {
        let message = self.next()?;
        self.session
            .decrypt(&Omemo2, &message, None, SkipLimits::default(), &mut rng())?;
        Ok(())
    }

    /// Loses 1,000 messages and receives the next.
    pub(crate) fn skip(&mut self) -> Result<(), Failure> {
        self.messages.drain(..usize::try_from(SKIPPED)?);
        let message = self.next()?;
        let skipped = Some(&mut self.skipped);
        self.session
            .decrypt(&Omemo2, &message, skipped, SkipLimits::default(), &mut rng())?;
        Ok(())
    }
}
