//! Deliveries that have to be refused, inserted into a recorded case: a key exchange from alice1 to bob1.

use std::path::Path;

use omemo_conformance::vectors::replay_file;
use omemo_sansio::keys::{IdentityKey, PublicKey};
use omemo_sansio::protocol::{Incoming, KeyExchange, Legacy, Message, Omemo2, Protocol};
use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, PreKeyId};
use omemo_xml::Format;
use serde_json::{Value, json};

/// A set, and how what is in it is read and written.
#[derive(Clone, Copy)]
struct Version {
    set: &'static str,
    protocol: &'static dyn Protocol,
    format: Format,
}

const OMEMO_2: Version = Version {
    set: "messages_twomemo",
    protocol: &Omemo2,
    format: Format::Omemo2,
};

const LEGACY: Version = Version {
    set: "messages_oldmemo",
    protocol: &Legacy,
    format: Format::Legacy,
};

fn recorded(set: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let bytes = std::fs::read(dir.join(set).with_extension("json")).unwrap();
    let mut set: Value = serde_json::from_slice(&bytes).unwrap();
    set["cases"].as_array_mut().unwrap().truncate(1);
    set["count"] = json!(1);
    assert_eq!(set["cases"][0]["steps"].as_array().unwrap().len(), 2);
    set
}

/// What fails if steps are inserted at a place.
fn replay(version: Version, steps: Vec<Value>, at: usize) -> Vec<String> {
    let mut set = recorded(version.set);
    let all = set["cases"][0]["steps"].as_array_mut().unwrap();
    all.splice(at..at, steps);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("set.json");
    std::fs::write(&path, set.to_string()).unwrap();
    let report = replay_file(&path).unwrap();
    assert_eq!(report.passed + report.failed.len(), 1);
    report.failed.into_iter().map(|failure| failure.what).collect()
}

/// The message again, to be refused before it was delivered as it is.
fn refused(xml: Option<String>) -> Value {
    let mut step = json!({"op": "deliver", "msg": 0, "to": "bob1", "expect": "fail", "error": "DecryptionFailed",
        "mutation": "some", "policy": false, "recipient_session_before": null});
    if let Some(xml) = xml {
        step["xml"] = json!(xml);
    }
    step
}

/// The message's XML with a change.
fn changed(version: Version, change: impl FnOnce(&mut EncryptedMessage)) -> String {
    let set = recorded(version.set);
    let xml = set["cases"][0]["steps"][0]["xml"].as_str().unwrap();
    let format = version.format;
    let mut message = format
        .encrypted_from_xml(&omemo_xml::parse(xml).unwrap())
        .unwrap();
    change(&mut message);
    omemo_xml::write(&format.encrypted_to_xml(&message).unwrap()).unwrap()
}

/// The message's XML with another key exchange around the same message.
fn with_key_exchange(version: Version, change: impl FnOnce(&mut KeyExchange)) -> String {
    changed(version, |message| {
        let data = &mut message.recipients[0].keys[0].data;
        let Incoming {
            key_exchange,
            message,
        } = version.protocol.parse(data).unwrap();
        let mut key_exchange = key_exchange.unwrap();
        change(&mut key_exchange);
        *data = version
            .protocol
            .encode_key_exchange(&key_exchange, sealed(version, &message));
    })
}

/// A message of the ratchet, by itself.
fn sealed(version: Version, message: &Message) -> Vec<u8> {
    let mut mac = [0; 32];
    mac[..message.mac().len()].copy_from_slice(message.mac());
    version.protocol.seal(message.authenticated().to_vec(), &mac)
}

#[test]
fn changed_messages_are_refused_and_the_untouched_one_still_opens() {
    let of_another = |message: &mut EncryptedMessage| {
        message.recipients[0].jid = Some(BareJid::new("eve@example.org").unwrap());
    };
    let mut mutations = mutations(OMEMO_2);
    mutations.push(changed(OMEMO_2, of_another));
    let steps = mutations.into_iter().map(|xml| refused(Some(xml))).collect();
    assert_eq!(replay(OMEMO_2, steps, 1), [""; 0]);

    let steps = mutations_of_legacy()
        .into_iter()
        .map(|xml| refused(Some(xml)))
        .collect();
    assert_eq!(replay(LEGACY, steps, 1), [""; 0]);
}

