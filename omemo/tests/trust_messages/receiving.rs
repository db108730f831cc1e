//! What is believed. Numbers are keys: 12 of Alice's device A2, 21 to 23 of Bob's, 31 of Carol's.

use super::*;

#[test]
fn an_own_endpoint_is_believed_about_all() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    let outcome = hear(&a1, ALICE, 12, 5, saying(BOB, &[21], &[22]));
    assert_eq!(
        changed(&outcome),
        [(BOB.to_owned(), 21, true), (BOB.to_owned(), 22, false)]
    );
    let outcome = hear(&a1, ALICE, 12, 5, saying(ALICE, &[13], &[]));
    assert_eq!(changed(&outcome), [(ALICE.to_owned(), 13, true)]);
    // What was heard is not told on: nothing circles.
    assert_eq!(owed(&a1), OwedTrustMessages::default());
    // But what a person decides next is told to those who were authenticated that way.
    distrust(&a1, ALICE, key(13));
    assert_eq!(
        told(&a1),
        expected(&[(ALICE, ALICE, 13, false), (BOB, ALICE, 13, false)])
    );
}

#[test]
fn a_contacts_endpoint_is_believed_about_its_own_account() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[23]));
    assert_eq!(
        changed(&outcome),
        [(BOB.to_owned(), 22, true), (BOB.to_owned(), 23, false)]
    );
    assert!(outcome.ignored.is_empty());
}

#[test]
fn nobody_is_believed_about_what_is_not_theirs_to_say() {
    let a1 = alice();
    let own = wait(a1.client.device_information(jid(ALICE))).unwrap().devices[0]
        .identity_key
        .unwrap();
    authenticate(&a1, ALICE, key(12));
    authenticate(&a1, BOB, key(21));
    // A contact about another contact, and about us.
    for of in [CAROL, ALICE] {
        let outcome = hear(&a1, BOB, 21, 5, saying(of, &[31], &[12]));
        assert_eq!(reasons(&outcome), [Ignored::NotItsToSay; 2]);
        assert!(outcome.changed.is_empty());
    }
    // A key about itself.
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[21], &[21]));
    assert_eq!(reasons(&outcome), [Ignored::NotItsToSay; 2]);
    // Anybody about this device's key.
    let mut message = saying(ALICE, &[], &[]);
    message.owners[0].distrust = vec![own.curve25519().into()];
    let outcome = hear(&a1, ALICE, 12, 5, message.clone());
    assert_eq!(reasons(&outcome), [Ignored::NotItsToSay]);
    // This device, in a copy of what it said itself.
    let outcome = wait(a1.client.receive_trust_message(
        sender(ALICE, own),
        Timestamp::from_unix(5),
        saying(BOB, &[22], &[]),
    ))
    .unwrap();
    assert_eq!(reasons(&outcome), [Ignored::NotItsToSay]);
    assert_eq!((outcome.held, outcome.changed.len()), (0, 0));
}

#[test]
fn a_key_that_is_merely_used_is_not_believed() {
    let a1 = alice();
    set(&a1, BOB, key(21), TrustLevel::BLINDLY_TRUSTED);
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    assert_eq!((outcome.held, outcome.changed.len()), (1, 0));
    // The same key in another account is another matter.
    authenticate(&a1, CAROL, key(21));
    let outcome = hear(&a1, BOB, 21, 6, saying(BOB, &[22], &[]));
    assert_eq!((outcome.held, outcome.changed.len()), (1, 0));
}

#[test]
fn a_distrusted_key_is_never_believed() {
    let a1 = alice();
    distrust(&a1, BOB, key(21));
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::SenderDistrusted]);
    assert_eq!((outcome.held, outcome.changed.len()), (0, 0));
    // Nor later, when it is authenticated: nothing was kept.
    authenticate(&a1, BOB, key(21));
    let outcome = hear(&a1, BOB, 21, 6, saying(BOB, &[22], &[]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 22, true)]);
}

#[test]
fn of_trust_and_distrust_at_one_time_distrust_counts() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[22]));
    assert_eq!(changed(&outcome).last(), Some(&(BOB.to_owned(), 22, false)));
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
    hear(&a1, BOB, 21, 7, saying(BOB, &[23], &[]));
    let outcome = hear(&a1, BOB, 21, 7, saying(BOB, &[], &[23]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 23, false)]);
}

