//! The own keys that others use to open sessions: signed pre key and pre keys.

use alloc::collections::BTreeMap;

use omemo_storage::MAX_VALUE;
use rand_core::CryptoRng;

use crate::keys::{IdentityKeyPair, KeyPair};
use crate::protocol::Protocol;
use crate::records::{HiddenPreKey, PreKeys, ProtocolRecord, RetiredSignedPreKey, SignedPreKey};
use crate::settings::Settings;
use crate::{Bundle, PreKeyId, PublicSignedPreKey, Timestamp, UsedPreKey};

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
) -> (ProtocolRecord, PreKeys) {
    // Where the protocol was purged, messages may be under way that name keys from before.
    let [mut next_signed_pre_key, next_pre_key] = [first_id(rng), first_id(rng)];
    let id = next_id(&mut next_signed_pre_key);
    let mut record = ProtocolRecord {
        signed_pre_key: signed_pre_key(protocol, identity, id, now, rng),
        retired: None,
        next_signed_pre_key,
        next_pre_key,
    };
    let mut pre_keys = PreKeys::default();
    refill(&mut record, &mut pre_keys, rng);
    (record, pre_keys)
}

/// Where the ids of keys begin: somewhere up to 2^24, which leaves room before they begin with 1 again.
fn first_id(rng: &mut dyn CryptoRng) -> u32 {
    1 + (rng.next_u32() >> 8)
}

/// Fills the pool up. No id is used again before all others were.
pub(super) fn refill(record: &mut ProtocolRecord, pre_keys: &mut PreKeys, rng: &mut dyn CryptoRng) {
    let PreKeys { visible, hidden } = pre_keys;
    while visible.len() < FULL_POOL {
        let id = next_id(&mut record.next_pre_key);
        if !visible.contains_key(&id) && !hidden.contains_key(&id) {
            visible.insert(id, KeyPair::generate(rng));
        }
    }
}

/// Replaces the signed pre key; the one it replaces is kept for one more period.
pub(super) fn rotate(
    protocol: &dyn Protocol,
    identity: &IdentityKeyPair,
    record: &mut ProtocolRecord,
    settings: &Settings,
    now: Timestamp,
    rng: &mut dyn CryptoRng,
) {
    let mut id = next_id(&mut record.next_signed_pre_key);
    while record.signed_pre_key(id).is_some() {
        id = next_id(&mut record.next_signed_pre_key);
    }
    let fresh = signed_pre_key(protocol, identity, id, now, rng);
    let SignedPreKey { id, pair, .. } = core::mem::replace(&mut record.signed_pre_key, fresh);
    record.retired = Some(RetiredSignedPreKey {
        id,
        pair,
        expires: now + settings.rotation_period,
    });
}

/// The most pre keys that are hidden at a time, and the most key exchanges remembered for each, and for all of them. Beyond,
/// the oldest go.
const MAX_HIDDEN: usize = 1_000;
const MAX_KEY_EXCHANGES: usize = 32;
const MAX_ALL_KEY_EXCHANGES: usize = 16_000;

const _: () = assert!(
    PreKeys::bytes(10 * FULL_POOL, MAX_HIDDEN, MAX_ALL_KEY_EXCHANGES) <= MAX_VALUE,
    "the record can be stored however many key exchanges there are"
);

/// Takes a pre key out of the pool after a key exchange has used it: it is deleted, or kept unseen.
pub(super) fn consume(pre_keys: &mut PreKeys, id: PreKeyId, key_exchange: [u8; 32], used: UsedPreKey) {
    if let Some(hidden) = pre_keys.hidden.get_mut(&id) {
        hidden.key_exchanges.push(key_exchange);
        if hidden.key_exchanges.len() > MAX_KEY_EXCHANGES {
            // As many key exchanges of one pre key are no accident: it is good for no more.
            pre_keys.hidden.remove(&id);
        }
    } else if let Some(pair) = pre_keys.visible.remove(&id)
        && used != UsedPreKey::Delete
    {
        pre_keys.hidden.insert(
            id,
            HiddenPreKey {
                pair,
                key_exchanges: [key_exchange].into(),
                kept: used == UsedPreKey::Keep,
            },
        );
    }
    forget_oldest(pre_keys);
}

