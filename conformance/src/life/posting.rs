//! From one device to others.

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo_sansio::protocol::Incoming;
use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, IncomingMessage, Namespace};
use omemo_storage::Storage;

use super::cast;
use super::device::{Mail, Sheet};
use super::model::Letter;
use super::world::{Fate, Text, World};

impl<S: Storage> World<'_, S> {
    /// Hands a message to every device of these accounts that it has a key for.
    pub(super) fn posts(
        &mut self,
        from: usize,
        accounts: &[usize],
        message: &EncryptedMessage,
        text: Option<usize>,
    ) {
        let protocols = cast::protocols();
        let protocol = protocols
            .iter()
            .find(|protocol| protocol.namespace() == message.namespace)
            .expect("devices speak what there is");
        let reused = self.used.leaves(protocol.as_ref(), message);
        let incoming = Arc::new(IncomingMessage {
            sender: self.devices[from].jid.clone(),
            message: message.clone(),
        });
        for recipient in &message.recipients {
            for element in &recipient.keys {
                let Some(to) = self.addressee(accounts, recipient.jid.as_ref(), element.device) else {
                    continue;
                };
                let parsed = protocol.parse(&element.data).expect("what leaves can be read");
                let Some(letter) = self.letter([from, to], &message.namespace, parsed) else {
                    self.finds(|| "a device writes in a session that it cannot have".to_owned());
                    return;
                };
                if let Some(what) = self.model.is_written_wrongly(&letter)
                    && !self.devices[from].adrift
                {
                    let name = self.name(from).to_owned();
                    self.finds(|| format!("{name} writes in {what}"));
                }
                self.model.leaves(&letter, self.now);
                if text.is_none() {
                    let answerer = self.model.of_mut(from);
                    answerer.duties.answers(to, &message.namespace);
                }
                if let Some(twice) = reused.iter().find(|twice| twice.element == *element)
                    && !self.devices[from].adrift
                    && !self.model.is_tainted(&letter.session)
                {
                    self.finds(|| twice.to_string());
                }
                let number = text.unwrap_or_else(|| self.writes_down(String::new()));
                self.texts[number].for_whom.insert(to, Fate::OnItsWay);
                let message = Arc::clone(&incoming);
                self.devices[to].mail.push_back(Mail::Letter(Sheet {
                    number,
                    letter,
                    message,
                    damaged: false,
                }));
            }
        }
    }

    /// What one device writes to another, and in which session; `None` if it can have none.
    fn letter(&self, [from, to]: [usize; 2], namespace: &Namespace, written: Incoming) -> Option<Letter> {
        let session = match &written.key_exchange {
            Some(key_exchange) => Some(key_exchange.base_key),
            None => self.model.live(from, to, namespace),
        };
        Some(Letter {
            from,
            to,
            namespace: namespace.clone(),
            session: session?,
            header: *written.message.header(),
            key_exchange: written.key_exchange,
        })
    }

    /// Another text; returns its number. An empty message has no letters.
    pub(super) fn writes_down(&mut self, text: String) -> usize {
        let for_whom = BTreeMap::new();
        self.texts.push(Text { text, for_whom });
        self.texts.len() - 1
    }

    /// The device that a key element is for, if it is there.
    fn addressee(&self, accounts: &[usize], jid: Option<&BareJid>, id: DeviceId) -> Option<usize> {
        self.devices.iter().position(|device| {
            device.id == id
                && !device.gone
                && accounts.contains(&device.account_number)
                && jid.is_none_or(|jid| *jid == device.jid)
        })
    }

    /// Notes down who is not on the list of its account: others may take that for true from now on.
    pub(super) fn looks_who_is_unlisted(&mut self, namespace: &Namespace, jid: &BareJid) {
        let list = self.server.lists.get(&(namespace.clone(), jid.clone()));
        let devices = self.devices.iter().enumerate();
        let of_account = devices.filter(|(_, device)| device.jid == *jid);
        let unlisted =
            of_account.filter(|(_, device)| list.is_none_or(|list| !list.devices.contains_key(&device.id)));
        let unlisted = unlisted.map(|(number, _)| (number, namespace.clone()));
        self.unlisted.extend(unlisted);
    }

    /// Everybody is told of a device list, sooner or later.
    pub(super) fn announces(&mut self, namespace: &Namespace, jid: &BareJid) {
        let Some(list) = self.server.lists.get(&(namespace.clone(), jid.clone())) else {
            return;
        };
        for device in self.devices.iter_mut().filter(|device| !device.gone) {
            if device.namespaces.contains(namespace) {
                let list = Mail::List(namespace.clone(), jid.clone(), list.clone());
                device.mail.push_back(list);
            }
        }
    }
}
