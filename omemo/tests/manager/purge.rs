//! Removing a protocol, and a contact.

use omemo::blocking::wait;
use omemo::trust::TrustLevel;
use omemo::{DecryptFailure, DeviceList, Error, InvalidSettings, OutboxFailure, OutboxItem};

use super::world::{JULIET, LEGACY, OMEMO_2, ROMEO, World, both, jid, newer, settings};

#[test]
fn a_protocol_is_purged_with_all_that_is_published_and_stored_of_it() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    for namespace in [OMEMO_2, LEGACY] {
        romeo.send(&juliet.jid, "hello", &[namespace]);
        world.settle(&[&romeo, &juliet]);
    }
    wait(romeo.client.replace_sessions(juliet.address())).unwrap();
    world.settle(&[&romeo, &juliet]);
    for namespace in [OMEMO_2, LEGACY] {
        juliet.encrypt(&romeo.jid, "lost", std::slice::from_ref(&namespace));
        juliet.send(&romeo.jid, "not lost", &[namespace]);
        assert_eq!(romeo.texts(), ["not lost"]);
    }
    for kind in ["session/", "skipped/", "archive/"] {
        assert!(romeo.holds("co", &format!("{kind}eu.siacs")), "{kind}");
    }
    assert!(romeo.holds("own", "prekeys/eu.siacs"));
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));

    let flushed = wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    assert!(flushed.failed.is_empty(), "{flushed:?}");
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
    for kind in ["protocol/", "prekeys/"] {
        assert!(!romeo.holds("own", &format!("{kind}eu.siacs")));
    }
    for kind in ["session/", "skipped/", "archive/"] {
        assert!(!romeo.holds("co", &format!("{kind}eu.siacs")), "{kind}");
        assert!(romeo.holds("co", &format!("{kind}urn:xmpp:omemo:2")), "{kind}");
    }
    // It is not spoken any more; the other one is as before.
    juliet.arrived();
    let request = super::world::Device::request(&juliet.jid, "hello?", &[LEGACY]);
    let error = wait(romeo.client.encrypt(request)).unwrap_err();
    assert!(matches!(error, Error::UnknownNamespace(_)), "{error}");
    assert!(wait(romeo.client.maintain()).unwrap().outbox.failed.is_empty());
    romeo.send(&juliet.jid, "still here", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["still here"]);
    let error = wait(romeo.client.purge_protocol(OMEMO_2)).unwrap_err();
    assert!(
        matches!(error, Error::Settings(InvalidSettings::NoProtocol)),
        "{error}"
    );
}

#[test]
fn a_protocol_that_is_not_loaded_is_purged_too() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let storage = std::sync::Arc::clone(&romeo.storage);
    drop(romeo);
    let romeo = world.open(settings(ROMEO, newer()), "phone", storage, |builder| builder);
    assert!(romeo.holds("own", "prekeys/eu.siacs"), "it was only dropped");
    wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    assert!(!romeo.holds("own", "prekeys/eu.siacs"));
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
    // Loaded again, it begins anew.
    let storage = std::sync::Arc::clone(&romeo.storage);
    let romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
}

#[test]
fn a_withdrawal_that_fails_is_made_up_for() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    world.server.fail_uploads(1);
    let flushed = wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    assert_eq!(flushed.failed.len(), 1, "{flushed:?}");
    romeo.flush();
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
}

/// It would be put back on the list, and taken off it, for ever.
#[test]
fn a_process_that_still_speaks_a_protocol_leaves_its_withdrawal_to_others() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let storage = std::sync::Arc::clone(&romeo.storage);
    let other = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    world.server.fail_uploads(1);
    let flushed = wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    assert_eq!(flushed.failed.len(), 1, "{flushed:?}");
    wait(other.client.refresh_device_lists(romeo.jid.clone())).unwrap();
    let flushed = wait(other.client.flush()).unwrap();
    let [(item, OutboxFailure::StillSpoken)] = flushed.failed.as_slice() else {
        panic!("{flushed:?}")
    };
    assert_eq!(*item, OutboxItem::Withdrawal(LEGACY));
    assert_eq!(world.published(&romeo, &LEGACY), (true, true));
    romeo.flush();
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
}

/// It is on no list any more, so that nothing is left but the bundle.
#[test]
fn a_bundle_that_cannot_be_deleted_is_deleted_by_the_next_flush() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    world
        .server
        .publish_device_list(&romeo.jid, &LEGACY, DeviceList::default());
    world.server.fail_uploads(1);
    let flushed = wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    let [(item, OutboxFailure::Network(_))] = flushed.failed.as_slice() else {
        panic!("{flushed:?}")
    };
    assert_eq!(*item, OutboxItem::Withdrawal(LEGACY));
    assert_eq!(world.published(&romeo, &LEGACY), (true, false));
    romeo.flush();
    assert_eq!(world.published(&romeo, &LEGACY), (false, false));
}

#[test]
fn a_contact_is_purged_with_devices_trust_sessions_and_what_is_owed() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    world.settle(&[&romeo, &juliet]);
    juliet.send(&romeo.jid, "hello", &[OMEMO_2]);
    assert_eq!(romeo.texts(), ["hello"]);
    let devices = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let key = devices.devices[0].identity_key.unwrap();
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), key, TrustLevel::TRUSTED),
    )
    .unwrap();
    assert!(romeo.holds("own", "outbox/reply/"), "an answer is owed");
    assert_eq!(wait(romeo.client.contacts()).unwrap(), [jid(JULIET)]);

    wait(romeo.client.purge_contact(juliet.jid.clone())).unwrap();
    for partition in ["contact/juliet", "cold/juliet"] {
        assert!(!romeo.holds(partition, ""), "{partition}");
    }
    assert!(!romeo.holds("own", "outbox/reply/"));
    assert!(wait(romeo.client.contacts()).unwrap().is_empty());
    let own = wait(romeo.client.purge_contact(romeo.jid.clone())).unwrap_err();
    assert!(matches!(own, Error::OwnAccount), "{own}");
    // She is a stranger now, and can be met again.
    romeo.send(&juliet.jid, "hello again", &[OMEMO_2]);
    assert_eq!(juliet.texts(), ["hello again"]);
    let devices = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    assert_eq!(devices.devices[0].level, Some(TrustLevel::BLINDLY_TRUSTED));
}

/// What is under way when a protocol is purged names keys that nobody has any more, and never those that come after them.
#[test]
fn keys_of_a_purged_protocol_are_not_mistaken_for_new_ones() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let juliet = world.device(JULIET, "phone");
    drop((romeo.arrived(), juliet.arrived()));
    juliet.send(&romeo.jid, "lost", &[LEGACY]);
    wait(romeo.client.purge_protocol(LEGACY)).unwrap();
    let storage = std::sync::Arc::clone(&romeo.storage);
    let lost = romeo.arrived();
    drop(romeo);
    let romeo = world.open(settings(ROMEO, both()), "phone", storage, |builder| builder);
    // As the server does of itself when a client comes online.
    wait(romeo.client.refresh_device_lists(juliet.jid.clone())).unwrap();
    for message in lost {
        let failed = romeo.decrypt(message).unwrap_err();
        assert!(
            matches!(
                failed,
                Error::Decrypt(DecryptFailure::PreKeyGone(_) | DecryptFailure::SignedPreKeyGone(_))
            ),
            "{failed}"
        );
    }
    romeo.flush();
    drop(juliet.receive());
    juliet.send(&romeo.jid, "found", &[LEGACY]);
    assert_eq!(romeo.texts(), ["found"]);
}
