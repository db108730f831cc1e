//! Which protocol a device is written to in, and what is known of it.

use omemo::TakenOver;
use omemo::keys::IdentityKeyPair;
use omemo::transfer::{ImportedAccount, ImportedProtocol};

use super::*;

#[test]
fn both_are_loaded_unless_the_application_chooses() {
    let namespaces = |settings: &Settings| -> Vec<_> {
        let protocols = settings.protocols.iter();
        protocols.map(|protocol| protocol.namespace()).collect()
    };
    let mut settings = Settings::new(jid(ROMEO));
    assert_eq!(namespaces(&settings), [OMEMO_2, LEGACY]);
    assert_eq!(settings.check(), Ok(()));
    settings.protocols.push(Arc::new(Omemo2));
    assert_eq!(settings.check(), Err(InvalidSettings::RepeatedProtocol(OMEMO_2)));
}

/// python-omemo raises an exception here.
#[test]
fn wire_note_32_an_account_opens_with_a_label_while_legacy_is_loaded() {
    let server = Server::new();
    let (juliet, device) = negative(&server, "balcony");
    let list = |namespace| server.device_list(&juliet, &namespace).unwrap().devices;
    let label = list(OMEMO_2)[&device.client.device()].label.clone().unwrap();
    assert_eq!(label.text, "balcony");
    assert_eq!(list(LEGACY)[&device.client.device()].label, None);

    // A list without labels takes none away.
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    for namespace in [OMEMO_2, LEGACY, OMEMO_2, LEGACY] {
        wait(romeo.client.refresh_device_list(namespace, juliet.clone())).unwrap();
        assert_eq!(
            devices_of(&romeo, juliet.as_str())[0].label.as_deref(),
            Some("balcony")
        );
    }
}

#[test]
fn each_device_is_written_to_in_the_best_protocol_that_both_know() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    let his_tablet = open(&server, ROMEO, "tablet", &[LEGACY]);
    let phone = open(&server, JULIET, "phone", &[OMEMO_2, LEGACY]);
    let tablet = open(&server, JULIET, "tablet", &[LEGACY]);
    let nurse = open(&server, NURSE, "phone", &[OMEMO_2]);
    messages(&romeo);

    let encrypted = send(&romeo, &[JULIET, NURSE], &[OMEMO_2, LEGACY]);
    assert_eq!(encrypted.encrypted_to.len(), 4);
    let [new, old] = encrypted.messages.as_slice() else {
        panic!("{:?}", encrypted.messages)
    };
    assert_eq!((&new.namespace, &old.namespace), (&OMEMO_2, &LEGACY));
    let mut groups: Vec<_> = new
        .recipients
        .iter()
        .map(|group| group.jid.clone().unwrap())
        .collect();
    groups.sort();
    assert_eq!(groups, [jid(JULIET), jid(NURSE)]);
    // Legacy OMEMO does not say whose devices they are.
    let [group] = old.recipients.as_slice() else {
        panic!("{:?}", old.recipients)
    };
    assert_eq!((&group.jid, group.keys.len()), (&None, 2));

    assert_eq!(texts(&phone), [OMEMO_2.as_str()]);
    assert_eq!(texts(&nurse), [OMEMO_2.as_str()]);
    assert_eq!(texts(&tablet), [LEGACY.as_str()]);
    assert_eq!(texts(&his_tablet), [LEGACY.as_str()]);
}

#[test]
fn the_application_sets_the_priority() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[LEGACY, OMEMO_2]);
    let juliet = open(&server, JULIET, "phone", &[OMEMO_2, LEGACY]);
    send(&romeo, &[JULIET], &[OMEMO_2, LEGACY]);
    assert_eq!(texts(&juliet), [LEGACY.as_str()]);
    // A protocol without a plaintext is not written in.
    send(&romeo, &[JULIET], &[OMEMO_2]);
    assert_eq!(texts(&juliet), [OMEMO_2.as_str()]);
}

#[test]
fn what_is_known_of_a_device_is_merged() {
    let server = Server::new();
    let romeo = open(&server, ROMEO, "phone", &[OMEMO_2, LEGACY]);
    let juliet = open(&server, JULIET, "phone", &[OMEMO_2, LEGACY]);
    let tablet = open(&server, JULIET, "tablet", &[LEGACY]);
    let devices = devices_of(&romeo, JULIET);
    assert_eq!(devices.len(), 2);
    for device in devices {
        let both = [(LEGACY, true), (OMEMO_2, true)].into();
        let expected: BTreeMap<_, _> = match device.device == juliet.client.device() {
            true => both,
            false => [(LEGACY, true)].into(),
        };
        assert_eq!(device.protocols, expected);
        let of = if device.device == juliet.client.device() {
            &juliet
        } else {
            &tablet
        };
        assert_eq!(device.identity_key.unwrap(), identity_of(&server, of));
    }
}

fn identity_of(server: &Server, device: &Device) -> IdentityKey {
    let bundle = server.bundle(&device.jid, &LEGACY, device.client.device());
    bundle.unwrap().identity_key
}

/// A device with an id that no device should have: one is never drawn, but may be taken over from another implementation.
fn with_id(server: &Server, of: &str, id: u32) -> Device {
    let own = jid(of);
    let connection = server.connect(&own, "phone");
    let account = ImportedAccount {
        identity: IdentityKeyPair::from_seed([of.as_bytes()[0]; 32]),
        device: DeviceId::new(id),
        label: None,
        protocols: [OMEMO_2, LEGACY]
            .map(|namespace| (namespace, ImportedProtocol::default()))
            .into(),
        contacts: BTreeMap::new(),
    };
    let builder = Client::builder(Settings::new(own.clone()), storage(), connection.clone());
    let TakenOver { client, opened, .. } = wait(builder.rng(rng(&own, "phone")).import(account)).unwrap();
    opened.unwrap();
    for namespace in [OMEMO_2, LEGACY] {
        let change = wait(client.refresh_device_list(namespace, own.clone())).unwrap();
        assert!(change.republish, "it is on no list yet");
    }
    let device = Device {
        jid: own,
        client,
        connection,
    };
    let flushed = device.flush();
    assert_eq!((flushed.sent.len(), flushed.failed.len()), (4, 0), "{flushed:?}");
    device
}

#[test]
fn wire_note_23_devices_with_ids_out_of_bounds_talk_both_ways() {
    let server = Server::new();
    let mut romeo = with_id(&server, ROMEO, 0);
    let juliet = with_id(&server, JULIET, 3_000_000_000);
    settle(&[&romeo, &juliet]);
    for namespace in [OMEMO_2, LEGACY, OMEMO_2, LEGACY] {
        let only = std::slice::from_ref(&namespace);
        for (from, to) in [(&romeo, &juliet), (&juliet, &romeo)] {
            let outgoing = send(from, &[to.jid.as_str()], only);
            let keys = &outgoing.messages[0].recipients[0].keys;
            assert_eq!((keys.len(), keys[0].device), (1, to.client.device()));
            assert_eq!(texts(to), [namespace.as_str()]);
            settle(&[&romeo, &juliet]);
        }
        // The id is taken from what is stored, zero too.
        let storage = Arc::clone(romeo.client.storage());
        romeo = reopen(&server, ROMEO, "phone", &[OMEMO_2, LEGACY], storage);
        assert_eq!(romeo.client.device(), DeviceId::new(0));
    }
    assert_eq!(juliet.client.device(), DeviceId::new(3_000_000_000));
    let devices = devices_of(&romeo, JULIET);
    assert_eq!((devices.len(), devices[0].device), (1, juliet.client.device()));
}
