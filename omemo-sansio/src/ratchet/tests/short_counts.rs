//! Senders that announce their chains one message too short, as those based on libsignal do.

use super::receiving::message_of;
use super::*;

/// Alice counts too short, and bob does not know it before one of her chains has arrived whole.
fn unknown(protocol: &'static dyn Protocol) -> (Device, Device) {
    let (mut alice, bob) = strangers_speaking(protocol);
    alice.counts_short = true;
    (alice, bob)
}

/// Alice counts too short, and bob has seen it.
fn known(protocol: &'static dyn Protocol) -> (Device, Device) {
    let (mut alice, mut bob) = unknown(protocol);
    for _ in 0..2 {
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    assert!(bob.session().counts_short);
    (alice, bob)
}

/// A chain of two messages of which the second is late.
fn without_its_last(alice: &mut Device, bob: &mut Device) -> Vec<u8> {
    pass(alice, bob);
    let last = alice.encrypt(b"last");
    pass(bob, alice);
    last
}

fn assert_read_once(bob: &mut Device, data: &[u8]) {
    assert_eq!(*bob.decrypt(data).unwrap(), b"last");
    assert_eq!(bob.decrypt(data), Err(DecryptError::AlreadyDecrypted));
}

#[test]
fn wire_note_12_the_last_message_of_a_chain_is_read_though_announced_one_too_few() {
    for protocol in PROTOCOLS {
        for missing in 0..3 {
            last_of_a_chain(protocol, missing);
        }
    }
}

/// The chain has had one message; so many are missing before its last.
fn last_of_a_chain(protocol: &'static dyn Protocol, missing: u32) {
    let (mut alice, mut bob) = acquainted_speaking(protocol);
    let message = |data: &[u8]| message_of(protocol, data);
    pass(&mut alice, &mut bob);
    alice.counts_short = true;
    for _ in 0..missing {
        alice.encrypt(b"");
    }
    let last = alice.encrypt(b"last");
    pass(&mut bob, &mut alice);
    let next = alice.encrypt(b"");
    assert_eq!(message(&next).header().pn, missing + 1);
    bob.decrypt(&next).unwrap();
    assert_eq!(
        bob.session().skipped_len(),
        missing,
        "a key that may be of no message is not among the skipped ones"
    );
    assert!(!bob.session().needs_skipped_keys(&message(&last)));
    assert_read_once(&mut bob, &last);
}

#[test]
fn wire_note_12_the_last_messages_of_many_chains_are_read_however_late() {
    for protocol in PROTOCOLS {
        let (mut alice, mut bob) = known(protocol);
        let late: Vec<_> = (0..20).map(|_| without_its_last(&mut alice, &mut bob)).collect();
        pass(&mut alice, &mut bob);
        assert_eq!(bob.session().skipped_len(), 20);
        for last in &late[12..] {
            assert_read_once(&mut bob, last);
        }
        for last in &late[..12] {
            // Of chains that are not remembered any more.
            assert_eq!(*bob.decrypt(last).unwrap(), b"last");
            assert_eq!(bob.decrypt(last), Err(DecryptError::InvalidMac));
        }
        assert_eq!(bob.session().skipped_len(), 0);
    }
}

#[test]
fn wire_note_12_how_a_sender_counts_shows_in_the_next_chain_that_arrives_whole() {
    for protocol in PROTOCOLS {
        for chains in [0, 1, 10] {
            let (mut alice, mut bob) = unknown(protocol);
            let last = without_its_last(&mut alice, &mut bob);
            for _ in 0..=chains {
                pass(&mut alice, &mut bob);
                pass(&mut bob, &mut alice);
            }
            assert_eq!(bob.session().counts_short, chains > 0);
            assert_eq!(*bob.decrypt(&last).unwrap(), b"last");
            assert!(bob.decrypt(&last).is_err());
            assert!(
                bob.session().counts_short,
                "that there is such a message shows it too"
            );
        }
    }
}

/// The bound: from the first chain on the last message is late, and the next chain ends too before one of them arrives.
#[test]
fn while_it_is_not_known_how_a_sender_counts_one_key_is_kept() {
    let (mut alice, mut bob) = unknown(&Omemo2);
    let [first, second] = [(); 2].map(|()| without_its_last(&mut alice, &mut bob));
    pass(&mut alice, &mut bob);
    assert_eq!(bob.decrypt(&first), Err(DecryptError::AlreadyDecrypted));
    assert_read_once(&mut bob, &second);
}

/// Or each of their chains would leave a key that is of no message.
#[test]
fn for_senders_that_count_right_nothing_is_kept() {
    let (mut alice, mut bob) = acquainted();
    for _ in 0..3 {
        let late = without_its_last(&mut alice, &mut bob);
        let next = alice.encrypt(b"");
        assert!(bob.session().needs_skipped_keys(&message_of(&Omemo2, &next)));
        bob.decrypt(&next).unwrap();
        assert_eq!(bob.session().skipped_len(), 1);
        assert_read_once(&mut bob, &late);
        pass(&mut bob, &mut alice);
        let next = alice.encrypt(b"");
        assert!(!bob.session().needs_skipped_keys(&message_of(&Omemo2, &next)));
        bob.decrypt(&next).unwrap();
        pass(&mut bob, &mut alice);
    }
    assert!(!bob.session().counts_short);
}

/// In order they cost what others cost.
#[test]
fn chains_that_arrive_whole_need_no_skipped_keys() {
    let (mut alice, mut bob) = known(&Omemo2);
    for _ in 0..3 {
        for _ in 0..2 {
            let next = alice.encrypt(b"");
            assert!(!bob.session().needs_skipped_keys(&message_of(&Omemo2, &next)));
            bob.decrypt(&next).unwrap();
        }
        pass(&mut bob, &mut alice);
    }
    assert_eq!(bob.session().skipped_len(), 0);
}

/// The key past an end was always of the chain before the current one, and nothing was known of how the sender counts.
#[test]
fn what_the_first_version_has_kept_is_read() {
    for protocol in PROTOCOLS {
        let (mut alice, mut bob) = unknown(protocol);
        let last = without_its_last(&mut alice, &mut bob);
        pass(&mut alice, &mut bob);
        let (record, _) = bob.records();
        let (head, skipped) = record.split_at(record.len() - 4);
        let (head, [0]) = head.split_at(head.len() - 1) else {
            panic!("it is known how the sender counts")
        };
        let (head, key) = head.split_at(head.len() - 36);
        let (head, _chain) = head.split_at(head.len() - 8);
        let mut older = [head, key, skipped].concat();
        older[0] = 1;
        bob.session = Some(Session::decode(&older).unwrap());
        assert_eq!(bob.records().0, record);
        assert_read_once(&mut bob, &last);
    }
}

/// What we send says how long it was.
#[test]
fn wire_note_12_the_true_length_of_a_chain_is_sent() {
    for protocol in PROTOCOLS {
        let (mut alice, mut bob) = acquainted_speaking(protocol);
        for _ in 0..3 {
            pass(&mut alice, &mut bob);
        }
        pass(&mut bob, &mut alice);
        let next = alice.encrypt(b"");
        assert_eq!(message_of(protocol, &next).header().pn, 3);
    }
}
