//! Messages in whatever order they come.

use super::*;
use crate::keys::testing::{Counts, counted, counted_hmacs};
use crate::keys::{NonContributory, PublicKey, Secret};
use crate::protocol::Header;
use crate::ratchet::chain::{Chain, ChainKey};

fn message(data: &[u8]) -> Message {
    message_of(&Omemo2, data)
}

pub(super) fn message_of(protocol: &dyn Protocol, data: &[u8]) -> Message {
    protocol.parse(data).unwrap().message
}

/// The same message with another header, and so with a wrong MAC.
fn with_header(data: &[u8], change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let message = message(data);
    let mut header = *message.header();
    change(&mut header);
    Omemo2.seal(Omemo2.encode_message(&header, message.ciphertext()), &[0; 32])
}

/// The same chain, as if it had had so many messages.
fn at(chain: &Chain, next: u32) -> Chain {
    Chain::resume(ChainKey::new(Secret::copy(chain.key().as_bytes())), next)
}

/// What `work` ends with, which must neither agree on anything nor step a chain.
fn at_once<T>(work: impl FnOnce() -> T) -> T {
    let ((result, counts), hmacs) = counted_hmacs(|| counted(work));
    assert_eq!((counts, hmacs), (Counts::default(), 0));
    result
}

#[test]
fn a_message_is_read_once() {
    let (mut alice, mut bob) = acquainted();
    let early = alice.encrypt(b"1");
    let late = alice.encrypt(b"2");
    bob.decrypt(&late).unwrap();
    assert_eq!(bob.decrypt(&late), Err(DecryptError::AlreadyDecrypted));
    bob.decrypt(&early).unwrap();
    assert_eq!(bob.decrypt(&early), Err(DecryptError::AlreadyDecrypted));
}

#[test]
fn repeated_messages_of_the_last_eight_chains_are_known() {
    let (mut alice, mut bob) = acquainted();
    let mut old = Vec::new();
    for _ in 0..12 {
        let data = alice.encrypt(b"");
        bob.decrypt(&data).unwrap();
        old.push(data);
        pass(&mut bob, &mut alice);
    }
    let (known, unknown) = (old.split_off(3), old);
    for data in known {
        let (result, counts) = counted(|| bob.decrypt(&data));
        assert_eq!(
            (result, counts),
            (Err(DecryptError::AlreadyDecrypted), Counts::default())
        );
    }
    for data in unknown {
        assert_eq!(bob.decrypt(&data), Err(DecryptError::InvalidMac));
    }
}

