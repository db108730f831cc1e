//! Keys that were trusted before automatic trust management was there to see it. Whoever has one is told of own keys all the
//! same.

use common::rng;
use omemo::Client;
use omemo::transfer::{Backup, ImportedAccount, ImportedContact};
use omemo::trust::{BlindTrustBeforeVerification, TrustPolicy};

use super::*;

const TRUSTED: [(&str, u8); 4] = [(ALICE, 12), (ALICE, 13), (BOB, 21), (CAROL, 31)];

fn settings(policy: impl TrustPolicy + 'static) -> Settings {
    Settings {
        trust: Arc::new(policy),
        ..Settings::new(jid(ALICE))
    }
}

/// A device whose trust is not managed automatically yet.
pub(super) fn open_before(server: &Server) -> Device {
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    open_with(server, settings(BlindTrustBeforeVerification), "A1", storage)
}

/// Opens a device again, with another policy.
pub(super) fn reopen(
    server: &Server,
    device: Device,
    name: &str,
    policy: impl TrustPolicy + 'static,
) -> Device {
    let storage = Arc::clone(device.client.storage());
    drop(device);
    open_with(server, settings(policy), name, storage)
}

/// The level that a key has.
pub(super) fn level(device: &Device, of: &str, key: IdentityKey) -> Option<TrustLevel> {
    let backup = wait(device.client.back_up(vec![jid(of)])).unwrap();
    let levels = backup.trust().get(&jid(of))?;
    levels.get(&key.curve25519()).cloned()
}

/// Now, in seconds.
fn now() -> u64 {
    omemo::Clock::now(&omemo::SystemClock).unix()
}

/// The key of the stolen phone is distrusted, and nothing else is to be told.
fn is_told_to_all(a1: &Device) {
    settle_debts(a1);
    distrust(a1, ALICE, key(13));
    assert_eq!(
        told(a1),
        expected(&[
            (ALICE, ALICE, 13, false),
            (BOB, ALICE, 13, false),
            (CAROL, ALICE, 13, false)
        ])
    );
}

/// A client of Alice's on a storage of its own.
fn begin<N>(
    server: &Server,
    begin: impl FnOnce(omemo::Builder<common::Metering, omemo::local::Connection>) -> N,
) -> (N, omemo::local::Connection) {
    let connection = server.connect(&jid(ALICE), "new");
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let builder = Client::builder(settings(AutomaticTrustManagement), storage, connection.clone());
    (begin(builder.rng(rng(&jid(ALICE), "new"))), connection)
}

#[test]
fn a_backup_tells_whose_keys_are_authenticated() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    for (of, number) in TRUSTED {
        authenticate(&a1, of, key(number));
    }
    let backup = wait(a1.client.back_up(vec![jid(BOB), jid(CAROL)])).unwrap();
    let backup = Backup::decode(&backup.encode()).unwrap();
    let (client, connection) = begin(&server, |builder| wait(builder.restore(backup)).unwrap());
    is_told_to_all(&Device {
        jid: jid(ALICE),
        client,
        connection,
    });
}

#[test]
fn an_import_tells_whose_keys_are_authenticated() {
    let mut contacts = std::collections::BTreeMap::<_, ImportedContact>::new();
    for (of, number) in TRUSTED {
        let contact = contacts.entry(jid(of)).or_default();
        contact
            .trust
            .insert(key(number).curve25519(), TrustLevel::TRUSTED);
    }
    let imported = ImportedAccount {
        identity: IdentityKeyPair::from_seed([11; 32]),
        device: DeviceId::new(11),
        label: None,
        protocols: [].into(),
        contacts,
    };
    let (begun, connection) = begin(&Server::new(), |builder| wait(builder.import(imported)).unwrap());
    assert_eq!(begun.imported.contacts, 3);
    is_told_to_all(&Device {
        jid: jid(ALICE),
        client: begun.client,
        connection,
    });
}

#[test]
fn keys_that_were_verified_under_another_policy_count() {
    let server = Server::new();
    let a1 = open_before(&server);
    for (of, number) in TRUSTED {
        authenticate(&a1, of, key(number));
    }
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    is_told_to_all(&a1);
}

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

/// A process that only joins looks nothing over.
#[test]
fn to_verify_a_key_again_is_enough() {
    let server = Server::new();
    let before = open_before(&server);
    for (of, number) in TRUSTED {
        authenticate(&before, of, key(number));
    }
    let storage = Arc::clone(before.client.storage());
    let connection = before.connection.clone();
    let builder = Client::builder(settings(AutomaticTrustManagement), storage, connection.clone());
    let a1 = Device {
        jid: jid(ALICE),
        client: wait(builder.attach()).unwrap(),
        connection,
    };
    for (of, number) in [(BOB, 21), (CAROL, 31)] {
        authenticate(&a1, of, key(number));
    }
    is_told_to_all(&a1);
}

#[test]
fn accounts_are_looked_over_once() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    authenticate(&a1, BOB, key(21));
    a1.counts();
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    let counts = a1.counts();
    assert_eq!((counts.loads, counts.commits), (1, 0), "{counts:?}");
}

/// More accounts than are looked over at a time.
#[test]
fn all_accounts_are_looked_over() {
    let server = Server::new();
    let a1 = open_before(&server);
    authenticate(&a1, ALICE, key(13));
    authenticate(&a1, ALICE, key(12));
    for number in 0..200 {
        authenticate(&a1, &format!("{number}@example.org"), key(21));
    }
    // Nobody who is not authenticated is told.
    set(&a1, BOB, key(21), TrustLevel::BLINDLY_TRUSTED);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    distrust(&a1, ALICE, key(13));
    assert_eq!(owed(&a1).messages.len(), 201);
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

/// Where a key is authenticated, none is used that was trusted blindly, whenever that was.
#[test]
fn blind_trust_of_before_ends_beside_authenticated_keys() {
    let server = Server::new();
    let a1 = open_before(&server);
    for of in [ALICE, BOB] {
        set(&a1, of, key(29), TrustLevel::BLINDLY_TRUSTED);
        authenticate(&a1, of, key(21));
    }
    set(&a1, CAROL, key(29), TrustLevel::BLINDLY_TRUSTED);
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    let backup = wait(a1.client.back_up(vec![jid(BOB), jid(CAROL)])).unwrap();
    let blind = |of: &str| {
        let levels = backup.trust().get(&jid(of)).unwrap();
        levels.get(&key(29).curve25519()).cloned()
    };
    assert_eq!([ALICE, BOB].map(blind), [None, None]);
    assert_eq!(
        blind(CAROL),
        Some(TrustLevel::BLINDLY_TRUSTED),
        "nobody there is authenticated"
    );
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

/// Nor is one of before anything was noted of decisions, whatever is said of the key first.
#[test]
fn a_persons_distrust_of_before_is_not_overruled() {
    let server = Server::new();
    let a1 = open_before(&server);
    distrust(&a1, BOB, key(22));
    let a1 = reopen(&server, a1, "again", AutomaticTrustManagement);
    authenticate(&a1, ALICE, key(12));
    let now = now();
    let outcome = hear(&a1, ALICE, 12, now - 100, saying(BOB, &[], &[22]));
    assert_eq!((changed(&outcome), reasons(&outcome)), (vec![], vec![]));
    let outcome = hear(&a1, ALICE, 12, now - 90, saying(BOB, &[22], &[]));
    assert_eq!(reasons(&outcome), [Ignored::DistrustedHere]);
    assert_eq!(level(&a1, BOB, key(22)), Some(TrustLevel::DISTRUSTED));
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