fn mutations(version: Version) -> Vec<String> {
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let mut base_point = [0; 32];
    base_point[0] = 9;
    let other = IdentityKey::from_curve25519(PublicKey::from_bytes(base_point), false);
    vec![
        changed(version, |message| {
            flip(&mut message.payload.as_mut().unwrap().ciphertext);
        }),
        changed(version, |message| flip(&mut message.recipients[0].keys[0].data)),
        changed(version, |message| {
            message.recipients[0].keys[0].device = DeviceId::new(1);
        }),
        changed(version, |message| message.sender_device = DeviceId::new(1)),
        changed(version, |message| {
            let data = &mut message.recipients[0].keys[0].data;
            *data = sealed(version, &version.protocol.parse(data).unwrap().message);
        }),
        with_key_exchange(version, |key_exchange| {
            key_exchange.pre_key = PreKeyId::new(77_777);
        }),
        with_key_exchange(version, |key_exchange| {
            key_exchange.signed_pre_key = PreKeyId::new(77_777);
        }),
        with_key_exchange(version, |key_exchange| {
            key_exchange.base_key = PublicKey::from_bytes([0; 32]);
        }),
        with_key_exchange(version, |key_exchange| key_exchange.identity_key = other.unwrap()),
        format!("<encrypted xmlns='{}'>", version.protocol.namespace()),
    ]
}

fn mutations_of_legacy() -> Vec<String> {
    let mut mutations = mutations(LEGACY);
    mutations.extend([
        changed(LEGACY, |message| {
            message.payload.as_mut().unwrap().iv.as_mut().unwrap()[0] ^= 1;
        }),
        // Both version bytes may be others, but the inner one is authenticated.
        with_inner(|inner| inner[0] = 0x34),
        with_inner(|inner| inner[0] = 0x43),
    ]);
    mutations
}

/// The message's XML with a change to the message of the ratchet in it.
fn with_inner(change: impl FnOnce(&mut Vec<u8>)) -> String {
    changed(LEGACY, |message| {
        let data = &mut message.recipients[0].keys[0].data;
        let Incoming {
            key_exchange,
            message,
        } = Legacy.parse(data).unwrap();
        let mut inner = sealed(LEGACY, &message);
        change(&mut inner);
        *data = Legacy.encode_key_exchange(&key_exchange.unwrap(), inner);
    })
}

#[test]
fn repetitions_are_refused() {
    for version in [OMEMO_2, LEGACY] {
        let after = recorded(version.set)["cases"][0]["steps"][1]["recipient_session_after"].take();
        let mut repeated = refused(None);
        repeated["recipient_session_before"] = after;
        // Once the session is forgotten, the pre key is gone as well.
        let dropped = json!({"op": "drop_session", "device": "bob1", "peer": "alice1"});
        let steps = vec![repeated.clone(), dropped, refused(None)];
        assert_eq!(replay(version, steps, 2), [""; 0]);

        let forgotten = replay(version, vec![refused(None)], 2);
        assert_eq!(forgotten, ["step 2, deliver 0: a session is recorded nowhere"]);
    }
}

#[test]
fn what_opens_is_not_refused() {
    let mut opening = vec![
        (OMEMO_2, None),
        (LEGACY, None),
        (OMEMO_2, Some(with_key_exchange(OMEMO_2, |_| {}))),
        (LEGACY, Some(with_key_exchange(LEGACY, |_| {}))),
    ];
    // Nothing authenticates the outer version byte.
    let newer = changed(LEGACY, |message| message.recipients[0].keys[0].data[0] = 0x34);
    opening.push((LEGACY, Some(newer)));
    for (version, xml) in opening {
        let failed = replay(version, vec![refused(xml)], 1);
        assert_eq!(failed, ["step 1, deliver 0: it was not refused"]);
    }
    let unknown = json!({"op": "drop_session", "device": "bob1", "peer": "alice1"});
    assert_eq!(
        replay(OMEMO_2, vec![unknown], 1),
        ["step 1: there is no session to drop"]
    );
}