#[test]
fn messages_of_forgotten_chains_are_read() {
    let (mut alice, mut bob) = acquainted();
    let lost = alice.encrypt(b"lost");
    for _ in 0..20 {
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    assert!(
        !bob.session().needs_skipped_keys(&message(&lost)),
        "it looks like the first message of a new chain"
    );
    assert_eq!(*bob.decrypt(&lost).unwrap(), b"lost");
    assert_eq!(bob.skipped.len(), 0);
}

#[test]
fn messages_in_order_cost_no_agreement_and_no_skipped_keys() {
    let (mut alice, mut bob) = acquainted();
    let skipped: Vec<_> = (0..10).map(|_| alice.encrypt(b"")).collect();
    let data = alice.encrypt(b"");
    bob.decrypt(&data).unwrap();
    assert_eq!(bob.skipped.len(), 10);
    for chain in 0..3 {
        for n in 0..3 {
            let data = alice.encrypt(b"");
            assert!(!bob.session().needs_skipped_keys(&message(&data)), "{chain} {n}");
            let ((), counts) = counted(|| drop(bob.decrypt_with(&message(&data), false).unwrap()));
            let step = Counts {
                agreements: 2,
                public_keys: 1,
            };
            assert_eq!(
                counts,
                if chain > 0 && n == 0 {
                    step
                } else {
                    Counts::default()
                }
            );
        }
        pass(&mut bob, &mut alice);
    }
    assert_eq!(bob.skipped.len(), 10);
    assert!(skipped.iter().all(|data| bob.decrypt(data).is_ok()));
}

#[test]
fn the_rest_of_a_chain_is_kept_when_the_next_begins() {
    let (mut alice, mut bob) = acquainted();
    let old: Vec<_> = (0..4_u8).map(|n| alice.encrypt(&[n])).collect();
    bob.decrypt(&old[1]).unwrap();
    pass(&mut bob, &mut alice);
    let new: Vec<_> = (4..7_u8).map(|n| alice.encrypt(&[n])).collect();
    assert!(bob.session().needs_skipped_keys(&message(&new[2])));
    assert_eq!(
        bob.decrypt_with(&message(&new[2]), false),
        Err(DecryptError::SkippedKeysNeeded)
    );
    assert_eq!(*bob.decrypt(&new[2]).unwrap(), [6]);
    assert_eq!(bob.skipped.len(), 5);
    for (n, data) in [
        (0, &old[0]),
        (3, &old[3]),
        (2, &old[2]),
        (5, &new[1]),
        (4, &new[0]),
    ] {
        assert_eq!(*bob.decrypt(data).unwrap(), [n]);
    }
    assert_eq!(bob.session().skipped_len(), 0);
}

#[test]
fn exactly_the_limit_may_be_skipped() {
    let (mut alice, mut bob) = acquainted();
    bob.limits = SkipLimits {
        per_message: 3,
        per_session: 1000,
    };
    let messages: Vec<_> = (0..5_u8).map(|n| alice.encrypt(&[n])).collect();
    let refused = DecryptError::TooManySkipped { skipped: 4, limit: 3 };
    assert_eq!(bob.decrypt(&messages[4]), Err(refused));
    assert!(bob.decrypt(&messages[3]).is_ok());
    assert!(bob.decrypt(&messages[4]).is_ok());
}

#[test]
fn a_huge_skip_is_refused_at_once() {
    let (mut alice, mut bob) = acquainted();
    let data = alice.encrypt(b"");
    let refused = |skipped| DecryptError::TooManySkipped { skipped, limit: 1000 };
    // Her chain is new to him; so is one by a key that nobody has, and either may say anything of the chain before.
    for ratchet_key in [
        message(&data).header().ratchet_key,
        PublicKey::from_bytes([9; 32]),
    ] {
        for n in [1001, u32::MAX - 1, u32::MAX] {
            for pn in [0, 1, u32::MAX] {
                let huge = with_header(&data, |header| *header = Header { ratchet_key, n, pn });
                assert_eq!(at_once(|| bob.decrypt(&huge)), Err(refused(n)));
            }
        }
    }
    bob.decrypt(&data).unwrap();
    for n in [1002, u32::MAX - 1, u32::MAX] {
        let huge = with_header(&data, |header| header.n = n);
        assert_eq!(at_once(|| bob.decrypt(&huge)), Err(refused(n - 1)));
    }
}

#[test]
fn a_first_message_that_skips_a_huge_number_opens_no_session() {
    let (mut alice, mut bob) = strangers();
    let first = alice.encrypt(b"first");
    let key_exchange = Omemo2.parse(&first).unwrap().key_exchange.unwrap();
    let refused = |skipped| DecryptError::TooManySkipped { skipped, limit: 1000 };
    for n in [1001, u32::MAX - 1, u32::MAX] {
        let huge = message(&with_header(&first, |header| header.n = n));
        let accepted = at_once(|| bob.accept(&key_exchange, &huge));
        assert_eq!(accepted.unwrap_err(), refused(n));
    }
    // An authentic one, of the last number that she can send.
    let sending = at(&alice.session().sending, u32::MAX - 1);
    alice.session().sending = sending;
    let last = alice.encrypt(b"last");
    assert_eq!(at_once(|| bob.decrypt(&last)), Err(refused(u32::MAX - 1)));
    assert!(bob.session.is_none());
    assert_eq!(*bob.decrypt(&first).unwrap(), b"first");
}

/// What an authentic message says of the chain before it may be false; to refuse it would end the session.
#[test]
fn a_chain_that_is_said_to_be_huge_is_given_up_at_once() {
    // Her chain before had one message, which has arrived.
    let next_chain = |pn, counts_short| {
        let (mut alice, mut bob) = acquainted();
        alice.session().previous_sending = pn;
        bob.session().counts_short = counts_short;
        let data = alice.encrypt(b"next");
        let ((result, counts), hmacs) = counted_hmacs(|| counted(|| bob.decrypt(&data)));
        assert_eq!(*result.unwrap(), b"next");
        let step = Counts {
            agreements: 2,
            public_keys: 1,
        };
        assert_eq!(counts, step);
        assert_eq!(bob.decrypt(&data), Err(DecryptError::AlreadyDecrypted));
        let kept = bob.skipped.len();
        pass(&mut bob, &mut alice);
        pass(&mut alice, &mut bob);
        (hmacs, kept)
    };
    for counts_short in [false, true] {
        let (cost, _) = next_chain(1, counts_short);
        for pn in [1002, u32::MAX - 1, u32::MAX] {
            let (hmacs, kept) = next_chain(pn, counts_short);
            assert!(hmacs <= cost, "{pn}: {hmacs} HMACs in place of {cost}");
            assert_eq!(kept, 0, "{pn}");
        }
    }
}

/// The number after the last could not be counted.
#[test]
fn a_chain_of_which_all_numbers_are_used_does_not_end_the_session() {
    let (mut alice, mut bob) = acquainted();
    pass(&mut alice, &mut bob);
    let sending = at(&alice.session().sending, u32::MAX - 1);
    alice.session().sending = sending;
    let receiving = at(bob.session().receiving.as_ref().unwrap(), u32::MAX - 1);
    bob.session().receiving = Some(receiving);
    let last = alice.encrypt(b"last");
    assert_eq!(*bob.decrypt(&last).unwrap(), b"last");
    let after = with_header(&last, |header| header.n = u32::MAX);
    assert_eq!(at_once(|| bob.decrypt(&after)), Err(DecryptError::Malformed));

    pass(&mut bob, &mut alice);
    let next = alice.encrypt(b"next");
    assert_eq!(message(&next).header().pn, u32::MAX);
    assert_eq!(*bob.decrypt(&next).unwrap(), b"next");
    assert_eq!(bob.skipped.len(), 0);
}

#[test]
fn a_chain_too_far_behind_is_given_up() {
    let (mut alice, mut bob) = acquainted();
    bob.limits.per_message = 3;
    pass(&mut alice, &mut bob);
    let lost: Vec<_> = (0..4).map(|_| alice.encrypt(b"")).collect();
    pass(&mut bob, &mut alice);
    pass(&mut alice, &mut bob);
    assert_eq!(bob.skipped.len(), 0);
    assert!(
        lost.iter()
            .all(|data| bob.decrypt(data) == Err(DecryptError::AlreadyDecrypted))
    );
}

#[test]
fn the_oldest_skipped_keys_go_first() {
    let (mut alice, mut bob) = acquainted();
    bob.limits.per_session = 3;
    let first: Vec<_> = (0..3_u8).map(|n| alice.encrypt(&[n])).collect();
    bob.decrypt(&first[2]).unwrap();
    pass(&mut bob, &mut alice);
    let second: Vec<_> = (0..3_u8).map(|n| alice.encrypt(&[n])).collect();
    bob.decrypt(&second[2]).unwrap();
    assert_eq!(bob.skipped.len(), 3);
    assert_eq!(bob.decrypt(&first[0]), Err(DecryptError::AlreadyDecrypted));
    for data in [&first[1], &second[0], &second[1]] {
        assert!(bob.decrypt(data).is_ok());
    }
    bob.limits.per_session = 0;
    pass(&mut bob, &mut alice);
    alice.encrypt(b"");
    pass(&mut alice, &mut bob);
    assert_eq!(bob.skipped.len(), 0);
}

#[test]
fn a_ratchet_key_of_small_order_is_refused() {
    let (mut alice, mut bob) = acquainted();
    let data = alice.encrypt(b"");
    for bytes in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let data = with_header(&data, |header| header.ratchet_key = PublicKey::from_bytes(bytes));
        assert_eq!(
            bob.decrypt(&data),
            Err(DecryptError::NonContributory(NonContributory))
        );
    }
}

