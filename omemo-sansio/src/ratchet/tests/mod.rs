//! Two devices that talk to each other.

mod legacy;
mod opening;
mod parts;
mod property;
mod receiving;
mod records;
mod short_counts;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::{Accepted, DecryptError, OwnKeys, Session, SkipLimits, SkippedKeys};
use crate::keys::testing::TestRng;
use crate::keys::{IdentityKeyPair, KeyPair};
use crate::protocol::{Legacy, Message, Omemo2, Protocol};
use crate::{Bundle, PreKeyId, PublicSignedPreKey, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_768_435_200);
/// All there are.
const PROTOCOLS: [&dyn Protocol; 2] = [&Omemo2, &Legacy];
const PRE_KEY: PreKeyId = PreKeyId::new(5);

/// A device: its keys, and its session with the other one once there is one.
struct Device {
    protocol: &'static dyn Protocol,
    identity_key: IdentityKeyPair,
    signed_pre_key: KeyPair,
    pre_key: KeyPair,
    session: Option<Session>,
    skipped: SkippedKeys,
    limits: SkipLimits,
    /// Whether it announces its chains one message too short, as senders based on libsignal do.
    counts_short: bool,
    rng: TestRng,
}

impl Device {
    fn new(seed: u64) -> Self {
        Self::speaking(&Omemo2, seed)
    }

    fn speaking(protocol: &'static dyn Protocol, seed: u64) -> Self {
        let mut rng = TestRng::new(seed);
        Self {
            protocol,
            identity_key: IdentityKeyPair::generate(&mut rng),
            signed_pre_key: KeyPair::generate(&mut rng),
            pre_key: KeyPair::generate(&mut rng),
            session: None,
            skipped: SkippedKeys::default(),
            limits: SkipLimits::default(),
            counts_short: false,
            rng,
        }
    }

    fn bundle(&mut self) -> Bundle {
        Bundle {
            identity_key: *self.identity_key.public(),
            signed_pre_key: PublicSignedPreKey {
                id: PreKeyId::new(3),
                key: *self.signed_pre_key.public(),
                signature: self.protocol.sign_pre_key(
                    &self.identity_key,
                    self.signed_pre_key.public(),
                    &mut self.rng,
                ),
            },
            pre_keys: BTreeMap::from([(PRE_KEY, *self.pre_key.public())]),
        }
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().unwrap()
    }

    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let (protocol, own) = (self.protocol, *self.identity_key.public());
        let short = u32::from(self.counts_short);
        let session = self.session();
        let length = session.previous_sending;
        session.previous_sending = length.saturating_sub(short);
        let sealed = session.encrypt(protocol, &own, plaintext).unwrap();
        session.previous_sending = length;
        sealed.data
    }

    /// As an operation does it: builds the session if need be, loads the skipped keys only if they are needed, and checks
    /// that a failure changes nothing.
    fn decrypt(&mut self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let incoming = self.protocol.parse(data).unwrap();
        if self.session.is_none() {
            let key_exchange = incoming.key_exchange.unwrap();
            let accepted = self.accept(&key_exchange, &incoming.message)?;
            self.session = Some(accepted.session);
            self.skipped = accepted.skipped;
            return Ok(accepted.plaintext);
        }
        let before = self.records();
        let result = match self.decrypt_with(&incoming.message, false) {
            Err(DecryptError::SkippedKeysNeeded) => self.decrypt_with(&incoming.message, true),
            result => result,
        };
        if result.is_err() {
            assert_eq!(self.records(), before, "a failure changed something");
        }
        result
    }

    fn decrypt_with(&mut self, message: &Message, skipped: bool) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let skipped = skipped.then_some(&mut self.skipped);
        let session = self.session.as_mut().unwrap();
        let result = session.decrypt(self.protocol, message, skipped, self.limits, &mut self.rng);
        assert_eq!(session.skipped_len() as usize, self.skipped.len());
        result
    }

    fn accept(
        &mut self,
        key_exchange: &crate::protocol::KeyExchange,
        message: &Message,
    ) -> Result<Accepted, DecryptError> {
        let own = OwnKeys {
            identity_key: &self.identity_key,
            signed_pre_key: &self.signed_pre_key,
            pre_key: &self.pre_key,
        };
        Session::accept(
            self.protocol,
            own,
            key_exchange,
            message,
            self.limits,
            NOW,
            &mut self.rng,
        )
    }

    fn records(&self) -> (Vec<u8>, Vec<u8>) {
        let session = self.session.as_ref().unwrap();
        (session.encode().to_vec(), self.skipped.encode().to_vec())
    }
}

/// The initiator, with its session, and the responder, without.
fn strangers() -> (Device, Device) {
    strangers_speaking(&Omemo2)
}

fn strangers_speaking(protocol: &'static dyn Protocol) -> (Device, Device) {
    let (mut alice, mut bob) = (Device::speaking(protocol, 1), Device::speaking(protocol, 2));
    let bundle = bob.bundle();
    let session = Session::initiate(
        protocol,
        &alice.identity_key,
        &bundle,
        PRE_KEY,
        NOW,
        &mut alice.rng,
    );
    alice.session = Some(session.unwrap());
    (alice, bob)
}

/// Both with a session that both have used.
fn acquainted() -> (Device, Device) {
    acquainted_speaking(&Omemo2)
}

fn acquainted_speaking(protocol: &'static dyn Protocol) -> (Device, Device) {
    let (mut alice, mut bob) = strangers_speaking(protocol);
    pass(&mut alice, &mut bob);
    pass(&mut bob, &mut alice);
    (alice, bob)
}

/// One message from one to the other, at once.
fn pass(from: &mut Device, to: &mut Device) {
    let data = from.encrypt(b"hello");
    assert_eq!(*to.decrypt(&data).unwrap(), b"hello");
}
