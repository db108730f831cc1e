//! What is owed to whom. Numbers are keys: 12 and 13 of Alice's devices A2 and A3, 21 and 22 of Bob's, 31 of Carol's.

use super::*;

#[test]
fn a_contacts_key_is_told_to_own_endpoints_and_own_keys_to_the_contact() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    authenticate(&a1, BOB, key(21));
    assert_eq!(
        told(&a1),
        expected(&[(ALICE, BOB, 21, true), (BOB, ALICE, 12, true)])
    );
}

#[test]
fn an_own_key_is_told_to_all_and_all_keys_to_it() {
    let a2 = alice();
    authenticate(&a2, ALICE, key(11));
    authenticate(&a2, BOB, key(21));
    settle_debts(&a2);
    authenticate(&a2, ALICE, key(13));
    assert_eq!(
        told(&a2),
        expected(&[
            (BOB, ALICE, 13, true),
            (ALICE, ALICE, 13, true),
            (ALICE, ALICE, 11, true),
            (ALICE, BOB, 21, true),
        ])
    );
}

#[test]
fn a_distrusted_own_key_is_told_to_all_others() {
    let a1 = alice();
    for (of, number) in [(ALICE, 12), (ALICE, 13), (BOB, 21), (CAROL, 31)] {
        authenticate(&a1, of, key(number));
    }
    settle_debts(&a1);
    distrust(&a1, ALICE, key(13));
    assert_eq!(
        told(&a1),
        expected(&[
            (ALICE, ALICE, 13, false),
            (BOB, ALICE, 13, false),
            (CAROL, ALICE, 13, false)
        ])
    );
}

#[test]
fn a_contacts_distrusted_key_is_told_to_own_endpoints_alone() {
    let a1 = alice();
    for (of, number) in [(ALICE, 12), (BOB, 21), (BOB, 22), (CAROL, 31)] {
        authenticate(&a1, of, key(number));
    }
    settle_debts(&a1);
    distrust(&a1, BOB, key(21));
    assert_eq!(told(&a1), expected(&[(ALICE, BOB, 21, false)]));
}

#[test]
fn no_contact_is_told_of_another() {
    let a1 = alice();
    for (of, number) in [(ALICE, 12), (BOB, 21), (CAROL, 31)] {
        authenticate(&a1, of, key(number));
    }
    distrust(&a1, CAROL, key(32));
    let others: Vec<_> = told(&a1)
        .into_iter()
        .filter(|(to, of, ..)| to != ALICE && of != ALICE)
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn nobody_is_told_whose_key_is_not_authenticated() {
    let a1 = alice();
    authenticate(&a1, BOB, key(21));
    // Alice has no other device, and so there is nothing to tell, not even to Bob.
    assert_eq!(told(&a1), expected(&[]));
    distrust(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    // Bob has no authenticated key any more.
    authenticate(&a1, ALICE, key(13));
    assert!(told(&a1).iter().all(|(to, ..)| to == ALICE));
}

#[test]
fn the_own_key_is_nothing_to_tell() {
    let a1 = alice();
    let own = wait(a1.client.device_information(jid(ALICE))).unwrap().devices[0]
        .identity_key
        .unwrap();
    authenticate(&a1, ALICE, own);
    authenticate(&a1, BOB, key(21));
    assert_eq!(told(&a1), expected(&[]));
}

#[test]
fn what_was_not_sent_stays_owed() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    let first = owed(&a1);
    assert_eq!(owed(&a1), first);
    // Another decision, before the first was told: only what was sent is settled.
    distrust(&a1, ALICE, key(12));
    authenticate(&a1, ALICE, key(13));
    wait(a1.client.trust_messages_sent(first)).unwrap();
    assert_eq!(
        told(&a1),
        expected(&[(ALICE, ALICE, 12, false), (ALICE, ALICE, 13, true)])
    );
    settle_debts(&a1);
}

#[test]
fn a_decision_that_is_taken_back_is_not_told() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    authenticate(&a1, BOB, key(21));
    set(&a1, BOB, key(21), TrustLevel::UNDECIDED);
    assert_eq!(owed(&a1), OwedTrustMessages::default());
    // What is decided already is no decision.
    authenticate(&a1, ALICE, key(12));
    assert_eq!(owed(&a1), OwedTrustMessages::default());
}

