//! What is stored.

use std::format;

use proptest::prelude::*;

use super::*;
use crate::RecordError;
use crate::keys::Secret;
use crate::keys::testing::{Counts, counted};
use crate::ratchet::chain::{Chain, ChainKey};
use crate::ratchet::{EncryptError, SendingSession};
use crate::records::Stored;

/// A session whose record has everything that it can have.
fn full() -> Device {
    full_speaking(&Omemo2)
}

fn full_speaking(protocol: &'static dyn Protocol) -> Device {
    let (mut alice, mut bob) = acquainted_speaking(protocol);
    for _ in 0..12 {
        alice.encrypt(b"");
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    bob
}

#[test]
fn a_session_fits_in_512_bytes() {
    for protocol in PROTOCOLS {
        let (session, skipped) = full_speaking(protocol).records();
        assert_eq!(session.len(), 499);
        assert_eq!(skipped.len(), 5 + 12 * (32 + 4 + 36));
    }
}

#[test]
fn records_are_read_as_they_were_written() {
    let (mut alice, mut bob) = strangers();
    let both = |alice: &mut Device, bob: &mut Device| {
        for device in [alice, bob] {
            let (session, skipped) = device.records();
            let (read, counts) = counted(|| Session::decode(&session).unwrap());
            assert_eq!(counts, Counts::default());
            assert_eq!(format!("{read:?}"), format!("{:?}", device.session()));
            device.session = Some(read);
            device.skipped = SkippedKeys::decode(&skipped).unwrap();
            assert_eq!(device.records(), (session, skipped));
        }
    };
    pass(&mut alice, &mut bob);
    for _ in 0..10 {
        both(&mut alice, &mut bob);
        let late = alice.encrypt(b"late");
        pass(&mut alice, &mut bob);
        both(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
        both(&mut alice, &mut bob);
        assert_eq!(*bob.decrypt(&late).unwrap(), b"late");
    }
}

/// Written in as it is stored, a session makes the same messages and the same records as when it is read whole.
#[test]
fn a_stored_session_sends_as_the_whole_one_does() {
    let sends_alike = |device: &mut Device| {
        let own = *device.identity_key.public();
        for plaintext in [b"one".as_slice(), b"two", b""] {
            let (record, _) = device.records();
            let stored = SendingSession::decode(&record).unwrap();
            assert_eq!(stored.peer_identity(), device.session().peer_identity());
            assert_eq!(stored.encode().as_bytes(), record);
            let (sealed, next) = stored.encrypt(device.protocol, &own, plaintext).unwrap();
            assert_eq!(sealed.data, device.encrypt(plaintext));
            assert_eq!(next.as_bytes(), device.records().0);
        }
    };
    for protocol in PROTOCOLS {
        let (mut alice, mut bob) = strangers_speaking(protocol);
        alice.encrypt(b"");
        // The key exchange is repeated still.
        sends_alike(&mut alice);
        pass(&mut alice, &mut bob);
        sends_alike(&mut bob);
        pass(&mut bob, &mut alice);
        sends_alike(&mut alice);
        sends_alike(&mut full_speaking(protocol));
    }
}

#[test]
fn a_stored_session_shows_no_secret() {
    let stored = SendingSession::decode(&full().records().0).unwrap();
    assert_eq!(format!("{stored:?}"), "SendingSession(..)");
}

#[test]
fn a_stored_session_whose_chain_is_exhausted_sends_nothing() {
    let mut device = full();
    let sending = &mut device.session().sending;
    *sending = Chain::resume(ChainKey::new(Secret::copy(&[7; 32])), u32::MAX);
    let stored = SendingSession::decode(&device.records().0).unwrap();
    let failed = stored.encrypt(device.protocol, device.identity_key.public(), b"");
    assert_eq!(failed.unwrap_err(), EncryptError::ChainExhausted);
}

/// What sending needs is refused where it is not there; what it does not need is not looked at.
#[test]
fn a_stored_session_is_read_as_far_as_it_is_needed() {
    let (record, _) = full().records();
    let needed = (0..=record.len()).find(|length| SendingSession::decode(&record[..*length]).is_ok());
    // Version, origin, mark, root key, key pair, chain, length of the chain before.
    assert_eq!(
        needed,
        Some(1 + 8 + 1 + 64 + 64 + 4 + 4 + 32 + 1 + 32 + 64 + 36 + 4)
    );
    for length in 0..needed.unwrap() {
        let cut = SendingSession::decode(&record[..length]);
        assert_eq!(cut.unwrap_err(), RecordError::Truncated);
    }
}

#[test]
fn cut_and_extended_records_are_refused() {
    let (session, skipped) = full().records();
    for length in 0..session.len() {
        assert_eq!(
            Session::decode(&session[..length]).unwrap_err(),
            RecordError::Truncated
        );
    }
    for length in 0..skipped.len() {
        assert_eq!(
            SkippedKeys::decode(&skipped[..length]).unwrap_err(),
            RecordError::Truncated
        );
    }
    let longer = |record: &[u8]| [record, &[0]].concat();
    assert_eq!(
        Session::decode(&longer(&session)).unwrap_err(),
        RecordError::Trailing
    );
    assert_eq!(
        SkippedKeys::decode(&longer(&skipped)).unwrap_err(),
        RecordError::Trailing
    );
}

#[test]
fn records_of_later_versions_are_refused() {
    let (mut session, mut skipped) = full().records();
    (session[0], skipped[0]) = (3, 3);
    assert_eq!(Session::decode(&session).unwrap_err(), RecordError::Version(3));
    assert_eq!(
        SkippedKeys::decode(&skipped).unwrap_err(),
        RecordError::Version(3)
    );
}

#[test]
fn impossible_records_are_refused() {
    let (_, skipped) = full().records();
    let mut empty_chain = skipped.clone();
    empty_chain[37..41].fill(0);
    assert!(SkippedKeys::decode(&empty_chain).is_err());
    let many = [1, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(SkippedKeys::decode(&many).unwrap_err(), RecordError::Truncated);
    assert_eq!(SkippedKeys::decode(&[1, 0, 0, 0, 0]).unwrap().len(), 0);

    // A chain with two keys, whose numbers are these.
    let two = |first: u8, second: u8| {
        let key = |n: u8| [&[0, 0, 0, n][..], &[7; 32]].concat();
        let head = [&[1, 0, 0, 0, 1][..], &[9; 32], &[0, 0, 0, 2]].concat();
        SkippedKeys::decode(&[head, key(first), key(second)].concat())
    };
    assert_eq!(two(1, 2).unwrap().len(), 2);
    for (first, second) in [(1, 1), (2, 1)] {
        let refused = RecordError::Invalid("order of skipped keys");
        assert_eq!(two(first, second).unwrap_err(), refused);
    }
}

#[test]
fn skipped_keys_of_one_chain_lie_together() {
    let (mut alice, mut bob) = acquainted();
    assert!(bob.skipped.is_empty());
    for _ in 0..2 {
        alice.encrypt(b"");
        pass(&mut alice, &mut bob);
    }
    assert!(!bob.skipped.is_empty());
    assert_eq!(bob.records().1.len(), 5 + 32 + 4 + 2 * 36);
}

/// A chain of which all keys were dropped is gone.
#[test]
fn what_was_dropped_leaves_a_record_that_can_be_read() {
    let (mut alice, mut bob) = acquainted();
    bob.limits.per_session = 3;
    for lost in [1, 1, 2] {
        for _ in 0..lost {
            alice.encrypt(b"");
        }
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
        assert!(SkippedKeys::decode(&bob.records().1).is_ok());
    }
    assert_eq!(bob.skipped.len(), 3);
    assert_eq!(bob.records().1.len(), 5 + 2 * (32 + 4) + 3 * 36);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 1..600)) {
        for version in [1, 2] {
            bytes[0] = version;
            let _ = Session::decode(&bytes);
            let _ = SkippedKeys::decode(&bytes);
        }
    }

    #[test]
    fn changed_records_are_read_or_refused(at in any::<prop::sample::Index>(), byte: u8) {
        let (mut session, mut skipped) = full().records();
        let position = at.index(session.len());
        session[position] = byte;
        if let Ok(read) = Session::decode(&session) {
            prop_assert_eq!(&*read.encode(), &session);
        }
        let position = at.index(skipped.len());
        skipped[position] = byte;
        if let Ok(read) = SkippedKeys::decode(&skipped) {
            prop_assert_eq!(&*read.encode(), &skipped);
        }
    }
}

/// Or a buffer that has grown would leave secrets behind, in memory that nobody wipes.
#[test]
fn skipped_keys_are_written_into_a_buffer_of_their_size() {
    for device in [acquainted().1, full()] {
        let record = device.skipped.encode();
        assert_eq!(record.capacity(), record.len());
    }
}
