//! Receiving.

use omemo_sansio::hazmat::SessionState;
use omemo_sansio::protocol::{Incoming, KeyExchange, KeyMaterial, Omemo2, Protocol};
use omemo_sansio::ratchet::{Accepted, Limits};
use omemo_sansio::{EncryptedMessage, PreKeyId};
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
        let (own, peer) = (self.device(&deliver.to)?, self.device(&message.from)?);
        let xml = deliver.xml.as_ref().unwrap_or(&message.xml);
        match &deliver.expect {
            Expect::Ok(success) => {
                let mut session = before;
                let used = success.check(checks, (own, peer), (message, xml), &mut session)?;
                let session = session.context("there is no session")?;
                let state = SessionState::export(&session.session, &session.skipped);
                let recorded = &success.recipient_session_after;
                checks.equal("peer", recorded.peer.as_str(), message.from.as_str())?;
                recorded
                    .check(checks, own, peer, &state)
                    .context("session after")?;
                if let (Some(used), Some(device)) = (used, self.devices.get_mut(&deliver.to)) {
                    device.secret.pre_keys.remove(&used);
                }
                self.sessions.insert(pair, session);
                Ok(())
            }
            Expect::Fail {} => check_refused(checks, own, peer, xml, before.as_ref()),
        }
    }
}

impl Success {
    /// The message has to be read. Gives the pre key that it used up.
    fn check(
        &self,
        checks: &mut Checks,
        (own, peer): (&Device, &Device),
        (message, xml): (&Message, &str),
        session: &mut Option<Stored>,
    ) -> Verdict<Option<PreKeyId>> {
        let encrypted = parse(xml)?;
        checks.equal("sender: jid", peer.jid.as_str(), self.sender.jid.as_str())?;
        checks.equal(
            "sender: device_id",
            encrypted.sender_device.get(),
            self.sender.device_id,
        )?;
        let mut script = Script::new(&self.generated_ratchet_privs);
        let Opened { material, used } = open_key(own, peer, &encrypted, session, &mut script)?;
        script.finish()?;
        let (material, plaintext) = open_payload(&encrypted, material)?;
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
        checks.bytes(
            "sender: identity_ed25519",
            identity.ed25519(),
            self.sender.identity_ed25519,
        )?;
        Ok(used)
    }
}

/// The message has to be refused: its key element, with the session unchanged; or its payload, in which case a caller
/// keeps the session it had, since all is written together or not at all.
fn check_refused(
    checks: &mut Checks,
    own: &Device,
    peer: &Device,
    xml: &str,
    before: Option<&Stored>,
) -> Verdict {
    let mut after = before.map(Stored::copy).transpose()?;
    let Ok(encrypted) = parse(xml) else {
        return checks.that("", true);
    };
    match open_key(own, peer, &encrypted, &mut after, &mut Filler) {
        Ok(opened) => checks.that(
            "it was not refused",
            open_payload(&encrypted, opened.material).is_err(),
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

/// Decrypts the key element for a device, opening a session if it asks for one; what is wrong if it is refused.
fn open_key(
    own: &Device,
    peer: &Device,
    encrypted: &EncryptedMessage,
    session: &mut Option<Stored>,
    rng: &mut dyn CryptoRng,
) -> Verdict<Opened> {
    if encrypted.sender_device != peer.id {
        return Err("it is of another device".to_owned());
    }
    let element = encrypted
        .recipients
        .iter()
        .filter(|recipient| recipient.jid.as_ref() == Some(&own.jid))
        .flat_map(|recipient| &recipient.keys)
        .find(|key| key.device == own.id)
        .context("it has no key element for the device")?;
    let Incoming {
        key_exchange,
        message,
    } = Omemo2.parse(&element.data).context("key element")?;
    let limits = Limits::default();
    match (key_exchange, session) {
        (Some(key_exchange), session) if !is_opened_by(session.as_ref(), &key_exchange) => {
            if key_exchange.identity_key.ed25519() != peer.secret.identity.public().ed25519() {
                return Err("its identity key is not the sender's".to_owned());
            }
            let accepted = own.secret.accept(&key_exchange, &message, limits, rng)?;
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
            material: stored.decrypt(&message, limits, rng).context("decrypting")?,
            used: None,
        }),
        (_, None) => Err("there is no session".to_owned()),
    }
}

fn is_opened_by(session: Option<&Stored>, key_exchange: &KeyExchange) -> bool {
    session.is_some_and(|stored| stored.session.opened_by(key_exchange))
}

/// Reads the key material and decrypts the payload, if there is one.
fn open_payload(encrypted: &EncryptedMessage, material: Vec<u8>) -> Verdict<(KeyMaterial, Option<Vec<u8>>)> {
    let material = Omemo2.key_material(material.into()).context("key material")?;
    let plaintext = encrypted
        .payload
        .as_ref()
        .map(|payload| Omemo2.decrypt_payload(payload, &material))
        .transpose()
        .context("payload")?;
    Ok((material, plaintext.map(|plaintext| plaintext.to_vec())))
}
