//! What another implementation has kept of an account, in the terms of this one.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::keys::{IdentityKey, IdentityKeyPair, KeyPair, PublicKey, Signature};
use crate::ratchet::SessionParts;
use crate::trust::TrustLevel;
use crate::{BareJid, DeviceId, Namespace, PreKeyId, Timestamp};

/// The state of a device, as another implementation has kept it.
///
/// Whoever takes it over has to see to it that the other implementation never runs on it again: two copies of a session
/// use the same message keys.
#[derive(Debug)]
pub struct ImportedAccount {
    /// The identity key pair.
    pub identity: IdentityKeyPair,
    /// The id of the device.
    pub device: DeviceId,
    /// The device's own label; it is signed anew.
    pub label: Option<String>,
    /// What the device keeps for each protocol.
    pub protocols: BTreeMap<Namespace, ImportedProtocol>,
    /// What is known of each account, the own one included.
    pub contacts: BTreeMap<BareJid, ImportedContact>,
}

/// What a device keeps for one protocol.
#[derive(Debug, Default)]
pub struct ImportedProtocol {
    /// The signed pre key that is published; a new one is made if there is none.
    pub signed_pre_key: Option<ImportedSignedPreKey>,
    /// The one before, kept for one more rotation period.
    pub retired: Option<RetiredPreKey>,
    /// The pre keys; the pool is filled up.
    pub pre_keys: BTreeMap<PreKeyId, KeyPair>,
    /// The highest id that any pre key ever had; those that are made from now on have higher ones.
    pub last_pre_key: u32,
    /// Devices that are owed an empty message in answer to their key exchange.
    pub owed_replies: Vec<(BareJid, DeviceId)>,
}

/// A signed pre key.
#[derive(Debug)]
pub struct ImportedSignedPreKey {
    /// Its id.
    pub id: PreKeyId,
    /// The key pair.
    pub pair: KeyPair,
    /// The identity key's signature, over the public key as the protocol encodes it.
    pub signature: Signature,
    /// When it was made.
    pub created: Timestamp,
}

/// A signed pre key that was replaced.
#[derive(Debug)]
pub struct RetiredPreKey {
    /// Its id.
    pub id: PreKeyId,
    /// The key pair.
    pub pair: KeyPair,
}

/// What is known of an account.
#[derive(Debug, Default)]
pub struct ImportedContact {
    /// Its devices.
    pub devices: BTreeMap<DeviceId, ImportedDevice>,
    /// The trust level of each identity key, by its Curve25519 form.
    pub trust: BTreeMap<PublicKey, TrustLevel>,
}

/// What is known of a device of another.
#[derive(Default)]
pub struct ImportedDevice {
    /// The protocols it was ever listed for, and whether it still is.
    pub protocols: BTreeMap<Namespace, bool>,
    /// Its identity key.
    pub identity: Option<IdentityKey>,
    /// The session with it in each protocol.
    pub sessions: BTreeMap<Namespace, SessionParts>,
}

impl fmt::Debug for ImportedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocols,
            identity,
            sessions,
        } = self;
        f.debug_struct("ImportedDevice")
            .field("protocols", protocols)
            .field("identity", identity)
            .field("sessions", &sessions.len())
            .finish()
    }
}

impl ImportedAccount {
    /// How many sessions there are, over all protocols.
    pub fn sessions(&self) -> usize {
        self.devices().map(|device| device.sessions.len()).sum()
    }

    /// How many skipped message keys there are, over all sessions.
    pub fn skipped_keys(&self) -> usize {
        self.devices()
            .flat_map(|device| device.sessions.values())
            .map(|session| session.skipped.len())
            .sum()
    }

    fn devices(&self) -> impl Iterator<Item = &ImportedDevice> {
        self.contacts
            .values()
            .flat_map(|contact| contact.devices.values())
    }
}
