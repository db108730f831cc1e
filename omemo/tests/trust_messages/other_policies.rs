//! Another policy that was in use meanwhile, or is in another process: what was decided under it counts, and is owed.

use omemo::trust::{BlindTrustBeforeVerification, TrustPolicy};

use super::earlier::{TRUSTED, is_told_to_all, level, now, reopen, settings};
use super::*;

#[test]
fn keys_that_are_verified_while_another_policy_is_in_use_count() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    for (of, number) in TRUSTED {
        authenticate(&a1, of, key(number));
    }
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    is_told_to_all(&a1);
}

/// Another process may have another policy still.
#[test]
fn keys_that_another_process_verifies_count() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let storage = Arc::clone(a1.client.storage());
    let other = open_with(&server, settings(BlindTrustBeforeVerification), "other", storage);
    for (of, number) in TRUSTED {
        authenticate(&other, of, key(number));
    }
    is_told_to_all(&a1);
}

/// What was decided is told as it is by now, not as it was.
#[test]
fn what_was_taken_back_under_another_policy_is_not_told() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    for (of, number) in TRUSTED {
        authenticate(&a1, of, key(number));
    }
    settle_debts(&a1);
    authenticate(&a1, ALICE, key(14));
    authenticate(&a1, ALICE, key(15));
    let storage = Arc::clone(a1.client.storage());
    let other = open_with(&server, settings(BlindTrustBeforeVerification), "other", storage);
    distrust(&other, ALICE, key(14));
    set(&other, ALICE, key(15), TrustLevel::BLINDLY_TRUSTED);
    let said: BTreeSet<_> = told(&a1)
        .into_iter()
        .map(|(_, _, key, trusted)| (key, trusted))
        .collect();
    assert!(said.contains(&(14, false)), "{said:?}");
    assert!(
        !said.contains(&(14, true)) && said.iter().all(|(key, _)| *key != 15),
        "{said:?}"
    );
}

#[test]
fn a_persons_distrust_under_another_policy_is_not_overruled() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, ALICE, key(12));
    let now = now();
    let says = |at: u64| hear(&a1, ALICE, 12, now - 100 + at, saying(BOB, &[21], &[]));
    assert_eq!(changed(&says(0)), [(BOB.to_owned(), 21, true)]);
    let storage = Arc::clone(a1.client.storage());
    let other = open_with(&server, settings(BlindTrustBeforeVerification), "other", storage);
    distrust(&other, BOB, key(21));
    let outcome = says(30);
    assert!(outcome.changed.is_empty(), "{outcome:?}");
    assert_eq!(outcome.ignored[0].reason, Ignored::DistrustedHere);
}

/// Though nothing was noted of decisions about the account before.
#[test]
fn what_was_said_before_a_person_decided_under_another_policy_is_not_followed() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let outcome = hear(&a1, ALICE, 12, now() - 100, saying(BOB, &[], &[21, 22]));
    assert_eq!(outcome.held, 2);
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(12));
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    assert_eq!(level(&a1, BOB, key(21)), Some(TrustLevel::TRUSTED));
    assert_eq!(level(&a1, BOB, key(22)), Some(TrustLevel::DISTRUSTED));
}

/// The same where trust was managed automatically before, and again after another policy.
#[test]
fn blind_trust_ends_beside_keys_that_were_authenticated_under_another_policy() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    for of in [ALICE, BOB] {
        set(&a1, of, key(29), TrustLevel::BLINDLY_TRUSTED);
        authenticate(&a1, of, key(21));
    }
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    let backup = wait(a1.client.back_up(vec![jid(BOB)])).unwrap();
    for of in [ALICE, BOB] {
        let levels = backup.trust().get(&jid(of)).unwrap();
        assert_eq!(levels.get(&key(29).curve25519()), None, "{of}");
    }
}

/// Others are told of it once trust is managed automatically again.
#[test]
fn what_was_decided_under_another_policy_is_owed() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    authenticate(&a1, ALICE, key(13));
    distrust(&a1, ALICE, key(14));
    set(&a1, ALICE, key(15), TrustLevel::BLINDLY_TRUSTED);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    let to_bob: BTreeSet<_> = told(&a1).into_iter().filter(|(to, ..)| to == BOB).collect();
    assert_eq!(
        to_bob,
        expected(&[(BOB, ALICE, 13, true), (BOB, ALICE, 14, false)])
    );
    settle_debts(&a1);
}

/// Nobody hears twice what was told, nor of the key of this very device.
#[test]
fn what_says_nothing_new_under_another_policy_is_not_owed() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    let own = wait(a1.client.device_information(jid(ALICE))).unwrap().devices[0]
        .identity_key
        .unwrap();
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    authenticate(&a1, BOB, key(21));
    authenticate(&a1, ALICE, key(12));
    distrust(&a1, ALICE, own);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    assert_eq!(owed(&a1), OwedTrustMessages::default());
}

