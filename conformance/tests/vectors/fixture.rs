//! A key exchange that a client sent while the other was away, with the keys that open it.

use std::path::Path;

use omemo_sansio::keys::{IdentityKey, IdentityKeyPair, KeyPair};
use omemo_sansio::protocol::{Legacy, Omemo2, Protocol};
use omemo_sansio::ratchet::{OwnKeys, Session, SkipLimits};
use omemo_sansio::{DeviceId, EncryptedMessage, KeyElement, PreKeyId, Timestamp};
use omemo_xml::Format;
use serde_json::Value;

/// Draws the answer's ratchet key; any will do.
struct Rng;

impl rand_core::TryRng for Rng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(7);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Rng {}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("stanzas").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn bytes(hex: &Value) -> [u8; 32] {
    let digits = hex.as_str().unwrap().as_bytes().as_chunks::<2>().0;
    let bytes: Vec<u8> = digits
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

fn id(id: &Value) -> u32 {
    u32::try_from(id.as_u64().unwrap()).unwrap()
}

#[test]
fn a_key_exchange_of_another_client_opens_to_its_plaintext() {
    opens("new", &Omemo2);
}

#[test]
fn so_does_one_of_legacy_omemo() {
    opens("old", &Legacy);
}

fn element_for_the_receiver<'a>(
    encrypted: &'a EncryptedMessage,
    fixture: &Value,
    protocol: &dyn Protocol,
) -> &'a KeyElement {
    assert_eq!(
        encrypted.namespace.as_str(),
        fixture["namespace"].as_str().unwrap()
    );
    assert_eq!(encrypted.sender_device.get(), id(&fixture["sender_device_id"]));
    let receiver = DeviceId::new(id(&fixture["receiver_device_id"]));
    encrypted
        .recipients
        .iter()
        .filter(|recipient| match &recipient.jid {
            Some(jid) => fixture["receiver"].as_str() == Some(jid.as_str()),
            None => !protocol.names_recipients(),
        })
        .flat_map(|recipient| &recipient.keys)
        .find(|key| key.device == receiver)
        .unwrap()
}

fn opens(name: &str, protocol: &dyn Protocol) {
    let fixture: Value = serde_json::from_str(&read("fixture.json")).unwrap();
    let fixture = &fixture[name];
    let stanza = omemo_xml::parse(&read(fixture["stanza"].as_str().unwrap())).unwrap();
    let encrypted = stanza
        .children()
        .find_map(|child| Format::of_element(child).map(|format| format.encrypted_from_xml(child)))
        .unwrap()
        .unwrap();
    let element = element_for_the_receiver(&encrypted, fixture, protocol);

    let incoming = protocol.parse(&element.data).unwrap();
    let key_exchange = incoming.key_exchange.unwrap();
    let (signed_pre_key, pre_key) = (&fixture["signed_pre_key"], &fixture["pre_key"]);
    assert_eq!(
        key_exchange.signed_pre_key,
        PreKeyId::new(id(&signed_pre_key["id"]))
    );
    assert_eq!(key_exchange.pre_key, PreKeyId::new(id(&pre_key["id"])));
    let sender = IdentityKey::from_ed25519(bytes(&fixture["sender_identity_key_ed25519"])).unwrap();
    assert_eq!(key_exchange.identity_key, sender);
    if protocol.presents_ed25519() {
        assert_eq!(key_exchange.identity_key.ed25519(), sender.ed25519());
    }
    let own = OwnKeys {
        identity_key: &IdentityKeyPair::from_seed(bytes(&fixture["receiver_identity_seed"])),
        signed_pre_key: &KeyPair::from_secret(bytes(&signed_pre_key["priv"])),
        pre_key: &KeyPair::from_secret(bytes(&pre_key["priv"])),
    };
    let accepted = Session::accept(
        protocol,
        own,
        &key_exchange,
        &incoming.message,
        SkipLimits::default(),
        Timestamp::from_unix(1_795_218_296),
        &mut Rng,
    )
    .unwrap();
    assert_eq!(accepted.session.peer_identity(), key_exchange.identity_key);

    let material = protocol.key_material(accepted.plaintext).unwrap();
    let plaintext = protocol
        .decrypt_payload(&encrypted.payload.unwrap(), &material)
        .unwrap();
    let recorded = fixture["plaintext"].as_str().unwrap();
    assert_eq!(std::str::from_utf8(&plaintext).unwrap(), recorded);
}
