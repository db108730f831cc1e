//! An XMPP server in this process, for tests, examples and demonstrations: it keeps bundles and device lists, hands
//! messages to every device of an account and to the sender's other devices, and tells everybody of new device lists.
//! On request it loses, repeats, delays and reorders what it carries, or fails.

mod mailbox;
mod network;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo_sansio::{BareJid, Bundle, DeviceId, DeviceList, EncryptedMessage, IncomingMessage, Namespace};

use mailbox::Mailbox;
pub use network::Connection;
pub use weather::Weather;

/// The server. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bundles: BTreeMap<(BareJid, Namespace, DeviceId), Bundle>,
    device_lists: BTreeMap<(BareJid, Namespace), DeviceList>,
    mailboxes: BTreeMap<Address, Mailbox>,
    weather: Weather,
    dice: weather::Dice,
    seen: Seen,
    /// How many of the next uploads, of the next downloads, and of the next messages fail.
    failing_uploads: u32,
    failing_downloads: u32,
    failing_messages: u32,
}

/// A connection's address: the account, and a name for the device that the server does not otherwise know.
type Address = (BareJid, String);

/// Something that arrives at a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(IncomingMessage),
    /// A new device list of an account (a PEP event).
    DeviceList {
        /// The protocol.
        namespace: Namespace,
        /// The account.
        jid: BareJid,
        /// Its list.
        list: DeviceList,
    },
}

/// What the server saw pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Messages that were handed in.
    pub messages: u64,
    /// Messages among them without content.
    pub empty_messages: u64,
    /// Key elements that were key exchanges.
    pub key_exchanges: u64,
    /// Bytes of key elements and payloads.
    pub bytes: u64,
    /// Bundles that were published.
    pub bundles: u64,
    /// Bundles that were downloaded.
    pub bundle_downloads: u64,
    /// Device lists that were published.
    pub device_lists: u64,
}

impl Server {
    /// A server in fair weather.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects a device of an account under a name. What arrives while nobody looks waits for it; connecting again
    /// under the same name finds it.
    pub fn connect(&self, jid: &BareJid, name: &str) -> Connection {
        let address = (jid.clone(), name.to_owned());
        self.state().mailboxes.entry(address.clone()).or_default();
        Connection::new(self.clone(), address)
    }

    /// Changes the weather for messages handed in from now on. `seed` makes it repeat.
    pub fn set_weather(&self, weather: Weather, seed: u64) {
        let mut state = self.state();
        state.weather = weather;
        state.dice = weather::Dice::new(seed);
    }

    /// Lets everything that is delayed arrive.
    pub fn clear_up(&self) {
        let mut state = self.state();
        state.weather = Weather::default();
        state.mailboxes.values_mut().for_each(Mailbox::release);
    }

    /// Makes the next uploads fail.
    pub fn fail_uploads(&self, count: u32) {
        self.state().failing_uploads = count;
    }

    /// Makes the next downloads fail.
    pub fn fail_downloads(&self, count: u32) {
        self.state().failing_downloads = count;
    }

    /// Makes the next messages fail that are sent by [`Network::send_message`](crate::Network::send_message): those without
    /// content, not the application's.
    pub fn fail_messages(&self, count: u32) {
        self.state().failing_messages = count;
    }

    /// What has passed so far.
    pub fn seen(&self) -> Seen {
        self.state().seen
    }

    /// The bundle a device has published.
    pub fn bundle(&self, jid: &BareJid, namespace: &Namespace, device: DeviceId) -> Option<Bundle> {
        self.state()
            .bundles
            .get(&(jid.clone(), namespace.clone(), device))
            .cloned()
    }

    /// The device list an account has published.
    pub fn device_list(&self, jid: &BareJid, namespace: &Namespace) -> Option<DeviceList> {
        self.state()
            .device_lists
            .get(&(jid.clone(), namespace.clone()))
            .cloned()
    }

    /// Publishes a bundle for any device, as a foreign client or an attacker would.
    pub fn publish_bundle(&self, jid: &BareJid, namespace: &Namespace, device: DeviceId, bundle: Bundle) {
        let mut state = self.state();
        state.seen.bundles += 1;
        state
            .bundles
            .insert((jid.clone(), namespace.clone(), device), bundle);
    }

    /// Takes a bundle back.
    pub fn delete_bundle(&self, jid: &BareJid, namespace: &Namespace, device: DeviceId) {
        self.state()
            .bundles
            .remove(&(jid.clone(), namespace.clone(), device));
    }

    /// Publishes a device list for any account, and tells everybody.
    pub fn publish_device_list(&self, jid: &BareJid, namespace: &Namespace, list: DeviceList) {
        let mut state = self.state();
        state.seen.device_lists += 1;
        state
            .device_lists
            .insert((jid.clone(), namespace.clone()), list.clone());
        for mailbox in state.mailboxes.values_mut() {
            mailbox.push(Delivery::DeviceList {
                namespace: namespace.clone(),
                jid: jid.clone(),
                list: list.clone(),
            });
        }
    }

    /// Hands a message to every device of `to`, and to those of `from` except the one called `except`.
    pub fn route(&self, from: &BareJid, except: Option<&str>, to: &[BareJid], message: &EncryptedMessage) {
        let mut guard = self.state();
        let State {
            mailboxes,
            weather,
            dice,
            seen,
            ..
        } = &mut *guard;
        seen.count(message);
        for ((jid, name), mailbox) in mailboxes {
            if (jid == from && except == Some(name)) || !(to.contains(jid) || jid == from) {
                continue;
            }
            let delivery = Delivery::Message(IncomingMessage {
                sender: from.clone(),
                message: message.clone(),
            });
            weather.carry(dice, mailbox, delivery);
        }
    }
}

impl Seen {
    fn count(&mut self, message: &EncryptedMessage) {
        self.messages += 1;
        self.empty_messages += u64::from(message.content().is_none());
        self.bytes += message
            .payload
            .as_ref()
            .map_or(0, |payload| payload.ciphertext.len() as u64);
        for element in message.recipients.iter().flat_map(|recipient| &recipient.keys) {
            self.key_exchanges += u64::from(element.key_exchange);
            self.bytes += element.data.len() as u64;
        }
    }
}