/// A policy that tells nobody keeps nobody from deciding, however much waits; that an own key was stolen is told before
/// anything else.
#[test]
fn more_than_can_wait_under_another_policy_is_forgotten_of_others_first() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, ALICE, key(12));
    settle_debts(&a1);
    let a1 = reopen(&server, a1, "other", BlindTrustBeforeVerification);
    distrust(&a1, ALICE, key(14));
    for number in 0..1_000 {
        // In front of her in order, and after her.
        let of = format!("{}{number}@example.org", ["a", "z"][number % 2]);
        distrust(&a1, &of, key(21));
    }
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    let said = told(&a1);
    assert_eq!(said.len(), 1_000);
    assert!(said.contains(&(ALICE.to_owned(), ALICE.to_owned(), 14, false)));
}

/// What a key has said before it is authenticated is kept until then, whichever policy is in use then.
#[test]
fn what_a_key_has_said_counts_though_it_was_verified_under_another_policy() {
    let server = Server::new();
    let verified = |a1: &Device| {
        let storage = Arc::clone(a1.client.storage());
        let other = open_with(&server, settings(BlindTrustBeforeVerification), "other", storage);
        authenticate(&other, ALICE, key(12));
    };
    let says = |a1: &Device, distrusted: u8| {
        let outcome = hear(a1, ALICE, 12, now() - 100, saying(BOB, &[], &[distrusted]));
        assert_eq!(outcome.held, 1);
    };
    let distrusted = Some(TrustLevel::DISTRUSTED);

    // The account is opened again.
    let a1 = open(&server, ALICE, "A1");
    says(&a1, 21);
    verified(&a1);
    assert_eq!(level(&a1, BOB, key(21)), None);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    assert_eq!(level(&a1, BOB, key(21)), distrusted);

    // A process beside has the other policy, and the key speaks again.
    let a1 = open(&server, ALICE, "A2");
    says(&a1, 22);
    verified(&a1);
    let outcome = hear(&a1, ALICE, 12, now() - 50, saying(BOB, &[], &[23]));
    assert_eq!(
        changed(&outcome),
        [(BOB.to_owned(), 22, false), (BOB.to_owned(), 23, false)]
    );

    // Or it is verified here too.
    let a1 = open(&server, ALICE, "A3");
    says(&a1, 24);
    verified(&a1);
    authenticate(&a1, ALICE, key(12));
    assert_eq!(level(&a1, BOB, key(24)), distrusted);
}

/// A policy with names of its own, which manages trust automatically or not.
#[derive(Debug)]
struct Named {
    automatic: bool,
}

impl Named {
    fn verified() -> TrustLevel {
        TrustLevel::new("verified").unwrap()
    }

    fn compromised() -> TrustLevel {
        TrustLevel::new("compromised").unwrap()
    }
}

impl TrustPolicy for Named {
    fn meaning(&self, level: &TrustLevel) -> Option<Trust> {
        match level.as_str() {
            "verified" => Some(Trust::Trusted),
            "compromised" => Some(Trust::Distrusted),
            _ => BlindTrustBeforeVerification.meaning(level),
        }
    }

    fn first_use(
        &self,
        _: &omemo::BareJid,
        _: &std::collections::BTreeMap<omemo::keys::PublicKey, TrustLevel>,
    ) -> Option<TrustLevel> {
        None
    }

    fn automatic(&self) -> Option<omemo::trust::AutomaticLevels> {
        self.automatic.then(|| omemo::trust::AutomaticLevels {
            authenticated: Self::verified(),
            distrusted: Self::compromised(),
            provisional: TrustLevel::BLINDLY_TRUSTED,
        })
    }
}

#[test]
fn what_was_decided_by_levels_of_other_names_is_owed() {
    let server = Server::new();
    let policy = |automatic| Named { automatic };
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let a1 = open_with(&server, settings(policy(true)), "A1", storage);
    set(&a1, BOB, key(21), Named::verified());
    set(&a1, ALICE, key(12), Named::verified());
    settle_debts(&a1);
    let a1 = reopen(&server, a1, "other", policy(false));
    set(&a1, ALICE, key(13), Named::verified());
    set(&a1, ALICE, key(14), Named::compromised());
    set(&a1, ALICE, key(15), TrustLevel::BLINDLY_TRUSTED);
    let a1 = reopen(&server, a1, "again", policy(true));
    let to_bob: BTreeSet<_> = told(&a1).into_iter().filter(|(to, ..)| to == BOB).collect();
    assert_eq!(
        to_bob,
        expected(&[(BOB, ALICE, 13, true), (BOB, ALICE, 14, false)])
    );
}

/// Of two own keys one was stolen; the other says so before either is authenticated here.
#[test]
fn a_key_that_is_found_stolen_in_what_was_said_before_is_not_believed_any_more() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let storage = Arc::clone(a1.client.storage());
    assert_eq!(
        hear(&a1, ALICE, 12, now() - 100, saying(ALICE, &[13], &[])).held,
        1
    );
    let other = open_with(&server, settings(BlindTrustBeforeVerification), "other", storage);
    authenticate(&other, ALICE, key(12));
    let later = now() + 1;
    assert_eq!(hear(&a1, ALICE, 13, later, saying(ALICE, &[], &[12])).held, 1);
    let outcome = hear(&a1, ALICE, 12, later, saying(BOB, &[21], &[]));
    assert_eq!(
        changed(&outcome),
        [(ALICE.to_owned(), 13, true), (ALICE.to_owned(), 12, false)]
    );
    assert_eq!(reasons(&outcome), [Ignored::SenderDistrusted]);
    assert_eq!(level(&a1, BOB, key(21)), None);
}
