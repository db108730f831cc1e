//! Many at once: threads on one client, processes on one file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::{env, fs, thread};

use common::{Device, jid, open, open_on, settle, text};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{BareJid, DeviceId, EncryptRequest, EncryptedMessage, IncomingMessage, Namespace};
use omemo_sansio::protocol::{Omemo2, Protocol};
use omemo_sansio::{KeyElement, Payload, RecipientKeys};
use omemo_storage_sqlite::SqliteStorage;

/// The ratchet key and number of every key element: the same pair twice would be the same message key twice.
fn message_keys(messages: &[EncryptedMessage]) -> Vec<([u8; 32], u32)> {
    let elements = messages
        .iter()
        .flat_map(|message| &message.recipients)
        .flat_map(|recipient| &recipient.keys);
    let header = |element: &KeyElement| {
        let incoming = Omemo2.parse(&element.data).unwrap();
        let header = incoming.message.header();
        (*header.ratchet_key.as_bytes(), header.n)
    };
    elements.map(header).collect()
}

fn assert_distinct(messages: &[EncryptedMessage]) {
    let keys = message_keys(messages);
    assert_eq!(
        keys.iter().collect::<BTreeSet<_>>().len(),
        keys.len(),
        "a message key was used twice"
    );
}

#[test]
fn sixty_four_messages_at_once_from_eight_threads_use_sixty_four_keys() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let messages = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..8 {
            let (romeo, juliet, messages) = (&romeo, &juliet, &messages);
            scope.spawn(move || {
                for n in 0..8 {
                    let encrypted = romeo.encrypt(&[&juliet.jid], &format!("{thread}/{n}")).unwrap();
                    messages.lock().unwrap().extend(encrypted.messages);
                }
            });
        }
    });
    let messages = messages.into_inner().unwrap();
    assert_eq!(messages.len(), 64);
    assert_distinct(&messages);
    let mut texts = BTreeSet::new();
    for message in messages {
        let decrypted = juliet
            .decrypt(IncomingMessage {
                sender: romeo.jid.clone(),
                message,
            })
            .unwrap();
        texts.insert(text(&decrypted).unwrap());
    }
    assert_eq!(texts.len(), 64);
}

#[test]
fn two_clients_of_one_account_in_one_process_share_its_sessions() {
    let server = Server::new();
    let storage = omemo_storage_memory::MemoryStorage::new();
    let one = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    let other = open_on(&server, "romeo@montague.lit", "phone", storage);
    assert_eq!(one.client.device(), other.client.device());
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let messages = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for device in [&one, &other] {
            let (juliet, messages) = (&juliet, &messages);
            scope.spawn(move || {
                for n in 0..50 {
                    let encrypted = device.encrypt(&[&juliet.jid], &n.to_string()).unwrap();
                    messages.lock().unwrap().extend(encrypted.messages);
                }
            });
        }
    });
    let messages = messages.into_inner().unwrap();
    assert_eq!(messages.len(), 100);
    assert_distinct(&messages);
    for message in messages {
        let _ = juliet
            .decrypt(IncomingMessage {
                sender: one.jid.clone(),
                message,
            })
            .unwrap();
    }
}

const SENDER: &str = "romeo@montague.lit";
const MESSAGES: usize = 100;
const CONTACTS: usize = 10;

fn contact(n: usize) -> BareJid {
    jid(&format!("contact{n}@capulet.lit"))
}

#[test]
fn two_processes_on_one_file_send_to_ten_devices_each() {
    if let Ok(directory) = env::var("OMEMO_TEST_SENDER") {
        return send_as_a_process(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::new();
    let storage = wait(SqliteStorage::open(directory.path().join("romeo.sqlite"))).unwrap();
    let romeo = open_on(&server, SENDER, "phone", storage);
    let contacts: Vec<Device> = (0..CONTACTS)
        .map(|n| open(&server, contact(n).as_str(), "phone"))
        .collect();
    romeo.send(
        &contacts.iter().map(|contact| &contact.jid).collect::<Vec<_>>(),
        "sessions are open",
    );
    settle(&contacts.iter().collect::<Vec<_>>());
    romeo.receive();
    drop(romeo);

    let children: Vec<Child> = (0..2).map(|_| spawn_sender(directory.path())).collect();
    let mut messages = Vec::new();
    for mut child in children {
        let id = child.id();
        assert!(child.wait().unwrap().success());
        let lines = fs::read_to_string(directory.path().join(format!("{id}.sent"))).unwrap();
        messages.extend(lines.lines().map(read_message));
    }
    assert_eq!(messages.len(), 2 * MESSAGES);
    assert_distinct(&messages);
    for contact in &contacts {
        let mut texts = BTreeSet::new();
        for message in &messages {
            let incoming = IncomingMessage {
                sender: jid(SENDER),
                message: message.clone(),
            };
            texts.insert(text(&contact.decrypt(incoming).unwrap()).unwrap());
        }
        assert_eq!(texts.len(), 2 * MESSAGES);
    }
}

fn spawn_sender(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "two_processes_on_one_file_send_to_ten_devices_each"])
        .env("OMEMO_TEST_SENDER", directory)
        .spawn()
        .unwrap()
}

/// What each of the two processes does. The network has nothing to offer: the sessions are all in the file.
fn send_as_a_process(directory: &Path) {
    let storage = wait(SqliteStorage::open(directory.join("romeo.sqlite"))).unwrap();
    let romeo = open_on(&Server::new(), SENDER, "phone", storage);
    let to: Vec<BareJid> = (0..CONTACTS).map(contact).collect();
    let mut lines = String::new();
    for n in 0..MESSAGES {
        let plaintext = format!("{} says {n}", std::process::id()).into_bytes();
        let request = EncryptRequest::new(to.clone(), Namespace::OMEMO_2, plaintext);
        let encrypted = wait(romeo.client.encrypt(request)).unwrap();
        let outgoing = encrypted.complete().unwrap();
        assert_eq!(outgoing.encrypted_to.len(), CONTACTS);
        lines.push_str(&write_message(&outgoing.messages[0]));
    }
    fs::write(directory.join(format!("{}.sent", std::process::id())), lines).unwrap();
}

/// A line a message: sender, payload, then account, device and bytes of each key element.
fn write_message(message: &EncryptedMessage) -> String {
    let mut line = format!(
        "{} {}",
        message.sender_device,
        hex(&message.payload.as_ref().unwrap().ciphertext)
    );
    for recipient in &message.recipients {
        for key in &recipient.keys {
            line.push_str(&format!(
                " {} {} {}",
                recipient.jid.as_ref().unwrap(),
                key.device,
                hex(&key.data)
            ));
        }
    }
    line + "\n"
}

fn read_message(line: &str) -> EncryptedMessage {
    let words: Vec<&str> = line.split(' ').collect();
    let device = |word: &str| DeviceId::new(word.parse().unwrap());
    let key = |words: &[&str]| RecipientKeys {
        jid: Some(jid(words[0])),
        keys: vec![KeyElement {
            device: device(words[1]),
            key_exchange: false,
            data: unhex(words[2]),
        }],
    };
    EncryptedMessage {
        namespace: Namespace::OMEMO_2,
        sender_device: device(words[0]),
        recipients: words[2..].chunks(3).map(key).collect(),
        payload: Some(Payload {
            ciphertext: unhex(words[1]),
            iv: None,
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
