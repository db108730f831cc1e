//! Storages that are sealed by one master key and are to get another.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use omemo::blocking::Client;
use omemo::local::{Connection, Server};
use omemo::{BareJid, EncryptRequest, Namespace, Settings};
use omemo_storage::{Keyring, MasterKey, Sealed, Storage};
use tempfile::TempDir;

use crate::common::{failing, good, omemo};

pub const OLD: u8 = 0x0a;
pub const NEW: u8 = 0x0b;

pub const ROMEO: &str = "romeo@montague.lit";
pub const JULIET: &str = "juliet@capulet.lit";

pub type Phone<S> = Client<S, Connection>;

/// A file with a master key of one byte, many times.
pub fn key_file(directory: &Path, byte: u8) -> String {
    let path = directory.join(format!("key-{byte:02x}"));
    fs::write(&path, format!("{byte:02x}").repeat(32)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

pub fn open<S: Storage>(server: &Server, jid: &str, storage: S) -> Phone<S> {
    let jid = BareJid::new(jid).unwrap();
    let connection = server.connect(&jid, "phone");
    let builder = Client::builder(Settings::new(jid), storage, connection);
    builder.catch_up(false).open_blocking().unwrap()
}

fn say<S: Storage>(phone: &Phone<S>, to: &str, text: &str) {
    let to = vec![BareJid::new(to).unwrap()];
    let request = EncryptRequest::new(to, Namespace::OMEMO_2, text.as_bytes().to_vec());
    phone.encrypt(request).unwrap().complete().unwrap();
}

/// Fills a storage with Romeo and Juliet, sealed by the old key.
pub fn fill<S: Storage>(storage: S) {
    let storage = Arc::new(Sealed::new(storage, master(OLD)));
    let server = Server::new();
    let romeo = open(&server, ROMEO, storage.clone());
    let _juliet = open(&server, JULIET, storage);
    say(&romeo, JULIET, "first");
}

/// Gives both accounts the new key while Romeo's client writes: before, during and after. `storage` opens what lies at the
/// URL, and `told` is what else the command has to know of it.
pub fn rekey_while_a_client_writes<S: Storage>(storage: impl Fn() -> S, url: &str, told: &[&str]) {
    fill(storage());
    let directory = TempDir::new().unwrap();
    let (old, new) = (key_file(directory.path(), OLD), key_file(directory.path(), NEW));
    let keyring = Keyring::new(master(NEW)).with_older(master(OLD));
    let server = Server::new();
    let client = open(&server, ROMEO, Sealed::new(storage(), keyring));

    let rekey = ["rekey", url, "--key-file", &old, "--new-key-file", &new];
    let rekey = [&rekey[..], told].concat();
    let (said, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = thread::scope(|scope| {
        let talking = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let number = said.load(Ordering::Relaxed);
                say(&client, JULIET, &number.to_string());
                said.store(number + 1, Ordering::Relaxed);
            }
        });
        let goes_on = || {
            let enough = said.load(Ordering::Relaxed) + 10;
            // It ends before time only if it has failed.
            while said.load(Ordering::Relaxed) < enough && !talking.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
        };
        goes_on();
        let run = omemo(&rekey);
        goes_on();
        is_over.store(true, Ordering::Relaxed);
        talking.join().unwrap();
        run
    });
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    assert_eq!(run.out, "2 accounts rekeyed, 0 had the new key already\n");
    // Again, as after an interruption.
    assert_eq!(good(&rekey), "0 accounts rekeyed, 2 had the new key already\n");

    good(&[&["inspect", url, "--key-file", &new][..], told].concat());
    let inspect = [&["inspect", url, "--key-file", &old][..], told].concat();
    failing(&inspect, 1, "a master key that was not given");
}
