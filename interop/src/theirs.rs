//! Devices of python-omemo.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use omemo::{BareJid, DeviceId, IdentityKey, Namespace};
use serde_json::{Value, json};

use crate::device::{Device, Outcome, Received};
use crate::hex;
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
    protocols: Vec<Namespace>,
    own: Known,
}

/// What python-omemo knows of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: DeviceId,
    /// Its identity key.
    pub identity_key: IdentityKey,
    /// Its label, if its signature was found good.
    pub label: Option<String>,
    /// The protocols that it is listed for.
    pub active: BTreeSet<String>,
    /// The trust level of its identity key.
    pub trust: String,
}

impl Theirs {
    /// Opens a device that speaks these protocols, the most preferred first; for the first time or again.
    pub fn open(
        server: &Server,
        peer: &Rc<RefCell<Peer>>,
        address: Address,
        protocols: Vec<Namespace>,
        label: Option<&str>,
    ) -> Self {
        server.connect(&address);
        let namespaces: Vec<_> = protocols.iter().map(Namespace::as_str).collect();
        let arguments = json!({ "jid": address.jid.as_str(), "namespaces": namespaces, "label": label });
        let created = peer.borrow_mut().command("create", &address.name, arguments);
        let created = created.unwrap_or_else(|error| panic!("{address} could not be opened: {error:?}"));
        let device = Self {
            address,
            peer: Rc::clone(peer),
            protocols,
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
        let namespaces: Vec<_> = self.protocols.iter().map(Namespace::as_str).collect();
        let arguments = json!({ "jid": self.address.jid.as_str(), "namespaces": namespaces });
        self.must("create", arguments);
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

    /// Replaces its sessions with a device.
    pub fn replace_session(&self, with: &dyn Device) {
        let failed = self.must("replace_sessions", target(with));
        assert_eq!(failed, json!({}), "the session was not replaced");
    }

    /// How long its sending chain with a device is in a protocol.
    pub fn sending_chain_length(&self, namespace: &Namespace, with: &dyn Device) -> u64 {
        let lengths = self.must("sending_chain_lengths", target(with));
        lengths[namespace.as_str()].as_u64().expect("there is a session")
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
        *self.own.identity_key.curve25519().as_bytes()
    }

    fn speaks(&self, namespace: &Namespace) -> bool {
        self.protocols.contains(namespace)
    }

    fn encrypt(&self, to: &[BareJid], text: &str) -> Vec<String> {
        let to: Vec<_> = to.iter().map(BareJid::as_str).collect();
        let encrypted = self.must("encrypt", json!({ "to": to, "plaintext": text }));
        assert_eq!(
            encrypted["errors"],
            json!([]),
            "{} left devices out",
            self.address
        );
        let messages = encrypted["messages"].as_array().expect("a list of messages");
        let xml = |message: &Value| message.as_str().expect("XML").to_owned();
        messages.iter().map(xml).collect()
    }

    fn decrypt(&self, sender: &BareJid, xml: &str) -> Outcome {
        match self.command("decrypt", json!({ "sender": sender.as_str(), "xml": xml })) {
            Ok(decrypted) => {
                let sender = known(&decrypted["sender"]);
                Outcome::Received(Received {
                    text: decrypted["plaintext"].as_str().map(str::to_owned),
                    device: sender.id,
                    identity_key: *sender.identity_key.curve25519().as_bytes(),
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

    fn update_device_list(&self, namespace: &Namespace, jid: &BareJid, xml: &str) {
        let arguments = json!({ "namespace": namespace.as_str(), "jid": jid.as_str(), "xml": xml });
        self.must("update_device_list", arguments);
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
    let active = device["active"].as_array().into_iter().flatten();
    let id = device["device_id"].as_u64().and_then(|id| u32::try_from(id).ok());
    Known {
        id: DeviceId::new(id.expect("a device id")),
        identity_key: IdentityKey::from_ed25519(from_hex(&device["identity_key"])).expect("an identity key"),
        active: active.filter_map(Value::as_str).map(str::to_owned).collect(),
        label: device["label"].as_str().map(str::to_owned),
        trust: device["trust"].as_str().expect("a trust level").to_owned(),
    }
}

fn from_hex(bytes: &Value) -> [u8; 32] {
    let bytes = hex::decode(bytes.as_str().expect("hexadecimal digits"));
    bytes.try_into().expect("an identity key of 32 bytes")
}
