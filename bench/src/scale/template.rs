//! A real account, opened in memory: what it stores is what each account of a measurement stores.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{BareJid, Client, EncryptRequest, Namespace, Omemo2, Settings};
use omemo_storage::{AccountId, Key, Query, Storage, Value};
use omemo_storage_memory::MemoryStorage;

use crate::measure::Failure;

/// With how many contacts it has a session each.
pub(crate) const SESSIONS: usize = 5;

/// How many pre keys it has left.
const PRE_KEYS: usize = 20;

const JID: &str = "romeo@montague.lit";

/// How large the encrypted envelopes are.
const PLAINTEXT: usize = 100;

/// The account, and the server it is connected to.
pub(crate) struct Template {
    server: Server,
    contacts: Vec<BareJid>,
    records: Vec<(Key, Value)>,
}

impl Template {
    /// Opens it and its contacts. It has written to them, and they have answered.
    pub(crate) fn open() -> Result<Self, Failure> {
        let server = Server::new();
        let contacts = (0..SESSIONS)
            .map(|number| BareJid::new(&format!("contact{number}@capulet.lit")))
            .collect::<Result<Vec<_>, _>>()?;
        let recipients = contacts
            .iter()
            .map(|jid| open(&server, jid, MemoryStorage::new()))
            .collect::<Result<Vec<_>, _>>()?;
        let client = open(&server, &BareJid::new(JID)?, MemoryStorage::new())?;

        let encrypted = wait(client.encrypt(request(contacts.clone())))?.complete()?;
        for message in &encrypted.messages {
            client.network().send(&contacts, message);
        }
        for recipient in &recipients {
            receive(recipient)?;
            wait(recipient.flush())?;
        }
        receive(&client)?;
        let records = records(client.storage())?;
        Ok(Self {
            server,
            contacts,
            records,
        })
    }

    /// What an account of that name stores; without its contacts on request.
    pub(crate) fn records_of(&self, account: &str, sessions: bool) -> Result<Vec<(Key, Value)>, Failure> {
        let mut records = Vec::new();
        for (key, value) in &self.records {
            let partition = key.partition.as_str();
            let of_contact = self
                .contacts
                .iter()
                .any(|contact| partition.ends_with(contact.as_str()));
            if sessions || !of_contact {
                let key = Key::new(&partition.replace(JID, account), key.item.as_str())?;
                records.push((key, value.clone()));
            }
        }
        Ok(records)
    }

    /// A client for an account that stores this.
    pub(crate) fn client<S: Storage>(
        &self,
        account: &str,
        storage: S,
    ) -> Result<Client<S, Connection>, Failure> {
        open(&self.server, &BareJid::new(account)?, storage)
    }

    /// A message to one contact.
    pub(crate) fn message(&self, contact: usize) -> EncryptRequest {
        let contact = self.contacts.iter().cycle().nth(contact % SESSIONS);
        request(contact.cloned().into_iter().collect())
    }
}

fn request(to: Vec<BareJid>) -> EncryptRequest {
    EncryptRequest::new(to, Namespace::OMEMO_2, vec![b'x'; PLAINTEXT])
}

fn open<S: Storage>(server: &Server, jid: &BareJid, storage: S) -> Result<Client<S, Connection>, Failure> {
    let connection = server.connect(jid, "phone");
    let settings = Settings {
        protocols: vec![Arc::new(Omemo2)],
        ..Settings::new(jid.clone())
    };
    Ok(wait(
        Client::builder(settings, storage, connection)
            .timer(Blocking)
            .catch_up(false)
            .open(),
    )?)
}

/// For clients that have a thread to themselves.
struct Blocking;

impl omemo::Timer for Blocking {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { std::thread::sleep(duration) })
    }
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

/// All that is stored, with fewer pre keys.
fn records(storage: &MemoryStorage) -> Result<Vec<(Key, Value)>, Failure> {
    let account = AccountId::new(JID)?;
    let listed = wait(storage.records(&account, None, 1_000))?;
    let mut query = Query::new();
    query
        .records
        .extend(listed.entries.into_iter().map(|info| info.key));
    let snapshot = wait(storage.load(&account, &query))?;
    let mut records = Vec::new();
    for (key, record) in snapshot.records {
        let value = if key.item.as_str().starts_with("prekeys/") {
            fewer_pre_keys(record.value.as_bytes()).ok_or("the record of pre keys looks otherwise")?
        } else {
            record.value
        };
        records.push((key, value));
    }
    Ok(records)
}

/// A client keeps a hundred. The record is a version, a number of keys, each of an id and a pair of 64 bytes, and a
/// number of hidden ones.
fn fewer_pre_keys(record: &[u8]) -> Option<Value> {
    const VERSION: usize = 1;
    const NUMBER: usize = 4;
    const KEY: usize = 4 + 64;
    let keys = record.get(VERSION + NUMBER..record.len() - NUMBER)?;
    let hidden = record.get(record.len() - NUMBER..)?;
    if keys.len() % KEY != 0 || hidden != [0; NUMBER] {
        return None;
    }
    let mut fewer = record.get(..VERSION)?.to_vec();
    fewer.extend(u32::try_from(PRE_KEYS).ok()?.to_be_bytes());
    fewer.extend(keys.get(..PRE_KEYS * KEY)?);
    fewer.extend(hidden);
    Some(Value::from(fewer))
}
