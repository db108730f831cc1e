//! Our client, with a session for each of its contacts.

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{BareJid, Client, EncryptRequest, Encrypted, Namespace, Omemo2, Settings};
use omemo_storage::{AccountId, Counts, Key, Metered, Revision, Storage};
use omemo_storage_memory::MemoryStorage;

use super::watched::{Seen, Watched};
use crate::measure::Failure;

/// A client on a storage, with all defaults.
pub(crate) struct Sender<S> {
    client: Client<Metered<Watched<S>>, Connection>,
    account: AccountId,
    contacts: Vec<BareJid>,
    /// How many devices each contact has.
    each: usize,
}

/// A row that is stored: its key, and the length of its value.
pub(crate) type Row = (Key, usize);

impl<S: Storage> Sender<S> {
    /// Opens it, and its contacts with so many devices each. It has written to them, and they have answered.
    pub(crate) fn open(storage: S, contacts: usize, each: usize) -> Result<Self, Failure> {
        let server = Server::new();
        let contacts = (0..contacts)
            .map(|number| BareJid::new(&format!("contact{number}@capulet.lit")))
            .collect::<Result<Vec<_>, _>>()?;
        let recipients = contacts
            .iter()
            .flat_map(|jid| (0..each).map(move |device| (jid, device)))
            .map(|(jid, device)| open(&server, jid, &format!("device{device}"), MemoryStorage::new()))
            .collect::<Result<Vec<_>, _>>()?;
        let jid = BareJid::new("romeo@montague.lit")?;
        let client = open(&server, &jid, "phone", Metered::new(Watched::new(storage)))?;
        let sender = Self {
            client,
            account: AccountId::new(jid.as_str())?,
            contacts,
            each,
        };

        let encrypted = sender
            .encrypt(sender.request(sender.contacts.len() * each, 1))?
            .complete()?;
        for message in &encrypted.messages {
            sender.client.network().send(&sender.contacts, message);
        }
        for recipient in &recipients {
            receive(recipient)?;
        }
        // Only now, as the other devices of a contact would get to see the answers too.
        for recipient in &recipients {
            wait(recipient.flush())?;
        }
        receive(&sender.client)?;
        Ok(sender)
    }

    /// What to encrypt to the first so many devices.
    pub(crate) fn request(&self, devices: usize, length: usize) -> EncryptRequest {
        let contacts = devices.div_ceil(self.each);
        let to = self.contacts.iter().take(contacts).cloned().collect();
        EncryptRequest::new(to, Namespace::OMEMO_2, vec![b'x'; length])
    }

    pub(crate) fn encrypt(&self, request: EncryptRequest) -> Result<Encrypted, Failure> {
        Ok(wait(self.client.encrypt(request))?)
    }

    /// The storage that it is on.
    pub(crate) fn storage(&self) -> &S {
        self.client.storage().inner().inner()
    }

    /// What is seen of the storage's calls while so many messages are sent.
    pub(crate) fn watch(&self, messages: usize, devices: usize, length: usize) -> Result<Seen, Failure> {
        self.client.storage().inner().watch(|| {
            (0..messages).try_for_each(|_| {
                let _ = self.encrypt(self.request(devices, length))?.complete()?;
                Ok(())
            })
        })
    }

    /// Sends a message; which rows that wrote, and what it cost.
    pub(crate) fn rows_of_a_message(
        &self,
        devices: usize,
        length: usize,
    ) -> Result<(Vec<Row>, Counts), Failure> {
        let before = self.records()?;
        self.client.storage().take();
        let encrypted = self.encrypt(self.request(devices, length))?.complete()?;
        let counts = self.client.storage().take();

        let mut keys = encrypted
            .messages
            .iter()
            .flat_map(|message| &message.recipients)
            .flat_map(|recipient| &recipient.keys);
        if encrypted.encrypted_to.len() != devices || keys.any(|key| key.key_exchange) {
            return Err("a session is not established".into());
        }
        let rows: Vec<_> = self
            .records()?
            .into_iter()
            .filter(|(key, (revision, _))| before.get(key).map(|(before, _)| before) != Some(revision))
            .map(|(key, (_, bytes))| (key, bytes))
            .collect();
        if rows.len() as u64 != counts.records_written {
            return Err("a message wrote other rows than it counted".into());
        }
        Ok((rows, counts))
    }

    /// Every row that is stored.
    pub(crate) fn all_rows(&self) -> Result<Vec<Row>, Failure> {
        let rows = self.records()?.into_iter();
        Ok(rows.map(|(key, (_, bytes))| (key, bytes)).collect())
    }

    fn records(&self) -> Result<BTreeMap<Key, (Revision, usize)>, Failure> {
        let storage = self.client.storage().inner();
        let mut records = BTreeMap::new();
        let mut after = None;
        loop {
            let page = wait(storage.records(&self.account, after.as_ref(), 1_000))?;
            let entries = page.entries.into_iter();
            records.extend(entries.map(|info| (info.key, (info.revision, info.bytes))));
            after = page.next;
            if after.is_none() {
                return Ok(records);
            }
        }
    }
}

fn open<S: Storage>(
    server: &Server,
    jid: &BareJid,
    device: &str,
    storage: S,
) -> Result<Client<S, Connection>, Failure> {
    let connection = server.connect(jid, device);
    let settings = Settings {
        protocols: vec![Arc::new(Omemo2)],
        ..Settings::new(jid.clone())
    };
    let builder = Client::builder(settings, storage, connection);
    Ok(wait(builder.catch_up(false).open())?)
}

/// Takes in every message that has arrived.
fn receive<S: Storage>(client: &Client<S, Connection>) -> Result<(), Failure> {
    while let Some(delivery) = client.network().receive() {
        if let Delivery::Message(message) = delivery {
            let _ = wait(client.decrypt(message))?;
        }
    }
    Ok(())
}
