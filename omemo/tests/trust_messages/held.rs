//! What is kept until its sender is authenticated (XEP-0450, section 5.1).

use omemo::trust::TrustDecision;
use omemo::{Answer, AskTrust, Client, TrustPrompt};

use super::earlier::{level, settings};
use super::*;

/// What is authentic of Bob's, learnt from what a new own device would be told.
fn authentic(a1: &Device) -> Vec<u8> {
    settle_debts(a1);
    authenticate(a1, ALICE, key(99));
    let told = told(a1);
    set(a1, ALICE, key(99), TrustLevel::UNDECIDED);
    told.into_iter()
        .filter(|(to, of, ..)| to == ALICE && of == BOB)
        .map(|(_, _, number, trusted)| {
            assert!(trusted);
            number
        })
        .collect()
}

#[test]
fn what_an_unauthenticated_key_says_counts_once_it_is_authenticated() {
    let a1 = alice();
    let outcome = hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[23]));
    assert_eq!(
        (outcome.held, outcome.changed.len(), outcome.ignored.len()),
        (2, 0, 0)
    );
    assert!(authentic(&a1).is_empty());
    // Another key's authentication is none of it.
    authenticate(&a1, CAROL, key(31));
    authenticate(&a1, CAROL, key(21));
    assert!(authentic(&a1).is_empty());
    authenticate(&a1, BOB, key(21));
    assert_eq!(authentic(&a1), [21, 22]);
    let outcome = hear(&a1, BOB, 21, 4, saying(BOB, &[23], &[]));
    assert_eq!(reasons(&outcome), [Ignored::Outdated]);
}

#[test]
fn what_follows_is_one_commit_with_the_decision() {
    let a1 = alice();
    hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    a1.counts();
    authenticate(&a1, BOB, key(21));
    assert_eq!(a1.counts().commits, 1);
    assert_eq!(authentic(&a1), [21, 22]);
}

#[test]
fn one_key_leads_to_the_next() {
    let a1 = alice();
    // Each has spoken before it was authenticated; the last about all others, itself included.
    hear(&a1, BOB, 23, 5, saying(BOB, &[21, 22, 23, 24], &[]));
    hear(&a1, BOB, 22, 5, saying(BOB, &[23], &[]));
    hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    authenticate(&a1, ALICE, key(12));
    let outcome = hear(&a1, ALICE, 12, 6, saying(BOB, &[21], &[]));
    assert_eq!(
        changed(&outcome),
        [21, 22, 23, 24].map(|number| (BOB.to_owned(), number, true))
    );
    assert_eq!(authentic(&a1), [21, 22, 23, 24]);
}

#[test]
fn an_own_device_leads_to_contacts() {
    let a1 = alice();
    hear(&a1, ALICE, 12, 5, saying(BOB, &[21], &[]));
    hear(&a1, BOB, 21, 6, saying(BOB, &[22], &[]));
    assert!(authentic(&a1).is_empty());
    authenticate(&a1, ALICE, key(12));
    assert_eq!(authentic(&a1), [21, 22]);
}

#[test]
fn what_was_said_later_counts_whatever_came_first() {
    for (first, second) in [(5, 6), (6, 5)] {
        let a1 = alice();
        let say = |at| match at {
            5 => saying(BOB, &[22], &[]),
            _ => saying(BOB, &[], &[22]),
        };
        hear(&a1, BOB, 21, first, say(first));
        hear(&a1, BOB, 21, second, say(second));
        authenticate(&a1, BOB, key(21));
        assert_eq!(authentic(&a1), [21]);
    }
    // At the same time, distrust.
    let a1 = alice();
    hear(&a1, BOB, 21, 5, saying(BOB, &[], &[22]));
    hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    authenticate(&a1, BOB, key(21));
    assert_eq!(authentic(&a1), [21]);
}

#[test]
fn what_a_distrusted_key_has_said_is_lost() {
    let a1 = alice();
    hear(&a1, BOB, 21, 5, saying(BOB, &[22], &[]));
    distrust(&a1, BOB, key(21));
    authenticate(&a1, BOB, key(21));
    assert_eq!(authentic(&a1), [21]);
    // By a trust message as well.
    authenticate(&a1, ALICE, key(12));
    hear(&a1, BOB, 23, 5, saying(BOB, &[24], &[]));
    hear(&a1, ALICE, 12, 6, saying(BOB, &[], &[23]));
    hear(&a1, ALICE, 12, 7, saying(BOB, &[23], &[]));
    assert_eq!(authentic(&a1), [21, 23]);
}

#[test]
fn a_contact_is_held_to_its_own_account() {
    let a1 = alice();
    let outcome = hear(&a1, BOB, 21, 5, saying(CAROL, &[31], &[]));
    assert_eq!(reasons(&outcome), [Ignored::NotItsToSay]);
    assert_eq!(outcome.held, 0);
}