#[test]
fn nothing_is_drawn_for_a_forged_message() {
    let (mut alice, mut bob) = acquainted();
    let data = with_header(&alice.encrypt(b""), |header| {
        header.ratchet_key = PublicKey::from_bytes([9; 32])
    });
    let (result, counts) = counted(|| bob.decrypt(&data));
    assert_eq!(result, Err(DecryptError::InvalidMac));
    assert_eq!(
        counts,
        Counts {
            agreements: 1,
            public_keys: 0
        }
    );
}

#[test]
fn skipped_keys_are_not_kept_for_a_forged_message() {
    let (mut alice, mut bob) = acquainted();
    let data = with_header(&alice.encrypt(b""), |header| header.n = 900);
    assert_eq!(bob.decrypt(&data), Err(DecryptError::InvalidMac));
    assert_eq!((bob.skipped.len(), bob.session().skipped_len()), (0, 0));
}

#[test]
fn a_short_mac_is_never_believed() {
    let (mut alice, mut bob) = acquainted();
    let good = message(&alice.encrypt(b""));
    for length in 0..8 {
        let mac = good.mac()[..length].to_vec();
        let short = Message::new(
            *good.header(),
            good.authenticated().into(),
            good.ciphertext().into(),
            mac,
        );
        assert_eq!(bob.decrypt_with(&short, true), Err(DecryptError::InvalidMac));
    }
    assert!(bob.decrypt_with(&good, false).is_ok());
}

