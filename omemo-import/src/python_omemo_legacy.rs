//! The storage of python-omemo before 1.0, with python-omemo-backend-signal: legacy OMEMO only.
//!
//! That version left the storage to the application, which implemented one method for each kind of value. What they
//! return is to be written into one JSON object:
//!
//! | name | holds, as returned by |
//! |---|---|
//! | `own_data` | `loadOwnData` |
//! | `state` | `loadState` |
//! | `jids` | `listJIDs` |
//! | `active_devices` | for each JID, `loadActiveDevices` |
//! | `inactive_devices` | for each JID, `loadInactiveDevices` |
//! | `sessions` | for each JID an object with, for each device that has one, `loadSession` |
//! | `trust` | for each JID an object with, for each device that has one, `loadTrust` |
//!
//! All but the first two may be missing. Nothing has to be downloaded: the sign of an identity key's Ed25519 form, which
//! this storage does not have, is not needed for legacy OMEMO.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::keys::{IdentityKey, IdentityKeyPair, KeyPair, PublicKey, Signature};
use omemo_sansio::protocol::{AssociatedData, Role};
use omemo_sansio::ratchet::{ChainParts, SessionParts, SkippedPart};
use omemo_sansio::transfer::{
    ImportedAccount, ImportedContact, ImportedDevice, ImportedProtocol, ImportedSignedPreKey,
};
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{BareJid, DeviceId, Namespace, PreKeyId, Timestamp};
use zeroize::Zeroizing;

use crate::node::{Node, parse};
use crate::python_omemo::key_bundle::{self, Ids};
use crate::python_omemo::ratchet::Ratchet;
use crate::{ImportError, LeftBehind, Problem, Reading};

/// Reads a storage.
///
/// # Errors
///
/// [`ImportError`] naming the first value that is missing or that cannot be read.
pub fn read(json: &[u8]) -> Result<Reading, ImportError> {
    let source = parse(json)?;
    let root = Node::root(&source);
    let own = root.field("own_data")?;
    let jid = own.field("own_bare_jid")?.jid()?;
    let device = DeviceId::new(own.field("own_device_id")?.u32()?);
    let state = root.field("state")?;
    let (identity, protocol) = read_state(&state.field("super")?)?;
    let bound = state.optional("bound_otpks")?;
    let mut left_behind = Vec::new();
    let mut contacts = BTreeMap::new();
    for jid in jids(&root)? {
        let mut contact = read_devices(&root, &jid)?;
        read_trust(&root, &jid, &mut contact)?;
        read_sessions(
            &root,
            &jid,
            identity.public(),
            bound.as_ref(),
            &mut contact,
            &mut left_behind,
        )?;
        contacts.insert(jid, contact);
    }
    Ok(Reading {
        jid,
        account: ImportedAccount {
            identity,
            device,
            label: None,
            protocols: [(Namespace::LEGACY, protocol)].into(),
            contacts,
        },
        left_behind,
    })
}

/// A value that is kept for each JID.
fn of_jid<'a>(root: &Node<'a>, kind: &str, jid: &BareJid) -> Result<Option<Node<'a>>, ImportError> {
    match root.optional(kind)? {
        Some(all) => all.optional(jid.as_str()),
        None => Ok(None),
    }
}

fn jids(root: &Node<'_>) -> Result<BTreeSet<BareJid>, ImportError> {
    let Some(jids) = root.optional("jids")? else {
        return Ok(BTreeSet::new());
    };
    jids.elements()?.iter().map(Node::jid).collect()
}

fn read_state(state: &Node<'_>) -> Result<(IdentityKeyPair, ImportedProtocol), ImportError> {
    let x3dh = state.field("super")?;
    let ids = Ids::read(&state.field("otpk_ids")?)?;
    let signed_id = PreKeyId::new(state.field("spk_id")?.u32()?);
    let (identity, mut protocol) = if x3dh.optional("version")?.is_some() {
        let identity = x3dh.field("identity_key")?.field("secret")?;
        let pair = identity_of(&identity, identity.code_points()?)?;
        let key = match state.optional("spk_pub")? {
            Some(key) => PublicKey::from_bytes(*key.base64::<32>()?),
            None => PublicKey::from_bytes([0; 32]),
        };
        let signed_ids = Ids::one("spk_pub", key, signed_id);
        (pair, key_bundle::from_x3dh(&x3dh, &signed_ids, &ids)?)
    } else {
        read_x3dh(&x3dh, signed_id, &ids)?
    };
    protocol.last_pre_key = state.field("otpk_id_counter")?.u32()?;
    Ok((identity, protocol))
}

