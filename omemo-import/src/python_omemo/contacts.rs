//! `/devices/..` and `/trust/..`: what is known of accounts and their devices.

use std::collections::BTreeMap;

use omemo_sansio::keys::IdentityKey;
use omemo_sansio::ratchet::SessionParts;
use omemo_sansio::transfer::{ImportedContact, ImportedDevice};
use omemo_sansio::{BareJid, DeviceId, Namespace};

use super::NAMESPACES;
use crate::node::{Node, decode};
use crate::{ImportError, LeftBehind, Levels, Problem};

/// What is known of each account.
pub(super) struct Contacts {
    contacts: BTreeMap<BareJid, ImportedContact>,
    labels: BTreeMap<(BareJid, DeviceId), String>,
}

impl Contacts {
    pub(super) fn read(root: &Node<'_>, levels: &Levels) -> Result<Self, ImportError> {
        let mut read = Self {
            contacts: BTreeMap::new(),
            labels: BTreeMap::new(),
        };
        for (name, value) in root.entries()? {
            let Some(jid) = name
                .strip_prefix("/devices/")
                .and_then(|rest| rest.strip_suffix("/list"))
            else {
                continue;
            };
            let jid = BareJid::new(jid).map_err(|error| value.fails(Problem::Jid(error)))?;
            for device in value.elements()? {
                read.read_device(root, &jid, DeviceId::new(device.u32()?))?;
            }
        }
        for (name, value) in root.entries()? {
            if let Some(rest) = name.strip_prefix("/trust/") {
                read.read_trust(rest, &value, levels)?;
            }
        }
        Ok(read)
    }

    fn read_device(&mut self, root: &Node<'_>, jid: &BareJid, device: DeviceId) -> Result<(), ImportError> {
        let at = format!("/devices/{jid}/{device}");
        let mut known = ImportedDevice::default();
        for namespace in root.field(&format!("{at}/namespaces"))?.elements()? {
            let namespace = namespace.text()?;
            if let Some(namespace) = NAMESPACES.into_iter().find(|known| known.as_str() == namespace) {
                known.protocols.insert(namespace, false);
            }
        }
        for (namespace, active) in root.field(&format!("{at}/active"))?.entries()? {
            let active = active.flag()?;
            let listed = known
                .protocols
                .iter_mut()
                .find(|(known, _)| known.as_str() == namespace);
            if let Some((_, listed)) = listed {
                *listed = active;
            }
        }
        if let Some(key) = root.optional(&format!("{at}/identity_key"))? {
            known.identity = Some(ed25519(&key)?);
        }
        if let Some(label) = root.optional(&format!("{at}/label"))? {
            self.labels
                .insert((jid.clone(), device), label.text()?.to_owned());
        }
        let contact = self.contacts.entry(jid.clone()).or_default();
        contact.devices.insert(device, known);
        Ok(())
    }

    fn read_trust(&mut self, rest: &str, level: &Node<'_>, levels: &Levels) -> Result<(), ImportError> {
        // Base64 of the URL-safe alphabet has no slash.
        let (jid, key) = rest
            .rsplit_once('/')
            .ok_or_else(|| level.fails(Problem::Not("the trust of a key")))?;
        let jid = BareJid::new(jid).map_err(|error| level.fails(Problem::Jid(error)))?;
        let bytes = decode(key)
            .and_then(|bytes| <[u8; 32]>::try_from(&**bytes).ok())
            .ok_or_else(|| level.fails(Problem::Not("the trust of a key")))?;
        let key = IdentityKey::from_ed25519(bytes).map_err(|error| level.fails(Problem::Key(error)))?;
        let name = level.text()?;
        let became = levels
            .get(name)
            .ok_or_else(|| level.fails(Problem::Level(name.to_owned())))?;
        if let Some(became) = became {
            let contact = self.contacts.entry(jid).or_default();
            contact.trust.insert(key.curve25519(), became);
        }
        Ok(())
    }

    /// The account that this device with this identity key belongs to.
    pub(super) fn owner(&self, device: DeviceId, identity: &IdentityKey) -> Option<BareJid> {
        let mut owners = self.contacts.iter().filter(|(_, contact)| {
            let known = contact.devices.get(&device);
            known.is_some_and(|known| known.identity.as_ref() == Some(identity))
        });
        let owner = owners.next().map(|(jid, _)| jid.clone());
        owner.filter(|_| owners.next().is_none())
    }

    /// The own label; those of others are left behind.
    pub(super) fn take_labels(
        &mut self,
        own_jid: &BareJid,
        own_device: DeviceId,
        left_behind: &mut Vec<LeftBehind>,
    ) -> Option<String> {
        let mut labels = std::mem::take(&mut self.labels);
        let own = labels.remove(&(own_jid.clone(), own_device));
        let others = labels.into_keys();
        left_behind.extend(others.map(|(jid, device)| LeftBehind::Label(jid, device)));
        own
    }

    pub(super) fn identity(&self, jid: &BareJid, device: DeviceId) -> Option<IdentityKey> {
        self.contacts.get(jid)?.devices.get(&device)?.identity
    }

    pub(super) fn add_session(
        &mut self,
        jid: BareJid,
        device: DeviceId,
        namespace: Namespace,
        session: SessionParts,
    ) {
        let contact = self.contacts.entry(jid).or_default();
        let known = contact.devices.entry(device).or_default();
        known.identity.get_or_insert(session.peer);
        known.sessions.insert(namespace, session);
    }

    pub(super) fn finish(self) -> BTreeMap<BareJid, ImportedContact> {
        self.contacts
    }
}

/// An identity key in its Ed25519 form.
pub(super) fn ed25519(node: &Node<'_>) -> Result<IdentityKey, ImportError> {
    IdentityKey::from_ed25519(*node.base64::<32>()?).map_err(|error| node.fails(Problem::Key(error)))
}
