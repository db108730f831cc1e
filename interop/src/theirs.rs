//! Devices of python-omemo.

use std::cell::RefCell;
use std::rc::Rc;

use omemo::{BareJid, DeviceId};
use serde_json::{Value, json};

use crate::device::{Device, Outcome, Received};
use crate::message::Address;
use crate::peer::{Peer, PeerError};
use crate::server::Server;

/// What python-omemo raises for a message key that was used before.
const DUPLICATE: &str = "DuplicateMessageException";

/// A device of python-omemo. Several may live in one process.
#[derive(Debug)]
pub struct Theirs {
    address: Address,
    peer: Rc<RefCell<Peer>>,
    own: Known,
}

/// What python-omemo knows of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: DeviceId,
    /// Its identity key, in the form of Ed25519.
    pub identity_key: [u8; 32],
    /// Its label, if its signature was found good.
    pub label: Option<String>,
    /// The trust level of its identity key.
    pub trust: String,
}

impl Theirs {
    /// Opens a device, for the first time or again.
    pub fn open(server: &Server, peer: &Rc<RefCell<Peer>>, address: Address, label: Option<&str>) -> Self {
        server.connect(&address);
        let arguments = json!({ "jid": address.jid.as_str(), "label": label });
        let created = peer.borrow_mut().command("create", &address.name, arguments);
        let created = created.unwrap_or_else(|error| panic!("{address} could not be opened: {error:?}"));
        let device = Self {
            address,
            peer: Rc::clone(peer),
            own: known(&created),
        };
        device.must("after_history_sync", json!({}));
        device
    }

    /// Gives it a command.
    pub fn command(&self, name: &str, arguments: Value) -> Result<Value, PeerError> {
        self.peer
            .borrow_mut()
            .command(name, &self.address.name, arguments)
    }

    /// Gives it a command that must not fail.
    pub fn must(&self, name: &str, arguments: Value) -> Value {
        self.command(name, arguments)
            .unwrap_or_else(|error| panic!("{}: {name}: {error:?}\n{}", self.address, self.log()))
    }

    /// Opens it again from its storage.
    pub fn restart(&self) {
        self.must("create", json!({ "jid": self.address.jid.as_str() }));
        self.must("after_history_sync", json!({}));
    }

    /// What it knows of the devices of an account.
    pub fn devices(&self, jid: &BareJid) -> Vec<Known> {
        let devices = self.must("devices", json!({ "jid": jid.as_str() }));
        devices
            .as_array()
            .expect("a list of devices")
            .iter()
            .map(known)
            .collect()
    }

    /// Replaces its session with a device.
    pub fn replace_session(&self, with: &dyn Device) {
        let failed = self.must("replace_sessions", target(with));
        assert_eq!(failed, json!({}), "the session was not replaced");
    }

    /// How long its sending chain with a device is.
    pub fn sending_chain_length(&self, with: &dyn Device) -> u64 {
        let length = self.must("sending_chain_length", target(with));
        length.as_u64().expect("there is a session")
    }
}

fn target(device: &dyn Device) -> Value {
    json!({ "jid": device.address().jid.as_str(), "device_id": device.id().get() })
}

impl Device for Theirs {
    fn address(&self) -> &Address {
        &self.address
    }

    fn id(&self) -> DeviceId {
        self.own.id
    }

    fn identity_key(&self) -> [u8; 32] {
        self.own.identity_key
    }

    fn encrypt(&self, to: &[BareJid], text: &str) -> String {
        let to: Vec<_> = to.iter().map(BareJid::as_str).collect();
        let encrypted = self.must("encrypt", json!({ "to": to, "plaintext": text }));
        assert_eq!(
            encrypted["errors"],
            json!([]),
            "{} left devices out",
            self.address
        );
        match encrypted["messages"].as_array().map(Vec::as_slice) {
            Some([Value::String(xml)]) => xml.clone(),
            _ => panic!("not one message for one protocol: {encrypted}"),
        }
    }

    fn decrypt(&self, sender: &BareJid, xml: &str) -> Outcome {
        match self.command("decrypt", json!({ "sender": sender.as_str(), "xml": xml })) {
            Ok(decrypted) => {
                let sender = known(&decrypted["sender"]);
                Outcome::Received(Received {
                    text: decrypted["plaintext"].as_str().map(str::to_owned),
                    device: sender.id,
                    identity_key: sender.identity_key,
                })
            }
            Err(error) if error.class == "MessageNotForUs" => Outcome::NotForUs,
            Err(error) if error.cause.as_deref() == Some(DUPLICATE) => Outcome::AlreadyDecrypted,
            Err(error) => Outcome::Failed {
                text: format!("{error:?}"),
                class: error.class,
            },
        }
    }

    fn update_device_list(&self, jid: &BareJid, xml: &str) {
        self.must("update_device_list", json!({ "jid": jid.as_str(), "xml": xml }));
    }

    /// Where it does not remember the chain or the key exchange any more, it takes a duplicate for a broken message.
    fn refuses_duplicates_by(&self, class: &str) -> bool {
        class == "DecryptionFailed"
    }

    fn log(&self) -> String {
        self.peer.borrow().errors()
    }
}

fn known(device: &Value) -> Known {
    let id = device["device_id"].as_u64().and_then(|id| u32::try_from(id).ok());
    Known {
        id: DeviceId::new(id.expect("a device id")),
        identity_key: from_hex(device["identity_key"].as_str().expect("an identity key")),
        label: device["label"].as_str().map(str::to_owned),
        trust: device["trust"].as_str().expect("a trust level").to_owned(),
    }
}

fn from_hex(hex: &str) -> [u8; 32] {
    assert_eq!(hex.len(), 64, "an identity key of 32 bytes");
    std::array::from_fn(|index| {
        let digits = hex.get(2 * index..2 * index + 2).expect("digits");
        u8::from_str_radix(digits, 16).expect("hexadecimal digits")
    })
}
