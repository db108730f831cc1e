//! Sessions put together from what another implementation has kept of them.

use std::format;

use super::*;
use crate::keys::PublicKey;
use crate::ratchet::chain::Chain;
use crate::ratchet::{ChainParts, SessionParts, SkippedPart};

/// What another implementation would have kept of a device's session.
fn parts_of(device: &Device) -> SessionParts {
    let session = device.session.as_ref().unwrap();
    let origin = &session.origin;
    let chain = |chain: &Chain| ChainParts {
        length: chain.next(),
        key: (*chain.key().as_bytes()).into(),
    };
    let skipped = device.skipped.iter().map(|(ratchet_key, skipped)| SkippedPart {
        ratchet_key: *ratchet_key,
        n: skipped.n,
        message_key: (*skipped.key.as_bytes()).into(),
    });
    SessionParts {
        role: origin.role,
        peer: origin.peer,
        associated_data: origin.associated_data,
        pre_key: origin.pre_key,
        signed_pre_key: origin.signed_pre_key,
        base_key: origin.base_key,
        confirmed: session.confirmed,
        own_ratchet: session.own_ratchet.copy(),
        peer_ratchet: session.peer_ratchet,
        root_key: (*session.root_key.as_bytes()).into(),
        sending: chain(&session.sending),
        receiving: session.receiving.as_ref().map(chain),
        previous_sending: session.previous_sending,
        skipped: skipped.collect(),
    }
}

/// The device goes on with what was kept, put together.
fn take_over(device: &mut Device, parts: &SessionParts, limit: u32) {
    let (session, skipped) = parts.assemble(NOW, limit);
    device.session = Some(session);
    device.skipped = skipped;
}

/// The last message of a chain arrives, and so many before it do not: they, and it.
fn chain_without(alice: &mut Device, bob: &mut Device, lost: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let late = (0..lost).map(|_| alice.encrypt(b"late")).collect();
    let last = alice.encrypt(b"last");
    bob.decrypt(&last).unwrap();
    (late, last)
}

#[test]
fn a_session_put_together_goes_on_where_it_was() {
    for protocol in PROTOCOLS {
        let (mut alice, mut bob) = acquainted_speaking(protocol);
        let mut chains = Vec::new();
        for lost in [1, 10, 2] {
            pass(&mut bob, &mut alice);
            chains.push(chain_without(&mut alice, &mut bob, lost));
        }
        let parts = parts_of(&bob);
        take_over(&mut bob, &parts, 100);
        assert_eq!(bob.session().skipped_len(), 13);
        for (_, last) in &chains {
            assert_eq!(bob.decrypt(last), Err(DecryptError::AlreadyDecrypted));
        }
        for late in chains.iter().flat_map(|(late, _)| late) {
            assert_eq!(*bob.decrypt(late).unwrap(), b"late");
        }
        for _ in 0..2 {
            pass(&mut alice, &mut bob);
            pass(&mut bob, &mut alice);
        }
        let (session, skipped) = bob.records();
        assert!(Session::decode(&session).is_ok() && SkippedKeys::decode(&skipped).is_ok());
    }
}

/// Of the chains before, eight are remembered: each that left keys takes one of these places, the current one none.
#[test]
fn a_session_put_together_knows_the_chains_that_left_keys() {
    let (mut alice, mut bob) = acquainted();
    let mut chains = Vec::new();
    for lost in [1, 1, 1, 1, 1, 1, 1, 3, 3] {
        pass(&mut bob, &mut alice);
        chains.push(chain_without(&mut alice, &mut bob, lost));
    }
    let parts = parts_of(&bob);
    take_over(&mut bob, &parts, 100);
    for (_, last) in &chains {
        assert_eq!(bob.decrypt(last), Err(DecryptError::AlreadyDecrypted));
    }
}

#[test]
fn a_session_put_together_keeps_the_newest_keys() {
    let (mut alice, mut bob) = acquainted();
    let (first, _) = chain_without(&mut alice, &mut bob, 2);
    pass(&mut bob, &mut alice);
    let (second, _) = chain_without(&mut alice, &mut bob, 2);
    let parts = parts_of(&bob);
    take_over(&mut bob, &parts, 3);
    assert_eq!(bob.session().skipped_len(), 3);
    assert!(bob.decrypt(&first[0]).is_err());
    for late in [&first[1], &second[0], &second[1]] {
        assert_eq!(*bob.decrypt(late).unwrap(), b"late");
    }
}

/// What was kept may be in any order, and there twice: what is made of it can be stored.
#[test]
fn keys_in_disorder_are_found_and_stored() {
    let (mut alice, mut bob) = acquainted();
    let (late, _) = chain_without(&mut alice, &mut bob, 3);
    let mut parts = parts_of(&bob);
    let again = parts.skipped.remove(1);
    let message_key = again.message_key.clone();
    parts.skipped.push(SkippedPart { message_key, ..again });
    parts.skipped.push(again);
    take_over(&mut bob, &parts, 100);
    assert_eq!(bob.session().skipped_len(), 4);
    let (_, skipped) = bob.records();
    bob.skipped = SkippedKeys::decode(&skipped).unwrap();
    for data in &late {
        assert_eq!(*bob.decrypt(data).unwrap(), b"late");
    }
}

/// Where only the pre key of a key exchange was kept, it has to do.
#[test]
fn a_key_exchange_is_known_by_its_pre_key_if_no_more_was_kept() {
    let (mut alice, mut bob) = strangers();
    let first = alice.encrypt(b"1");
    bob.decrypt(&first).unwrap();
    let key_exchange = Omemo2.parse(&first).unwrap().key_exchange.unwrap();
    let mut other = key_exchange.clone();
    (other.base_key, other.signed_pre_key) = (*bob.pre_key.public(), PreKeyId::new(4711));

    let mut parts = parts_of(&bob);
    take_over(&mut bob, &parts, 100);
    assert!(bob.session().opened_by(&Omemo2, &key_exchange));
    assert!(!bob.session().opened_by(&Omemo2, &other));

    parts.base_key = PublicKey::from_bytes([0; 32]);
    take_over(&mut bob, &parts, 100);
    assert!(bob.session().opened_by(&Omemo2, &key_exchange));
    assert!(bob.session().opened_by(&Omemo2, &other));
    other.pre_key = PreKeyId::new(4711);
    assert!(!bob.session().opened_by(&Omemo2, &other));
}

#[test]
fn what_was_kept_shows_no_secret() {
    let (mut alice, mut bob) = acquainted();
    chain_without(&mut alice, &mut bob, 3);
    let parts = parts_of(&bob);
    let shown = format!("{parts:?}");
    assert!(
        shown.starts_with("SessionParts { role: Responder, peer: "),
        "{shown}"
    );
    assert!(shown.ends_with("confirmed: true, skipped: 3, .. }"), "{shown}");
    assert_eq!(format!("{:?}", parts.sending), "ChainParts(length 0, ..)");
    assert_eq!(format!("{:?}", parts.skipped[2]), "SkippedPart(2, ..)");
}
