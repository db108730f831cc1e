//! Nothing secret, nothing personal reaches a log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use common::{open_on, settle, text};
use omemo::blocking::wait;
use omemo::local::Server;
use omemo::{EncryptRequest, Namespace};
use omemo_storage::{AccountId, Query, Storage};
use omemo_storage_memory::MemoryStorage;
use omemo_storage_sqlite::SqliteStorage;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// Writes down every field of every event and span.
#[derive(Clone, Default)]
struct Eavesdropper(Arc<Mutex<String>>);

impl Visit for Eavesdropper {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Eavesdropper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut self.clone());
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        values.record(&mut self.clone());
    }
}

impl Eavesdropper {
    fn heard(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// Every way in which 8 bytes of `secret` could be written.
fn spellings(secret: &[u8]) -> Vec<String> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let spaced = secret
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut spellings = vec![hex.to_uppercase(), hex, numbers, spaced];
    spellings.extend(std::str::from_utf8(secret).ok().map(str::to_owned));
    spellings
}

fn assert_unheard(heard: &str, secret: &[u8], public: &[Vec<u8>], what: &str) {
    let is_public = |window: &[u8]| {
        public
            .iter()
            .any(|public| public.windows(window.len()).any(|part| part == window))
    };
    for window in secret
        .windows(8.min(secret.len()))
        .filter(|window| !is_public(window))
    {
        for spelling in spellings(window) {
            assert!(!heard.contains(&spelling), "{what} reached a log: {spelling}");
        }
    }
}

/// What a device has published, or sent: that may be said aloud.
fn published(server: &Server, device: &omemo::IdentityKey, bundle: &omemo::Bundle) -> Vec<Vec<u8>> {
    let mut public = vec![device.ed25519().to_vec(), device.curve25519().as_bytes().to_vec()];
    public.push(bundle.signed_pre_key.key.as_bytes().to_vec());
    public.push(bundle.signed_pre_key.signature.as_bytes().to_vec());
    public.extend(bundle.pre_keys.values().map(|key| key.as_bytes().to_vec()));
    assert!(server.seen().bundles > 0);
    public
}

/// The private half of the identity and everything else the account keeps under `own`.
fn secrets(storage: &impl Storage, account: &str) -> Vec<Vec<u8>> {
    let account = AccountId::new(account).unwrap();
    let mut query = Query::new();
    query.partitions.insert(omemo_storage::Name::new("own").unwrap());
    let snapshot = wait(storage.load(&account, &query)).unwrap();
    snapshot
        .records
        .into_values()
        .map(|record| record.value.as_bytes().to_vec())
        .collect()
}

#[test]
fn a_conversation_leaves_no_secret_in_a_log() {
    let eavesdropper = Eavesdropper::default();
    let subscriber = tracing_subscriber::registry().with(eavesdropper.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let server = Server::new();
    let sqlite = wait(SqliteStorage::open(directory.path().join("romeo.sqlite"))).unwrap();
    let romeo = open_on(&server, "romeo@montague.lit", "phone", sqlite);
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", MemoryStorage::new());
    let plaintext = "parting is such sweet sorrow";
    let encrypted = romeo.send(&[&juliet.jid], plaintext);
    let decrypted = juliet.receive().pop().unwrap().unwrap();
    assert_eq!(text(&decrypted).unwrap(), plaintext);
    juliet.flush();
    romeo.receive();
    // What fails speaks most: repeated, broken, unsendable.
    server.fail_uploads(10);
    server.fail_downloads(10);
    wait(juliet.client.maintain()).unwrap();
    romeo
        .encrypt(&[&common::jid("nobody@capulet.lit")], plaintext)
        .unwrap_err();
    let mut broken = omemo::IncomingMessage {
        sender: romeo.jid.clone(),
        message: encrypted.messages[0].clone(),
    };
    let repeated = juliet.decrypt(broken.clone()).unwrap();
    broken.message = romeo
        .encrypt(&[&juliet.jid], plaintext)
        .unwrap()
        .messages
        .remove(0);
    broken.message.payload.as_mut().unwrap().ciphertext[3] ^= 4;
    let error = juliet.decrypt(broken).unwrap_err();
    tracing::error!(?repeated, %error, ?error, ?decrypted, ?encrypted, "what an application might log");
    tracing::error!(client = ?romeo.client, "and this");
    let request = EncryptRequest::new(Vec::new(), Namespace::OMEMO_2, plaintext.as_bytes().to_vec());
    tracing::error!(?request, "and that");

    let heard = eavesdropper.heard();
    assert!(
        heard.contains("an operation has ended"),
        "nothing was heard: {heard}"
    );
    assert_unheard(&heard, plaintext.as_bytes(), &[], "a plaintext");
    for (owner, device, records) in [
        (
            &romeo.jid,
            romeo.client.device(),
            secrets(romeo.client.storage(), "romeo@montague.lit"),
        ),
        (
            &juliet.jid,
            juliet.client.device(),
            secrets(juliet.client.storage(), "juliet@capulet.lit"),
        ),
    ] {
        let bundle = server.bundle(owner, &Namespace::OMEMO_2, device).unwrap();
        let public = published(&server, &bundle.identity_key, &bundle);
        assert!(records.len() >= 3);
        for record in records {
            // A version byte and lengths say nothing; keys begin after them.
            assert_unheard(&heard, &record, &public, "a record");
        }
    }
}

#[test]
fn the_library_itself_logs_no_jid() {
    // Its own events, not those that an application makes of results: a thread of its own keeps them apart.
    let eavesdropper = Eavesdropper::default();
    let subscriber = tracing_subscriber::registry().with(eavesdropper.clone());
    tracing::subscriber::with_default(subscriber, || {
        let server = Server::new();
        let [romeo, juliet] =
            ["romeo@montague.lit", "juliet@capulet.lit"].map(|jid| common::open(&server, jid, "phone"));
        romeo.send(&[&juliet.jid], "hello");
        settle(&[&romeo, &juliet]);
        server.fail_uploads(10);
        server.fail_downloads(10);
        romeo
            .encrypt(&[&common::jid("nobody@capulet.lit")], "hello")
            .unwrap_err();
        wait(juliet.client.maintain()).unwrap();
    });
    let heard = eavesdropper.heard();
    assert!(
        heard.contains("an operation has ended"),
        "nothing was heard: {heard}"
    );
    for personal in ["montague", "capulet", "romeo", "juliet", "nobody"] {
        assert!(!heard.contains(personal), "{personal} reached a log: {heard}");
    }
}
