//! Devices that are silent, lists that are fought over, and what is bounded.

use omemo::blocking::wait;
use omemo::{DeviceEntry, DeviceId, DeviceList, MAX_DEVICES};

use super::world::{DAY, JULIET, OMEMO_2, ROMEO, World};

#[test]
fn a_silent_device_is_reported_and_never_dropped() {
    let world = World::default();
    let phone = world.device(ROMEO, "phone");
    let laptop = world.device(ROMEO, "laptop");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&phone, &laptop, &juliet]);
    let silent = |phone: &super::world::Device| wait(phone.client.maintain()).unwrap().silent;
    assert!(silent(&phone).is_empty());
    world.clock.pass(89 * DAY);
    assert!(silent(&phone).is_empty());
    world.clock.pass(2 * DAY);
    assert_eq!(silent(&phone), [laptop.client.device()], "it never said anything");
    // Nothing was done to it: it is written to, and once it says something it is silent no more.
    phone.send(&juliet.jid, "hello", &[OMEMO_2]);
    assert_eq!(laptop.texts(), ["hello"]);
    let now = omemo::Clock::now(&world.clock);
    let known = |device: &super::world::Device| {
        let devices = wait(phone.client.device_information(device.jid.clone()))
            .unwrap()
            .devices;
        let found = devices
            .into_iter()
            .find(|known| known.device == device.client.device());
        found.unwrap()
    };
    let silent_for = known(&laptop).silent_for(now).unwrap();
    assert_eq!(silent_for / DAY, 91, "to the day");
    laptop.send(&juliet.jid, "I am here", &[OMEMO_2]);
    assert_eq!(phone.texts(), ["I am here"]);
    assert_eq!(known(&laptop).silent_for(now), Some(now.unix() % DAY));
    assert!(silent(&phone).is_empty());
}

#[test]
fn a_war_over_the_list_is_broken_off_and_taken_up_later() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    romeo.arrived();
    let others = || {
        let mut list = DeviceList::default();
        list.devices.insert(DeviceId::new(7), DeviceEntry::default());
        list
    };
    let fight = || {
        let change = romeo
            .client
            .update_device_list(OMEMO_2, romeo.jid.clone(), others());
        let change = wait(change).unwrap();
        romeo.flush();
        (change.republish, change.war)
    };
    for _ in 0..3 {
        assert_eq!(fight(), (true, false));
        world.clock.pass(10);
    }
    let published = world.server.seen().device_lists;
    for _ in 0..5 {
        assert_eq!(fight(), (false, true), "it has let go");
    }
    assert_eq!(world.server.seen().device_lists, published);
    // Maintenance tries again after an hour.
    world.server.publish_device_list(&romeo.jid, &OMEMO_2, others());
    world.clock.pass(3_600);
    wait(romeo.client.maintain()).unwrap();
    assert_eq!(world.published(&romeo, &OMEMO_2), (true, true));
    assert_eq!(fight(), (true, false));
}

#[test]
fn own_lists_are_cleared_of_other_devices() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    romeo.arrived();
    let mut list = world.server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    list.devices.insert(DeviceId::new(7), DeviceEntry::default());
    world.server.publish_device_list(&romeo.jid, &OMEMO_2, list);
    let laptop = world.device(ROMEO, "laptop");
    world.settle(&[&romeo, &laptop]);
    let mut removed = wait(romeo.client.clear_device_lists()).unwrap();
    removed.sort();
    let mut expected = [DeviceId::new(7), laptop.client.device()];
    expected.sort();
    assert_eq!(removed, expected);
    romeo.flush();
    let listed = |namespace| {
        let list = world.server.device_list(&romeo.jid, &namespace).unwrap();
        list.devices.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(listed(OMEMO_2), [romeo.client.device()]);
    assert_eq!(listed(super::world::LEGACY), [romeo.client.device()]);
    // One that is in use puts itself back.
    world.settle(&[&laptop, &romeo]);
    assert!(listed(OMEMO_2).contains(&laptop.client.device()));
    assert!(!listed(OMEMO_2).contains(&DeviceId::new(7)));
}

#[test]
fn devices_beyond_the_bound_are_counted() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let list = DeviceList {
        devices: (1..=MAX_DEVICES as u32 + 5)
            .map(|id| (DeviceId::new(id), DeviceEntry::default()))
            .collect(),
    };
    let juliet = super::world::jid(JULIET);
    let change = wait(romeo.client.update_device_list(OMEMO_2, juliet, list)).unwrap();
    assert_eq!((change.added.len(), change.left_out), (MAX_DEVICES, 5));
}
