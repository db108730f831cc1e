//! Devices whose bundle in the preferred protocol is missing or of no use.

use std::sync::Arc;

use omemo::blocking::wait;
use omemo::trust::TrustLevel;
use omemo::{BundleFailure, EncryptFailure, Encrypted, Error, Fallback, SkipReason};

use super::world::{Device, JULIET, LEGACY, OMEMO_2, ROMEO, World, jid, older, settings};

fn encrypt(from: &Device, to: &Device) -> Result<Encrypted, Error> {
    let request = Device::request(&to.jid, "hello", &[OMEMO_2, LEGACY]);
    wait(from.client.encrypt(request))
}

fn skipped(outcome: Result<Encrypted, Error>) -> SkipReason {
    match outcome {
        Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { mut skipped, .. })) => {
            skipped.remove(0).reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_protocol_that_a_device_is_listed_for_will_do_and_it_is_said() {
    let world = World::default();
    let juliet = world.device(JULIET, "phone");
    let device = juliet.client.device();
    let good = world.server.bundle(&juliet.jid, &OMEMO_2, device).unwrap();
    for missing in [true, false] {
        let romeo = world.device(ROMEO, if missing { "phone" } else { "laptop" });
        if missing {
            world.server.delete_bundle(&juliet.jid, &OMEMO_2, device);
        } else {
            let mut bundle = good.clone();
            bundle.pre_keys.clear();
            world.server.publish_bundle(&juliet.jid, &OMEMO_2, device, bundle);
        }
        // Twice: then there is a session in legacy.
        for _ in 0..2 {
            let outgoing = encrypt(&romeo, &juliet).unwrap().partial().0;
            let of_juliet = |fallback: &&Fallback| fallback.device == juliet.address();
            let fallback = outgoing.fallbacks.iter().find(of_juliet).unwrap();
            assert_eq!((&fallback.preferred, &fallback.used), (&OMEMO_2, &LEGACY));
            match fallback.failure {
                BundleFailure::Missing => assert!(missing),
                BundleFailure::NoPreKeys => assert!(!missing),
                _ => panic!("{fallback:?}"),
            }
            assert!(outgoing.encrypted_to.contains(&juliet.address()));
            for message in &outgoing.messages {
                romeo.connection.send(std::slice::from_ref(&juliet.jid), message);
            }
            assert_eq!(juliet.texts(), ["hello"]);
        }
        // Once it is there again, it is preferred again.
        world
            .server
            .publish_bundle(&juliet.jid, &OMEMO_2, device, good.clone());
        let outgoing = encrypt(&romeo, &juliet).unwrap().partial().0;
        assert!(outgoing.fallbacks.is_empty());
        assert!(
            outgoing
                .messages
                .iter()
                .any(|message| message.namespace == OMEMO_2)
        );
        world.settle(&[&romeo, &juliet]);
    }
}

#[test]
fn without_a_text_for_it_no_other_protocol_is_used() {
    let world = World::default();
    let (romeo, juliet) = (world.device(ROMEO, "phone"), world.device(JULIET, "phone"));
    world
        .server
        .delete_bundle(&juliet.jid, &OMEMO_2, juliet.client.device());
    let request = Device::request(&juliet.jid, "hello", &[OMEMO_2]);
    let reason = skipped(wait(romeo.client.encrypt(request)));
    assert!(
        matches!(reason, SkipReason::Bundle(BundleFailure::Missing)),
        "{reason:?}"
    );
}

/// The lists of both protocols have come by themselves, so that the tablet is known, though not by the one that is asked for.
#[test]
fn a_device_that_speaks_no_protocol_there_is_a_text_for_is_skipped_and_it_is_said() {
    let world = World::default();
    let (romeo, phone) = (world.device(ROMEO, "phone"), world.device(JULIET, "phone"));
    let tablet = world.open(settings(JULIET, older()), "tablet", Arc::default(), |builder| {
        builder
    });
    world.settle(&[&romeo, &phone, &tablet]);
    let request = Device::request(&phone.jid, "hello", &[OMEMO_2]);
    let encrypted = wait(romeo.client.encrypt(request)).unwrap();
    let Encrypted::Partial(outgoing, skipped) = encrypted else {
        panic!("{encrypted:?}")
    };
    assert_eq!(outgoing.encrypted_to, [phone.address()]);
    assert!(outgoing.fallbacks.is_empty());
    let [skipped] = skipped.as_slice() else {
        panic!("{skipped:?}")
    };
    assert_eq!(
        (&skipped.jid, skipped.device),
        (&tablet.jid, Some(tablet.client.device()))
    );
    assert!(
        matches!(skipped.reason, SkipReason::NoCommonProtocol),
        "{skipped:?}"
    );
}

#[test]
fn where_no_protocol_will_do_the_preferred_one_says_why() {
    let world = World::default();
    let (romeo, juliet) = (world.device(ROMEO, "phone"), world.device(JULIET, "phone"));
    let device = juliet.client.device();
    world.server.delete_bundle(&juliet.jid, &OMEMO_2, device);
    let mut bundle = world.server.bundle(&juliet.jid, &LEGACY, device).unwrap();
    bundle.pre_keys.clear();
    world.server.publish_bundle(&juliet.jid, &LEGACY, device, bundle);
    let reason = skipped(encrypt(&romeo, &juliet));
    assert!(
        matches!(reason, SkipReason::Bundle(BundleFailure::Missing)),
        "{reason:?}"
    );
}

/// Neither a key that is distrusted nor one that contradicts what is known is got around.
#[test]
fn what_trust_forbids_no_other_protocol_allows() {
    let world = World::default();
    let (romeo, juliet) = (world.device(ROMEO, "phone"), world.device(JULIET, "phone"));
    let device = juliet.client.device();
    let known = wait(romeo.client.device_information(juliet.jid.clone())).unwrap();
    let key = known.devices[0].identity_key.unwrap();
    let own = world
        .server
        .bundle(&romeo.jid, &OMEMO_2, romeo.client.device())
        .unwrap();
    world.server.publish_bundle(&juliet.jid, &OMEMO_2, device, own);
    let reason = skipped(encrypt(&romeo, &juliet));
    assert!(
        matches!(reason, SkipReason::Bundle(BundleFailure::Inconsistent(_))),
        "{reason:?}"
    );
    world.server.delete_bundle(&juliet.jid, &OMEMO_2, device);
    wait(
        romeo
            .client
            .set_trust(juliet.jid.clone(), key, TrustLevel::DISTRUSTED),
    )
    .unwrap();
    let reason = skipped(encrypt(&romeo, &juliet));
    assert!(matches!(reason, SkipReason::Distrusted(_)), "{reason:?}");
}

/// Of two contacts, of whom one's device list cannot be had and the other has no device.
#[test]
fn whoever_has_no_device_is_skipped_once_and_for_one_reason() {
    let world = World::default();
    let romeo = world.device(ROMEO, "phone");
    let mut request = Device::request(&jid(JULIET), "hello", &[OMEMO_2]);
    request.recipients.push(jid("nurse@capulet.lit"));
    world.server.fail_downloads(1);
    let outcome = wait(romeo.client.encrypt(request));
    let Err(Error::Encrypt(EncryptFailure::NoEligibleDevices { skipped, .. })) = outcome else {
        panic!("{outcome:?}")
    };
    let [one, other] = <[_; 2]>::try_from(skipped).unwrap();
    assert_ne!(one.jid, other.jid);
    assert!(matches!(one.reason, SkipReason::DeviceList(..)), "{one:?}");
    assert!(matches!(other.reason, SkipReason::NoDevices), "{other:?}");
}
