//! What an application takes less of than it might: at each limit, and one past it.

use std::sync::Arc;

use omemo::blocking::wait;
use omemo::{
    BundleFailure, DecryptFailure, Decrypted, DeviceEntry, DeviceId, DeviceList, EncryptFailure, Error,
    IncomingMessage, Limits, PreKeyId, SkipLimits, SkipReason,
};

use super::world::{Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, both, settings, text};

/// A device with these limits.
fn limited(world: &World, of: &str, limits: Limits) -> Device {
    let mut settings = settings(of, both());
    settings.limits = limits;
    settings.inbox = true;
    world.open(settings, "limited", Arc::default(), |builder| builder)
}

fn list(count: u32) -> DeviceList {
    let entries = (1..=count).map(|id| (DeviceId::new(id), DeviceEntry::default()));
    DeviceList {
        devices: entries.collect(),
    }
}

#[test]
fn devices_of_others_have_a_limit_and_the_own_ones_none_of_it() {
    let world = World::default();
    let limits = Limits {
        devices: 5,
        ..Limits::default()
    };
    let romeo = limited(&world, ROMEO, limits);
    for (listed, added, left_out) in [(4, 4, 0), (5, 1, 0), (6, 0, 1)] {
        let juliet = super::world::jid(JULIET);
        let change = wait(romeo.client.update_device_list(OMEMO_2, juliet, list(listed))).unwrap();
        assert_eq!((change.added.len(), change.left_out), (added, left_out));
    }
    // All that are on the own list stay there when it is published again, since this device is missing on it.
    let own = list(9);
    world.server.publish_device_list(&romeo.jid, &OMEMO_2, own);
    romeo.arrived();
    romeo.flush();
    let listed = world.server.device_list(&romeo.jid, &OMEMO_2).unwrap();
    assert_eq!(listed.devices.len(), 10);
}

/// What is cut of the own list when the account is opened, or restored, would be missing when it is published.
#[test]
fn the_own_list_is_not_cut_at_the_first_opening_either() {
    let world = World::default();
    let limits = Limits {
        devices: 5,
        ..Limits::default()
    };
    let own = super::world::jid(ROMEO);
    let listed = || world.server.device_list(&own, &OMEMO_2).unwrap().devices.len();
    world.server.publish_device_list(&own, &OMEMO_2, list(9));
    let romeo = limited(&world, ROMEO, limits);
    assert_eq!(listed(), 10);

    let backup = wait(romeo.client.back_up(Vec::new())).unwrap();
    let mut settings = settings(ROMEO, both());
    settings.limits = limits;
    let connection = world.server.connect(&own, "restored");
    let builder = omemo::Client::builder(settings, omemo_storage_memory::MemoryStorage::new(), connection);
    wait(builder.restore(backup)).unwrap();
    assert_eq!(
        listed(),
        10,
        "the new one takes the place of the one that is backed up"
    );
}

#[test]
fn bundles_have_a_limit_of_pre_keys() {
    let world = World::default();
    let limits = Limits {
        bundle_pre_keys: 120,
        ..Limits::default()
    };
    let romeo = limited(&world, ROMEO, limits);
    let juliet = world.device(JULIET, "phone");
    let device = juliet.client.device();
    let mut bundle = world.server.bundle(&juliet.jid, &OMEMO_2, device).unwrap();
    let key = *bundle.pre_keys.values().next().unwrap();
    bundle.pre_keys.clear();
    let mut with = |count: u32| {
        bundle
            .pre_keys
            .extend((1..=count).map(|id| (PreKeyId::new(id), key)));
        world
            .server
            .publish_bundle(&juliet.jid, &OMEMO_2, device, bundle.clone());
        let request = Device::request(&juliet.jid, "hello", &[OMEMO_2]);
        wait(romeo.client.encrypt(request))
    };
    let Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { skipped, .. })) = with(121) else {
        panic!("the bundle was used")
    };
    let SkipReason::Bundle(BundleFailure::TooManyPreKeys { count, limit }) = skipped[0].reason else {
        panic!("{skipped:?}")
    };
    assert_eq!((count, limit), (121, 120));
    bundle.pre_keys.pop_last();
    world.server.publish_bundle(&juliet.jid, &OMEMO_2, device, bundle);
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
}

