//! The server of both sides: bundles and device lists as XML, and a mailbox for each device.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo::{BareJid, DeviceId};

use crate::dice::Dice;
use crate::message::{Address, Delivery, Message};

/// How many places a message may fall behind.
const FARTHEST_BACK: usize = 12;

/// The server. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bundles: BTreeMap<(BareJid, DeviceId), String>,
    device_lists: BTreeMap<BareJid, String>,
    mailboxes: BTreeMap<Address, VecDeque<Delivery>>,
    messages: Vec<Arc<Message>>,
    /// Empty messages, while they are held back.
    held: Option<Vec<Arc<Message>>>,
    lost: Vec<(u64, Address)>,
    weather: Weather,
    dice: Dice,
}

/// How many of a hundred messages, for each device, are lost, delivered twice, or fall behind others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Lost.
    pub lost: u8,
    /// Delivered twice.
    pub repeated: u8,
    /// Delivered after some that were sent later.
    pub reordered: u8,
}

impl Server {
    /// A server in fair weather; `seed` makes the weather repeat.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            bundles: BTreeMap::new(),
            device_lists: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            messages: Vec::new(),
            held: None,
            lost: Vec::new(),
            weather: Weather::default(),
            dice: Dice::new(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a device a mailbox. One that was there stays, with what is in it.
    pub fn connect(&self, address: &Address) {
        self.state().mailboxes.entry(address.clone()).or_default();
    }

    /// Changes the weather for messages that are sent from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// The bundle of a device.
    pub fn bundle(&self, jid: &BareJid, device: DeviceId) -> Option<String> {
        self.state().bundles.get(&(jid.clone(), device)).cloned()
    }

    /// Publishes a bundle, or deletes it.
    pub fn set_bundle(&self, jid: &BareJid, device: DeviceId, xml: Option<String>) {
        let key = (jid.clone(), device);
        match xml {
            Some(xml) => self.state().bundles.insert(key, xml),
            None => self.state().bundles.remove(&key),
        };
    }

    /// The device list of an account.
    pub fn device_list(&self, jid: &BareJid) -> Option<String> {
        self.state().device_lists.get(jid).cloned()
    }

    /// Publishes a device list, and tells everybody.
    pub fn set_device_list(&self, jid: &BareJid, xml: &str) {
        let mut state = self.state();
        state.device_lists.insert(jid.clone(), xml.to_owned());
        for mailbox in state.mailboxes.values_mut() {
            mailbox.push_back(Delivery::DeviceList {
                jid: jid.clone(),
                xml: xml.to_owned(),
            });
        }
    }

    /// Carries a message to every device of `to`, and to the sender's other devices.
    pub fn send(&self, from: &Address, to: &[BareJid], xml: String) -> Arc<Message> {
        let mut state = self.state();
        let number = state.messages.len() as u64;
        let message = Arc::new(Message::read(number, from.clone(), xml));
        state.messages.push(Arc::clone(&message));
        match &mut state.held {
            Some(held) if message.empty => held.push(Arc::clone(&message)),
            _ => state.carry(to, &message),
        }
        message
    }

    /// Holds back empty messages from now on.
    pub fn hold_empty_messages(&self) {
        self.state().held.get_or_insert_default();
    }

    /// Delivers the empty messages that were held back, to the accounts that they hold keys for, and says how many
    /// there were.
    pub fn release_empty_messages(&self) -> usize {
        let mut state = self.state();
        let held = state.held.take().unwrap_or_default();
        for message in &held {
            let to: Vec<_> = message.keys.iter().map(|key| key.jid.clone()).collect();
            state.carry(&to, message);
        }
        held.len()
    }

    /// Takes the next thing that has arrived.
    pub fn take(&self, address: &Address) -> Option<Delivery> {
        self.state().mailboxes.get_mut(address)?.pop_front()
    }

    /// Puts what has arrived in another order.
    pub fn shuffle(&self, address: &Address) {
        let State { mailboxes, dice, .. } = &mut *self.state();
        if let Some(mailbox) = mailboxes.get_mut(address) {
            dice.shuffle(mailbox.make_contiguous());
        }
    }

    /// Puts what would arrive next behind everything else that has arrived.
    pub fn defer(&self, address: &Address) {
        if let Some(mailbox) = self.state().mailboxes.get_mut(address)
            && let Some(delivery) = mailbox.pop_front()
        {
            mailbox.push_back(delivery);
        }
    }

    /// Delivers a message once more, to one device.
    pub fn repeat(&self, message: &Arc<Message>, to: &Address) {
        if let Some(mailbox) = self.state().mailboxes.get_mut(to) {
            mailbox.push_back(Delivery::Message(Arc::clone(message)));
        }
    }

    /// Everything that was sent so far.
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.state().messages.clone()
    }

    /// What was lost on its way, by the message's number and the device.
    pub fn lost(&self) -> Vec<(u64, Address)> {
        self.state().lost.clone()
    }
}

impl State {
    fn carry(&mut self, to: &[BareJid], message: &Arc<Message>) {
        let Self {
            mailboxes,
            weather,
            dice,
            lost,
            ..
        } = self;
        for (address, mailbox) in mailboxes {
            if *address == message.from || !(to.contains(&address.jid) || address.jid == message.from.jid) {
                continue;
            }
            if dice.percent(weather.lost) {
                lost.push((message.number, address.clone()));
                continue;
            }
            let copies = 1 + usize::from(dice.percent(weather.repeated));
            for _ in 0..copies {
                let back = match dice.percent(weather.reordered) {
                    true => dice.below(mailbox.len().min(FARTHEST_BACK) + 1),
                    false => 0,
                };
                mailbox.insert(mailbox.len() - back, Delivery::Message(Arc::clone(message)));
            }
        }
    }
}