#[test]
fn an_answer_without_a_ratchet_step_is_not_authentic() {
    let (mut alice, mut bob) = strangers();
    pass(&mut alice, &mut bob);
    let signed_pre_key = *bob.signed_pre_key.public();
    let data = with_header(&bob.encrypt(b""), |header| header.ratchet_key = signed_pre_key);
    assert_eq!(alice.decrypt(&data), Err(DecryptError::InvalidMac));
}

/// A new chain, as far as anybody can tell who does not know the skipped keys.
#[test]
fn whether_a_message_is_forged_is_told_by_the_skipped_keys_if_there_are_any() {
    let (mut alice, mut bob) = acquainted();
    let forged = with_header(&alice.encrypt(b""), |header| {
        header.ratchet_key = PublicKey::from_bytes([9; 32])
    });
    let forged = message(&forged);
    assert_eq!(bob.decrypt_with(&forged, false), Err(DecryptError::InvalidMac));
    pass(&mut alice, &mut bob);
    assert_eq!(bob.session().skipped_len(), 1);
    assert_eq!(
        bob.decrypt_with(&forged, false),
        Err(DecryptError::SkippedKeysNeeded)
    );
    assert_eq!(bob.decrypt_with(&forged, true), Err(DecryptError::InvalidMac));
}

#[test]
fn a_repeated_message_needs_skipped_keys_only_if_there_are_any() {
    let (mut alice, mut bob) = acquainted();
    let data = alice.encrypt(b"");
    bob.decrypt(&data).unwrap();
    assert!(!bob.session().needs_skipped_keys(&message(&data)));
    alice.encrypt(b"");
    pass(&mut alice, &mut bob);
    assert!(bob.session().needs_skipped_keys(&message(&data)));
}

#[test]
fn chains_tell_how_long_they_are() {
    let (mut alice, mut bob) = acquainted();
    assert_eq!(alice.session().sending_chain_length(), 0);
    for _ in 0..3 {
        pass(&mut alice, &mut bob);
    }
    assert_eq!(alice.session().sending_chain_length(), 3);
    assert_eq!(bob.session().receiving_chain_length(), 3);
}
