//! Receiving.

use omemo_sansio::hazmat::SessionState;
use omemo_sansio::keys::IdentityKey;
use omemo_sansio::protocol::{Incoming, KeyExchange, KeyMaterial};
use omemo_sansio::ratchet::{Accepted, SkipLimits};
use omemo_sansio::{EncryptedMessage, KeyElement, PreKeyId};
use rand_core::CryptoRng;
use serde::Deserialize;

use super::World;
use super::device::Device;
use super::recorded::RecordedSession;
use super::send::{Message, RecordedKeyMaterial, parse};
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::{Bytes, Hex, nullable};
use crate::vectors::script::{Filler, Script};
use crate::vectors::session::Stored;
use crate::vectors::version::Version;

/// A message arrives.
#[derive(Deserialize)]
pub(super) struct Deliver {
    pub(super) msg: u64,
    to: String,
    /// If it is not that of the message.
    xml: Option<String>,
    #[serde(deserialize_with = "nullable")]
    recipient_session_before: Option<RecordedSession>,
    #[serde(flatten)]
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(tag = "expect", rename_all = "lowercase")]
enum Expect {
    Ok(Box<Success>),
    Fail {},
}

#[derive(Deserialize)]
struct Success {
    #[serde(deserialize_with = "nullable")]
    plaintext: Option<Hex>,
    #[serde(flatten)]
    key_material: RecordedKeyMaterial,
    sender: Sender,
    generated_ratchet_privs: Vec<Bytes<32>>,
    recipient_session_after: RecordedSession,
}

#[derive(Deserialize)]
struct Sender {
    jid: String,
    device_id: u32,
    identity_ed25519: Bytes<32>,
}

/// What a key element gave.
struct Opened {
    material: Vec<u8>,
    /// The pre key that opened a new session.
    used: Option<PreKeyId>,
}

impl<'a> World<'a> {
    pub(super) fn deliver(&mut self, checks: &mut Checks, deliver: &'a Deliver) -> Verdict {
        let message = *self
            .messages
            .get(&deliver.msg)
            .context("the message was never sent")?;
        let pair = (deliver.to.as_str(), message.from.as_str());
        let before = self.session_before(checks, pair, deliver.recipient_session_before.as_ref())?;
        let version = self.version;
        let (own, peer) = (self.device(&deliver.to)?, self.device(&message.from)?);
        let xml = deliver.xml.as_ref().unwrap_or(&message.xml);
        match &deliver.expect {
            Expect::Ok(success) => {
                let mut session = before;
                let used = success.check(version, checks, (own, peer), (message, xml), &mut session)?;
                let session = session.context("there is no session")?;
                let state = SessionState::export(&session.session, &session.skipped);
                let recorded = &success.recipient_session_after;
                checks.equal("peer", recorded.peer.as_str(), message.from.as_str())?;
                recorded
                    .check(version, checks, own, peer, &state)
                    .context("session after")?;
                if let (Some(used), Some(device)) = (used, self.devices.get_mut(&deliver.to)) {
                    device.secret.pre_keys.remove(&used);
                }
                self.sessions.insert(pair, session);
                Ok(())
            }
            Expect::Fail {} => check_refused(version, checks, own, peer, xml, before.as_ref()),
        }
    }
}

impl Success {
    /// The message has to be read. Gives the pre key that it used up.
    fn check(
        &self,
        version: Version,
        checks: &mut Checks,
        (own, peer): (&Device, &Device),
        (message, xml): (&Message, &str),
        session: &mut Option<Stored>,
    ) -> Verdict<Option<PreKeyId>> {
        let encrypted = parse(version, xml)?;
        checks.equal("sender: jid", peer.jid.as_str(), self.sender.jid.as_str())?;
        checks.equal(
            "sender: device_id",
            encrypted.sender_device.get(),
            self.sender.device_id,
        )?;
        let mut script = Script::new(&self.generated_ratchet_privs);
        let Opened { material, used } = open_key(version, (own, peer), &encrypted, session, &mut script)?;
        script.finish()?;
        let (material, plaintext) = open_payload(version, &encrypted, material)?;
        self.key_material.check(checks, &material)?;
        checks.equal(
            "is there a payload",
            plaintext.is_some(),
            self.plaintext.is_some(),
        )?;
        if let (Some(plaintext), Some(recorded)) = (&plaintext, &self.plaintext) {
            checks.bytes("plaintext", plaintext, recorded)?;
        }
        if let (Some(plaintext), Some(sent)) = (&plaintext, &message.plaintext) {
            checks.bytes("plaintext as sent", plaintext, sent)?;
        }
        let identity = session.as_ref().map(|stored| stored.session.peer_identity());
        let identity = identity.context("there is no session")?;
        let recorded =
            IdentityKey::from_ed25519(self.sender.identity_ed25519.0).context("identity_ed25519")?;
        let [ours, theirs] = [&identity, &recorded].map(|key| version.encoded_identity(key));
        checks.bytes("sender: identity_ed25519", ours, theirs)?;
        Ok(used)
    }
}

