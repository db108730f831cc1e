//! How sessions begin.

use std::format;

use super::*;
use crate::keys::testing::{Counts, counted};
use crate::keys::{NonContributory, PublicKey, Signature};
use crate::ratchet::{EncryptError, KeyExchangeError};

#[test]
fn both_directions_are_read() {
    let (mut alice, mut bob) = strangers();
    for _ in 0..3 {
        pass(&mut alice, &mut bob);
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
        pass(&mut bob, &mut alice);
    }
    assert_eq!(alice.session().peer_identity(), *bob.identity_key.public());
    assert_eq!(bob.session().peer_identity(), *alice.identity_key.public());
    assert!(alice.session().is_initiator() && !bob.session().is_initiator());
    assert_eq!((alice.session().created(), bob.session().created()), (NOW, NOW));
}

#[test]
fn wire_note_14_the_key_exchange_is_repeated_until_answered() {
    let (mut alice, mut bob) = strangers();
    let first = Omemo2.parse(&alice.encrypt(b"1")).unwrap();
    let second = alice.encrypt(b"2");
    let key_exchange = first.key_exchange.unwrap();
    assert_eq!(
        Omemo2.parse(&second).unwrap().key_exchange,
        Some(key_exchange.clone())
    );
    assert_eq!(
        key_exchange.identity_key.ed25519(),
        alice.identity_key.public().ed25519()
    );
    assert_eq!(
        (key_exchange.pre_key, key_exchange.signed_pre_key),
        (PRE_KEY, PreKeyId::new(3))
    );

    bob.decrypt(&second).unwrap();
    assert!(bob.session().opened_by(&Omemo2, &key_exchange));
    assert!(!alice.session().opened_by(&Omemo2, &key_exchange));
    // What stands beside the base key is not authenticated by the message: it has to be what the session was opened with.
    let stranger = *Device::new(99).identity_key.public();
    for other in [
        crate::protocol::KeyExchange {
            identity_key: stranger,
            ..key_exchange
        },
        crate::protocol::KeyExchange {
            pre_key: PreKeyId::new(4711),
            ..key_exchange
        },
        crate::protocol::KeyExchange {
            signed_pre_key: PreKeyId::new(4711),
            ..key_exchange
        },
    ] {
        assert!(!bob.session().opened_by(&Omemo2, &other), "{other:?}");
    }
    assert!(!bob.session().is_confirmed() && !alice.session().is_confirmed());
    let answer = bob.encrypt(b"3");
    assert!(Omemo2.parse(&answer).unwrap().key_exchange.is_none());
    alice.decrypt(&answer).unwrap();
    assert!(alice.session().is_confirmed());
    assert!(Omemo2.parse(&alice.encrypt(b"4")).unwrap().key_exchange.is_none());
    assert_eq!(*bob.decrypt_with(&first.message, true).unwrap(), b"1");
    assert!(bob.session().is_confirmed());
}

#[test]
fn another_key_exchange_opens_another_session() {
    let (mut alice, mut bob) = strangers();
    pass(&mut alice, &mut bob);
    let bundle = bob.bundle();
    let other = Session::initiate(
        &Omemo2,
        &alice.identity_key,
        &bundle,
        PRE_KEY,
        NOW,
        &mut alice.rng,
    );
    alice.session = Some(other.unwrap());
    let key_exchange = Omemo2.parse(&alice.encrypt(b"")).unwrap().key_exchange.unwrap();
    assert!(!bob.session().opened_by(&Omemo2, &key_exchange));
}

#[test]
fn opening_costs_what_it_must() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let bundle = bob.bundle();
    let initiate = || {
        Session::initiate(
            &Omemo2,
            &alice.identity_key,
            &bundle,
            PRE_KEY,
            NOW,
            &mut alice.rng,
        )
    };
    let (session, counts) = counted(initiate);
    assert_eq!(
        counts,
        Counts {
            agreements: 5,
            public_keys: 2
        }
    );
    alice.session = Some(session.unwrap());
    let (first, counts) = counted(|| alice.encrypt(b"1"));
    assert_eq!(counts, Counts::default());
    let (_, counts) = counted(|| bob.decrypt(&first).unwrap());
    assert_eq!(
        counts,
        Counts {
            agreements: 6,
            public_keys: 1
        }
    );
}

#[test]
fn a_bundle_with_a_bad_signature_is_refused() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let good = bob.bundle();
    let mut initiate = |bundle: &Bundle, pre_key| {
        Session::initiate(&Omemo2, &alice.identity_key, bundle, pre_key, NOW, &mut alice.rng)
    };
    assert!(initiate(&good, PRE_KEY).is_ok());
    for at in 0..64 {
        let mut signature = *good.signed_pre_key.signature.as_bytes();
        signature[at] ^= 1;
        let mut bundle = good.clone();
        bundle.signed_pre_key.signature = Signature::from_bytes(signature);
        assert_eq!(
            initiate(&bundle, PRE_KEY).unwrap_err(),
            KeyExchangeError::InvalidSignature
        );
    }
    let missing = PreKeyId::new(6);
    assert_eq!(
        initiate(&good, missing).unwrap_err(),
        KeyExchangeError::NoPreKey(missing)
    );
}