/// The state of X3DH, as it was serialised before it had versions.
fn read_x3dh(
    x3dh: &Node<'_>,
    signed_id: PreKeyId,
    ids: &Ids,
) -> Result<(IdentityKeyPair, ImportedProtocol), ImportError> {
    let key = x3dh.field("ik")?;
    let identity = identity_of(&key, key.field("priv")?.base64()?)?;
    let public = key.field("pub")?;
    if *public.base64::<32>()? != *identity.public().curve25519().as_bytes() {
        return Err(public.fails(Problem::OtherIdentity));
    }
    let signed = x3dh.field("spk")?;
    let mut signature = signed.field("signature")?.base64::<64>()?;
    // The bit that libsignal uses for the sign of the identity key, which is known here.
    let [.., last] = &mut *signature;
    *last &= 0x7f;
    let mut protocol = ImportedProtocol {
        signed_pre_key: Some(ImportedSignedPreKey {
            id: signed_id,
            pair: KeyPair::from_secret(*signed.field("key")?.field("priv")?.base64::<32>()?),
            signature: Signature::from_bytes(*signature),
            created: Timestamp::from_unix(signed.field("timestamp")?.seconds()?),
        }),
        ..ImportedProtocol::default()
    };
    for pre_key in x3dh.field("otpks")?.elements()? {
        let pair = KeyPair::from_secret(*pre_key.field("priv")?.base64::<32>()?);
        protocol.pre_keys.insert(ids.of(&pair, &pre_key)?, pair);
    }
    Ok((identity, protocol))
}

/// An identity key pair by its private scalar. X25519 clamps where it multiplies, so clamping it here makes it no other.
fn identity_of(node: &Node<'_>, mut scalar: Zeroizing<[u8; 32]>) -> Result<IdentityKeyPair, ImportError> {
    let [first, .., last] = &mut *scalar;
    *first &= 0xf8;
    *last = *last & 0x7f | 0x40;
    IdentityKeyPair::from_private_scalar(*scalar).map_err(|error| node.fails(Problem::Key(error)))
}

fn read_devices(root: &Node<'_>, jid: &BareJid) -> Result<ImportedContact, ImportError> {
    let mut contact = ImportedContact::default();
    let mut add = |device: u32, active: bool| {
        let known = contact.devices.entry(DeviceId::new(device)).or_default();
        known.protocols.insert(Namespace::LEGACY, active);
    };
    if let Some(inactive) = of_jid(root, "inactive_devices", jid)? {
        for (device, seen) in inactive.entries()? {
            add(device_id(device, &seen)?, false);
        }
    }
    if let Some(active) = of_jid(root, "active_devices", jid)? {
        for device in active.elements()? {
            add(device.u32()?, true);
        }
    }
    Ok(contact)
}

/// The names of JSON objects are texts, also where they stand for numbers.
fn device_id(name: &str, at: &Node<'_>) -> Result<u32, ImportError> {
    name.parse().map_err(|_| at.fails(Problem::Not("of a device id")))
}

fn read_trust(root: &Node<'_>, jid: &BareJid, contact: &mut ImportedContact) -> Result<(), ImportError> {
    let Some(all) = of_jid(root, "trust", jid)? else {
        return Ok(());
    };
    for (device, trust) in all.entries()? {
        let device = DeviceId::new(device_id(device, &trust)?);
        let key = trust.field("key")?;
        let identity = identity_key(&key)?;
        let level = match trust.field("trusted")?.flag()? {
            true => TrustLevel::TRUSTED,
            false => TrustLevel::DISTRUSTED,
        };
        contact.trust.insert(identity.curve25519(), level);
        let known: &mut ImportedDevice = contact.devices.entry(device).or_default();
        known.identity = Some(identity);
    }
    Ok(())
}

/// An identity key in its Curve25519 form.
fn identity_key(node: &Node<'_>) -> Result<IdentityKey, ImportError> {
    let key = PublicKey::from_bytes(*node.base64::<32>()?);
    IdentityKey::from_curve25519(key, false).map_err(|error| node.fails(Problem::Key(error)))
}

