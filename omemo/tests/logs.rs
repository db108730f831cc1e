//! Nothing secret, nothing personal reaches a log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use common::{Device, jid, open_on, open_with, records, text};
use omemo::blocking::wait;
use omemo::local::{Delivery, Server};
use omemo::trust::TrustLevel;
use omemo::{
    Decrypted, DeviceAddress, EncryptRequest, Error, IncomingMessage, Legacy, Namespace, Omemo2, Settings,
};
use omemo_storage::{Key, Storage};
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

/// Hears every thread, those of SQLite too: one test after the other.
struct Listening {
    _turn: MutexGuard<'static, ()>,
}

impl Listening {
    fn begin() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        EAVESDROPPER.0.lock().unwrap().clear();
        Self { _turn: turn }
    }

    fn heard(self) -> String {
        let heard = EAVESDROPPER.0.lock().unwrap().clone();
        assert!(
            heard.contains("an operation has ended"),
            "nothing was heard: {heard}"
        );
        heard
    }
}

static EAVESDROPPER: LazyLock<Eavesdropper> = LazyLock::new(|| {
    let eavesdropper = Eavesdropper::default();
    let subscriber = tracing_subscriber::registry().with(eavesdropper.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    eavesdropper
});

/// Every way in which 8 bytes of `secret` could be written. Of base64 only those characters that these bytes alone decide,
/// wherever in a longer text they stand.
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
    for alignment in 0..3 {
        let threes = &secret[alignment..alignment + 6];
        spellings.extend([STANDARD_NO_PAD.encode(threes), URL_SAFE_NO_PAD.encode(threes)]);
    }
    spellings
}

fn assert_unheard(heard: &str, secret: &[u8], public: &[Vec<u8>], what: &str) {
    let is_public = |window: &[u8]| {
        public
            .iter()
            .any(|public| public.windows(window.len()).any(|part| part == window))
    };
    for window in secret.windows(8).filter(|window| !is_public(window)) {
        for spelling in spellings(window) {
            assert!(!heard.contains(&spelling), "{what} reached a log: {spelling}");
        }
    }
}

fn next_message<S: Storage>(device: &Device<S>) -> IncomingMessage {
    loop {
        if let Delivery::Message(message) = device.connection.receive().unwrap() {
            return message;
        }
    }
}

const PLAINTEXT: &str = "parting is such sweet sorrow";

/// Leaves an archived session and skipped keys with Juliet. The first message, and what became of it.
fn converse<R: Storage, J: Storage>(romeo: &Device<R>, juliet: &Device<J>) -> (IncomingMessage, Decrypted) {
    romeo.send(&[&juliet.jid], PLAINTEXT);
    let first = next_message(juliet);
    let decrypted = juliet.decrypt(first.clone()).unwrap();
    assert_eq!(text(&decrypted).unwrap(), PLAINTEXT);
    juliet.flush();
    romeo.receive();
    let his = DeviceAddress {
        jid: romeo.jid.clone(),
        device: romeo.client.device(),
    };
    assert!(wait(juliet.client.replace_sessions(his)).unwrap()[&Namespace::OMEMO_2].is_ok());
    juliet.flush();
    romeo.receive();
    for _ in 0..3 {
        romeo.send(&[&juliet.jid], PLAINTEXT);
    }
    let [_, _, last] = [(); 3].map(|()| next_message(juliet));
    assert_eq!(text(&juliet.decrypt(last).unwrap()).unwrap(), PLAINTEXT);
    (first, decrypted)
}

/// What fails speaks most: what is broken or cannot be sent. The error of the former.
fn fail_at_everything<R: Storage, J: Storage>(
    server: &Server,
    romeo: &Device<R>,
    juliet: &Device<J>,
) -> Error {
    server.fail_uploads(10);
    server.fail_downloads(10);
    server.fail_messages(10);
    wait(juliet.client.maintain()).unwrap();
    romeo
        .encrypt(&[&jid("nobody@capulet.lit")], PLAINTEXT)
        .unwrap_err();
    let mut message = romeo
        .encrypt(&[&juliet.jid], PLAINTEXT)
        .unwrap()
        .messages
        .remove(0);
    message.payload.as_mut().unwrap().ciphertext[3] ^= 4;
    let sender = romeo.jid.clone();
    juliet.decrypt(IncomingMessage { sender, message }).unwrap_err()
}

