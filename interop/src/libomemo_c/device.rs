//! Devices of libomemo-c. It knows keys, sessions and key elements; lists of devices and messages are ours to keep here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use omemo::{
    BareJid, DeviceAddress, DeviceId, DeviceList, EncryptedMessage, KeyElement, Namespace, Payload, PreKeyId,
    RecipientKeys,
};

use super::bundle;
use super::process::{Code, Libomemo, version};
use crate::bridge::{bundle as download, device_list, encrypted_xml};
use crate::device::{Device, Outcome, Received};
use crate::hex;
use crate::message::{Address, format, parse};
use crate::server::Server;

/// The id of the first device; the others follow.
const FIRST_ID: u32 = 0x7000_0000;

/// A device of libomemo-c. Several may live in one process.
#[derive(Debug)]
pub struct LibomemoDevice {
    address: Address,
    server: Server,
    process: Rc<RefCell<Libomemo>>,
    protocols: Vec<Namespace>,
    /// Its number in the process.
    number: String,
    id: DeviceId,
    identity_key: [u8; 32],
    lists: RefCell<BTreeMap<(Namespace, BareJid), DeviceList>>,
    /// The pre keys it has used.
    used: RefCell<BTreeSet<(DeviceId, PreKeyId)>>,
}

impl LibomemoDevice {
    /// Opens a new device that speaks these protocols, the most preferred first.
    pub fn open(
        server: &Server,
        process: &Rc<RefCell<Libomemo>>,
        address: Address,
        protocols: Vec<Namespace>,
    ) -> Self {
        server.connect(&address);
        let created = process.borrow_mut().command(&["new"]).expect("a device");
        let number: u32 = created[0].parse().expect("its number");
        let device = Self {
            address,
            server: server.clone(),
            process: Rc::clone(process),
            protocols,
            number: created[0].clone(),
            id: DeviceId::new(FIRST_ID + number),
            identity_key: hex::decode(&created[1]).try_into().expect("an identity key"),
            lists: RefCell::default(),
            used: RefCell::default(),
        };
        for namespace in &device.protocols {
            device.publish_bundle(namespace);
            device.publish_device(namespace);
        }
        device
    }

    /// Opens a session with a device in place of any that there is, which libomemo-c archives. The other side hears of it
    /// by the next message.
    pub fn open_session(&self, namespace: &Namespace, with: &dyn Device) {
        self.meet(namespace, &with.address().jid, with.id());
    }

    /// Sends an empty message to a device.
    pub fn send_empty(&self, namespace: &Namespace, to: &dyn Device) {
        let material = self.must("empty", namespace, None, &[]);
        let to = DeviceAddress {
            jid: to.address().jid.clone(),
            device: to.id(),
        };
        let jid = to.jid.clone();
        let xml = self.message(namespace, vec![to], &material[0], None);
        self.server.send(&self.address, &[jid], xml);
    }

    fn publish_bundle(&self, namespace: &Namespace) {
        let words = self.command("bundle", &[&self.number, version(namespace)]);
        let bundle = bundle::read(namespace, &words.expect("a bundle"));
        let xml =
            omemo_xml::write(&format(namespace).bundle_to_xml(&bundle)).expect("a bundle can be written");
        self.server
            .set_bundle(namespace, &self.address.jid, self.id, Some(xml));
    }

    fn publish_device(&self, namespace: &Namespace) {
        let mut list = self.list(namespace, &self.address.jid);
        list.devices.entry(self.id).or_default();
        let xml =
            omemo_xml::write(&format(namespace).device_list_to_xml(&list)).expect("a list can be written");
        self.server.set_device_list(namespace, &self.address.jid, &xml);
    }

    /// The device list of an account: as it was announced, or else as the server has it.
    fn list(&self, namespace: &Namespace, jid: &BareJid) -> DeviceList {
        let key = (namespace.clone(), jid.clone());
        if let Some(list) = self.lists.borrow().get(&key) {
            return list.clone();
        }
        let xml = self.server.device_list(namespace, jid);
        xml.map(|xml| device_list(namespace, &xml).expect("a device list"))
            .unwrap_or_default()
    }

    fn command(&self, name: &str, words: &[&str]) -> Result<Vec<String>, Code> {
        let words: Vec<_> = [name].into_iter().chain(words.iter().copied()).collect();
        self.process.borrow_mut().command(&words)
    }

    /// Gives a command that must not fail, about a device if there is one.
    fn must(
        &self,
        name: &str,
        namespace: &Namespace,
        of: Option<(&BareJid, DeviceId)>,
        words: &[&str],
    ) -> Vec<String> {
        let id = of.map_or_else(String::new, |(_, device)| device.to_string());
        let begin = match of {
            Some((jid, _)) => vec![&self.number[..], version(namespace), jid.as_str(), &id],
            None => vec![version(namespace)],
        };
        self.command(name, &[&begin, words].concat())
            .unwrap_or_else(|code| panic!("{}: {name}: {}\n{}", self.address, code.name(), self.log()))
    }

    fn meet(&self, namespace: &Namespace, jid: &BareJid, device: DeviceId) {
        let bundle =
            download(&self.server, &self.address, namespace, jid, device).expect("a readable bundle");
        let bundle = bundle.expect("a bundle");
        let mut used = self.used.borrow_mut();
        let unused = bundle.pre_keys.keys().find(|id| !used.contains(&(device, **id)));
        let pre_key = *unused.expect("a pre key is left");
        used.insert((device, pre_key));
        let words = bundle::write(namespace, &bundle, pre_key);
        let words = words.each_ref().map(String::as_str);
        self.must("meet", namespace, Some((jid, device)), &words);
    }

