//! What devices are called.

use std::sync::Arc;

use omemo::Error;
use omemo::blocking::wait;

use super::world::{Device, LEGACY, OMEMO_2, ROMEO, World, both, settings};

fn shown(to: &Device, of: &Device) -> Option<String> {
    to.arrived();
    let devices = wait(to.client.device_information(of.jid.clone()))
        .unwrap()
        .devices;
    let device = devices
        .into_iter()
        .find(|device| device.device == of.client.device());
    device.unwrap().label
}

/// Creating an account with a label while the legacy protocol is loaded raises an error elsewhere.
#[test]
fn an_account_is_created_with_a_label_while_the_legacy_protocol_is_loaded() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, both()), "phone", Arc::default(), |builder| {
        builder.label("phone")
    });
    let laptop = world.device(ROMEO, "laptop");
    let id = romeo.client.device();
    let label = |namespace| {
        let list = world.server.device_list(&romeo.jid, &namespace).unwrap();
        list.devices[&id].label.clone()
    };
    assert_eq!(label(OMEMO_2).unwrap().text, "phone");
    assert_eq!(label(LEGACY), None);
    assert_eq!(shown(&laptop, &romeo).as_deref(), Some("phone"));
}

#[test]
fn the_own_label_is_set_signed_and_taken_away() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, both()), "phone", Arc::default(), |builder| {
        builder.label("phone")
    });
    let laptop = world.device(ROMEO, "laptop");
    wait(romeo.client.set_own_label(Some("tablet".into()))).unwrap();
    romeo.flush();
    // The signature was verified, or the label would not be shown.
    assert_eq!(shown(&laptop, &romeo).as_deref(), Some("tablet"));
    wait(romeo.client.set_own_label(None)).unwrap();
    romeo.flush();
    assert_eq!(shown(&laptop, &romeo), None);
    let error = wait(romeo.client.set_own_label(Some("x".repeat(213)))).unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 212, .. }), "{error}");
}

#[test]
fn a_client_that_drops_the_label_does_not_take_it_away() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, both()), "phone", Arc::default(), |builder| {
        builder.label("phone")
    });
    let mut list = world.server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    list.devices.values_mut().for_each(|entry| entry.label = None);
    world.server.publish_device_list(&romeo.jid, &OMEMO_2, list);
    romeo.arrived();
    romeo.flush();
    let list = world.server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    let label = list.devices[&romeo.client.device()].label.clone();
    assert_eq!(label.unwrap().text, "phone");
}

/// Anybody who may write to the list could name a device otherwise.
#[test]
fn a_label_that_another_key_has_signed_is_not_shown() {
    let world = World::default();
    let romeo = world.open(settings(ROMEO, both()), "phone", Arc::default(), |builder| {
        builder.label("phone")
    });
    let laptop = world.open(settings(ROMEO, both()), "laptop", Arc::default(), |builder| {
        builder.label("laptop")
    });
    let mut list = world.server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    let of_laptop = list.devices[&laptop.client.device()].label.clone();
    let entry = list.devices.get_mut(&romeo.client.device()).unwrap();
    // What is signed is the text: with that of another device, or with another text, it does not fit.
    for swapped in [false, true] {
        let label = entry.label.as_mut().unwrap();
        *label = of_laptop.clone().unwrap();
        if swapped {
            label.text = "phone".to_owned();
        }
        let list = omemo::DeviceList {
            devices: [(romeo.client.device(), entry.clone())].into(),
        };
        wait(laptop.client.update_device_list(OMEMO_2, romeo.jid.clone(), list)).unwrap();
        let devices = wait(laptop.client.device_information(romeo.jid.clone()))
            .unwrap()
            .devices;
        let shown = devices
            .iter()
            .find(|device| device.device == romeo.client.device());
        assert_eq!(shown.unwrap().label, None);
    }
}
