//! Encrypting a message.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::contacts::Addressed;
use super::recipients::{self, Means, Target};
use super::{key_exchange, own_account, within};
use crate::engine::{Env, Stop, View};
use crate::error::{BundleFailure, EncryptFailure, SkippedDevice};
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
    /// The recipients, at most [`MAX_RECIPIENTS`]: each needs a device that can be written to, or nobody is written to. The
    /// own account's other devices always get the message too.
    pub recipients: Vec<BareJid>,
    /// The plaintext for each protocol: OMEMO 2 encrypts an SCE envelope, legacy OMEMO the text of the body. At most
    /// as many bytes each as [`Limits::payload`](crate::Limits::payload).
    pub plaintexts: BTreeMap<Namespace, Zeroizing<Vec<u8>>>,
    /// The protocols in the order in which they are preferred for this message; those it leaves out are not used. Empty:
    /// the settings' order.
    pub priority: Vec<Namespace>,
    /// Told to the person who is asked whom to trust.
    pub context: String,
    /// Which of the recipients' devices get it.
    pub audience: Audience,
}

/// Which devices of the recipients, and of the own account, get a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Those whose keys the policy trusts, or a person on being asked.
    #[default]
    Trusted,
    /// Those alone whose keys are authenticated, as automatic trust management means it (XEP-0450); nobody is asked. For
    /// trust messages.
    Authenticated,
}

impl EncryptRequest {
    /// One plaintext for one protocol.
    pub fn new(recipients: Vec<BareJid>, namespace: Namespace, plaintext: Vec<u8>) -> Self {
        let plaintexts = [(namespace, Zeroizing::new(plaintext))].into();
        Self {
            recipients,
            plaintexts,
            priority: Vec::new(),
            context: String::new(),
            audience: Audience::Trusted,
        }
    }

    /// The same, with a plaintext for one protocol more, or another one for a protocol that has one.
    #[must_use]
    pub fn and(mut self, namespace: Namespace, plaintext: Vec<u8>) -> Self {
        self.plaintexts.insert(namespace, Zeroizing::new(plaintext));
        self
    }

    /// The protocols that there is a plaintext for, the most preferred first.
    pub(super) fn order(&self, settings: &Settings) -> Vec<Namespace> {
        let order = if self.priority.is_empty() {
            settings.namespaces().collect()
        } else {
            self.priority.clone()
        };
        order
            .into_iter()
            .filter(|namespace| self.plaintexts.contains_key(namespace))
            .collect()
    }
}

impl fmt::Debug for EncryptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            recipients,
            plaintexts,
            priority: _,
            context: _,
            audience: _,
        } = self;
        write!(
            f,
            "EncryptRequest({} recipients, {} plaintexts)",
            recipients.len(),
            plaintexts.len()
        )
    }
}

/// What encrypting has made: to be taken apart by [`complete`](Self::complete) or [`partial`](Self::partial), so that a
/// device that cannot read the message is not overlooked.
#[derive(Debug)]
#[must_use = "the messages in it must be sent"]
pub enum Encrypted {
    /// Every expected device can read it.
    Complete(Outgoing),
    /// These devices cannot read it, and why; all the others can.
    Partial(Outgoing, Vec<SkippedDevice>),
}

impl Encrypted {
    /// What is to be sent, if every expected device can read it.
    ///
    /// # Errors
    ///
    /// [`PartlyEncrypted`], with what could be sent to the others.
    pub fn complete(self) -> Result<Outgoing, PartlyEncrypted> {
        match self {
            Self::Complete(outgoing) => Ok(outgoing),
            Self::Partial(outgoing, skipped) => Err(PartlyEncrypted { outgoing, skipped }),
        }
    }

    /// What is to be sent, and which devices cannot read it; none if all can.
    pub fn partial(self) -> (Outgoing, Vec<SkippedDevice>) {
        match self {
            Self::Complete(outgoing) => (outgoing, Vec::new()),
            Self::Partial(outgoing, skipped) => (outgoing, skipped),
        }
    }
}

/// Messages to be sent together, and who can read them.
#[derive(Debug)]
pub struct Outgoing {
    /// The message for each protocol that some device is written to in, most preferred first.
    pub messages: Vec<EncryptedMessage>,
    /// The key material that each of `messages` carries, in their order: for what the key of a message is used for besides.
    pub key_materials: Vec<KeyMaterial>,
    /// The devices that can read it.
    pub encrypted_to: Vec<DeviceAddress>,
    /// Those of them that are written to in a less preferred protocol, and why.
    pub fallbacks: Vec<Fallback>,
}

/// A device that is written to in a less preferred protocol, since there is neither a session nor a bundle that can be used in
/// the preferred one.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// The device.
    pub device: DeviceAddress,
    /// The protocol it should have been written to in.
    pub preferred: Namespace,
    /// The one it is written to in.
    pub used: Namespace,
    /// What is wrong with its bundle in the preferred one.
    pub failure: BundleFailure,
}

/// Some of the expected devices cannot read a message.
#[derive(Debug, thiserror::Error)]
#[error("devices that cannot read the message: {}", .skipped.len())]
pub struct PartlyEncrypted {
    /// What could be sent to the others. Its message keys are used already.
    pub outgoing: Outgoing,
    /// The devices that cannot read it, and why.
    pub skipped: Vec<SkippedDevice>,
}

