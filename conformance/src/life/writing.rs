//! Writing to accounts.

use std::collections::BTreeMap;

use omemo_sansio::protocol::KeyMaterial;
use omemo_sansio::{
    BareJid, EncryptFailure, EncryptRequest, EncryptedMessage, Error, Outgoing, SkipReason, SkippedDevice,
};
use omemo_storage::{Retry, Storage};

use super::cast;
use super::device::Mail;
use super::world::{Fate, Text, World};
use crate::scene::{Interrupted, drive};

/// So many messages that one of them has the number 53.
const A_LOT: usize = 54;

impl<S: Storage> World<'_, S> {
    /// A device writes to accounts, and to the other devices of its own. Answers the number of the text, if it left.
    pub(super) fn writes(&mut self, from: usize, to: &[usize]) -> Option<usize> {
        let text = format!("m{}", self.texts.len());
        let recipients: Vec<BareJid> = to.iter().map(|account| cast::jid(*account)).collect();
        let this = &self.devices[from];
        let plaintexts: BTreeMap<_, _> = this
            .namespaces
            .iter()
            .map(|namespace| (namespace.clone(), text.clone().into_bytes().into()))
            .collect();
        let mut request = EncryptRequest::new(recipients, this.namespaces[0].clone(), Vec::new());
        request.plaintexts = plaintexts;
        self.struck = false;
        match drive(self, from, |account| account.encrypt(request)) {
            Ok((encrypted, committed)) => {
                if !committed {
                    self.finds(|| "a ciphertext left before its commit".to_owned());
                }
                let (outgoing, skipped) = encrypted.partial();
                self.may_leave_out(from, &skipped);
                Some(self.has_written(from, to, text, &outgoing))
            }
            Err(Interrupted::Died { .. }) => {
                self.story
                    .tell(|| format!("{} dies writing {text}", self.devices[from].name));
                None
            }
            Err(Interrupted::Failed(error)) => {
                let name = &self.devices[from].name;
                self.story
                    .tell(|| format!("{name} cannot write {text} to {}: {error}", people(to)));
                let is_explained = self.struck && is_passing(&error) || self.is_unreachable(from, to, &error);
                if !is_explained {
                    self.finds(|| format!("a message cannot be written: {error}"));
                }
                None
            }
        }
    }

    fn has_written(&mut self, from: usize, to: &[usize], text: String, outgoing: &Outgoing) -> usize {
        let number = self.writes_down(text);
        let mut accounts = to.to_vec();
        accounts.push(self.devices[from].account_number);
        for message in &outgoing.messages {
            self.posts(from, &accounts, message, Some(number));
        }
        self.has_keys_for_all(from, number, outgoing);
        for (message, material) in outgoing.messages.iter().zip(&outgoing.key_materials) {
            self.uses_content_key(message, material);
        }
        let Text { text, for_whom } = &self.texts[number];
        let (devices, people) = (&self.devices, people(to));
        self.story.tell(|| {
            let readers: Vec<&str> = for_whom.keys().map(|device| &*devices[*device].name).collect();
            let exchange = |device: &usize| {
                let last = devices[*device].mail.back();
                matches!(last, Some(Mail::Letter(sheet)) if sheet.letter.key_exchange.is_some())
            };
            let new = for_whom.keys().filter(|device| exchange(device)).count();
            let name = &devices[from].name;
            format!(
                "{name} writes {text} to {people}, for {} ({new} with a key exchange)",
                readers.join(", ")
            )
        });
        number
    }

    /// Every device that a text is said to be for has a key, and none that is distrusted.
    fn has_keys_for_all(&mut self, from: usize, number: usize, outgoing: &Outgoing) {
        for address in &outgoing.encrypted_to {
            let device = self
                .devices
                .iter()
                .position(|device| device.jid == address.jid && device.id == address.device);
            let has_it = device.is_some_and(|device| {
                self.texts[number].for_whom.contains_key(&device) || self.devices[device].gone
            });
            if !has_it {
                self.finds(|| format!("no key for device {} of {:?}", address.device, address.jid));
            }
            let is_distrusted = device.is_some_and(|device| self.model.of(from).distrusted.contains(&device));
            if is_distrusted && !self.devices[from].adrift {
                self.finds(|| "a text is written to a device that is distrusted".to_owned());
            }
        }
    }

    /// Each content has a key and an initialisation vector of its own.
    fn uses_content_key(&mut self, message: &EncryptedMessage, material: &KeyMaterial) {
        self.has_drawn(material.key().to_vec());
        self.uses_iv(message);
    }

    /// So has what the library sends by itself, whose key nobody sees.
    pub(super) fn uses_iv(&mut self, message: &EncryptedMessage) {
        if let Some(iv) = message.payload.as_ref().and_then(|payload| payload.iv.clone()) {
            self.has_drawn(iv);
        }
    }

    fn has_drawn(&mut self, drawn: Vec<u8>) {
        if !self.content_keys.insert(drawn) {
            self.finds(|| "a content key or an initialisation vector was used twice".to_owned());
        }
    }

    /// A device writes to an account until that must answer, however little it says. Unless all of it arrives, the last
    /// alone does.
    pub(super) fn writes_a_lot(&mut self, from: usize, account: usize, arrives: bool) {
        let mut texts = Vec::new();
        for _ in 0..A_LOT {
            match self.writes(from, &[account]) {
                Some(text) => texts.push(text),
                None => break,
            }
        }
        texts.pop();
        if arrives {
            return;
        }
        for device in 0..self.devices.len() {
            let mail = std::mem::take(&mut self.devices[device].mail);
            for mail in mail {
                match mail {
                    Mail::Letter(sheet) if texts.contains(&sheet.number) => {
                        self.set_fate(device, &sheet, Fate::Lost);
                    }
                    mail => self.devices[device].mail.push_back(mail),
                }
            }
        }
        self.tell(from, "has written much that is lost on its way");
    }

    /// Every device that a message is not for must be left out for a reason.
    fn may_leave_out(&mut self, from: usize, skipped: &[SkippedDevice]) {
        for skipped in skipped {
            if !self.may_be_skipped(from, skipped) {
                let SkippedDevice { jid, device, reason } = skipped;
                self.finds(|| format!("device {device:?} of {jid:?} is left out: {reason:?}"));
            }
        }
    }

    /// Whether a device may be left out of a message.
    fn may_be_skipped(&self, from: usize, skipped: &SkippedDevice) -> bool {
        let gone = self
            .devices
            .iter()
            .any(|device| device.jid == skipped.jid && Some(device.id) == skipped.device && device.gone);
        let is_distrusted = |device: &usize| {
            let other = &self.devices[*device];
            other.jid == skipped.jid && Some(other.id) == skipped.device
        };
        match &skipped.reason {
            SkipReason::NoCommonProtocol => true,
            SkipReason::Distrusted(_) => {
                let mut distrusted = self.model.of(from).distrusted.iter();
                self.devices[from].adrift || distrusted.any(is_distrusted)
            }
            _ if gone => true,
            SkipReason::DeviceList(..) | SkipReason::Bundle(omemo_sansio::BundleFailure::Network(_)) => {
                self.struck
            }
            _ => false,
        }
    }

    /// Whether some account has no device that speaks what this one does, or has had one come or go, of which this one
    /// need not have heard.
    fn is_unreachable(&self, from: usize, to: &[usize], error: &Error) -> bool {
        let Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }) = error else {
            return false;
        };
        to.iter().any(|account| {
            let devices = self.devices_of(*account);
            devices.len() != self.cast.accounts()[*account]
                || devices.iter().any(|device| {
                    self.devices[*device].gone
                        || !self.have_common_protocol(from, *device)
                        || self.model.of(from).distrusted.contains(device)
                })
        })
    }

    pub(super) fn have_common_protocol(&self, one: usize, other: usize) -> bool {
        let other = &self.devices[other].namespaces;
        self.devices[one]
            .namespaces
            .iter()
            .any(|namespace| other.contains(namespace))
    }
}

/// Whether asking again may help.
pub(super) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.retry() != Retry::Never,
        Error::Network { .. } | Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }) => true,
        _ => false,
    }
}

fn people(accounts: &[usize]) -> String {
    let people: Vec<_> = accounts.iter().map(|account| cast::person(*account)).collect();
    people.join(" and ")
}
