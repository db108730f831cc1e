//! A conversation, from the first contact on.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::polling::poll_often;
use common::{jid, open, open_on, rng, settings, settle};
use omemo::blocking::wait;
use omemo::local::{Connection, Server};
use omemo::{
    Bundle, Client, Clock, DeleteBundle, DeviceList, DownloadBundle, DownloadDeviceList, IncomingMessage,
    Network, NetworkError, SendMessage, Timer, Timestamp, UploadBundle, UploadDeviceList,
};
use omemo_storage::{Counts, Metered};
use omemo_storage_memory::MemoryStorage;

#[test]
fn two_devices_talk() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    romeo.send(&[&juliet.jid], "But, soft!");
    assert_eq!(juliet.texts(), ["But, soft!"]);
    assert_eq!(romeo.texts(), [""; 0]);
    juliet.send(&[&romeo.jid], "Ay me!");
    romeo.send(&[&juliet.jid], "She speaks");
    assert_eq!(romeo.texts(), ["Ay me!"]);
    assert_eq!(juliet.texts(), ["She speaks"]);
}

#[test]
fn a_message_reaches_every_device_of_both_accounts() {
    let server = Server::new();
    let phone = open(&server, "romeo@montague.lit", "phone");
    let laptop = open(&server, "romeo@montague.lit", "laptop");
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    settle(&[&phone, &laptop, &juliet]);
    let encrypted = phone.try_to_encrypt(&[&juliet.jid], "Call me but love").unwrap();
    let outgoing = encrypted.complete().unwrap();
    assert_eq!(outgoing.encrypted_to.len(), 2);
    phone
        .connection
        .send(std::slice::from_ref(&juliet.jid), &outgoing.messages[0]);
    assert_eq!(laptop.texts(), ["Call me but love"]);
    assert_eq!(juliet.texts(), ["Call me but love"]);
    let answer = juliet.send(&[&phone.jid], "What man art thou?");
    let [group] = answer.messages[0].recipients.as_slice() else {
        panic!("an account is named more than once")
    };
    assert_eq!((group.jid.as_ref(), group.keys.len()), (Some(&phone.jid), 2));
    assert_eq!(phone.texts(), ["What man art thou?"]);
    assert_eq!(laptop.texts(), ["What man art thou?"]);
}

#[test]
fn a_device_goes_on_from_its_storage() {
    let server = Server::new();
    let storage = MemoryStorage::new();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage.clone());
    romeo.send(&[&juliet.jid], "one");
    assert_eq!(juliet.texts(), ["one"]);
    let device = romeo.client.device();
    drop(romeo);
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage);
    assert_eq!(romeo.client.device(), device);
    juliet.send(&[&jid("romeo@montague.lit")], "two");
    assert_eq!(romeo.texts(), ["two"]);
    romeo.send(&[&juliet.jid], "three");
    assert_eq!(juliet.texts(), ["three"]);
}

/// A connection whose calls are counted.
struct Counted {
    connection: Connection,
    calls: Arc<AtomicU64>,
}

impl Counted {
    fn called(&self) -> &Connection {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.connection
    }
}

impl Network for Counted {
    async fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        self.called().download_bundles(wanted).await
    }

    async fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        self.called().upload_bundle(upload).await
    }

    async fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        self.called().delete_bundle(deletion).await
    }

    async fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> Result<Option<DeviceList>, NetworkError> {
        self.called().download_device_list(wanted).await
    }

    async fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        self.called().upload_device_list(upload).await
    }

    async fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        self.called().send_message(message).await
    }
}

/// A clock that is moved by hand.
struct Hands(Arc<AtomicU64>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// A timer that never rings.
struct Silent;

impl Timer for Silent {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// A device that has maintained itself, and owes its bundle and an answer, stands still with its last clone: whatever becomes
/// due later, nobody calls storage or network, and nobody holds them.
#[test]
fn nothing_runs_on_once_a_client_was_dropped() {
    let server = Server::new();
    let romeo = open(&server, "romeo@montague.lit", "phone");
    let own = jid("juliet@capulet.lit");
    let storage = Arc::new(Metered::new(MemoryStorage::new()));
    let [calls, time] = [0, 1_800_000_000].map(|number| Arc::new(AtomicU64::new(number)));
    let network = Counted {
        connection: server.connect(&own, "phone"),
        calls: Arc::clone(&calls),
    };
    let builder = Client::builder(settings(own.clone()), Arc::clone(&storage), network)
        .clock(Hands(Arc::clone(&time)))
        .timer(Silent)
        .rng(rng(&own, "phone"));
    let client = wait(builder.catch_up(false).open()).unwrap();
    let message = romeo.encrypt(&[&own], "hello").unwrap().messages.remove(0);
    let sender = romeo.jid.clone();

    let clone = client.clone();
    assert!(poll_often(clone.run(Silent), 1).is_none());
    let decrypted = wait(client.decrypt(IncomingMessage { sender, message })).unwrap();
    assert!(decrypted.as_received().unwrap().flush_wanted);
    assert!(storage.take().commits > 0 && calls.swap(0, Ordering::Relaxed) > 0);
    drop((client, clone));

    time.fetch_add(30 * 86_400, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(storage.take(), Counts::default());
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    // Storage, connection and clock are the test's alone again.
    assert_eq!(Arc::strong_count(&storage), 1);
    assert_eq!([&calls, &time].map(Arc::strong_count), [1, 1]);
}
