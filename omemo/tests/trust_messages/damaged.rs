//! Contacts whose records are damaged: the others are told all the same.

use omemo::Error;
use omemo::trust::BlindTrustBeforeVerification;
use omemo_storage::Key;

use super::damage::{damage, damage_record, overwrite, overwrite_record};
use super::earlier::{level, open_before, reopen};
use super::*;

/// Who is owed that an own key is distrusted.
fn told_of(a1: &Device, own: u8) -> BTreeSet<String> {
    let told = told(a1).into_iter();
    told.filter_map(|(to, of, key, _)| (of == ALICE && key == own && to != ALICE).then_some(to))
        .collect()
}

#[test]
fn contacts_are_told_though_what_is_known_of_another_is_damaged() {
    let a1 = alice();
    for of in [BOB, CAROL] {
        authenticate(&a1, of, key(21));
    }
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    distrust(&a1, BOB, key(22));
    distrust(&a1, ALICE, key(13));
    let former = damage(a1.client.storage(), ALICE, BOB);
    assert_eq!(told_of(&a1, 13), [CAROL.to_owned()].into());
    assert_eq!(owed(&a1).untold, [jid(BOB)]);
    wait(a1.client.trust_messages_sent(owed(&a1))).unwrap();
    overwrite(a1.client.storage(), ALICE, BOB, |_| former.as_bytes().to_vec());
    assert_eq!(
        told(&a1),
        expected(&[
            (ALICE, ALICE, 13, false),
            (ALICE, BOB, 22, false),
            (BOB, ALICE, 13, false),
            (CAROL, ALICE, 13, false),
        ]),
        "what was not told is owed, and some is told again"
    );
    settle_debts(&a1);
}

#[test]
fn accounts_are_looked_over_until_none_is_damaged() {
    let server = Server::new();
    let a1 = open_before(&server);
    for of in [BOB, CAROL] {
        authenticate(&a1, of, key(21));
    }
    damage(a1.client.storage(), ALICE, BOB);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    distrust(&a1, ALICE, key(13));
    assert_eq!(told_of(&a1, 13), [CAROL.to_owned()].into());
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    wait(a1.client.purge_contact(jid(BOB))).unwrap();
    a1.counts();
    let a1 = reopen(&server, a1, "once more", AutomaticTrustManagement);
    assert!(a1.counts().commits > 0, "they are looked over again");
    let a1 = reopen(&server, a1, "and again", AutomaticTrustManagement);
    let counts = a1.counts();
    assert_eq!((counts.loads, counts.commits), (1, 0), "{counts:?}");
}

/// Whatever the policy is. Others are told of it.
#[test]
fn a_stolen_key_can_be_distrusted_though_what_is_noted_of_decisions_is_damaged() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(13));
    settle_debts(&a1);
    damage_record(a1.client.storage(), ALICE, &format!("cold/{ALICE}"), "trust");
    distrust(&a1, ALICE, key(13));
    assert_eq!(level(&a1, ALICE, key(13)), Some(TrustLevel::DISTRUSTED));
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    distrust(&a1, ALICE, key(14));
    assert_eq!(level(&a1, ALICE, key(14)), Some(TrustLevel::DISTRUSTED));
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    assert_eq!(
        told(&a1),
        expected(&[(BOB, ALICE, 13, false), (BOB, ALICE, 14, false)])
    );
}

/// To verify one ends what was trusted blindly, and what others have said of it is weighed: that must not be done by half.
#[test]
fn no_key_is_verified_while_what_is_noted_of_decisions_is_damaged() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, CAROL, key(31));
    set(&a1, BOB, key(21), TrustLevel::UNDECIDED);
    set(&a1, BOB, key(22), TrustLevel::BLINDLY_TRUSTED);
    let history = Key::new(&format!("cold/{BOB}"), "trust").unwrap();
    let former = overwrite_record(a1.client.storage(), ALICE, &history, |stored| {
        stored[..stored.len() / 2].to_vec()
    });
    let verified = wait(a1.client.set_trust(jid(BOB), key(21), TrustLevel::TRUSTED));
    let named = |partition: &str| partition == history.partition.as_str();
    assert!(matches!(&verified, Err(Error::Corrupt { partition, .. }) if named(partition)));
    assert_eq!(level(&a1, BOB, key(21)), Some(TrustLevel::UNDECIDED));
    authenticate(&a1, CAROL, key(32));
    overwrite_record(a1.client.storage(), ALICE, &history, |_| {
        former.as_bytes().to_vec()
    });
    authenticate(&a1, BOB, key(21));
    assert_eq!(level(&a1, BOB, key(22)), None, "blind trust has ended");
}

/// What a key has said about a contact waits until the contact is no longer damaged, and keeps nobody from verifying the key.
#[test]
fn a_key_can_be_verified_that_has_spoken_of_a_damaged_contact() {
    let a1 = alice();
    authenticate(&a1, BOB, key(20));
    for (of, distrusted) in [(BOB, 21), (CAROL, 31)] {
        let outcome = hear(&a1, ALICE, 12, 5, saying(of, &[], &[distrusted]));
        assert_eq!(outcome.held, 1);
    }
    let former = damage(a1.client.storage(), ALICE, BOB);
    authenticate(&a1, ALICE, key(12));
    assert_eq!(level(&a1, CAROL, key(31)), Some(TrustLevel::DISTRUSTED));
    overwrite(a1.client.storage(), ALICE, BOB, |_| former.as_bytes().to_vec());
    let outcome = hear(&a1, ALICE, 12, 6, saying(CAROL, &[], &[32]));
    assert_eq!(
        changed(&outcome),
        [(BOB.to_owned(), 21, false), (CAROL.to_owned(), 32, false)]
    );
}
