//! Keys that were trusted before automatic trust management was there to see it. Whoever has one is told of own keys all the
//! same.

use common::rng;
use omemo::Client;
use omemo::transfer::{Backup, ImportedAccount, ImportedContact};
use omemo::trust::{BlindTrustBeforeVerification, TrustPolicy};

use super::*;

pub(super) const TRUSTED: [(&str, u8); 4] = [(ALICE, 12), (ALICE, 13), (BOB, 21), (CAROL, 31)];

pub(super) fn settings(policy: impl TrustPolicy + 'static) -> Settings {
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
pub(super) fn now() -> u64 {
    omemo::Clock::now(&omemo::SystemClock).unix()
}

/// The key of the stolen phone is distrusted, and nothing else is to be told.
pub(super) fn is_told_to_all(a1: &Device) {
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
