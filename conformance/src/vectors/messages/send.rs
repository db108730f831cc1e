//! Sending.

use std::collections::BTreeMap;

use omemo_sansio::protocol::KeyMaterial;
use omemo_sansio::ratchet::{Sealed, Session, SkippedKeys};
use omemo_sansio::{BareJid, DeviceId, EncryptedMessage, KeyElement, Payload, PreKeyId, RecipientKeys};
use serde::Deserialize;

use super::World;
use super::device::Device;
use super::recorded::RecordedSession;
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::{Bytes, Hex, nullable};
use crate::vectors::responder::NOW;
use crate::vectors::script::Script;
use crate::vectors::session::Stored;
use crate::vectors::version::Version;

/// A message.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) msg: u64,
    pub(super) from: String,
    kind: Kind,
    content_secrets: Vec<ContentSecret>,
    key_material: RecordedKeyMaterial,
    /// Where the protocol sends one.
    iv: Option<Hex>,
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
    /// A key, for something else than a payload.
    KeyTransport,
    /// And a tag of that.
    KeyTransportWithTag,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
enum ContentSecret {
    ContentKey(Hex),
    ContentIv(Hex),
    ExternalTag(Hex),
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
    key: Hex,
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
        let version = self.version;
        let recorded = parse(version, &message.xml)?;
        let (payload, material) = message.content(version, checks, &recorded)?;
        checks.that("there is no key element", !message.keys.is_empty())?;
        let mut recipients: BTreeMap<Option<BareJid>, Vec<KeyElement>> = BTreeMap::new();
        for key in &message.keys {
            let element = self
                .send_key(checks, message, key, &material)
                .context(format_args!("key element for {}", key.to))?;
            let jid = self.device(&key.to)?.jid.clone();
            let jid = version.protocol().names_recipients().then_some(jid);
            recipients.entry(jid).or_default().push(element);
        }
        let ours = EncryptedMessage {
            namespace: version.protocol().namespace(),
            sender_device: self.device(&message.from)?.id,
            recipients: recipients
                .into_iter()
                .map(|(jid, keys)| RecipientKeys { jid, keys })
                .collect(),
            payload,
        };
        check_same(checks, &ours, &recorded).context("xml")?;
        let written = version.format()?.encrypted_to_xml(&ours).context("written")?;
        let written = omemo_xml::write(&written).context("written")?;
        check_same(checks, &parse(version, &written)?, &recorded).context("written")?;
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
            None => key.open_session(self.version, (own, peer), &mut script)?,
        };
        script.finish()?;
        let identity = own.secret.identity.public();
        let protocol = self.version.protocol();
        let sealed = stored.session.encrypt(protocol, identity, material.as_bytes());
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
    fn content(
        &self,
        version: Version,
        checks: &mut Checks,
        recorded: &EncryptedMessage,
    ) -> Verdict<(Option<Payload>, KeyMaterial)> {
        let protocol = version.protocol();
        let mut script = Script::new(self.content_secrets.iter().map(ContentSecret::bytes));
        let (payload, material) = match (self.kind, &self.plaintext) {
            (Kind::Payload, Some(plaintext)) if self.has_foreign_iv() => {
                return self.foreign_content(version, checks, plaintext, recorded);
            }
            (Kind::Payload, Some(plaintext)) => {
                let encrypted = protocol.encrypt_payload(&plaintext.0, &mut script);
                let (payload, material) = encrypted.context("encrypting the payload")?;
                script.finish()?;
                (Some(payload), material)
            }
            (Kind::Empty, None) => {
                let empty = protocol.encrypt_empty(&mut script);
                script.finish()?;
                empty
            }
            (Kind::KeyTransport | Kind::KeyTransportWithTag, None) => self.key_transport(version)?,
            _ => return Err("kind and plaintext do not fit".to_owned()),
        };
        self.key_material.check(checks, &material)?;
        let iv = payload.as_ref().and_then(|payload| payload.iv.as_deref());
        checks.bytes(
            "iv",
            iv.unwrap_or_default(),
            self.iv.as_ref().map_or(&[][..], AsRef::as_ref),
        )?;
        Ok((payload, material))
    }

    /// Whether the initialisation vector has a length that others send and we do not.
    fn has_foreign_iv(&self) -> bool {
        self.content_secrets
            .iter()
            .any(|secret| matches!(secret, ContentSecret::ContentIv(iv) if iv.0.len() != 12))
    }

    /// Takes the payload as it was recorded; it has to be that plaintext.
    fn foreign_content(
        &self,
        version: Version,
        checks: &mut Checks,
        plaintext: &Hex,
        recorded: &EncryptedMessage,
    ) -> Verdict<(Option<Payload>, KeyMaterial)> {
        let RecordedKeyMaterial { key, auth_tag } = &self.key_material;
        let material = KeyMaterial::new(&key.0, auth_tag.as_ref().map_or(&[], |tag| &tag.0));
        let payload = recorded.payload.clone().context("there is no payload")?;
        let decrypted = version.protocol().decrypt_payload(&payload, &material);
        checks.bytes(
            "plaintext",
            &*decrypted.context("decrypting the payload")?,
            plaintext,
        )?;
        let iv = payload.iv.as_deref().context("there is no iv")?;
        let drawn = [
            ContentSecret::ContentKey(key.clone()),
            ContentSecret::ContentIv(Hex(iv.to_vec())),
        ];
        let same =
            self.content_secrets.len() == 2 && drawn.iter().all(|drawn| self.content_secrets.contains(drawn));
        checks.that("content_secrets", same)?;
        checks.bytes("iv", iv, self.iv.as_ref().context("missing field `iv`")?)?;
        Ok((Some(payload), material))
    }

    /// A key as an application may choose to send it.
    fn key_transport(&self, version: Version) -> Verdict<(Option<Payload>, KeyMaterial)> {
        if version == Version::Omemo2 {
            return Err("there is no key transport in this version".to_owned());
        }
        let (mut key, mut iv, mut tag) = (None, None, None);
        for secret in &self.content_secrets {
            match secret {
                ContentSecret::ContentKey(Hex(bytes)) => key = Some(bytes.as_slice()),
                ContentSecret::ContentIv(Hex(bytes)) => iv = Some(bytes.clone()),
                ContentSecret::ExternalTag(Hex(bytes)) => tag = Some(bytes.as_slice()),
            }
        }
        if tag.is_some() != (self.kind == Kind::KeyTransportWithTag) {
            return Err("kind and external_tag do not fit".to_owned());
        }
        let material = KeyMaterial::new(key.context("there is no content_key")?, tag.unwrap_or_default());
        let payload = iv.filter(|iv| !iv.is_empty()).map(|iv| Payload {
            ciphertext: Vec::new(),
            iv: Some(iv),
        });
        Ok((payload, material))
    }
}

