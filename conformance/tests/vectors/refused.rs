//! Deliveries that have to be refused, inserted into a recorded case: a key exchange from alice1 to bob1.

use std::path::Path;

use omemo_conformance::vectors::replay_file;
use omemo_sansio::keys::{IdentityKey, PublicKey};
use omemo_sansio::protocol::{Incoming, KeyExchange, Message, Omemo2, Protocol};
use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, PreKeyId};
use omemo_xml::omemo2::{encrypted_from_xml, encrypted_to_xml};
use serde_json::{Value, json};

fn recorded() -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let bytes = std::fs::read(dir.join("messages_twomemo.json")).unwrap();
    let mut set: Value = serde_json::from_slice(&bytes).unwrap();
    set["cases"].as_array_mut().unwrap().truncate(1);
    set["count"] = json!(1);
    assert_eq!(set["cases"][0]["steps"].as_array().unwrap().len(), 2);
    set
}

/// What fails if steps are inserted at a place.
fn replay(steps: Vec<Value>, at: usize) -> Vec<String> {
    let mut set = recorded();
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
fn changed(change: impl FnOnce(&mut EncryptedMessage)) -> String {
    let set = recorded();
    let xml = set["cases"][0]["steps"][0]["xml"].as_str().unwrap();
    let mut message = encrypted_from_xml(&omemo_xml::parse(xml).unwrap()).unwrap();
    change(&mut message);
    omemo_xml::write(&encrypted_to_xml(&message).unwrap()).unwrap()
}

/// The message's XML with another key exchange around the same message.
fn with_key_exchange(change: impl FnOnce(&mut KeyExchange)) -> String {
    changed(|message| {
        let data = &mut message.recipients[0].keys[0].data;
        let Incoming {
            key_exchange,
            message,
        } = Omemo2.parse(data).unwrap();
        let mut key_exchange = key_exchange.unwrap();
        change(&mut key_exchange);
        *data = Omemo2.encode_key_exchange(&key_exchange, sealed(&message));
    })
}

/// A message of the ratchet, by itself.
fn sealed(message: &Message) -> Vec<u8> {
    let mut mac = [0; 32];
    mac[..message.mac().len()].copy_from_slice(message.mac());
    Omemo2.seal(message.authenticated().to_vec(), &mac)
}

#[test]
fn changed_messages_are_refused_and_the_untouched_one_still_opens() {
    let flip = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let mut base_point = [0; 32];
    base_point[0] = 9;
    let other = IdentityKey::from_curve25519(PublicKey::from_bytes(base_point), false);
    let mutations = [
        changed(|message| flip(&mut message.payload.as_mut().unwrap().ciphertext)),
        changed(|message| flip(&mut message.recipients[0].keys[0].data)),
        changed(|message| message.recipients[0].keys[0].device = DeviceId::new(1)),
        changed(|message| message.recipients[0].jid = Some(BareJid::new("eve@example.org").unwrap())),
        changed(|message| message.sender_device = DeviceId::new(1)),
        changed(|message| {
            let data = &mut message.recipients[0].keys[0].data;
            *data = sealed(&Omemo2.parse(data).unwrap().message);
        }),
        with_key_exchange(|key_exchange| key_exchange.pre_key = PreKeyId::new(77_777)),
        with_key_exchange(|key_exchange| key_exchange.signed_pre_key = PreKeyId::new(77_777)),
        with_key_exchange(|key_exchange| key_exchange.base_key = PublicKey::from_bytes([0; 32])),
        with_key_exchange(|key_exchange| key_exchange.identity_key = other.unwrap()),
        "<encrypted xmlns='urn:xmpp:omemo:2'>".to_owned(),
    ];
    let steps = mutations.map(|xml| refused(Some(xml))).to_vec();
    assert_eq!(replay(steps, 1), [""; 0]);
}

#[test]
fn repetitions_are_refused() {
    let after = recorded()["cases"][0]["steps"][1]["recipient_session_after"].take();
    let mut repeated = refused(None);
    repeated["recipient_session_before"] = after;
    // Once the session is forgotten, the pre key is gone as well.
    let dropped = json!({"op": "drop_session", "device": "bob1", "peer": "alice1"});
    assert_eq!(replay(vec![repeated.clone(), dropped, refused(None)], 2), [""; 0]);

    let forgotten = replay(vec![refused(None)], 2);
    assert_eq!(forgotten, ["step 2, deliver 0: a session is recorded nowhere"]);
}

#[test]
fn what_opens_is_not_refused() {
    for xml in [None, Some(with_key_exchange(|_| {}))] {
        let failed = replay(vec![refused(xml)], 1);
        assert_eq!(failed, ["step 1, deliver 0: it was not refused"]);
    }
    let unknown = json!({"op": "drop_session", "device": "bob1", "peer": "alice1"});
    assert_eq!(replay(vec![unknown], 1), ["step 1: there is no session to drop"]);
}