#[test]
fn keys_of_small_order_are_refused() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let zero = PublicKey::from_bytes([0; 32]);
    let refused = Err(KeyExchangeError::NonContributory(NonContributory));
    let mut bundle = bob.bundle();
    bundle.pre_keys.insert(PRE_KEY, zero);
    let result = Session::initiate(
        &Omemo2,
        &alice.identity_key,
        &bundle,
        PRE_KEY,
        NOW,
        &mut alice.rng,
    );
    assert_eq!(result.map(drop), refused);

    bob.signed_pre_key = KeyPair::from_parts([1; 32], zero);
    let bundle = bob.bundle();
    let result = Session::initiate(
        &Omemo2,
        &alice.identity_key,
        &bundle,
        PRE_KEY,
        NOW,
        &mut alice.rng,
    );
    assert_eq!(result.map(drop), refused);

    let (mut alice, mut bob) = strangers();
    let first = Omemo2.parse(&alice.encrypt(b"1")).unwrap();
    let mut key_exchange = first.key_exchange.unwrap();
    key_exchange.base_key = zero;
    let refused = DecryptError::NonContributory(NonContributory);
    assert_eq!(bob.accept(&key_exchange, &first.message).unwrap_err(), refused);
}

#[test]
fn a_changed_key_exchange_is_refused() {
    let (mut alice, mut bob) = strangers();
    let first = Omemo2.parse(&alice.encrypt(b"1")).unwrap();
    let good = first.key_exchange.unwrap();
    let mut other = good.clone();
    other.base_key = *bob.pre_key.public();
    assert_eq!(
        bob.accept(&other, &first.message).unwrap_err(),
        DecryptError::InvalidMac
    );
    let mut other = good.clone();
    other.identity_key = *Device::new(3).identity_key.public();
    assert_eq!(
        bob.accept(&other, &first.message).unwrap_err(),
        DecryptError::InvalidMac
    );
    assert!(bob.accept(&good, &first.message).is_ok());
}

/// The sign of the Ed25519 form changes no agreement: only the associated data notices.
#[test]
fn wire_note_05_the_sign_of_the_identity_key_is_authenticated() {
    let (mut alice, mut bob) = strangers();
    let first = Omemo2.parse(&alice.encrypt(b"1")).unwrap();
    let mut key_exchange = first.key_exchange.unwrap();
    let mut flipped = *key_exchange.identity_key.ed25519();
    flipped[31] ^= 0x80;
    key_exchange.identity_key = crate::keys::IdentityKey::from_ed25519(flipped).unwrap();
    assert_eq!(key_exchange.identity_key, *alice.identity_key.public());
    assert_eq!(
        bob.accept(&key_exchange, &first.message).unwrap_err(),
        DecryptError::InvalidMac
    );
}

#[test]
fn the_first_message_may_come_late() {
    let (mut alice, mut bob) = strangers();
    let messages: Vec<_> = (0..5_u8).map(|n| alice.encrypt(&[n])).collect();
    for n in [3, 0, 4, 1, 2] {
        assert_eq!(*bob.decrypt(&messages[n]).unwrap(), [n as u8]);
    }
    assert_eq!(bob.skipped.len(), 0);
    assert_eq!(bob.session().receiving_chain_length(), 5);
}

#[test]
fn a_first_message_too_late_is_refused() {
    let (mut alice, mut bob) = strangers();
    bob.limits.per_message = 2;
    let messages: Vec<_> = (0..4_u8).map(|n| alice.encrypt(&[n])).collect();
    let refused = DecryptError::TooManySkipped { skipped: 3, limit: 2 };
    let (result, counts) = counted(|| bob.decrypt(&messages[3]));
    assert_eq!((result, counts), (Err(refused), Counts::default()));
    assert!(bob.decrypt(&messages[2]).is_ok());
}

#[test]
fn an_exhausted_chain_is_an_error() {
    let (mut alice, _) = strangers();
    let key = alice.session().sending.step().unwrap().0;
    let key = crate::ratchet::chain::ChainKey::new(crate::keys::Secret::copy(key.key().as_bytes()));
    alice.session().sending = crate::ratchet::chain::Chain::resume(key, u32::MAX);
    let own = *alice.identity_key.public();
    let before = alice.records();
    let result = alice.session().encrypt(&Omemo2, &own, b"");
    assert_eq!(result, Err(EncryptError::ChainExhausted));
    assert_eq!(alice.records(), before);
}

#[test]
fn a_session_shows_no_secret() {
    let (mut alice, mut bob) = acquainted();
    alice.encrypt(b"");
    pass(&mut alice, &mut bob);
    let shown = format!("{:?} {:?}", bob.session.as_ref().unwrap(), bob.skipped);
    let secrets = shown.matches("Secret(..)").count();
    // The root key, the two chain keys and the key past the end; the ratchet key pair leaves its secret out.
    assert_eq!(secrets, 4, "{shown}");
    assert!(
        shown.contains("own_ratchet: KeyPair { public: PublicKey("),
        "{shown}"
    );
    assert!(shown.ends_with("SkippedKeys(1)"), "{shown}");
}

#[test]
fn what_a_key_exchange_has_brought_is_not_shown() {
    let (mut alice, mut bob) = strangers();
    let incoming = Omemo2.parse(&alice.encrypt(b"hello")).unwrap();
    let accepted = bob.accept(&incoming.key_exchange.unwrap(), &incoming.message);
    let shown = format!("{:?}", accepted.unwrap());
    assert!(shown.starts_with("Accepted { session: Session"), "{shown}");
    assert!(shown.ends_with("skipped: SkippedKeys(0), .. }"), "{shown}");
}