#[test]
fn a_decision_and_what_it_owes_are_one_commit() {
    let a1 = alice();
    a1.counts();
    authenticate(&a1, ALICE, key(12));
    assert_eq!(a1.counts().commits, 1);
    a1.counts();
    assert_eq!(owed(&a1).messages.len(), 1);
    assert_eq!(a1.counts().records_written, 0);
}

#[test]
fn nobody_is_told_of_a_contact_that_was_forgotten() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    authenticate(&a1, BOB, key(21));
    wait(a1.client.purge_contact(jid(BOB))).unwrap();
    assert_eq!(told(&a1), expected(&[]));
}

#[test]
fn other_policies_owe_and_believe_nothing() {
    let server = Server::new();
    let a1 = common::open(&server, ALICE, "A1");
    authenticate(&a1, ALICE, key(12));
    authenticate(&a1, BOB, key(21));
    assert_eq!(owed(&a1), OwedTrustMessages::default());
    a1.counts();
    let outcome = hear(&a1, ALICE, 12, 5, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::NotAutomatic]);
    assert_eq!((outcome.held, outcome.changed.len()), (0, 0));
    assert_eq!(a1.counts().commits, 0);
}

#[test]
fn many_keys_are_told_in_several_messages() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    for number in 0..1_000 {
        authenticate(&a1, &contact(number), key(21));
    }
    // More decisions must not wait, since somebody would not be told.
    let error = wait(a1.client.set_trust(jid(BOB), key(21), TrustLevel::TRUSTED)).unwrap_err();
    assert!(
        matches!(
            error,
            omemo::Error::TooLarge {
                size: 1_001,
                limit: 1_000,
                ..
            }
        ),
        "{error}"
    );
    settle_debts(&a1);
    authenticate(&a1, BOB, key(21));
    settle_debts(&a1);
    authenticate(&a1, ALICE, key(13));
    let owed = owed(&a1);
    let to_alice = owed.messages.iter().filter(|owed| owed.to == jid(ALICE));
    let sizes: Vec<_> = to_alice.map(|owed| owed.message.statements()).collect();
    // Two of her own, and 1,001 of others.
    assert_eq!(sizes, [1_000, 3]);
    assert_eq!(owed.messages.len(), 2 + 1_001);
}

fn contact(number: u32) -> String {
    format!("{number}@example.org")
}

/// An application that is never told of a message has none to report as sent.
#[test]
fn what_nobody_is_told_of_never_keeps_a_person_from_deciding() {
    let a1 = alice();
    let own = wait(a1.client.device_information(jid(ALICE))).unwrap().devices[0]
        .identity_key
        .unwrap();
    authenticate(&a1, ALICE, own);
    for number in 0..1_000 {
        authenticate(&a1, &contact(number), key(21));
    }
    assert_eq!(told(&a1), expected(&[]));
    distrust(&a1, BOB, key(21));
    for number in 0..1_000 {
        distrust(&a1, &contact(number), key(21));
    }
    assert_eq!(told(&a1), expected(&[]));
    authenticate(&a1, CAROL, key(31));
    // Who is authenticated now is told what counts now.
    authenticate(&a1, ALICE, key(12));
    assert_eq!(
        told(&a1),
        expected(&[
            (ALICE, ALICE, 12, true),
            (ALICE, CAROL, 31, true),
            (CAROL, ALICE, 12, true)
        ])
    );
}

#[test]
fn the_last_own_endpoint_is_distrusted_whatever_it_was_not_told() {
    let a1 = alice();
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    for number in 0..1_000 {
        authenticate(&a1, &contact(number), key(21));
    }
    distrust(&a1, ALICE, key(12));
    let owed = owed(&a1);
    assert_eq!(owed.messages.len(), 1_000);
    assert!(owed.messages.iter().all(|owed| owed.to != jid(ALICE)));
    authenticate(&a1, ALICE, key(13));
}
