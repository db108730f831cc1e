//! The own keys that others use to open sessions: signed pre key and pre keys.

use alloc::collections::BTreeMap;

use rand_core::CryptoRng;

use crate::engine::Stop;
use crate::keys::{IdentityKeyPair, KeyPair, PublicKey};
use crate::protocol::Protocol;
use crate::records::{HiddenPreKey, PreKeys, ProtocolRecord, RetiredSignedPreKey, SignedPreKey};
use crate::settings::Settings;
use crate::{Bundle, Error, PreKeyId, PublicSignedPreKey, Timestamp};

/// How many pre keys a bundle offers (XEP-0384, section 4.3: around 100).
pub(super) const FULL_POOL: usize = 100;

/// Ids end here (XEP-0384, section 5.3.2).
const MAX_ID: u32 = (1 << 31) - 1;

/// Makes the keys of a protocol that is new to this device.
pub(super) fn create(
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<(ProtocolRecord, PreKeys), Stop> {
    let mut record = ProtocolRecord {
        signed_pre_key: signed_pre_key(protocol, identity, PreKeyId::new(1), now, rng),
        retired: None,
        next_signed_pre_key: 2,
        next_pre_key: 1,
    };
    let mut pre_keys = PreKeys::default();
    refill(&mut record, &mut pre_keys, rng)?;
    Ok((record, pre_keys))
}

/// Fills the pool up. Ids are never used again.
pub(super) fn refill(
    record: &mut ProtocolRecord,
    pre_keys: &mut PreKeys,
    rng: &mut dyn CryptoRng,
) -> Result<(), Stop> {
    while pre_keys.visible.len() < FULL_POOL {
        let id = next_id(&mut record.next_pre_key)?;
        pre_keys.visible.insert(id, KeyPair::generate(rng));
    }
    Ok(())
}

/// Replaces the signed pre key; the one it replaces is kept for one more period.
pub(super) fn rotate(
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
    record: &mut ProtocolRecord,
    settings: &Settings,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) -> Result<(), Stop> {
    let id = next_id(&mut record.next_signed_pre_key)?;
    let fresh = signed_pre_key(protocol, identity, id, now, rng);
    let SignedPreKey { id, pair, .. } = core::mem::replace(&mut record.signed_pre_key, fresh);
    record.retired = Some(RetiredSignedPreKey {
        id,
        pair,
        expires: now + settings.rotation_period,
    });
    Ok(())
}

/// The most pre keys that are hidden at a time, and the most key exchanges remembered for each. Beyond, the oldest go.
const MAX_HIDDEN: usize = 1_000;
const MAX_BASE_KEYS: usize = 32;

/// Takes a pre key out of the pool after a key exchange has used it: for good, or hidden while a catch-up is open.
pub(super) fn consume(pre_keys: &mut PreKeys, id: PreKeyId, base_key: PublicKey, hide: bool) {
    if let Some(hidden) = pre_keys.hidden.get_mut(&id) {
        hidden.base_keys.push(base_key);
        if hidden.base_keys.len() > MAX_BASE_KEYS {
            // As many key exchanges of one pre key are no accident: it is good for no more.
            pre_keys.hidden.remove(&id);
        }
    } else if let Some(pair) = pre_keys.visible.remove(&id)
        && hide
    {
        pre_keys.hidden.insert(
            id,
            HiddenPreKey {
                pair,
                base_keys: [base_key].into(),
            },
        );
        if pre_keys.hidden.len() > MAX_HIDDEN {
            pre_keys.hidden.pop_first();
        }
    }
}

/// The bundle as it is to be published now.
pub(super) fn bundle(identity: &IdentityKeyPair, record: &ProtocolRecord, pre_keys: &PreKeys) -> Bundle {
    let pre_keys: BTreeMap<_, _> = pre_keys
        .visible
        .iter()
        .map(|(id, pair)| (*id, *pair.public()))
        .collect();
    Bundle {
        identity_key: *identity.public(),
        signed_pre_key: PublicSignedPreKey {
            id: record.signed_pre_key.id,
            key: *record.signed_pre_key.pair.public(),
            signature: record.signed_pre_key.signature,
        },
        pre_keys,
    }
}

fn signed_pre_key(
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
    id: PreKeyId,
    created: Timestamp,
    rng: &mut dyn CryptoRng,
) -> SignedPreKey {
    let pair = KeyPair::generate(rng);
    let signature = protocol.sign_pre_key(identity, pair.public(), rng);
    SignedPreKey {
        id,
        pair,
        signature,
        created,
    }
}

fn next_id(next: &mut u32) -> Result<PreKeyId, Stop> {
    if *next > MAX_ID {
        return Err(Error::Internal("the ids of pre keys are used up").into());
    }
    let id = PreKeyId::new(*next);
    *next += 1;
    Ok(id)
}
