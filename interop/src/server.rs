//! The server of both sides: bundles and device lists as XML, and a mailbox for each device.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use omemo::{BareJid, DeviceId, Namespace};

use crate::dice::Dice;
use crate::message::{Address, Delivery, Message};

/// How many places a message may fall behind.
const FARTHEST_BACK: usize = 12;

/// The server. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    bundles: BTreeMap<(Namespace, BareJid, DeviceId), String>,
    device_lists: BTreeMap<(Namespace, BareJid), String>,
    mailboxes: BTreeMap<Address, VecDeque<Delivery>>,
    /// Who has come before how many others.
    places: BTreeMap<Address, u32>,
    messages: Vec<Arc<Message>>,
    /// Empty messages, while they are held back.
    held: Option<Vec<Arc<Message>>>,
    lost: Vec<(u64, Address)>,
    reordered: usize,
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
            places: BTreeMap::new(),
            messages: Vec::new(),
            held: None,
            lost: Vec::new(),
            reordered: 0,
            weather: Weather::default(),
            dice: Dice::new(seed),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a device a mailbox, with all device lists in it. One that was there stays, with what is in it.
    pub fn connect(&self, address: &Address) {
        let mut state = self.state();
        let lists: VecDeque<_> = state
            .device_lists
            .iter()
            .map(|((namespace, jid), xml)| Delivery::DeviceList {
                namespace: namespace.clone(),
                jid: jid.clone(),
                xml: xml.clone(),
            })
            .collect();
        state.mailboxes.entry(address.clone()).or_insert(lists);
        let place = u32::try_from(state.places.len()).expect("a few devices");
        state.places.entry(address.clone()).or_insert(place);
    }

    /// How many devices were connected before a device.
    pub(crate) fn place_of(&self, address: &Address) -> u32 {
        self.state().places[address]
    }

    /// Changes the weather for messages that are sent from now on.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// The bundle of a device.
    pub fn bundle(&self, namespace: &Namespace, jid: &BareJid, device: DeviceId) -> Option<String> {
        let key = (namespace.clone(), jid.clone(), device);
        self.state().bundles.get(&key).cloned()
    }

    /// Publishes a bundle, or deletes it.
    pub fn set_bundle(&self, namespace: &Namespace, jid: &BareJid, device: DeviceId, xml: Option<String>) {
        let key = (namespace.clone(), jid.clone(), device);
        match xml {
            Some(xml) => self.state().bundles.insert(key, xml),
            None => self.state().bundles.remove(&key),
        };
    }

    /// The device list of an account.
    pub fn device_list(&self, namespace: &Namespace, jid: &BareJid) -> Option<String> {
        let key = (namespace.clone(), jid.clone());
        self.state().device_lists.get(&key).cloned()
    }

    /// Publishes a device list, and tells everybody.
    pub fn set_device_list(&self, namespace: &Namespace, jid: &BareJid, xml: &str) {
        let mut state = self.state();
        let key = (namespace.clone(), jid.clone());
        state.device_lists.insert(key, xml.to_owned());
        for mailbox in state.mailboxes.values_mut() {
            mailbox.push_back(Delivery::DeviceList {
                namespace: namespace.clone(),
                jid: jid.clone(),
                xml: xml.to_owned(),
            });
        }
    }

    /// Carries a message to every device of `to`, and to the sender's other devices.
    pub fn send(&self, from: &Address, to: &[BareJid], xml: String) -> Arc<Message> {
        let mut state = self.state();
        let number = state.messages.len() as u64;
        let message = Arc::new(Message::read(number, from.clone(), to.to_vec(), xml));
        state.messages.push(Arc::clone(&message));
        match &mut state.held {
            Some(held) if message.empty => held.push(Arc::clone(&message)),
            _ => state.carry(&message),
        }
        message
    }

    /// Holds back empty messages from now on.
    pub fn hold_empty_messages(&self) {
        self.state().held.get_or_insert_default();
    }

    /// Delivers the empty messages that were held back, and says how many there were.
    pub fn release_empty_messages(&self) -> usize {
        let mut state = self.state();
        let held = state.held.take().unwrap_or_default();
        for message in &held {
            state.carry(message);
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

    /// How many arrivals fell behind others by the weather.
    pub fn reordered(&self) -> usize {
        self.state().reordered
    }

    /// What was lost on its way, by the message's number and the device.
    pub fn lost(&self) -> Vec<(u64, Address)> {
        self.state().lost.clone()
    }
}

impl State {
    fn carry(&mut self, message: &Arc<Message>) {
        let Self {
            mailboxes,
            weather,
            dice,
            lost,
            reordered,
            ..
        } = self;
        let to = &message.to;
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
                *reordered += usize::from(back > 0);
                mailbox.insert(mailbox.len() - back, Delivery::Message(Arc::clone(message)));
            }
        }
    }
}
