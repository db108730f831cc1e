//! Reading what has arrived.

use std::sync::Arc;

use omemo_sansio::{BareJid, DeviceList, IncomingMessage, Namespace};
use omemo_storage::Storage;

use super::device::{Mail, Sheet};
use super::judging::How;
use super::world::World;
use super::writing::is_passing;
use crate::scene::{Interrupted, drive};

/// How often a process may die over one message.
const ATTEMPTS: usize = 4;

/// The most letters of a page.
const MAX_PAGE: usize = 8;

impl<S: Storage> World<'_, S> {
    /// A device takes the first of its mail.
    pub(super) fn takes_mail(&mut self, device: usize) {
        match self.devices[device].mail.pop_front() {
            None => {}
            Some(Mail::Letter(sheet)) => self.reads(device, sheet),
            Some(Mail::List(namespace, jid, list)) => {
                self.struck = false;
                let told = drive(self, device, |account| {
                    account.update_device_list(namespace.clone(), jid.clone(), list.clone())
                });
                let name = &self.devices[device].name;
                self.story
                    .tell(|| format!("{name} is told of the devices of {}", jid.as_str()));
                match told {
                    Ok(_) => self.has_heard(device, &namespace, &jid, &list),
                    Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                        self.finds(|| format!("a device list is not taken: {error}"));
                    }
                    Err(_) => self.devices[device]
                        .mail
                        .push_front(Mail::List(namespace, jid, list)),
                }
            }
        }
    }

    /// A device knows who is on a list.
    fn has_heard(&mut self, device: usize, namespace: &Namespace, jid: &BareJid, list: &DeviceList) {
        for (other, known) in self.devices.iter().enumerate() {
            if known.jid == *jid {
                let is_listed = list.devices.contains_key(&known.id);
                let duties = &mut self.model.of_mut(device).duties;
                duties.is_told(other, namespace, is_listed);
            }
        }
    }

    /// A device takes so many of the letters that come first, as a page of its archive.
    pub(super) fn takes_page(&mut self, device: usize, count: u8) {
        let mail = &mut self.devices[device].mail;
        let mut page = Vec::new();
        while page.len() <= usize::from(count) % MAX_PAGE
            && let Some(Mail::Letter(_)) = mail.front()
            && let Some(Mail::Letter(sheet)) = mail.pop_front()
        {
            page.push(sheet);
        }
        let letters = page.len();
        self.tell(device, &format!("reads a page of {letters}"));
        self.reads_page(device, page);
    }

    fn reads_page(&mut self, device: usize, page: Vec<Sheet>) {
        let messages: Arc<[IncomingMessage]> = page.iter().map(|sheet| (*sheet.message).clone()).collect();
        let mut may_be_gone = false;
        for _ in 0..ATTEMPTS {
            self.struck = false;
            match drive(self, device, |account| account.decrypt_many(messages.clone())) {
                Ok((outcomes, committed)) => {
                    // Another process may have begun or ended it meanwhile.
                    let catching_up = self.is_catching_up(device);
                    let how = How {
                        committed,
                        may_be_gone,
                        catching_up,
                    };
                    let mut ended: Vec<_> = page.into_iter().zip(outcomes).collect();
                    if may_be_gone {
                        // What a process that died has read is known by what comes whole.
                        ended.sort_by_key(|(sheet, _)| sheet.damaged);
                    }
                    for (sheet, outcome) in ended {
                        self.has_ended(device, sheet, outcome, how);
                    }
                    return;
                }
                Err(Interrupted::Died { committed }) => {
                    self.tell(device, "dies over it");
                    may_be_gone |= committed;
                }
                Err(Interrupted::Failed(error)) if self.struck && is_passing(&error) => {
                    self.tell(device, &format!("cannot read it now: {error}"));
                    for sheet in page.into_iter().rev() {
                        self.devices[device].mail.push_front(Mail::Letter(sheet));
                    }
                    return;
                }
                Err(Interrupted::Failed(error)) => {
                    return self.finds(|| format!("a page cannot be read: {error}"));
                }
            }
        }
        self.finds(|| "a process dies without end".to_owned());
    }

    fn reads(&mut self, device: usize, sheet: Sheet) {
        let mut may_be_gone = false;
        for _ in 0..ATTEMPTS {
            self.struck = false;
            let (outcome, committed) =
                match drive(self, device, |account| account.decrypt(sheet.message.clone())) {
                    Ok((decrypted, committed)) => (Ok(decrypted), committed),
                    Err(Interrupted::Failed(error)) => (Err(error), false),
                    // It reads the message again at once.
                    Err(Interrupted::Died { committed }) => {
                        let when = if committed {
                            ", after the commit"
                        } else {
                            ", before the commit"
                        };
                        self.tells_of(device, "dies over", &sheet, when);
                        may_be_gone |= committed;
                        continue;
                    }
                };
            let how = How {
                committed,
                may_be_gone,
                catching_up: self.is_catching_up(device),
            };
            return self.has_ended(device, sheet, outcome, how);
        }
        self.finds(|| "a process dies without end".to_owned());
    }
}
