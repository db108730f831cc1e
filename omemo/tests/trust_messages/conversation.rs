//! From end to end: XML in envelopes, encrypted to authenticated devices alone.

use common::settle;
use minidom::Element;
use omemo::system_rng;
use omemo::{
    Audience, Content, DecryptFailure, EncryptFailure, EncryptRequest, Error, IncomingMessage, SkipReason,
};
use omemo_xml::{sce, trust_message_from_xml, trust_message_to_xml};

use super::*;

/// The key of a device, as it tells it itself.
fn key_of(device: &Device) -> IdentityKey {
    let known = wait(device.client.device_information(device.jid.clone())).unwrap();
    let own = known.devices.iter().find(|known| known.is_own).unwrap();
    own.identity_key.unwrap()
}

fn level(device: &Device, of: &Device) -> Option<TrustLevel> {
    let known = wait(device.client.device_information(of.jid.clone())).unwrap();
    let found = known
        .devices
        .iter()
        .find(|known| known.device == of.client.device());
    found.and_then(|device| device.level.clone())
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_unix(now.unwrap().as_secs())
}

/// Sends what is owed, to everybody, as an application does.
fn tell(from: &Device, all: &[&Device]) {
    let owed = owed(from);
    for message in &owed.messages {
        let element: Element = trust_message_to_xml(&message.message).unwrap();
        let envelope = sce::Envelope::new(vec![element])
            .with_time(now())
            .with_from(&from.jid)
            .with_to(&message.to);
        let mut request = EncryptRequest::new(
            vec![message.to.clone()],
            Namespace::OMEMO_2,
            envelope.to_bytes(&mut system_rng()).unwrap(),
        );
        request.audience = Audience::Authenticated;
        let (outgoing, _) = wait(from.client.encrypt(request)).unwrap().partial();
        for encrypted in outgoing.messages {
            all.iter().for_each(|device| take_in(from, device, &encrypted));
        }
    }
    wait(from.client.trust_messages_sent(owed)).unwrap();
}

fn take_in(from: &Device, to: &Device, encrypted: &omemo::EncryptedMessage) {
    let message = IncomingMessage {
        sender: from.jid.clone(),
        message: encrypted.clone(),
    };
    let received = match wait(to.client.decrypt(message)) {
        Ok(decrypted) => decrypted.received(),
        Err(Error::Decrypt(DecryptFailure::OwnMessage)) => None,
        Err(error) => panic!("{error}"),
    };
    let Some(received) = received else { return };
    let Content::Plaintext(plaintext) = &received.content else {
        panic!("an empty message")
    };
    let envelope = sce::Envelope::from_bytes(plaintext).unwrap();
    let said = trust_message_from_xml(&envelope.content[0]).unwrap();
    let sent = envelope.time.unwrap();
    wait(to.client.receive_trust_message(received.sender, sent, said)).unwrap();
}

/// The story of XEP-0450, section 4: two authentications by hand, each on both sides, and everybody knows everybody.
#[test]
fn two_scans_are_enough_for_three_devices() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let a2 = open(&server, ALICE, "A2");
    let b1 = open(&server, BOB, "B1");
    let all = [&a1, &a2, &b1];
    settle(&all);
    // Blind trust, before anything is verified.
    a1.send(&[&b1.jid], "hello");
    b1.texts();
    assert_eq!(level(&a1, &b1), Some(TrustLevel::BLINDLY_TRUSTED));

    let scan = |one: &Device, other: &Device| {
        authenticate(one, &other.jid.to_string(), key_of(other));
        authenticate(other, &one.jid.to_string(), key_of(one));
        for _ in 0..2 {
            tell(one, &all);
            tell(other, &all);
        }
    };
    scan(&a1, &a2);
    assert_eq!(level(&b1, &a2), None);
    scan(&a1, &b1);
    for one in all {
        for other in all {
            if one.client.device() != other.client.device() {
                assert_eq!(level(one, other), Some(TrustLevel::TRUSTED));
            }
        }
    }
    // Distrust spreads the same way.
    distrust(&a1, ALICE, key_of(&a2));
    tell(&a1, &all);
    assert_eq!(level(&b1, &a2), Some(TrustLevel::DISTRUSTED));
}

#[test]
fn trust_messages_are_encrypted_for_authenticated_keys_alone() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let a2 = open(&server, ALICE, "A2");
    let b1 = open(&server, BOB, "B1");
    let b2 = open(&server, BOB, "B2");
    settle(&[&a1, &a2, &b1, &b2]);
    let request = || {
        let mut request = EncryptRequest::new(vec![jid(BOB)], Namespace::OMEMO_2, b"secret".to_vec());
        request.audience = Audience::Authenticated;
        request
    };
    // Nobody is, and nobody is asked.
    let error = wait(a1.client.encrypt(request())).unwrap_err();
    assert!(
        matches!(error, Error::Encrypt(EncryptFailure::NoEligibleDevices { .. })),
        "{error}"
    );
    authenticate(&a1, BOB, key_of(&b1));
    let (outgoing, skipped) = wait(a1.client.encrypt(request())).unwrap().partial();
    let devices: Vec<_> = outgoing
        .encrypted_to
        .iter()
        .map(|address| address.device)
        .collect();
    assert_eq!(devices, [b1.client.device()]);
    let skipped: BTreeSet<_> = skipped
        .iter()
        .map(|skipped| {
            assert!(matches!(skipped.reason, SkipReason::NotAuthenticated(_)));
            skipped.device.unwrap()
        })
        .collect();
    assert_eq!(skipped, [a2.client.device(), b2.client.device()].into());
    // No level was given on the way.
    assert_eq!(level(&a1, &a2), None);
}

#[test]
fn new_keys_wait_once_one_is_authenticated() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let b1 = open(&server, BOB, "B1");
    let b2 = open(&server, BOB, "B2");
    settle(&[&a1, &b1, &b2]);
    a1.send(&[&b1.jid], "blindly");
    b1.texts();
    b2.texts();
    authenticate(&a1, BOB, key_of(&b1));
    // B2 was trusted blindly, and is not any more.
    assert_eq!(level(&a1, &b2), None);
    let Err(Error::Encrypt(EncryptFailure::StillUndecided(keys))) = a1.encrypt(&[&b1.jid], "and now?") else {
        panic!("an unauthenticated key was written to")
    };
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].identity_key, key_of(&b2));
}

#[test]
fn a_known_key_may_be_named_by_its_ed25519_form() {
    let server = Server::new();
    let a1 = open(&server, ALICE, "A1");
    let b1 = open(&server, BOB, "B1");
    let b2 = open(&server, BOB, "B2");
    settle(&[&a1, &b1, &b2]);
    // A1 learns who has which key.
    wait(a1.client.device_information(jid(BOB))).unwrap();
    authenticate(&a1, BOB, key_of(&b1));
    let mut message = saying(BOB, &[], &[]);
    message.owners[0].trust = vec![KeyIdentifier::from_bytes(*key_of(&b2).ed25519())];
    let outcome = wait(
        a1.client
            .receive_trust_message(sender(BOB, key_of(&b1)), now(), message),
    )
    .unwrap();
    assert_eq!(outcome.changed[0].key, key_of(&b2).fingerprint());
    assert_eq!(level(&a1, &b2), Some(TrustLevel::TRUSTED));
}
