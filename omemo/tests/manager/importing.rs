//! What becomes of an account that was taken over from another implementation.

use std::sync::Arc;

use omemo::blocking::wait;
use omemo::keys::IdentityKeyPair;
use omemo::transfer::{ImportedAccount, ImportedContact, ImportedProtocol};
use omemo::{Client, DeviceEntry, DeviceId, DeviceList, Error, Label, Namespace, TakenOver};
use omemo_storage_memory::MemoryStorage;

use super::rng::rng;
use super::world::{JULIET, LEGACY, OMEMO_2, ROMEO, World, both, jid, settings};

const OWN: DeviceId = DeviceId::new(77);
const LAPTOP: DeviceId = DeviceId::new(78);

/// An account that knows of itself alone.
fn account(namespace: Namespace) -> ImportedAccount {
    ImportedAccount {
        identity: IdentityKeyPair::from_seed([77; 32]),
        device: OWN,
        label: None,
        protocols: [(namespace, ImportedProtocol::default())].into(),
        contacts: [(jid(ROMEO), ImportedContact::default())].into(),
    }
}

type Importing = Client<Arc<MemoryStorage>, omemo::local::Connection>;

fn import(world: &World, storage: &Arc<MemoryStorage>, namespace: Namespace) -> TakenOver<Importing> {
    let connection = world.server.connect(&jid(ROMEO), "imported");
    let builder = Client::builder(settings(ROMEO, both()), Arc::clone(storage), connection)
        .clock(world.clock.clone())
        .rng(rng(&jid(ROMEO), "imported"));
    wait(builder.import(account(namespace))).unwrap()
}

#[test]
fn an_account_is_taken_over_though_it_cannot_be_opened_yet() {
    for namespace in [OMEMO_2, LEGACY] {
        let world = World::default();
        let juliet = world.device(JULIET, "phone");
        let storage = Arc::default();
        // The list of the protocol that only the settings have.
        world.server.fail_downloads(1);
        let TakenOver {
            client,
            imported,
            opened,
        } = import(&world, &storage, namespace.clone());
        assert!(matches!(opened, Err(Error::Network { .. })), "{opened:?}");
        assert_eq!((client.device(), imported.contacts), (OWN, 1));
        let _ = wait(client.flush()).unwrap();
        let published = |namespace: &Namespace| world.server.bundle(&jid(ROMEO), namespace, OWN).is_some();
        let spoken = [OMEMO_2, LEGACY].map(|each| published(&each));
        assert_eq!(spoken, [namespace == OMEMO_2, namespace == LEGACY]);

        let romeo = world.open(settings(ROMEO, both()), "imported", storage, |builder| builder);
        assert_eq!(romeo.client.device(), OWN);
        assert!([OMEMO_2, LEGACY].iter().all(published));
        romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
        assert_eq!(juliet.texts(), ["hello"]);
    }
}

#[test]
fn a_source_that_speaks_less_is_opened_in_all_protocols() {
    let world = World::default();
    let taken_over = import(&world, &Arc::default(), LEGACY);
    assert_eq!(taken_over.opened.unwrap().added, [OMEMO_2]);
}

/// What the other implementation knew of the own list may be old.
#[test]
fn a_list_is_looked_at_before_it_is_published() {
    let world = World::default();
    let laptop = DeviceEntry {
        label: Some(Label {
            text: "laptop".to_owned(),
            signature: IdentityKeyPair::from_seed([78; 32]).sign(b"laptop", &mut rng(&jid(ROMEO), "laptop")),
        }),
    };
    let list = DeviceList {
        devices: [(LAPTOP, laptop.clone())].into(),
    };
    world.server.publish_device_list(&jid(ROMEO), &OMEMO_2, list);
    let client = import(&world, &Arc::default(), OMEMO_2).client;
    let _ = wait(client.flush()).unwrap();
    // Nothing is published by what is not known.
    world.server.fail_downloads(1);
    wait(client.set_own_label(Some("phone".to_owned()))).unwrap();
    let flushed = wait(client.flush()).unwrap();
    let listed = || world.server.device_list(&jid(ROMEO), &OMEMO_2).unwrap().devices;
    assert!(listed().contains_key(&LAPTOP), "{flushed:?}");
    let _ = wait(client.flush()).unwrap();
    let listed = listed();
    assert_eq!(listed.get(&LAPTOP), Some(&laptop));
    let own = listed[&OWN].label.as_ref();
    assert_eq!(own.map(|label| label.text.as_str()), Some("phone"));
}

/// Whoever clears the list does not want to know who is there.
#[test]
fn a_list_that_was_never_seen_can_be_cleared() {
    let world = World::default();
    let list = DeviceList {
        devices: [(LAPTOP, DeviceEntry::default())].into(),
    };
    world.server.publish_device_list(&jid(ROMEO), &OMEMO_2, list);
    let client = import(&world, &Arc::default(), OMEMO_2).client;
    wait(client.clear_device_lists()).unwrap();
    let _ = wait(client.flush()).unwrap();
    let listed = world.server.device_list(&jid(ROMEO), &OMEMO_2).unwrap();
    assert!(listed.devices.keys().eq([&OWN]), "{listed:?}");
}
