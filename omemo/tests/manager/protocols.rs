//! Protocols that come and go between two runs.

use std::sync::Arc;

use omemo::{DeviceEntry, DeviceId};

use super::world::{JULIET, LEGACY, OMEMO_2, ROMEO, World, both, newer, older, settings};

#[test]
fn a_protocol_that_was_added_is_published_bundle_first() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, newer()), "phone", Arc::default(), |builder| {
        builder
    });
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
    let id = romeo.client.device();
    // Another device of the account is on the list already.
    let mut list = omemo::DeviceList::default();
    list.devices.insert(DeviceId::new(7), DeviceEntry::default());
    world.server.publish_device_list(&romeo.jid, &LEGACY, list);
    let storage = Arc::clone(&romeo.storage);
    drop(romeo);
    let romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    assert_eq!(romeo.client.device(), id);
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
    let list = world.server.device_list(&romeo.jid, &LEGACY).unwrap();
    assert!(list.devices.contains_key(&DeviceId::new(7)), "{list:?}");
    // The first upload fails: bundle first, so the list waits.
    let juliet = {
        world.server.fail_uploads(1);
        world.open(settings(JULIET, older()), "phone", Arc::default(), |builder| {
            builder
        })
    };
    assert_eq!(world.published(&juliet, &LEGACY), (false, false));
    juliet.flush();
    assert_eq!(world.published(&juliet, &LEGACY), (true, true));
}

#[test]
fn a_protocol_that_was_dropped_is_taken_back_and_can_come_again() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let storage = Arc::clone(&romeo.storage);
    drop(romeo);
    let romeo = world.open(
        settings(ROMEO, newer()),
        "phone",
        Arc::clone(&storage),
        |builder| builder,
    );
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
    assert_eq!(world.published(&romeo, &OMEMO_2), (true, true));
    drop(romeo);
    let romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
    world.settle(&[&romeo, &juliet]);
    juliet.send(&romeo.jid, "hello", &[LEGACY]);
    assert_eq!(romeo.texts(), ["hello"]);
}

#[test]
fn the_caller_decides_which_protocol_is_preferred() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let used = |priority: Vec<omemo::Namespace>| {
        let mut request = super::world::Device::request(&juliet.jid, "hello", &[OMEMO_2, LEGACY]);
        request.priority = priority;
        let encrypted = omemo::blocking::wait(romeo.client.encrypt(request)).unwrap();
        let outgoing = encrypted.complete().unwrap();
        assert_eq!(outgoing.key_materials.len(), outgoing.messages.len());
        outgoing.messages[0].namespace.clone()
    };
    assert_eq!(used(vec![]), OMEMO_2);
    assert_eq!(used(vec![LEGACY, OMEMO_2]), LEGACY);
    assert_eq!(used(vec![LEGACY]), LEGACY);
}

#[test]
fn a_process_that_joins_changes_nothing() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let builder = omemo::Client::builder(
        settings(ROMEO, newer()),
        Arc::clone(&romeo.storage),
        romeo.connection.clone(),
    );
    let joined = omemo::blocking::wait(builder.attach()).unwrap();
    assert_eq!(joined.device(), romeo.client.device());
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
    assert!(!romeo.holds("own", "catchup") && !romeo.holds("own", "outbox/withdrawal"));
    let nobody = omemo::Client::builder(
        settings(JULIET, newer()),
        Arc::clone(&romeo.storage),
        romeo.connection.clone(),
    );
    let error = omemo::blocking::wait(nobody.attach()).unwrap_err();
    assert!(matches!(error, omemo::Error::NotOpened), "{error}");
}
