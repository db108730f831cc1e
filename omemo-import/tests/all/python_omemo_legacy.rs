//! A storage that python-omemo 0.14 has written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use omemo_import::{LeftBehind, Problem, python_omemo_legacy};
use omemo_sansio::trust::{Trust, TrustLevel};
use omemo_sansio::{
    BareJid, Content, Decrypted, DeviceId, EncryptRequest, EncryptedMessage, Error, IncomingMessage,
    KeyElement, Namespace, Payload, RecipientKeys,
};
use serde_json::{Value, json};

use crate::Device;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../data/python_omemo_0_14.json")).unwrap()
}

fn storage(fixture: &Value) -> Vec<u8> {
    serde_json::to_vec(&fixture["storage"]).unwrap()
}

fn message(recorded: &Value) -> (IncomingMessage, Vec<u8>) {
    let bytes = |field: &str| STANDARD.decode(recorded[field].as_str().unwrap()).unwrap();
    let id = |field: &str| DeviceId::new(u32::try_from(recorded[field].as_u64().unwrap()).unwrap());
    let message = EncryptedMessage {
        namespace: Namespace::LEGACY,
        sender_device: id("sid"),
        recipients: vec![RecipientKeys {
            jid: None,
            keys: vec![KeyElement {
                device: id("rid"),
                key_exchange: recorded["prekey"].as_bool().unwrap(),
                data: bytes("key"),
            }],
        }],
        payload: Some(Payload {
            ciphertext: bytes("payload"),
            iv: Some(bytes("iv")),
        }),
    };
    let sender = BareJid::new(recorded["from"].as_str().unwrap()).unwrap();
    let plaintext = recorded["plaintext"].as_str().unwrap().as_bytes().to_vec();
    (IncomingMessage { sender, message }, plaintext)
}

fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).unwrap()
}

/// Late messages by skipped keys, new ones in the chain, and one more of a session that the other side has opened.
#[test]
fn everything_under_way_is_read_after_the_move() {
    let fixture = fixture();
    let reading = python_omemo_legacy::read(&storage(&fixture)).unwrap();
    assert_eq!(reading.jid, jid("alice@example.org"));
    assert_eq!(reading.left_behind, []);
    let device = Device::new(&reading);
    let account = std::sync::Arc::new(reading.account);
    let imported = device.drive(|to| to.import(account.clone())).unwrap();
    assert_eq!((imported.sessions, imported.skipped_keys), (2, 3));
    assert_eq!((imported.contacts, imported.devices), (3, 4));
    assert_eq!(imported.records as usize, device.records());

    let pending = fixture["to_alice"].as_array().unwrap();
    assert_eq!(pending.len(), 6);
    for recorded in pending {
        let (message, plaintext) = message(recorded);
        let decrypted = device.drive(|by| by.decrypt(message.clone())).unwrap();
        let decrypted = decrypted.received().unwrap();
        assert!(matches!(&decrypted.content, Content::Plaintext(read) if **read == plaintext));
        assert_eq!(decrypted.sender.trust, Trust::Trusted);
        assert_eq!(decrypted.sender.level, Some(TrustLevel::TRUSTED));
        // And once only.
        assert!(matches!(
            device.drive(|by| by.decrypt(message)),
            Ok(Decrypted::AlreadyDecrypted)
        ));
    }
    // What was read before the move is not read again, though it opened the session.
    let (again, _) = message(&fixture["already_read"][0]);
    let again = device.drive(|by| by.decrypt(again));
    assert!(!again.is_ok_and(|again| again.received().is_some()));
}

/// Both sides move, and go on with each other.
#[test]
fn the_conversation_goes_on_when_both_have_moved() {
    let fixture = fixture();
    let sides = [&fixture["storage"], &fixture["peers"]["bob@example.org"]].map(|storage| {
        let reading = python_omemo_legacy::read(&serde_json::to_vec(storage).unwrap()).unwrap();
        let device = Device::new(&reading);
        device.drive(|to| to.import(reading.account)).unwrap();
        (reading.jid, device)
    });
    for round in 0..4 {
        let (sender, from) = &sides[round % 2];
        let (receiver, to) = &sides[(round + 1) % 2];
        let text = format!("round {round}").into_bytes();
        let request = EncryptRequest::new(vec![receiver.clone()], Namespace::LEGACY, text.clone());
        let encrypted = from.drive(|by| by.encrypt(request)).unwrap().complete().unwrap();
        let message = IncomingMessage {
            sender: sender.clone(),
            message: encrypted.messages[0].clone(),
        };
        let decrypted = to.drive(|by| by.decrypt(message)).unwrap().received().unwrap();
        assert!(matches!(&decrypted.content, Content::Plaintext(read) if **read == text));
        assert!(!decrypted.new_session);
    }
}

#[test]
fn an_account_is_taken_over_once() {
    let reading = || python_omemo_legacy::read(&storage(&fixture())).unwrap();
    let device = Device::new(&reading());
    device.drive(|to| to.import(reading().account)).unwrap();
    let records = device.records();
    assert!(matches!(
        device.drive(|to| to.import(reading().account)),
        Err(Error::AlreadyThere)
    ));
    assert_eq!(device.records(), records);
}

/// A session that was never complete holds nothing that could be lost.
#[test]
fn incomplete_sessions_are_left_behind() {
    let mut fixture = fixture();
    fixture["storage"]["sessions"]["bob@example.org"]["2002"]["super"]["super"]["own_key"]["priv"] =
        json!(null);
    let reading = python_omemo_legacy::read(&storage(&fixture)).unwrap();
    let bob = (jid("bob@example.org"), DeviceId::new(2002));
    assert_eq!(reading.left_behind, [LeftBehind::IncompleteSession(bob.0, bob.1)]);
    assert_eq!(reading.account.sessions(), 1);
}

#[test]
fn errors_name_the_place() {
    let mut broken = fixture();
    broken["storage"]["sessions"]["bob@example.org"]["2002"]["other_ik"] =
        broken["storage"]["sessions"]["carol@example.org"]["3003"]["other_ik"].clone();
    let error = python_omemo_legacy::read(&storage(&broken)).unwrap_err();
    assert_eq!(error.problem, Problem::OtherIdentity);
    assert_eq!(error.place, "sessions: bob@example.org: 2002: other_ik");

    let mut broken = fixture();
    broken["storage"]["state"]["super"]["super"]["ik"]["pub"] = json!(STANDARD.encode([9; 32]));
    let error = python_omemo_legacy::read(&storage(&broken)).unwrap_err();
    assert_eq!(error.problem, Problem::OtherIdentity);
}
