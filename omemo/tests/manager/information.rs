//! What is known of the devices of an account, and what cannot be found out.

use std::sync::Arc;

use omemo::blocking::wait;
use omemo::{BundleFailure, DeviceEntry, DeviceId, DeviceInformation, DeviceList, Devices, NetworkError};
use omemo_conformance::faults::TestRng;
use omemo_sansio::Account;
use omemo_sansio::engine::{Effect, Step};
use omemo_storage::Storage;

use super::world::{Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, jid, newer, settings};

fn known(romeo: &Device) -> Devices {
    wait(romeo.client.device_information(jid(JULIET))).unwrap()
}

/// What a server that was told to fail says.
fn failed() -> NetworkError {
    NetworkError::new("the server was told to fail")
}

#[test]
fn lists_that_cannot_be_downloaded_are_said_and_asked_for_again() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.server.fail_downloads(2);
    let Devices {
        devices,
        unlisted,
        unidentified,
    } = known(&romeo);
    assert!(devices.is_empty() && unidentified.is_empty());
    let [(first, why), (second, why_too)] = unlisted.as_slice() else {
        panic!("{unlisted:?}")
    };
    assert_eq!((first, second), (&OMEMO_2, &LEGACY));
    assert_eq!(
        [why, why_too].map(ToString::to_string),
        [(); 2].map(|()| failed().to_string())
    );
    // One of them, the next time.
    world.server.fail_downloads(1);
    let found = known(&romeo);
    assert_eq!(found.unlisted.len(), 1);
    assert_eq!(found.unlisted[0].0, OMEMO_2);
    assert_eq!(found.devices[0].protocols, [(LEGACY, true)].into());
    let found = known(&romeo);
    assert!(found.unlisted.is_empty() && found.unidentified.is_empty());
    assert_eq!(
        found.devices[0].protocols,
        [(OMEMO_2, true), (LEGACY, true)].into()
    );
    assert_eq!(found.devices[0].device, juliet.client.device());
}

#[test]
fn devices_whose_key_cannot_be_found_out_are_said_with_the_reason() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, newer()), "phone", Arc::default(), |builder| {
        builder
    });
    for name in ["phone", "tablet", "laptop"] {
        world.open(settings(JULIET, newer()), name, Arc::default(), |builder| builder);
    }
    romeo.arrived();
    let listed = world.server.device_list(&jid(JULIET), &OMEMO_2).unwrap();
    let [first, second, last] = *listed.devices.keys().copied().collect::<Vec<_>>().as_slice() else {
        panic!("{listed:?}")
    };
    world.server.delete_bundle(&jid(JULIET), &OMEMO_2, last);
    world.server.fail_downloads(1);
    let keys = |devices: &[DeviceInformation]| -> Vec<_> {
        let key = |device: &DeviceInformation| (device.device, device.identity_key.is_some());
        devices.iter().map(key).collect()
    };
    let found = known(&romeo);
    assert_eq!(
        keys(&found.devices),
        [(first, false), (second, true), (last, false)]
    );
    assert!(found.unlisted.is_empty());
    let [
        (one, BundleFailure::Network(why)),
        (other, BundleFailure::Missing),
    ] = found.unidentified.as_slice()
    else {
        panic!("{:?}", found.unidentified)
    };
    assert_eq!((*one, *other), (first, last));
    assert_eq!(why.to_string(), failed().to_string());
    // What has only failed is asked for again.
    let found = known(&romeo);
    assert_eq!(
        keys(&found.devices),
        [(first, true), (second, true), (last, false)]
    );
    assert!(
        matches!(found.unidentified.as_slice(), [(id, BundleFailure::Missing)] if *id == last),
        "{:?}",
        found.unidentified
    );
}

