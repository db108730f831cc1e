//! The storage of python-omemo 1.x and 2.x: a JSON object with every key and value of its `Storage`.

mod contacts;
pub(crate) mod key_bundle;
pub(crate) mod ratchet;
mod session;

use std::collections::BTreeMap;

use omemo_sansio::keys::IdentityKeyPair;
use omemo_sansio::transfer::ImportedAccount;
use omemo_sansio::{BareJid, DeviceId, Namespace};

use crate::node::{Node, parse};
use crate::{ImportError, LeftBehind, Levels, Problem, Reading};

use contacts::Contacts;

/// The protocols of its two backends, twomemo and oldmemo.
const NAMESPACES: [Namespace; 2] = [Namespace::OMEMO_2, Namespace::LEGACY];

/// Reads a storage: one JSON object whose names are the storage's keys.
///
/// The storage does not say which account it is of: it is the one whose device list has this device with this identity
/// key. `account` is needed only where none has, and must be the same where one has.
///
/// # Errors
///
/// [`ImportError`] naming the first key that is missing or that cannot be read.
pub fn read(json: &[u8], account: Option<&BareJid>, levels: &Levels) -> Result<Reading, ImportError> {
    let source = parse(json)?;
    let root = Node::root(&source);
    let identity = identity(&root)?;
    let device = DeviceId::new(root.field("/own_device_id")?.u32()?);
    let mut left_behind = unknown_protocols(&root)?;
    let mut contacts = Contacts::read(&root, levels)?;
    let jid = match (contacts.owner(device, identity.public()), account) {
        (Some(owner), Some(account)) if owner != *account => {
            return Err(root.fails(Problem::OtherAccount(owner)));
        }
        (Some(owner), _) => owner,
        (None, Some(account)) => account.clone(),
        (None, None) => return Err(root.fails(Problem::NoAccount)),
    };
    let label = contacts.take_labels(&jid, device, &mut left_behind);
    let mut protocols = BTreeMap::new();
    for namespace in NAMESPACES {
        let Some(x3dh) = root.optional(&format!("/{namespace}/x3dh"))? else {
            continue;
        };
        let mut protocol = key_bundle::read(&root, &namespace, &x3dh)?;
        protocol.owed_replies = owed_replies(&root, &namespace)?;
        protocols.insert(namespace.clone(), protocol);
        session::read_all(&root, &namespace, identity.public(), &mut contacts)?;
    }
    Ok(Reading {
        jid,
        account: ImportedAccount {
            identity,
            device,
            label,
            protocols,
            contacts: contacts.finish(),
        },
        left_behind,
    })
}

fn identity(root: &Node<'_>) -> Result<IdentityKeyPair, ImportError> {
    let is_seed = root.field("/ikp/is_seed")?.flag()?;
    let key = root.field("/ikp/key")?;
    let secret = key.base64::<32>()?;
    if is_seed {
        return Ok(IdentityKeyPair::from_seed(*secret));
    }
    IdentityKeyPair::from_private_scalar(*secret).map_err(|error| key.fails(Problem::Key(error)))
}

/// Protocols that have keys in the storage, and are not known here.
fn unknown_protocols(root: &Node<'_>) -> Result<Vec<LeftBehind>, ImportError> {
    let names = root.entries()?.into_iter().filter_map(|(name, _)| {
        let namespace = name.strip_prefix('/')?.strip_suffix("/x3dh")?;
        let known = NAMESPACES.iter().any(|known| known.as_str() == namespace);
        (!known).then(|| LeftBehind::Protocol(namespace.to_owned()))
    });
    Ok(names.collect())
}

/// The empty messages that wait for the end of a history synchronisation.
fn owed_replies(root: &Node<'_>, namespace: &Namespace) -> Result<Vec<(BareJid, DeviceId)>, ImportError> {
    let mut owed = Vec::new();
    let Some(jids) = root.optional(&format!("/queue/{namespace}"))? else {
        return Ok(owed);
    };
    for jid in jids.elements()? {
        let jid = jid.jid()?;
        let Some(devices) = root.optional(&format!("/queue/{namespace}/{jid}"))? else {
            continue;
        };
        for device in devices.elements()? {
            owed.push((jid.clone(), DeviceId::new(device.u32()?)));
        }
    }
    Ok(owed)
}