/// Keeps what is hidden within its bounds.
fn forget_oldest(pre_keys: &mut PreKeys) {
    let mut key_exchanges = pre_keys.key_exchanges();
    while pre_keys.hidden.len() > MAX_HIDDEN || key_exchanges > MAX_ALL_KEY_EXCHANGES {
        let oldest = pre_keys.hidden.pop_first();
        key_exchanges -= oldest.map_or(key_exchanges, |(_, hidden)| hidden.key_exchanges.len());
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

pub(super) fn signed_pre_key(
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

/// The next id: after the last of all comes the first again.
pub(super) fn next_id(next: &mut u32) -> PreKeyId {
    let id = if (1..=MAX_ID).contains(next) { *next } else { 1 };
    *next = id + 1;
    PreKeyId::new(id)
}

/// The least that [`jump`] goes ahead: more than a copy is ever behind.
const LEAST_JUMP: u32 = 1 << 20;

/// Goes ahead of what was used since a copy was made: somewhere within half of all ids, so that the same copy put back
/// twice does not go on at the same one.
pub(super) fn jump(next: &mut u32, rng: &mut dyn CryptoRng) {
    let ahead = LEAST_JUMP + (rng.next_u32() >> 2);
    let sum = u64::from(*next) + u64::from(ahead);
    // Ids begin with 1.
    *next = u32::try_from((sum - 1) % u64::from(MAX_ID) + 1).unwrap_or(1);
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::keys::testing::TestRng;
    use crate::protocol::Omemo2;
    use crate::records::Stored;

    fn ids(pre_keys: &PreKeys) -> Vec<u32> {
        pre_keys.visible.keys().map(|id| id.get()).collect()
    }

    #[test]
    fn after_the_last_id_comes_the_first() {
        for (next, expected) in [(1, 1), (MAX_ID, MAX_ID), (MAX_ID + 1, 1), (u32::MAX, 1), (0, 1)] {
            let mut following = next;
            assert_eq!(next_id(&mut following).get(), expected, "{next}");
            assert_eq!(following, expected + 1);
        }
    }

    #[test]
    fn ids_in_use_are_passed_over() {
        let rng = &mut TestRng::new(1);
        let identity = IdentityKeyPair::generate(rng);
        let (mut record, mut pre_keys) = create(&Omemo2, &identity, Timestamp::default(), rng);
        let first = ids(&pre_keys)[0];
        assert_eq!(ids(&pre_keys), (first..first + 100).collect::<Vec<_>>());
        let [kept, deleted] = [first + 2, first + 4];
        let key_exchange = [7; 32];
        consume(&mut pre_keys, PreKeyId::new(kept), key_exchange, UsedPreKey::Keep);
        consume(
            &mut pre_keys,
            PreKeyId::new(deleted),
            key_exchange,
            UsedPreKey::Delete,
        );
        record.next_pre_key = first;
        refill(&mut record, &mut pre_keys, rng);
        let mut expected: Vec<_> = (first..=first + 100).filter(|id| *id != kept).collect();
        assert_eq!(ids(&pre_keys), expected, "one is free again, the other is kept");

        consume(
            &mut pre_keys,
            PreKeyId::new(deleted),
            key_exchange,
            UsedPreKey::Delete,
        );
        record.next_pre_key = MAX_ID;
        refill(&mut record, &mut pre_keys, rng);
        expected.retain(|id| *id != deleted);
        expected.push(MAX_ID);
        assert_eq!(ids(&pre_keys), expected, "ids go on to the last");

        record.next_signed_pre_key = MAX_ID;
        let settings = Settings::new(crate::BareJid::new("romeo@montague.lit").unwrap());
        let mut rotated = || {
            rotate(
                &Omemo2,
                &identity,
                &mut record,
                &settings,
                Timestamp::default(),
                rng,
            );
            record.signed_pre_key.id.get()
        };
        assert_eq!([rotated(), rotated()], [MAX_ID, 1], "ids begin with 1");
        record.next_signed_pre_key = MAX_ID;
        let mut rotated = || {
            rotate(
                &Omemo2,
                &identity,
                &mut record,
                &settings,
                Timestamp::default(),
                rng,
            );
            record.signed_pre_key.id.get()
        };
        assert_eq!([rotated(), rotated()], [2, 3], "the last and 1 are still kept");
    }

    #[test]
    fn hidden_pre_keys_fit_into_their_record_whoever_uses_them() {
        const MANY: u32 = 1_500;
        let pair = KeyPair::generate(&mut TestRng::new(1));
        // As many key exchanges of each as are remembered; then few, of as many pre keys as are kept.
        for of_each in [MAX_KEY_EXCHANGES, 1] {
            let mut pre_keys = PreKeys::default();
            for id in (1..=MANY).map(PreKeyId::new) {
                pre_keys.visible.insert(id, pair.copy());
                for _ in 0..of_each {
                    consume(&mut pre_keys, id, [7; 32], UsedPreKey::Keep);
                }
                let last = pre_keys.hidden.get(&id).unwrap();
                assert_eq!(last.key_exchanges.len(), of_each, "the last one stays");
            }
            let (hidden, key_exchanges) = (pre_keys.hidden.len(), pre_keys.key_exchanges());
            match of_each {
                1 => assert_eq!(hidden, MAX_HIDDEN),
                _ => assert_eq!(key_exchanges, MAX_ALL_KEY_EXCHANGES),
            }
            let (&first, _) = pre_keys.hidden.first_key_value().unwrap();
            assert_eq!(
                first.get() as usize,
                MANY as usize - hidden + 1,
                "the oldest went"
            );
            let bytes = pre_keys.encode();
            assert_eq!(bytes.as_bytes().len(), PreKeys::bytes(0, hidden, key_exchanges));
            assert!(bytes.as_bytes().len() < MAX_VALUE);
        }
    }

    #[test]
    fn a_jump_leads_to_an_id_ahead() {
        let rng = &mut TestRng::new(1);
        for from in [1, 101, LEAST_JUMP, MAX_ID - 1, MAX_ID, MAX_ID + 1] {
            for _ in 0..1_000 {
                let mut next = from;
                jump(&mut next, rng);
                assert!((1..=MAX_ID).contains(&next));
                let ahead = (u64::from(next) + u64::from(MAX_ID) - u64::from(from)) % u64::from(MAX_ID);
                assert!((u64::from(LEAST_JUMP)..1 << 31).contains(&ahead), "{from} {next}");
            }
        }
    }
}
