//! Sending.

use std::collections::BTreeMap;

use omemo_sansio::protocol::{KeyMaterial, Omemo2, Protocol};
use omemo_sansio::ratchet::{Sealed, Session, SkippedKeys};
use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, KeyElement, Payload, PreKeyId, RecipientKeys};
use omemo_xml::omemo2;
use serde::Deserialize;

use super::World;
use super::device::Device;
use super::recorded::RecordedSession;
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::{Bytes, Hex, nullable};
use crate::vectors::responder::NOW;
use crate::vectors::script::Script;
use crate::vectors::session::Stored;

/// A message.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) msg: u64,
    pub(super) from: String,
    kind: Kind,
    content_secrets: Vec<ContentSecret>,
    key_material: RecordedKeyMaterial,
    #[serde(deserialize_with = "nullable")]
    pub(super) plaintext: Option<Hex>,
    keys: Vec<Key>,
    pub(super) xml: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Payload,
    Empty,
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
enum ContentSecret {
    ContentKey(Bytes<32>),
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
enum SenderSecret {
    X3dhEphemeralPriv(Bytes<32>),
    RatchetPriv(Bytes<32>),
}

/// What the sessions carry.
#[derive(Deserialize)]
pub(super) struct RecordedKeyMaterial {
    key: Bytes<32>,
    #[serde(deserialize_with = "nullable")]
    auth_tag: Option<Hex>,
}

/// The key element for one device.
#[derive(Deserialize)]
struct Key {
    to: String,
    kex: bool,
    wire: Hex,
    /// If it opens a session.
    chosen_pre_key_id: Option<u32>,
    sender_secrets: Vec<SenderSecret>,
    #[serde(deserialize_with = "nullable")]
    sender_session_before: Option<RecordedSession>,
}

impl<'a> World<'a> {
    pub(super) fn send(&mut self, checks: &mut Checks, message: &'a Message) -> Verdict {
        let (payload, material) = message.content(checks)?;
        checks.that("there is no key element", !message.keys.is_empty())?;
        let mut recipients: BTreeMap<BareJid, Vec<KeyElement>> = BTreeMap::new();
        for key in &message.keys {
            let element = self
                .send_key(checks, message, key, &material)
                .context(format_args!("key element for {}", key.to))?;
            let jid = self.device(&key.to)?.jid.clone();
            recipients.entry(jid).or_default().push(element);
        }
        let ours = EncryptedMessage {
            namespace: Omemo2.namespace(),
            sender_device: self.device(&message.from)?.id,
            recipients: recipients
                .into_iter()
                .map(|(jid, keys)| RecipientKeys { jid: Some(jid), keys })
                .collect(),
            payload,
        };
        let recorded = parse(&message.xml)?;
        check_same(checks, &ours, &recorded).context("xml")?;
        let written = omemo2::encrypted_to_xml(&ours).context("written")?;
        let written = omemo_xml::write(&written).context("written")?;
        check_same(checks, &parse(&written)?, &recorded).context("written")?;
        let known = self.messages.insert(message.msg, message).is_some();
        checks.that("it was sent before", !known)
    }