/// Keys of planted devices speak of accounts whose names are as long as they may be.
#[test]
fn no_more_bytes_are_kept_than_may_be() {
    let a1 = alice();
    let owner = |number: u32| format!("{number:0>1023}@{}.org", "a".repeat(1000));
    let length = owner(0).len();
    let mut held = 0;
    for by in 20..120 {
        let mut message = saying(BOB, &[], &[]);
        message.owners = (0..200)
            .map(|number| KeyOwner {
                jid: jid(&owner(number)),
                trust: vec![KeyIdentifier::from(key(21).curve25519())],
                distrust: Vec::new(),
            })
            .collect();
        let outcome = hear(&a1, ALICE, by, 5, message);
        assert!(outcome.held * length <= 64 << 10, "{}", outcome.held);
        assert_eq!(outcome.held + outcome.ignored.len(), 200);
        assert!(reasons(&outcome).iter().all(|reason| *reason == Ignored::TooMany));
        held += outcome.held;
    }
    assert!((128 << 10..=256 << 10).contains(&(held * length)), "{held}");
    // There is room for what a person decides.
    authenticate(&a1, ALICE, key(12));
    // What was kept counts, and makes room again.
    authenticate(&a1, ALICE, key(20));
    assert!(hear(&a1, ALICE, 13, 5, saying(BOB, &[22], &[])).held == 1);
}

#[test]
fn no_more_is_kept_than_may_be() {
    let a1 = alice();
    let statements = |first: u32, count: u32| {
        let mut message = saying(BOB, &[], &[]);
        message.owners[0].trust = (first..first + count)
            .map(|number| {
                let mut bytes = [0xff; 32];
                bytes[..4].copy_from_slice(&number.to_le_bytes());
                KeyIdentifier::from_bytes(bytes)
            })
            .collect();
        message
    };
    let outcome = hear(&a1, BOB, 21, 5, statements(0, 201));
    assert_eq!((outcome.held, reasons(&outcome)), (200, vec![Ignored::TooMany]));
    // The same again needs no more room, and what others say is not pushed out.
    assert_eq!(hear(&a1, BOB, 21, 6, statements(0, 200)).held, 200);
    for by in 22..26 {
        assert_eq!(hear(&a1, BOB, by, 5, statements(0, 200)).held, 200);
    }
    let outcome = hear(&a1, BOB, 26, 5, statements(0, 1));
    assert_eq!((outcome.held, reasons(&outcome)), (0, vec![Ignored::TooMany]));
}

/// A person who trusts all keys that are asked about.
struct Trusting;

impl TrustPrompt for Trusting {
    fn ask<'a>(&'a self, question: &'a AskTrust) -> Answer<'a> {
        let decisions = question.undecided.iter().map(|key| TrustDecision {
            jid: key.jid.clone(),
            identity_key: key.identity_key,
            level: TrustLevel::TRUSTED,
        });
        Box::pin(std::future::ready(Ok(decisions.collect())))
    }
}

/// Two keys have accused each other, and are verified together by one answer.
#[test]
fn what_a_key_has_said_does_not_count_against_one_that_is_verified_together_with_it() {
    let server = Server::new();
    let [b1, b2, b3] = ["B1", "B2", "B3"].map(|name| open(&server, BOB, name));
    let connection = server.connect(&jid(ALICE), "A1");
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let builder = Client::builder(settings(AutomaticTrustManagement), storage, connection.clone());
    let builder = builder
        .catch_up(false)
        .rng(common::rng(&jid(ALICE), "A1"))
        .prompt(Trusting);
    let a1 = Device {
        jid: jid(ALICE),
        client: wait(builder.open()).unwrap(),
        connection,
    };
    let known = wait(a1.client.device_information(jid(BOB))).unwrap().devices;
    let [first, second, third] = [&b1, &b2, &b3].map(|device| {
        let of = known.iter().find(|known| known.device == device.client.device());
        of.unwrap().identity_key.unwrap()
    });
    authenticate(&a1, BOB, first);
    for (by, of) in [(second, third), (third, second)] {
        let accusation = TrustMessage {
            encryption: Namespace::OMEMO_2,
            owners: vec![KeyOwner {
                jid: jid(BOB),
                trust: vec![],
                distrust: vec![KeyIdentifier::from(of.curve25519())],
            }],
        };
        let heard = a1
            .client
            .receive_trust_message(sender(BOB, by), Timestamp::from_unix(5), accusation);
        assert_eq!(wait(heard).unwrap().held, 1);
    }
    let sent = a1.try_to_encrypt(&[&jid(BOB)], "hello").unwrap().partial().0;
    assert_eq!(sent.encrypted_to.len(), 3);
    for key in [second, third] {
        assert_eq!(level(&a1, BOB, key), Some(TrustLevel::TRUSTED));
    }
}
