//! What becomes of the mail before it is read.

use omemo_storage::Storage;

use super::cast;
use super::device::Mail;
use super::world::{Fate, World};

impl<S: Storage> World<'_, S> {
    /// Reads what is there now, and what is put aside meanwhile not again.
    pub(super) fn takes_all_mail(&mut self, device: usize) {
        for _ in 0..self.devices[device].mail.len() {
            self.takes_mail(device);
        }
    }

    pub(super) fn loses_mail(&mut self, device: usize) {
        let Some(mail) = self.devices[device].mail.pop_front() else {
            return;
        };
        if let Mail::Letter(sheet) = mail {
            let what = self.what(&sheet);
            self.tell(device, &format!("will not get {what}: it is lost on its way"));
            if !sheet.damaged && self.texts[sheet.number].for_whom[&device] == Fate::OnItsWay {
                self.set_fate(device, &sheet, Fate::Lost);
            }
        }
    }

    /// The first of the mail will come again.
    pub(super) fn repeats_mail(&mut self, device: usize) {
        let first = self.devices[device].mail.front().cloned();
        self.devices[device].mail.extend(first);
        self.tell(device, "will get the next of its mail twice");
    }

    /// The first of the mail is overtaken by so many.
    pub(super) fn reorders_mail(&mut self, device: usize, by: u8) {
        let mail = &mut self.devices[device].mail;
        if !mail.is_empty() {
            mail.rotate_left(1 + usize::from(by) % mail.len());
        }
        self.tell(device, "gets its mail in another order");
    }

    /// The first of the mail is overtaken by a conversation with its sender: an answer, and what is said to that.
    pub(super) fn lags(&mut self, device: usize) {
        let Some(Mail::Letter(sheet)) = self.devices[device].mail.front().cloned() else {
            return;
        };
        let sender = sheet.letter.from;
        let (own, its) = (self.account_of(device), self.account_of(sender));
        if own == its || self.devices[sender].gone {
            return;
        }
        self.devices[device].mail.pop_front();
        let what = self.what(&sheet);
        self.tell(device, &format!("will get {what} later than what comes now"));
        self.takes_all_mail(device);
        self.writes(device, &[its]);
        self.takes_all_mail(sender);
        self.writes(sender, &[own]);
        self.takes_all_mail(device);
        self.devices[device].mail.push_back(Mail::Letter(sheet));
    }

    fn account_of(&self, device: usize) -> usize {
        self.devices[device].account_number
    }

    /// A device is told of the device lists that these accounts have.
    pub(super) fn hears(&mut self, device: usize, accounts: &[usize]) {
        for account in accounts {
            for namespace in self.devices[device].namespaces.clone() {
                let jid = cast::jid(*account);
                if let Some(list) = self.server.lists.get(&(namespace.clone(), jid.clone())) {
                    let list = Mail::List(namespace, jid, list.clone());
                    self.devices[device].mail.push_front(list);
                    self.takes_mail(device);
                }
            }
        }
    }
}