    fn send_key(
        &mut self,
        checks: &mut Checks,
        message: &'a Message,
        key: &'a Key,
        material: &KeyMaterial,
    ) -> Verdict<KeyElement> {
        let pair = (message.from.as_str(), key.to.as_str());
        let before = self.session_before(checks, pair, key.sender_session_before.as_ref())?;
        let (own, peer) = (self.device(&message.from)?, self.device(&key.to)?);
        let mut script = Script::new(key.sender_secrets.iter().map(SenderSecret::bytes));
        let mut stored = match before {
            Some(stored) => stored,
            None => key.open_session(own, peer, &mut script)?,
        };
        script.finish()?;
        let identity = own.secret.identity.public();
        let sealed = stored.session.encrypt(&Omemo2, identity, material.as_bytes());
        let Sealed { data, key_exchange } = sealed.context("encrypting")?;
        checks.equal("kex", key_exchange, key.kex)?;
        checks.bytes("wire", &data, &key.wire)?;
        let device = peer.id;
        self.sessions.insert(pair, stored);
        Ok(KeyElement {
            device,
            key_exchange,
            data,
        })
    }
}

impl Message {
    /// Encrypts the content anew.
    fn content(&self, checks: &mut Checks) -> Verdict<(Option<Payload>, KeyMaterial)> {
        let mut script = Script::new(
            self.content_secrets
                .iter()
                .map(|ContentSecret::ContentKey(key)| key),
        );
        let (payload, material) = match (self.kind, &self.plaintext) {
            (Kind::Payload, Some(plaintext)) => {
                let encrypted = Omemo2.encrypt_payload(&plaintext.0, &mut script);
                let (payload, material) = encrypted.context("encrypting the payload")?;
                (Some(payload), material)
            }
            (Kind::Empty, None) => (None, Omemo2.empty_key_material()),
            _ => return Err("kind and plaintext do not fit".to_owned()),
        };
        script.finish()?;
        self.key_material.check(checks, &material)?;
        Ok((payload, material))
    }
}

impl RecordedKeyMaterial {
    pub(super) fn check(&self, checks: &mut Checks, actual: &KeyMaterial) -> Verdict {
        checks.bytes("key", actual.key(), self.key)?;
        let tag = self.auth_tag.as_ref().map_or(&[][..], AsRef::as_ref);
        checks.bytes("auth_tag", actual.tag(), tag)
    }
}

impl SenderSecret {
    fn bytes(&self) -> &Bytes<32> {
        match self {
            Self::X3dhEphemeralPriv(secret) | Self::RatchetPriv(secret) => secret,
        }
    }
}

impl Key {
    /// Opens a session with the recipient's bundle, as it was when it had the signed pre key that was used.
    fn open_session(&self, own: &Device, peer: &Device, script: &mut Script) -> Verdict<Stored> {
        let chosen = self
            .chosen_pre_key_id
            .context("missing field `chosen_pre_key_id`")?;
        match self.sender_secrets.as_slice() {
            [SenderSecret::X3dhEphemeralPriv(_), SenderSecret::RatchetPriv(_)] => {}
            _ => return Err("sender_secrets of a new session".to_owned()),
        }
        let incoming = Omemo2.parse(&self.wire.0).context("wire")?;
        let key_exchange = incoming.key_exchange.context("wire is no key exchange")?;
        let bundle = peer.bundle(key_exchange.signed_pre_key)?;
        let identity = &own.secret.identity;
        let session = Session::initiate(&Omemo2, identity, &bundle, PreKeyId::new(chosen), NOW, script)
            .context("opening the session")?;
        Ok(Stored {
            session,
            skipped: SkippedKeys::default(),
        })
    }
}

/// Reads a message.
pub(super) fn parse(xml: &str) -> Verdict<EncryptedMessage> {
    let element = omemo_xml::parse(xml).map_err(|error| error.to_string())?;
    omemo2::encrypted_from_xml(&element).map_err(|error| error.to_string())
}

/// Two messages have to be the same; the order of their key elements does not matter.
fn check_same(checks: &mut Checks, actual: &EncryptedMessage, recorded: &EncryptedMessage) -> Verdict {
    checks.equal("sid", actual.sender_device, recorded.sender_device)?;
    checks.that("payload", actual.payload == recorded.payload)?;
    checks.that("key elements", sorted(actual) == sorted(recorded))
}

fn sorted(message: &EncryptedMessage) -> Vec<(Option<&BareJid>, DeviceId, bool, &[u8])> {
    let mut keys: Vec<_> = message
        .recipients
        .iter()
        .flat_map(|recipient| {
            recipient.keys.iter().map(|key| {
                let jid = recipient.jid.as_ref();
                (jid, key.device, key.key_exchange, key.data.as_slice())
            })
        })
        .collect();
    keys.sort_unstable();
    keys
}
