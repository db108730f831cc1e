//! What has left, and what has arrived.

use std::collections::BTreeMap;

use omemo_sansio::protocol::{Legacy, Omemo2, Protocol};
use omemo_sansio::{DeviceId, EncryptedMessage, Namespace};

use crate::scene::UsedKeys;

/// Remembers every message key that was used and every text that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    keys: UsedKeys,
    /// For whom each text was, and how often each has read it.
    texts: BTreeMap<(String, DeviceId), Reading>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    read: u32,
    /// The process died between the commit and handing the text out.
    died_with_it: bool,
}

impl Ledger {
    /// A message leaves the device.
    pub(crate) fn leaves(&mut self, message: &EncryptedMessage) {
        let protocol: &dyn Protocol = match message.namespace {
            ref namespace if *namespace == Namespace::LEGACY => &Legacy,
            _ => &Omemo2,
        };
        if let Some(twice) = self.keys.leaves(protocol, message).first() {
            panic!("{twice}");
        }
    }

    pub(crate) fn expect(&mut self, text: &str, device: DeviceId) {
        self.texts.entry((text.to_owned(), device)).or_default();
    }

    /// A text will never be read on this device, and should not be.
    pub(crate) fn excuse(&mut self, text: &str, device: DeviceId) {
        let excused = self.texts.remove(&(text.to_owned(), device));
        assert_eq!(
            excused.expect("a text for this device").read,
            0,
            "{text:?} was read on device {device}"
        );
    }

    pub(crate) fn reads(&mut self, text: &str, device: DeviceId) {
        let reading = self
            .texts
            .get_mut(&(text.to_owned(), device))
            .expect("a text for this device");
        reading.read += 1;
        assert_eq!(reading.read, 1, "{text:?} was read twice on device {device}");
    }

    pub(crate) fn died_with(&mut self, text: &str, device: DeviceId) {
        let reading = self
            .texts
            .get_mut(&(text.to_owned(), device))
            .expect("a text for this device");
        reading.died_with_it = true;
    }

    /// At the end everything was read, except what a process has died with in its hands.
    pub(crate) fn check(&self) {
        assert!(!self.texts.is_empty() && !self.keys.is_empty());
        for ((text, device), reading) in &self.texts {
            let expected = u32::from(!reading.died_with_it);
            assert_eq!(reading.read, expected, "{text:?} on device {device}");
        }
    }
}
