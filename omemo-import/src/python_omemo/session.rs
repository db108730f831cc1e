//! `/<namespace>/<jid>/<device>/..`: sessions.

use omemo_sansio::keys::{IdentityKey, PublicKey};
use omemo_sansio::protocol::{AssociatedData, Role};
use omemo_sansio::ratchet::SessionParts;
use omemo_sansio::{BareJid, DeviceId, Namespace, PreKeyId};

use super::contacts::Contacts;
use super::ratchet::Ratchet;
use crate::node::Node;
use crate::{ImportError, Problem};

/// What stands before a Curve25519 key in legacy OMEMO.
const KEY_TYPE: u8 = 5;

/// Reads every session of a protocol.
pub(super) fn read_all(
    root: &Node<'_>,
    namespace: &Namespace,
    own: &IdentityKey,
    contacts: &mut Contacts,
) -> Result<(), ImportError> {
    let Some(jids) = root.optional(&format!("/{namespace}/bare_jids"))? else {
        return Ok(());
    };
    for jid in jids.elements()? {
        let jid = jid.jid()?;
        let Some(devices) = root.optional(&format!("/{namespace}/{jid}/device_ids"))? else {
            continue;
        };
        for device in devices.elements()? {
            let device = DeviceId::new(device.u32()?);
            let known = contacts.identity(&jid, device);
            if let Some(session) = read(root, namespace, own, known, &jid, device)? {
                contacts.add_session(jid.clone(), device, namespace.clone(), session);
            }
        }
    }
    Ok(())
}

/// Reads one session; `None` if there is none, though its device is in the list.
fn read(
    root: &Node<'_>,
    namespace: &Namespace,
    own: &IdentityKey,
    known: Option<IdentityKey>,
    jid: &BareJid,
    device: DeviceId,
) -> Result<Option<SessionParts>, ImportError> {
    let at = format!("/{namespace}/{jid}/{device}");
    let Some(ratchet) = root.optional(&format!("{at}/double_ratchet"))? else {
        return Ok(None);
    };
    let initiation = root.field(&format!("{at}/initiation"))?;
    let role = match initiation.text()? {
        "ACTIVE" => Role::Initiator,
        "PASSIVE" => Role::Responder,
        _ => return Err(initiation.fails(Problem::Not("ACTIVE or PASSIVE"))),
    };
    let identities = root.field(&format!("{at}/associated_data"))?;
    let (associated_data, peer) = authenticated(&identities, namespace, role, own, known)?;
    let exchange = |part: &str| root.field(&format!("{at}/key_exchange/{part}"));
    let Ratchet {
        own_ratchet,
        peer_ratchet,
        root_key,
        sending,
        receiving,
        previous_sending,
        skipped,
    } = Ratchet::read(&ratchet)?;
    Ok(Some(SessionParts {
        role,
        peer,
        associated_data,
        pre_key: pre_key_id(&exchange("pre_key_id")?),
        signed_pre_key: pre_key_id(&exchange("signed_pre_key_id")?),
        base_key: PublicKey::from_bytes(*exchange("ephemeral_key")?.base64::<32>()?),
        confirmed: root.field(&format!("{at}/confirmed"))?.flag()?,
        own_ratchet,
        peer_ratchet,
        root_key,
        sending,
        receiving,
        previous_sending,
        skipped,
    }))
}

/// An id that a migration from before 1.0 did not know is -1; it will never be asked for.
fn pre_key_id(node: &Node<'_>) -> PreKeyId {
    PreKeyId::new(node.u32().unwrap_or(0))
}

/// What the session authenticates, and whom it is with.
fn authenticated(
    node: &Node<'_>,
    namespace: &Namespace,
    role: Role,
    own: &IdentityKey,
    known: Option<IdentityKey>,
) -> Result<(AssociatedData, IdentityKey), ImportError> {
    let bytes = node.base64_bytes()?;
    let legacy = *namespace == Namespace::LEGACY;
    let [initiator, responder] =
        halves(&bytes, legacy).ok_or_else(|| node.fails(Problem::Not("two identity keys")))?;
    let (ours, theirs) = match role {
        Role::Initiator => (initiator, responder),
        Role::Responder => (responder, initiator),
    };
    let invalid = |error| node.fails(Problem::Key(error));
    let peer = if legacy {
        let curve25519 = PublicKey::from_bytes(theirs);
        match known {
            Some(known) if known.curve25519() == curve25519 => known,
            _ => IdentityKey::from_curve25519(curve25519, false).map_err(invalid)?,
        }
    } else {
        IdentityKey::from_ed25519(theirs).map_err(invalid)?
    };
    let is_ours = match legacy {
        true => ours == *own.curve25519().as_bytes(),
        false => ours == *own.ed25519(),
    };
    if !is_ours || known.is_some_and(|known| known != peer) {
        return Err(node.fails(Problem::OtherIdentity));
    }
    Ok((AssociatedData { initiator, responder }, peer))
}

/// The two keys, without the type that legacy OMEMO puts before each.
fn halves(bytes: &[u8], legacy: bool) -> Option<[[u8; 32]; 2]> {
    let (initiator, responder) = bytes.split_at_checked(bytes.len() / 2)?;
    let key = |half: &[u8]| match half {
        [KEY_TYPE, key @ ..] if legacy => key.try_into().ok(),
        key if !legacy => key.try_into().ok(),
        _ => None,
    };
    Some([key(initiator)?, key(responder)?])
}