    /// Encrypts key material to devices, opening sessions where there are none.
    fn message(
        &self,
        namespace: &Namespace,
        to: Vec<DeviceAddress>,
        material: &str,
        payload: Option<Payload>,
    ) -> String {
        let mut recipients: Vec<RecipientKeys> = Vec::new();
        for DeviceAddress { jid, device } in to {
            let at = Some((&jid, device));
            if self.must("knows", namespace, at, &[]) == ["0"] {
                self.meet(namespace, &jid, device);
            }
            let element = self.must("encrypt", namespace, at, &[material]);
            let element = KeyElement {
                device,
                key_exchange: element[0] == "1",
                data: hex::decode(&element[1]),
            };
            let jid = Some(jid).filter(|_| *namespace == Namespace::OMEMO_2);
            match recipients.last_mut() {
                Some(last) if last.jid == jid => last.keys.push(element),
                _ => recipients.push(RecipientKeys {
                    jid,
                    keys: vec![element],
                }),
            }
        }
        let message = EncryptedMessage {
            namespace: namespace.clone(),
            sender_device: self.id,
            recipients,
            payload,
        };
        encrypted_xml(&message).expect("a message can be written")
    }

    /// Decrypts the content with the key material that came for it.
    fn content(&self, message: &EncryptedMessage, material: &str) -> Option<String> {
        let payload = message.content()?;
        let iv = payload.iv.as_deref().unwrap_or_default();
        let words = [material, &word(&payload.ciphertext), &word(iv)];
        let plaintext = self.must("open", &message.namespace, None, &words);
        Some(String::from_utf8(bytes(&plaintext[0])).expect("texts are sent"))
    }
}

impl Device for LibomemoDevice {
    fn address(&self) -> &Address {
        &self.address
    }

    fn id(&self) -> DeviceId {
        self.id
    }

    fn identity_key(&self) -> [u8; 32] {
        self.identity_key
    }

    fn speaks(&self, namespace: &Namespace) -> bool {
        self.protocols.contains(namespace)
    }

    fn encrypt(&self, to: &[BareJid], text: &str) -> Vec<String> {
        let accounts: BTreeSet<_> = to.iter().chain([&self.address.jid]).collect();
        let mut reached = BTreeSet::from([(self.address.jid.clone(), self.id)]);
        let mut messages = Vec::new();
        for namespace in &self.protocols {
            let mut devices = Vec::new();
            for jid in &accounts {
                for device in self.list(namespace, jid).devices.into_keys() {
                    let jid = (*jid).clone();
                    if reached.insert((jid.clone(), device)) {
                        devices.push(DeviceAddress { jid, device });
                    }
                }
            }
            if devices.is_empty() {
                continue;
            }
            let sealed = self.must("seal", namespace, None, &[&word(text.as_bytes())]);
            let payload = Payload {
                ciphertext: bytes(&sealed[1]),
                iv: Some(bytes(&sealed[2])).filter(|iv| !iv.is_empty()),
            };
            messages.push(self.message(namespace, devices, &sealed[0], Some(payload)));
        }
        messages
    }

    fn decrypt(&self, sender: &BareJid, xml: &str) -> Outcome {
        let message = parse(xml);
        let own = message
            .recipients
            .iter()
            .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == self.address.jid))
            .flat_map(|recipient| &recipient.keys)
            .find(|key| key.device == self.id);
        let Some(element) = own else {
            return Outcome::NotForUs;
        };
        let words = [
            &self.number[..],
            version(&message.namespace),
            sender.as_str(),
            &message.sender_device.to_string(),
            if element.key_exchange { "1" } else { "0" },
            &word(&element.data),
        ];
        let decrypted = match self.command("decrypt", &words) {
            Ok(decrypted) => decrypted,
            Err(Code::DUPLICATE) => return Outcome::AlreadyDecrypted,
            Err(code) => {
                return Outcome::Failed {
                    class: code.name(),
                    text: self.log(),
                };
            }
        };
        if element.key_exchange {
            self.publish_bundle(&message.namespace);
        }
        Outcome::Received(Received {
            text: self.content(&message, &decrypted[0]),
            device: message.sender_device,
            identity_key: hex::decode(&decrypted[1]).try_into().expect("an identity key"),
        })
    }

    fn update_device_list(&self, namespace: &Namespace, jid: &BareJid, xml: &str) {
        let list = device_list(namespace, xml).expect("a device list");
        self.lists
            .borrow_mut()
            .insert((namespace.clone(), jid.clone()), list);
    }

    /// Where it does not remember the chain or the session any more, it takes a duplicate for a broken message.
    fn refuses_duplicates_by(&self, class: &str) -> bool {
        ["SG_ERR_INVALID_MESSAGE", "SG_ERR_INVALID_KEY_ID"].contains(&class)
    }

    fn log(&self) -> String {
        self.process.borrow().errors()
    }
}

/// Bytes as the peer reads them.
fn word(bytes: &[u8]) -> String {
    match bytes {
        [] => "-".to_owned(),
        bytes => hex::encode(bytes),
    }
}

fn bytes(word: &str) -> Vec<u8> {
    match word {
        "-" => Vec::new(),
        word => hex::decode(word),
    }
}
