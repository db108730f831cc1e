//! What is published is compared with what there is.

use omemo::OutboxItem;
use omemo::blocking::wait;

use super::world::{LEGACY, OMEMO_2, ROMEO, World};

#[test]
fn what_is_published_wrongly_is_published_again() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let id = romeo.client.device();
    romeo.arrived();
    let found = wait(romeo.client.ensure_consistency()).unwrap();
    assert!(found.repaired.is_empty() && found.unknown.is_empty(), "{found:?}");

    // One bundle is gone, of the other a pre key; the device is on one list no more.
    world.server.delete_bundle(&romeo.jid, &LEGACY, id);
    let mut bundle = world.server.bundle(&romeo.jid, &OMEMO_2, id).unwrap();
    let whole = bundle.clone();
    bundle.pre_keys.pop_first();
    world.server.publish_bundle(&romeo.jid, &OMEMO_2, id, bundle);
    world
        .server
        .publish_device_list(&romeo.jid, &LEGACY, Default::default());
    let found = wait(romeo.client.ensure_consistency()).unwrap();
    let expected = [
        OutboxItem::Bundle(OMEMO_2),
        OutboxItem::DeviceList(LEGACY),
        OutboxItem::Bundle(LEGACY),
    ];
    assert!(
        found.repaired.len() == 3 && expected.iter().all(|item| found.repaired.contains(item)),
        "{found:?}"
    );
    romeo.flush();
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
    assert_eq!(world.server.bundle(&romeo.jid, &OMEMO_2, id).unwrap(), whole);
    romeo.arrived();
    let found = wait(romeo.client.ensure_consistency()).unwrap();
    assert!(found.repaired.is_empty(), "{found:?}");
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    romeo.arrived();
    world.server.fail_downloads(4);
    let found = wait(romeo.client.ensure_consistency()).unwrap();
    assert_eq!((found.repaired.len(), found.unknown.len()), (0, 4), "{found:?}");
}

#[test]
fn bundles_are_equal_whatever_the_order_of_their_pre_keys() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let bundle = world
        .server
        .bundle(&romeo.jid, &OMEMO_2, romeo.client.device())
        .unwrap();
    let mut reversed = bundle.clone();
    reversed.pre_keys = bundle
        .pre_keys
        .iter()
        .rev()
        .map(|(id, key)| (*id, *key))
        .collect();
    assert_eq!(reversed, bundle);
    reversed.pre_keys.pop_last();
    assert_ne!(reversed, bundle);
}

#[test]
fn all_device_lists_are_refreshed_at_once() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(super::world::JULIET, "phone");
    world.server.fail_downloads(1);
    let refreshed = wait(romeo.client.refresh_device_lists(juliet.jid.clone())).unwrap();
    assert_eq!(refreshed.len(), 2);
    let added: Vec<_> = refreshed
        .values()
        .filter_map(|change| Some(change.as_ref().ok()?.added.clone()))
        .collect();
    assert_eq!(added, [vec![juliet.client.device()]], "one failed, one did not");
}
