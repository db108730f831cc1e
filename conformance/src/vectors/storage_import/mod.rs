//! The directory `storage_import`: whole storages of another implementation, and what its devices did next. Each device
//! of a dump is taken over and has to do the same, byte for byte.

mod device;
mod draws;
mod network;

use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, Namespace};
use serde::Deserialize;
use serde_json::Value;

use self::device::Device;
use self::network::Network;
use super::checks::{Checks, Context, Verdict};
use super::format::{Bytes, Hex, nullable};

/// A dump.
#[derive(Deserialize)]
struct Dump {
    devices: Vec<Owner>,
    network: network::Recorded,
    in_flight: Vec<Sent>,
    continuation: Vec<Step>,
}

/// A device, and everything it has stored.
#[derive(Deserialize)]
struct Owner {
    name: String,
    jid: String,
    device_id: u32,
    storage: Value,
}

/// A message that was sent before the dump and not delivered yet.
#[derive(Deserialize)]
struct Sent {
    msg: u64,
    namespace: String,
    from: String,
    xml: String,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Step {
    Message(Message),
    Deliver(Box<Delivery>),
    AfterHistorySync { device: String },
}

/// A message that a device sends.
#[derive(Deserialize)]
struct Message {
    msg: u64,
    namespace: String,
    from: String,
    /// Whether the implementation sent it by itself: it is empty then.
    auto: bool,
    #[serde(deserialize_with = "nullable")]
    plaintext: Option<Hex>,
    xml: String,
    sender_secrets: Vec<Secret>,
}

/// What was drawn to send a message.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Secret {
    ContentKey {
        value: Hex,
    },
    ContentIv {
        value: Hex,
    },
    /// A session is opened; the keys that follow are drawn for it.
    BuildSessionActive {
        jid: String,
        device_id: u32,
        pre_key_id: u32,
    },
    X3dhEphemeralPriv {
        value: Bytes<32>,
    },
    RatchetPriv {
        value: Bytes<32>,
    },
}

/// A message that reaches a device.
#[derive(Deserialize)]
struct Delivery {
    msg: u64,
    to: String,
    expect: Expect,
    #[serde(default)]
    plaintext: Option<Hex>,
    sender: Option<Sender>,
    #[serde(default)]
    recipient_secrets: Vec<Secret>,
    #[serde(default)]
    new_pre_keys: Vec<NewPreKey>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Ok,
    Fail,
}

/// Who sent it, as far as the receiver knows.
#[derive(Deserialize)]
struct Sender {
    jid: String,
    device_id: u32,
    identity_ed25519: Bytes<32>,
    trust: String,
}

/// A pre key that was made in the place of one that was used.
#[derive(Deserialize)]
struct NewPreKey {
    id: u32,
    #[serde(rename = "priv")]
    secret: Bytes<32>,
}

/// A message on its way, whoever sent it.
struct Letter<'a> {
    sender: &'a Owner,
    message: EncryptedMessage,
}

/// The names of a dump's devices.
pub(super) fn devices(dump: &Value) -> Verdict<Vec<String>> {
    let dump = Dump::deserialize(dump).map_err(|error| error.to_string())?;
    Ok(dump.devices.into_iter().map(|device| device.name).collect())
}

/// Takes a device of a dump over, and has it do what it did.
pub(super) fn replay(dump: &Value, name: &str, checks: &mut Checks) -> Verdict {
    let dump = Dump::deserialize(dump).map_err(|error| error.to_string())?;
    let owner = dump.owner(name)?;
    let network = Network::read(&dump.network)?;
    let mut device = Device::take_over(owner, &network, checks).context("taking over")?;
    for (index, step) in dump.continuation.iter().enumerate() {
        match step {
            Step::Message(message) if message.from == name => device
                .send(&dump, message, checks)
                .context(format_args!("step {index}, message {}", message.msg))?,
            Step::Deliver(delivery) if delivery.to == name => device
                .receive(&dump.letter(delivery.msg)?, delivery, checks)
                .context(format_args!("step {index}, deliver {}", delivery.msg))?,
            Step::Message(_) | Step::Deliver(_) => {}
            // What it lets loose is among the messages.
            Step::AfterHistorySync { device } => drop(dump.owner(device)?),
        }
    }
    Ok(())
}

impl Dump {
    fn owner(&self, name: &str) -> Verdict<&Owner> {
        let owner = self.devices.iter().find(|device| device.name == name);
        owner.context(format_args!("there is no device {name}"))
    }

    /// A message by its number.
    fn letter(&self, number: u64) -> Verdict<Letter<'_>> {
        let before = self
            .in_flight
            .iter()
            .map(|sent| (sent.msg, &sent.namespace, &sent.from, &sent.xml));
        let later = self.continuation.iter().filter_map(|step| match step {
            Step::Message(sent) => Some((sent.msg, &sent.namespace, &sent.from, &sent.xml)),
            _ => None,
        });
        let (_, namespace, from, xml) = before
            .chain(later)
            .find(|(msg, ..)| *msg == number)
            .context(format_args!("there is no message {number}"))?;
        Ok(Letter {
            sender: self.owner(from)?,
            message: network::message(namespace, xml)?,
        })
    }

    /// The account of a device by its id, where a message does not name it.
    fn account_of(&self, device: DeviceId) -> Verdict<BareJid> {
        let owner = self.devices.iter().find(|owner| owner.device_id == device.get());
        owner.context(format_args!("there is no device {device}"))?.jid()
    }
}

impl Owner {
    fn jid(&self) -> Verdict<BareJid> {
        BareJid::new(&self.jid).context(&self.jid)
    }
}

/// A namespace that is known here.
fn namespace(name: &str) -> Verdict<Namespace> {
    [Namespace::OMEMO_2, Namespace::LEGACY]
        .into_iter()
        .find(|namespace| namespace.as_str() == name)
        .context(format_args!("there is no protocol {name}"))
}