#[test]
fn labels_have_a_limit() {
    let world = World::default();
    let limits = Limits {
        label: 5,
        ..Limits::default()
    };
    let romeo = limited(&world, ROMEO, limits);
    wait(romeo.client.set_own_label(Some("phone".into()))).unwrap();
    let error = wait(romeo.client.set_own_label(Some("tablet".into()))).unwrap_err();
    let Error::TooLarge { size, limit, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((size, limit), (6, 5));
    let juliet = world.device(JULIET, "phone");
    for (label, shown) in [("phone", Some("phone")), ("tablet", None)] {
        wait(juliet.client.set_own_label(Some(label.into()))).unwrap();
        juliet.flush();
        romeo.arrived();
        let devices = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
        assert_eq!(devices.devices[0].label.as_deref(), shown);
    }
}

#[test]
fn payloads_have_a_limit() {
    let world = World::default();
    let limits = Limits {
        payload: 1024,
        ..Limits::default()
    };
    let romeo = limited(&world, ROMEO, limits);
    let juliet = world.device(JULIET, "phone");
    let encrypt = |from: &Device, to: &Device, length| {
        let request = Device::request(&to.jid, &"x".repeat(length), &[OMEMO_2, LEGACY]);
        wait(from.client.encrypt(request))
    };
    for namespace in [OMEMO_2, LEGACY] {
        for (length, fits) in [(1023, true), (1024, true), (1041, false)] {
            let text = "x".repeat(length);
            juliet.send(&romeo.jid, &text, std::slice::from_ref(&namespace));
            let outcome = romeo.receive().remove(0);
            match outcome {
                Ok(decrypted) => assert_eq!((super::world::text(&decrypted).unwrap(), fits), (text, true)),
                Err(error) => assert!(
                    matches!(error, Error::TooLarge { limit: 1040, .. }) && !fits,
                    "{error}"
                ),
            }
        }
    }
    for length in [1023, 1024] {
        encrypt(&romeo, &juliet, length).unwrap().complete().unwrap();
    }
    let error = encrypt(&romeo, &juliet, 1025).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                size: 1025,
                limit: 1024,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_inbox_has_limits() {
    for limits in [
        Limits {
            inbox_messages: 2,
            ..Limits::default()
        },
        Limits {
            inbox_bytes: 10,
            ..Limits::default()
        },
    ] {
        let world = World::default();
        let juliet = limited(&world, JULIET, limits);
        let romeo = world.device(ROMEO, "phone");
        for word in ["12345", "67890", "more"] {
            romeo.send(&juliet.jid, word, &[OMEMO_2]);
        }
        let messages = juliet.arrived();
        let mut outcomes = messages.iter().map(|message| juliet.decrypt(message.clone()));
        let first = outcomes.next().unwrap().unwrap().received().unwrap();
        assert_eq!(text(&outcomes.next().unwrap().unwrap()).unwrap(), "67890");
        let full = outcomes.next().unwrap().unwrap_err();
        assert!(
            matches!(
                full,
                Error::InboxFull {
                    messages: 2,
                    bytes: 10
                }
            ),
            "{full}"
        );
        // With room again it is read: its key was not used up.
        wait(juliet.client.acknowledge(vec![first.inbox.unwrap()])).unwrap();
        assert_eq!(
            text(&juliet.decrypt(messages[2].clone()).unwrap()).unwrap(),
            "more"
        );
    }
}

#[test]
fn skipped_keys_have_limits() {
    let world = World::default();
    let limits = Limits {
        skipped_keys: SkipLimits {
            per_message: 3,
            per_session: 4,
        },
        ..Limits::default()
    };
    let juliet = limited(&world, JULIET, limits);
    let romeo = world.device(ROMEO, "phone");
    romeo.send(&juliet.jid, "hello", &[OMEMO_2]);
    world.settle(&[&romeo, &juliet]);
    for number in 0..9 {
        romeo.send(&juliet.jid, &number.to_string(), &[OMEMO_2]);
    }
    let messages = juliet.arrived();
    let decrypt = |number: usize| juliet.decrypt(messages[number].clone());
    let error = decrypt(4).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Decrypt(DecryptFailure::TooManySkippedMessageKeys { skipped: 4, limit: 3 })
        ),
        "{error}"
    );
    for number in [3, 6] {
        assert_eq!(text(&decrypt(number).unwrap()).unwrap(), number.to_string());
    }
    // Five were skipped, of which the oldest is dropped.
    assert!(matches!(decrypt(0).unwrap(), Decrypted::AlreadyDecrypted));
    for number in [1, 2, 4, 5, 7] {
        assert_eq!(text(&decrypt(number).unwrap()).unwrap(), number.to_string());
    }
}

#[test]
fn a_page_of_exactly_8_mib_is_taken_and_one_of_a_byte_more_is_not() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    let hello = IncomingMessage {
        sender: romeo.jid.clone(),
        message: romeo.encrypt(&juliet.jid, "hello", &[OMEMO_2]).messages.remove(0),
    };
    let of = |bytes: usize| {
        let mut message = hello.clone();
        message.message.payload.as_mut().unwrap().ciphertext.clear();
        let payload = vec![0; bytes - message.bytes()];
        message.message.payload.as_mut().unwrap().ciphertext = payload;
        message
    };
    let page = |bytes: usize| [hello.clone(), of(bytes - hello.bytes())];
    let decrypt = |page: &[IncomingMessage]| wait(juliet.client.decrypt_many(page.to_vec()));
    let pages = |page: [IncomingMessage; 2]| IncomingMessage::pages(page).len();
    let whole = page(8 << 20);
    let larger = page((8 << 20) + 1);
    let error = decrypt(&larger).unwrap_err();
    let Error::TooLarge { size, limit, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((size, limit), ((8 << 20) + 1, 8 << 20));
    let outcomes = decrypt(&whole).unwrap();
    assert_eq!(text(outcomes[0].as_ref().unwrap()).unwrap(), "hello");
    assert!(matches!(outcomes[1], Ok(Decrypted::AlreadyDecrypted)));
    assert_eq!((pages(whole), pages(larger)), (1, 2));
    // A message that has more alone has a page of its own.
    let alone = [of((8 << 20) + 1)];
    assert_eq!(decrypt(&alone).unwrap().len(), 1);
}