#[test]
fn the_bundles_of_all_devices_are_asked_for_in_one_step() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, newer()), "phone", Arc::default(), |builder| {
        builder
    });
    let ids = (1..=9).map(DeviceId::new);
    let list = DeviceList {
        devices: ids.clone().map(|id| (id, DeviceEntry::default())).collect(),
    };
    world.server.publish_device_list(&jid(JULIET), &OMEMO_2, list);
    romeo.arrived();
    let account = Account::new(settings(ROMEO, newer())).unwrap();
    let mut operation = account.device_information(jid(JULIET));
    let (rng, now) = (&mut TestRng::new(1), omemo::Clock::now(&world.clock));
    let mut steps = Vec::new();
    let found = loop {
        let effects = match operation.advance(now, rng) {
            Step::Done(result) => break result.unwrap(),
            Step::Perform(effects) => effects,
        };
        let mut asked = Vec::new();
        for effect in effects {
            match effect {
                Effect::Load(load, reply) => {
                    let loaded = wait(romeo.storage.load(account.id(), &load.query));
                    operation.fulfil(reply, loaded).unwrap();
                }
                Effect::Store(store, reply) => {
                    let committed = wait(romeo.storage.commit(account.id(), &store.batch));
                    operation.fulfil(reply, committed).unwrap();
                }
                Effect::DownloadBundle(wanted, reply) => {
                    asked.push(wanted.device);
                    operation.fulfil(reply, Ok(None)).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        if !asked.is_empty() {
            steps.push(asked);
        }
    };
    assert_eq!(steps, [ids.clone().collect::<Vec<_>>()]);
    let unidentified = found.unidentified.iter().map(|(id, _)| *id);
    assert!(unidentified.eq(ids));
}

/// Who is written to, and whether by a key exchange.
fn written_to(romeo: &Device) -> Vec<(DeviceId, bool)> {
    let outgoing = romeo.encrypt(&jid(JULIET), "hello", &[OMEMO_2]);
    let elements = outgoing.messages[0].recipients.iter().flat_map(|of| &of.keys);
    elements
        .map(|element| (element.device, element.key_exchange))
        .collect()
}

#[test]
fn a_device_that_leaves_the_list_and_comes_back_is_kept_and_goes_on_in_its_session() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, newer()), "phone", Arc::default(), |builder| {
        builder
    });
    let [phone, tablet] = ["phone", "tablet"]
        .map(|name| world.open(settings(JULIET, newer()), name, Arc::default(), |builder| builder));
    world.settle(&[&romeo, &phone, &tablet]);
    romeo.send(&phone.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &phone, &tablet]);
    let (gone, stays) = (phone.client.device(), tablet.client.device());
    let whole = world.server.device_list(&phone.jid, &OMEMO_2).unwrap();
    let mut without = whole.clone();
    without.devices.remove(&gone);
    let takes_in = |list: &DeviceList| {
        let change = romeo
            .client
            .update_device_list(OMEMO_2, phone.jid.clone(), list.clone());
        let change = wait(change).unwrap();
        (change.removed, change.added, change.forgotten)
    };
    let of_phone = || {
        let mut devices = known(&romeo).devices;
        assert_eq!(devices.len(), 2);
        devices.retain(|device| device.device == gone);
        devices.remove(0)
    };
    let before = of_phone();
    assert_eq!(before.protocols, [(OMEMO_2, true)].into());
    assert!(before.identity_key.is_some() && before.level.is_some());

    assert_eq!(takes_in(&without), (vec![gone], vec![], vec![]));
    let inactive = DeviceInformation {
        protocols: [(OMEMO_2, false)].into(),
        ..before.clone()
    };
    assert_eq!(of_phone(), inactive);
    assert_eq!(written_to(&romeo), [(stays, false)]);
    // What it says meanwhile can be read.
    phone.send(&romeo.jid, "not listed", &[OMEMO_2]);
    assert_eq!(romeo.texts(), ["not listed"]);
    assert_eq!(takes_in(&without), (vec![], vec![], vec![]));

    assert_eq!(takes_in(&whole), (vec![], vec![gone], vec![]));
    assert_eq!(of_phone(), before);
    let mut both = [(gone, false), (stays, false)];
    both.sort();
    assert_eq!(written_to(&romeo), both);
    romeo.send(&phone.jid, "listed again", &[OMEMO_2]);
    assert_eq!(phone.texts(), ["listed again"]);
}