/// `addressed` is empty at first: whom the message is for is the same in each run.
pub(super) fn encrypt(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    request: &EncryptRequest,
    addressed: &mut Vec<Addressed>,
) -> Result<Encrypted, Stop> {
    check(settings, request)?;
    view.want(place::account()?);
    if addressed.is_empty() {
        *addressed = Addressed::of(settings, request)?;
    }
    view.want_partitions(addressed.iter().map(|account| &account.partition));
    view.settle()?;
    let account = own_account(view)?;
    let found = recipients::find(view, env, settings, &account, request, addressed)?;
    within("a number of devices", found.targets.len(), MAX_KEY_ELEMENTS)?;

    let encrypted_to: Vec<DeviceAddress> = found
        .targets
        .iter()
        .map(|target| target.address.clone())
        .collect();
    let mut fallbacks = found.fallbacks;
    // Some may have been left out since; both are in order.
    fallbacks.retain(|fallback| encrypted_to.binary_search(&fallback.device).is_ok());
    let mut targets = found.targets;
    let mut messages = Vec::new();
    let mut key_materials = Vec::new();
    for protocol in &settings.protocols {
        let namespace = protocol.namespace();
        let mut of_protocol = Vec::with_capacity(targets.len());
        of_protocol.extend(targets.extract_if(.., |target| target.namespace == namespace));
        if let Some(plaintext) = request.plaintexts.get(&namespace) {
            let encrypted = encrypt_for(view, env, protocol.as_ref(), &account, of_protocol, plaintext)?;
            let (message, key_material) = encrypted.unzip();
            messages.extend(message);
            key_materials.extend(key_material);
        }
    }
    found.contacts.put(view)?;
    let outgoing = Outgoing {
        messages,
        key_materials,
        encrypted_to,
        fallbacks,
    };
    Ok(if found.skipped.is_empty() {
        Encrypted::Complete(outgoing)
    } else {
        Encrypted::Partial(outgoing, found.skipped)
    })
}

fn check(settings: &Settings, request: &EncryptRequest) -> Result<(), Stop> {
    if request.recipients.is_empty() {
        return Err(EncryptFailure::NoRecipient.into());
    }
    within("a number of recipients", request.recipients.len(), MAX_RECIPIENTS)?;
    for namespace in request.priority.iter().chain(request.plaintexts.keys()) {
        settings
            .protocol(namespace)
            .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    }
    for plaintext in request.plaintexts.values() {
        within("a plaintext", plaintext.len(), settings.limits.payload)?;
    }
    Ok(())
}

/// The message for the devices that are written to in one protocol, if there are any, and the key material it carries.
fn encrypt_for(
    view: &mut View,
    env: &mut Env<'_>,
    protocol: &dyn Protocol,
    account: &AccountRecord,
    targets: Vec<Target>,
    plaintext: &[u8],
) -> Result<Option<(EncryptedMessage, KeyMaterial)>, Stop> {
    if targets.is_empty() {
        return Ok(None);
    }
    let (payload, material) = protocol
        .encrypt_payload(plaintext, &mut env.rng)
        .map_err(EncryptFailure::Payload)?;
    let mut recipients: Vec<RecipientKeys> = Vec::with_capacity(targets.len());
    for target in targets {
        let DeviceAddress { jid, device } = target.address;
        let element = encrypt_key(view, env, protocol, account, device, target.means, &material)?;
        let jid = protocol.names_recipients().then_some(jid);
        match recipients.last_mut() {
            // The targets are ordered by JID.
            Some(last) if last.jid == jid => last.keys.push(element),
            _ => recipients.push(RecipientKeys {
                jid,
                keys: [element].into(),
            }),
        }
    }
    let message = EncryptedMessage {
        namespace: protocol.namespace(),
        sender_device: account.device,
        recipients,
        payload: Some(payload),
    };
    Ok(Some((message, material)))
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
    let (own, plaintext) = (account.identity.public(), material.as_bytes());
    let failure = |source| EncryptFailure::Session { device, source };
    let sealed = match means {
        Means::Session { at, session } => {
            let session =
                Arc::into_inner(session).ok_or(Error::Internal("a session is written in at two places"))?;
            let (sealed, record) = session.encrypt(protocol, own, plaintext).map_err(failure)?;
            view.put_bytes(&at, record)?;
            sealed
        }
        // A session that may be there is with another key.
        Means::Bundle { at, bundle } => {
            let mut session = key_exchange::initiate(env, protocol, account, &bundle)?;
            let sealed = session.encrypt(protocol, own, plaintext).map_err(failure)?;
            view.put(&at, session)?;
            sealed
        }
    };
    Ok(KeyElement {
        device,
        key_exchange: sealed.key_exchange,
        data: sealed.data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_shows_no_plaintext() {
        let romeo = BareJid::new("romeo@montague.lit").unwrap();
        let request = EncryptRequest::new([romeo].into(), Namespace::OMEMO_2, b"secret".to_vec())
            .and(Namespace::LEGACY, b"secret too".to_vec());
        assert_eq!(
            alloc::format!("{request:?}"),
            "EncryptRequest(1 recipients, 2 plaintexts)"
        );
    }
}
