//! Two processes that write from one account, with one file.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{BareJid, DeviceId, EncryptRequest, EncryptedMessage, IncomingMessage, Namespace};
use omemo_sansio::{KeyElement, Payload, RecipientKeys};
use omemo_storage::Metered;
use omemo_storage_sqlite::SqliteStorage;

use super::assert_distinct;
use super::common::{Device, jid, open, open_on, settle, text};

const SENDER: &str = "romeo@montague.lit";
const MESSAGES: usize = 100;
const CONTACTS: usize = 10;

/// The file that tells the processes to begin.
const GO: &str = "go";

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
    let of = |child: &Child, what: &str| directory.path().join(format!("{}.{what}", child.id()));
    // Neither begins before both can.
    await_that("both are ready", || {
        children.iter().all(|child| of(child, "ready").exists())
    });
    fs::write(directory.path().join(GO), "").unwrap();
    let (mut messages, mut conflicts) = (Vec::new(), 0);
    for mut child in children {
        assert!(child.wait().unwrap().success());
        let lines = fs::read_to_string(of(&child, "sent")).unwrap();
        messages.extend(lines.lines().map(read_message));
        let met = fs::read_to_string(of(&child, "conflicts")).unwrap();
        conflicts += met.parse::<u64>().unwrap();
    }
    assert!(conflicts > 0, "they never met");
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
        .args([
            "--exact",
            "processes::two_processes_on_one_file_send_to_ten_devices_each",
        ])
        .env("OMEMO_TEST_SENDER", directory)
        .spawn()
        .unwrap()
}

/// What each of the two processes does. The network has nothing to offer: the sessions are all in the file.
fn send_as_a_process(directory: &Path) {
    let storage = Metered::new(wait(SqliteStorage::open(directory.join("romeo.sqlite"))).unwrap());
    let romeo = open_on(&Server::new(), SENDER, "phone", storage);
    let to: Vec<BareJid> = (0..CONTACTS).map(contact).collect();
    let tell = |what: &str, text: &str| {
        fs::write(directory.join(format!("{}.{what}", process::id())), text).unwrap();
    };
    romeo.client.storage().take();
    tell("ready", "");
    await_that("the other is ready", || directory.join(GO).exists());
    let mut lines = String::new();
    for n in 0..MESSAGES {
        let plaintext = format!("{} says {n}", process::id()).into_bytes();
        let request = EncryptRequest::new(to.clone(), Namespace::OMEMO_2, plaintext);
        let encrypted = wait(romeo.client.encrypt(request)).unwrap();
        let outgoing = encrypted.complete().unwrap();
        assert_eq!(outgoing.encrypted_to.len(), CONTACTS);
        lines.push_str(&write_message(&outgoing.messages[0]));
    }
    tell("sent", &lines);
    tell("conflicts", &romeo.client.storage().take().conflicts.to_string());
}

fn await_that(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not so: {what}");
        thread::sleep(Duration::from_millis(1));
    }
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