#[test]
fn an_older_message_does_not_undo_a_newer_one() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    hear(&a1, BOB, 21, 9, saying(BOB, &[22], &[]));
    let outcome = hear(&a1, BOB, 21, 8, saying(BOB, &[], &[22]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
    let outcome = hear(&a1, BOB, 21, 10, saying(BOB, &[], &[22]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 22, false)]);
    // Nor does one that comes again.
    let outcome = hear(&a1, BOB, 21, 9, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
    let outcome = hear(&a1, BOB, 21, 11, saying(BOB, &[22], &[]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 22, true)]);
    // What says the same is no change, but its time counts.
    let outcome = hear(&a1, BOB, 21, 15, saying(BOB, &[22], &[]));
    assert_eq!((outcome.changed.len(), outcome.ignored.len()), (0, 0));
    let outcome = hear(&a1, BOB, 21, 14, saying(BOB, &[], &[22]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
}

#[test]
fn a_message_from_the_future_does_not_outrank_what_is_decided_later() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    let outcome = hear(&a1, BOB, 21, u64::MAX, saying(BOB, &[22], &[]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 22, true)]);
    let outcome = hear(&a1, BOB, 21, u64::MAX, saying(BOB, &[], &[22]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 22, false)]);
}

#[test]
fn what_a_person_has_distrusted_stays_so() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    distrust(&a1, BOB, key(22));
    let outcome = hear(&a1, BOB, 21, u64::MAX, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::DistrustedHere]);
    // What a person has authenticated can still be distrusted by others, later.
    authenticate(&a1, BOB, key(23));
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[], &[23]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
    let outcome = hear(&a1, BOB, 21, u64::MAX, saying(BOB, &[], &[23]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 23, false)]);
}

#[test]
fn the_first_authentic_key_ends_blind_trust() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    for number in [22, 23] {
        set(&a1, BOB, key(number), TrustLevel::BLINDLY_TRUSTED);
    }
    hear(&a1, ALICE, 12, 5, saying(BOB, &[21], &[]));
    // Blind trust is no decision that could be told, and is over: only 21 is told of.
    settle_debts(&a1);
    authenticate(&a1, ALICE, key(13));
    let of_bob: Vec<_> = told(&a1).into_iter().filter(|(_, of, ..)| of == BOB).collect();
    assert_eq!(of_bob, [(ALICE.to_owned(), BOB.to_owned(), 21, true)]);
}

#[test]
fn too_much_at_once_is_refused() {
    let a1 = alice();
    let mut message = saying(BOB, &[], &[]);
    message.owners[0].trust = vec![KeyIdentifier::from_bytes([1; 32]); 1_001];
    let error = wait(
        a1.client
            .receive_trust_message(sender(BOB, key(21)), Timestamp::from_unix(5), message),
    )
    .unwrap_err();
    assert!(
        matches!(error, omemo::Error::TooLarge { size: 1_001, .. }),
        "{error}"
    );
}

#[test]
fn an_account_has_no_more_keys_than_it_may_have() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    let mut ignored = 0;
    for round in 0..3_u32 {
        let mut message = saying(BOB, &[], &[]);
        message.owners[0].trust = (0..400_u32)
            .map(|number| {
                let mut bytes = [0xff; 32];
                bytes[..4].copy_from_slice(&(round * 1_000 + number).to_le_bytes());
                KeyIdentifier::from_bytes(bytes)
            })
            .collect();
        let outcome = hear(&a1, BOB, 21, 5, message);
        ignored += outcome.ignored.len();
        assert!(reasons(&outcome).iter().all(|reason| *reason == Ignored::TooMany));
    }
    assert!(ignored >= 200, "{ignored}");
}

/// It is the person's, who was asked, as long as nobody's key is authenticated anew.
#[test]
fn what_a_person_trusts_blindly_stays_whatever_others_say_of_other_keys() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    set(&a1, BOB, key(22), TrustLevel::BLINDLY_TRUSTED);
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[], &[23]));
    assert_eq!(changed(&outcome), [(BOB.to_owned(), 23, false)]);
    assert_eq!(
        super::earlier::level(&a1, BOB, key(22)),
        Some(TrustLevel::BLINDLY_TRUSTED)
    );
}
