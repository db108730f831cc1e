//! Encrypting a message.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::recipients::{self, Means, Target};
use super::{MAX_PAYLOAD, key_exchange, own_account, within};
use crate::engine::{Env, Stop, View};
use crate::error::{EncryptFailure, SkippedDevice};
use crate::protocol::{KeyMaterial, Protocol};
use crate::records::{AccountRecord, place};
use crate::settings::Settings;
use crate::{
    BareJid, DeviceAddress, DeviceId, EncryptedMessage, Error, KeyElement, MAX_KEY_ELEMENTS, Namespace,
    RecipientKeys,
};

/// The most recipients of one message: 10,000 accounts.
pub const MAX_RECIPIENTS: usize = 10_000;

/// What to encrypt, and for whom.
#[derive(PartialEq, Eq)]
pub struct EncryptRequest {
    /// The recipients, at most [`MAX_RECIPIENTS`]. The own account's other devices always get the message too.
    pub recipients: Vec<BareJid>,
    /// The plaintext for each protocol: OMEMO 2 encrypts an SCE envelope, legacy OMEMO the text of the body. At most
    /// [`MAX_PAYLOAD`] bytes each.
    pub plaintexts: BTreeMap<Namespace, Zeroizing<Vec<u8>>>,
    /// Told to the person who is asked whom to trust.
    pub context: String,
}

impl EncryptRequest {
    /// One plaintext for one protocol.
    pub fn new(recipients: Vec<BareJid>, namespace: Namespace, plaintext: Vec<u8>) -> Self {
        let plaintexts = [(namespace, Zeroizing::new(plaintext))].into();
        Self {
            recipients,
            plaintexts,
            context: String::new(),
        }
    }
}

impl fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            recipients,
            plaintexts,
            context: _,
        } = self;
        write!(
            f,
            "EncryptRequest({} recipients, {} plaintexts)",
            recipients.len(),
            plaintexts.len()
        )
    }
}

/// What encrypting has made. Every expected device is either in `encrypted_to` or in `skipped`.
#[derive(Clone, Debug)]
pub struct Encrypted {
    /// The message for each protocol that some device is written to in, in the settings' order; to be sent together.
    pub messages: Vec<EncryptedMessage>,
    /// The devices that can read it.
    pub encrypted_to: Vec<DeviceAddress>,
    /// The devices that cannot, and why.
    pub skipped: Vec<SkippedDevice>,
}

pub(super) fn encrypt(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    request: &EncryptRequest,
) -> Result<Encrypted, Stop> {
    check(settings, request)?;
    view.want(place::account()?);
    for jid in request.recipients.iter().chain([&settings.jid]) {
        view.want_partition(place::contact_partition(jid)?);
    }
    view.settle()?;
    let account = own_account(view)?;
    let found = recipients::find(view, env, settings, &account, request)?;
    within("a number of devices", found.targets.len(), MAX_KEY_ELEMENTS)?;

    let encrypted_to = found
        .targets
        .iter()
        .map(|target| target.address.clone())
        .collect();
    let mut targets = found.targets;
    let mut messages = Vec::new();
    for protocol in &settings.protocols {
        let namespace = protocol.namespace();
        let of_protocol = targets
            .extract_if(.., |target| target.namespace == namespace)
            .collect();
        if let Some(plaintext) = request.plaintexts.get(&namespace) {
            let message = encrypt_for(view, env, protocol.as_ref(), &account, of_protocol, plaintext)?;
            messages.extend(message);
        }
    }
    found.contacts.put(view)?;
    Ok(Encrypted {
        messages,
        encrypted_to,
        skipped: found.skipped,
    })
}

fn check(settings: &Settings, request: &EncryptRequest) -> Result<(), Stop> {
    if request.recipients.is_empty() {
        return Err(EncryptFailure::NoRecipient.into());
    }
    within("a number of recipients", request.recipients.len(), MAX_RECIPIENTS)?;
    for (namespace, plaintext) in &request.plaintexts {
        settings
            .protocol(namespace)
            .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
        within("a plaintext", plaintext.len(), MAX_PAYLOAD)?;
    }
    Ok(())
}

/// The message for the devices that are written to in one protocol, if there are any.
fn encrypt_for(
    view: &mut View,
    env: &mut Env<'_>,
    protocol: &dyn Protocol,
    account: &AccountRecord,
    targets: Vec<Target>,
    plaintext: &[u8],
) -> Result<Option<EncryptedMessage>, Stop> {
    if targets.is_empty() {
        return Ok(None);
    }
    let (payload, material) = protocol
        .encrypt_payload(plaintext, &mut env.rng)
        .map_err(EncryptFailure::Payload)?;
    let mut recipients: Vec<RecipientKeys> = Vec::new();
    for target in targets {
        let DeviceAddress { jid, device } = target.address;
        let element = encrypt_key(view, env, protocol, account, device, target.means, &material)?;
        match recipients.last_mut() {
            // The targets are ordered by JID.
            Some(last) if last.jid.as_ref() == Some(&jid) => last.keys.push(element),
            _ => recipients.push(RecipientKeys {
                jid: Some(jid),
                keys: [element].into(),
            }),
        }
    }
    Ok(Some(EncryptedMessage {
        namespace: protocol.namespace(),
        sender_device: account.device,
        recipients,
        payload: Some(payload),
    }))
}

/// Encrypts the key material to one device, in its session or a new one.
fn encrypt_key(
    view: &mut View,
    env: &mut Env<'_>,
    protocol: &dyn Protocol,
    account: &AccountRecord,
    device: DeviceId,
    means: Means,
    material: &KeyMaterial,
) -> Result<KeyElement, Stop> {
    let (at, mut session) = match means {
        Means::Session { at, session } => (at, *session),
        // A session that may be there is with another key.
        Means::Bundle { at, bundle } => (at, key_exchange::initiate(env, protocol, account, &bundle)?),
    };
    let sealed = session
        .encrypt(protocol, account.identity.public(), material.as_bytes())
        .map_err(|source| EncryptFailure::Session { device, source })?;
    view.put(&at, session)?;
    Ok(KeyElement {
        device,
        key_exchange: sealed.key_exchange,
        data: sealed.data,
    })
}