fn read_sessions(
    root: &Node<'_>,
    jid: &BareJid,
    own: &IdentityKey,
    bound: Option<&Node<'_>>,
    contact: &mut ImportedContact,
    left_behind: &mut Vec<LeftBehind>,
) -> Result<(), ImportError> {
    let Some(all) = of_jid(root, "sessions", jid)? else {
        return Ok(());
    };
    for (name, session) in all.entries()? {
        let device = DeviceId::new(device_id(name, &session)?);
        let peer = session.field("other_ik")?;
        let identity = identity_key(&peer)?;
        let known: &mut ImportedDevice = contact.devices.entry(device).or_default();
        if known.identity.is_some_and(|known| known != identity) {
            return Err(peer.fails(Problem::OtherIdentity));
        }
        let Some(ratchet) = read_ratchet(&session.field("super")?)? else {
            left_behind.push(LeftBehind::IncompleteSession(jid.clone(), device));
            continue;
        };
        let pre_key = match bound {
            Some(bound) => bound_pre_key(bound, jid, name)?,
            None => None,
        };
        known.identity = Some(identity);
        known
            .sessions
            .insert(Namespace::LEGACY, assemble(own, identity, pre_key, ratchet));
    }
    Ok(())
}

/// The pre key that a key exchange of the device has used: there is one only where the other side began.
fn bound_pre_key(bound: &Node<'_>, jid: &BareJid, device: &str) -> Result<Option<PreKeyId>, ImportError> {
    let Some(of_jid) = bound.optional(jid.as_str())? else {
        return Ok(None);
    };
    match of_jid.optional(device)? {
        Some(pre_key) => Ok(Some(PreKeyId::new(pre_key.field("id")?.u32()?))),
        None => Ok(None),
    }
}

/// The storage does not have the key exchange. A session counts as confirmed, so that it is not sent again.
fn assemble(
    own: &IdentityKey,
    peer: IdentityKey,
    pre_key: Option<PreKeyId>,
    ratchet: Ratchet,
) -> SessionParts {
    let (ours, theirs) = (*own.curve25519().as_bytes(), *peer.curve25519().as_bytes());
    let (role, initiator, responder) = match pre_key {
        Some(_) => (Role::Responder, theirs, ours),
        None => (Role::Initiator, ours, theirs),
    };
    let Ratchet {
        own_ratchet,
        peer_ratchet,
        root_key,
        sending,
        receiving,
        previous_sending,
        skipped,
    } = ratchet;
    SessionParts {
        role,
        peer,
        associated_data: AssociatedData { initiator, responder },
        pre_key: pre_key.unwrap_or(PreKeyId::new(0)),
        signed_pre_key: PreKeyId::new(0),
        base_key: PublicKey::from_bytes([0; 32]),
        confirmed: true,
        own_ratchet,
        peer_ratchet,
        root_key,
        sending,
        receiving,
        previous_sending,
        skipped,
    }
}

/// A double ratchet; `None` if it was never complete.
fn read_ratchet(node: &Node<'_>) -> Result<Option<Ratchet>, ImportError> {
    if node.optional("version")?.is_some() {
        return Ratchet::read(node).map(Some);
    }
    let diffie_hellman = node.field("super")?;
    let symmetric = node.field("skr")?;
    let own = diffie_hellman.field("own_key")?.optional("priv")?;
    let peer = diffie_hellman.field("other_pub")?.optional("pub")?;
    let sending = symmetric.optional("schain")?;
    let (Some(own), Some(peer), Some(sending)) = (own, peer, sending) else {
        return Ok(None);
    };
    let receiving = symmetric.optional("rchain")?;
    let previous_sending = symmetric.optional("prev_schain_length")?;
    let skipped = node.field("smks")?.entries()?;
    Ok(Some(Ratchet {
        own_ratchet: KeyPair::from_secret(*own.base64::<32>()?),
        peer_ratchet: PublicKey::from_bytes(*peer.base64::<32>()?),
        root_key: diffie_hellman.field("root_chain")?.field("key")?.base64()?,
        sending: chain(&sending)?,
        receiving: receiving.as_ref().map(chain).transpose()?,
        previous_sending: previous_sending.map_or(Ok(0), |length| length.u32())?,
        skipped: skipped
            .iter()
            .map(|(name, key)| skipped_key(name, key))
            .collect::<Result<_, _>>()?,
    }))
}

fn chain(node: &Node<'_>) -> Result<ChainParts, ImportError> {
    Ok(ChainParts {
        length: node.field("length")?.u32()?,
        key: node.field("key")?.base64()?,
    })
}

/// A skipped message key. Its name is JSON again.
fn skipped_key(name: &str, key: &Node<'_>) -> Result<SkippedPart, ImportError> {
    let header = parse(name.as_bytes()).map_err(|_| key.fails(Problem::Not("named by JSON")))?;
    let header = Node::root(&header);
    let at = |error: ImportError| key.fails(error.problem);
    Ok(SkippedPart {
        ratchet_key: PublicKey::from_bytes(
            *header
                .field("pub")
                .and_then(|key| key.base64::<32>())
                .map_err(at)?,
        ),
        n: header.field("index").and_then(|n| n.u32()).map_err(at)?,
        message_key: key.base64()?,
    })
}