impl ContentSecret {
    fn bytes(&self) -> &Hex {
        match self {
            Self::ContentKey(secret) | Self::ContentIv(secret) | Self::ExternalTag(secret) => secret,
        }
    }
}

impl RecordedKeyMaterial {
    pub(super) fn check(&self, checks: &mut Checks, actual: &KeyMaterial) -> Verdict {
        checks.bytes("key", actual.key(), &self.key)?;
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
    fn open_session(
        &self,
        version: Version,
        (own, peer): (&Device, &Device),
        script: &mut Script,
    ) -> Verdict<Stored> {
        let chosen = self
            .chosen_pre_key_id
            .context("missing field `chosen_pre_key_id`")?;
        match self.sender_secrets.as_slice() {
            [SenderSecret::X3dhEphemeralPriv(_), SenderSecret::RatchetPriv(_)] => {}
            _ => return Err("sender_secrets of a new session".to_owned()),
        }
        let incoming = version.protocol().parse(&self.wire.0).context("wire")?;
        let key_exchange = incoming.key_exchange.context("wire is no key exchange")?;
        let bundle = peer.bundle(key_exchange.signed_pre_key)?;
        let identity = &own.secret.identity;
        let session = Session::initiate(
            version.protocol(),
            identity,
            &bundle,
            PreKeyId::new(chosen),
            NOW,
            script,
        )
        .context("opening the session")?;
        Ok(Stored {
            session,
            skipped: SkippedKeys::default(),
        })
    }
}

/// Reads a message.
pub(super) fn parse(version: Version, xml: &str) -> Verdict<EncryptedMessage> {
    let element = omemo_xml::parse(xml).map_err(|error| error.to_string())?;
    version
        .format()?
        .encrypted_from_xml(&element)
        .map_err(|error| error.to_string())
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