/// What may be said aloud: what a device has published, names of protocols and levels and, by the application, of accounts.
fn public<S: Storage>(server: &Server, device: &Device<S>) -> Vec<Vec<u8>> {
    let bundle = server
        .bundle(&device.jid, &Namespace::OMEMO_2, device.client.device())
        .unwrap();
    let identity = bundle.identity_key;
    let mut public = vec![
        identity.ed25519().to_vec(),
        identity.curve25519().as_bytes().to_vec(),
    ];
    public.push(bundle.signed_pre_key.key.as_bytes().to_vec());
    public.push(bundle.signed_pre_key.signature.as_bytes().to_vec());
    public.extend(bundle.pre_keys.values().map(|key| key.as_bytes().to_vec()));
    public.push(device.jid.as_str().into());
    public.push(Namespace::OMEMO_2.as_str().into());
    public.push(TrustLevel::BLINDLY_TRUSTED.as_str().into());
    public
}

/// Nothing of all that a device has stored; `kinds` are among it.
fn assert_records_unheard<S: Storage>(heard: &str, device: &Device<S>, public: &[Vec<u8>], kinds: &[&str]) {
    let records = records(device);
    for kind in kinds {
        let of_this_kind = |key: &Key| format!("{}/{}", key.partition, key.item).starts_with(kind);
        assert!(
            records.keys().any(of_this_kind),
            "no {kind}: {:?}",
            records.keys()
        );
    }
    for (key, record) in records {
        assert_unheard(heard, &record, public, &format!("{key:?}"));
    }
}

#[test]
fn a_conversation_leaves_no_secret_in_a_log() {
    let listening = Listening::begin();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::new();
    let sqlite = wait(SqliteStorage::open(directory.path().join("romeo.sqlite"))).unwrap();
    let romeo = open_on(&server, "romeo@montague.lit", "phone", sqlite);
    let juliet = open_on(&server, "juliet@capulet.lit", "phone", MemoryStorage::new());
    let (first, decrypted) = converse(&romeo, &juliet);
    let error = fail_at_everything(&server, &romeo, &juliet);
    let repeated = juliet.decrypt(first.clone()).unwrap();
    tracing::error!(?repeated, %error, ?error, ?decrypted, ?first, "what an application might log");
    tracing::error!(client = ?romeo.client, "and this");
    let request = EncryptRequest::new(Vec::new(), Namespace::OMEMO_2, PLAINTEXT.as_bytes().to_vec());
    tracing::error!(?request, "and that");

    let heard = listening.heard();
    assert_unheard(&heard, PLAINTEXT.as_bytes(), &[], "a plaintext");
    let public = [public(&server, &romeo), public(&server, &juliet)].concat();
    let own = ["own/account", "own/protocol/", "own/prekeys/"];
    let his = [&own[..], &["contact/juliet@capulet.lit/session/"]].concat();
    assert_records_unheard(&heard, &romeo, &public, &his);
    let cold = [
        "cold/romeo@montague.lit/skipped/",
        "cold/romeo@montague.lit/archive/",
    ];
    let hers = [&own[..], &["contact/romeo@montague.lit/session/"], &cold].concat();
    assert_records_unheard(&heard, &juliet, &public, &hers);
}

/// Both protocols, with messages that are read and others that are broken.
fn talk_and_fail<S: Storage>(storages: [S; 2]) {
    let server = Server::new();
    let open = |of: &str, storage| {
        let settings = Settings {
            protocols: vec![Arc::new(Omemo2), Arc::new(Legacy)],
            ..Settings::new(jid(of))
        };
        open_with(&server, settings, "phone", storage)
    };
    let [his, hers] = storages;
    let (romeo, juliet) = (open("romeo@montague.lit", his), open("juliet@capulet.lit", hers));
    for namespace in [Namespace::OMEMO_2, Namespace::LEGACY] {
        let message = || {
            let request = EncryptRequest::new(vec![juliet.jid.clone()], namespace.clone(), b"hello".to_vec());
            let encrypted = wait(romeo.client.encrypt(request)).unwrap();
            IncomingMessage {
                sender: romeo.jid.clone(),
                message: encrypted.complete().unwrap().messages.remove(0),
            }
        };
        assert_eq!(text(&juliet.decrypt(message()).unwrap()).unwrap(), "hello");
        let mut broken = message();
        *broken.message.recipients[0].keys[0].data.last_mut().unwrap() ^= 4;
        juliet.decrypt(broken).unwrap_err();
        juliet.flush();
        romeo.receive();
    }
    fail_at_everything(&server, &romeo, &juliet);
}

/// Its own events, not those that an application makes of results.
#[test]
fn the_library_itself_logs_no_jid() {
    let listening = Listening::begin();
    let directory = tempfile::tempdir().unwrap();
    let sqlite = |name| wait(SqliteStorage::open(directory.path().join(name))).unwrap();
    talk_and_fail([sqlite("one.db"), sqlite("other.db")]);
    talk_and_fail([MemoryStorage::new(), MemoryStorage::new()]);
    let heard = listening.heard();
    for personal in ["montague", "capulet", "romeo", "juliet", "nobody"] {
        assert!(!heard.contains(personal), "{personal} reached a log: {heard}");
    }
}
