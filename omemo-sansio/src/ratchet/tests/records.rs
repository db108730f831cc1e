//! What is stored.

use std::format;

use proptest::prelude::*;

use super::*;
use crate::RecordError;
use crate::keys::testing::{Counts, counted};

/// A session whose record has everything that it can have.
fn full() -> Device {
    let (mut alice, mut bob) = acquainted();
    for _ in 0..12 {
        alice.encrypt(b"");
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    bob
}

#[test]
fn a_session_fits_in_512_bytes() {
    let (session, skipped) = full().records();
    assert_eq!(session.len(), 490);
    assert_eq!(skipped.len(), 5 + 12 * (32 + 4 + 36));
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
    (session[0], skipped[0]) = (2, 3);
    assert_eq!(Session::decode(&session).unwrap_err(), RecordError::Version(2));
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
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 1..600)) {
        bytes[0] = 1;
        let _ = Session::decode(&bytes);
        let _ = SkippedKeys::decode(&bytes);
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