/// The message has to be refused: its key element, with the session unchanged; or its payload, in which case a caller
/// keeps the session it had, since all is written together or not at all.
fn check_refused(
    version: Version,
    checks: &mut Checks,
    own: &Device,
    peer: &Device,
    xml: &str,
    before: Option<&Stored>,
) -> Verdict {
    let mut after = before.map(Stored::copy).transpose()?;
    let Ok(encrypted) = parse(version, xml) else {
        return checks.that("", true);
    };
    match open_key(version, (own, peer), &encrypted, &mut after, &mut Filler) {
        Ok(opened) => checks.that(
            "it was not refused",
            open_payload(version, &encrypted, opened.material).is_err(),
        ),
        Err(_) => match (before, &after) {
            (Some(before), Some(after)) => after.check_unchanged(checks, "it was refused", before),
            (before, after) => checks.that(
                "it was refused, but opened a session",
                before.is_none() && after.is_none(),
            ),
        },
    }
}

/// Decrypts a key element for a device, opening a session if it asks for one; what is wrong if none can be. There may be
/// several with the device's id, of which the others are for other accounts.
fn open_key(
    version: Version,
    (own, peer): (&Device, &Device),
    encrypted: &EncryptedMessage,
    session: &mut Option<Stored>,
    rng: &mut dyn CryptoRng,
) -> Verdict<Opened> {
    if encrypted.sender_device != peer.id {
        return Err("it is of another device".to_owned());
    }
    let elements = encrypted
        .recipients
        .iter()
        .filter(|recipient| recipient.jid.as_ref().is_none_or(|jid| *jid == own.jid))
        .flat_map(|recipient| &recipient.keys)
        .filter(|key| key.device == own.id);
    let mut wrong = None;
    for element in elements {
        match open_element(version, (own, peer), element, session, rng) {
            Ok(opened) => return Ok(opened),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    Err(wrong.unwrap_or_else(|| "it has no key element for the device".to_owned()))
}

fn open_element(
    version: Version,
    (own, peer): (&Device, &Device),
    element: &KeyElement,
    session: &mut Option<Stored>,
    rng: &mut dyn CryptoRng,
) -> Verdict<Opened> {
    let Incoming {
        key_exchange,
        message,
    } = version.protocol().parse(&element.data).context("key element")?;
    let limits = SkipLimits::default();
    match (key_exchange, session) {
        (Some(key_exchange), session) if !is_opened_by(version, session.as_ref(), &key_exchange) => {
            let presented = version.encoded_identity(&key_exchange.identity_key);
            if presented != version.encoded_identity(peer.secret.identity.public()) {
                return Err("its identity key is not the sender's".to_owned());
            }
            let accepted = own.secret.accept(version, &key_exchange, &message, limits, rng)?;
            let Accepted {
                session: opened,
                skipped,
                plaintext,
            } = accepted;
            *session = Some(Stored {
                session: opened,
                skipped,
            });
            Ok(Opened {
                material: plaintext.to_vec(),
                used: Some(key_exchange.pre_key),
            })
        }
        (_, Some(stored)) => Ok(Opened {
            material: stored
                .decrypt(version, &message, limits, rng)
                .context("decrypting")?,
            used: None,
        }),
        (_, None) => Err("there is no session".to_owned()),
    }
}

fn is_opened_by(version: Version, session: Option<&Stored>, key_exchange: &KeyExchange) -> bool {
    session.is_some_and(|stored| stored.session.opened_by(version.protocol(), key_exchange))
}

/// Reads the key material and decrypts the payload, if there is one.
fn open_payload(
    version: Version,
    encrypted: &EncryptedMessage,
    material: Vec<u8>,
) -> Verdict<(KeyMaterial, Option<Vec<u8>>)> {
    let protocol = version.protocol();
    let material = protocol.key_material(material.into()).context("key material")?;
    let plaintext = match encrypted.content() {
        Some(payload) => protocol.decrypt_payload(payload, &material).map(Some),
        None => protocol.without_payload(&material).map(|_| None),
    };
    let plaintext = plaintext.context("payload")?;
    Ok((material, plaintext.map(|plaintext| plaintext.to_vec())))
}
