//! Which keys hold what. All keys of an account share a hash tag, so that they lie in one slot of a Cluster.
//!
//! * `omemo:{romeo@montague.lit}:p:<partition>`: a hash of the partition's records. Field: the item; value: 16 bytes of
//!   revision, then the record's value.
//! * `omemo:{romeo@montague.lit}:partitions`: a set of the partitions that have records.
//! * `omemo:{romeo@montague.lit}:commits`: a sorted set of the ids of commits by the server's time, in milliseconds.
//! * `omemo:accounts:{<tag>}`: a sorted set of the accounts that have records, one for each slot and in that slot, so
//!   that the script of a commit can keep it.
//! * `omemo:schema`: the version of all this.

use std::sync::OnceLock;

use omemo_storage::{AccountId, Name};

/// The slots of a Cluster. A single server uses the same keys, so that data can move.
pub(crate) const SLOTS: u16 = 16_384;

/// The keys of one application; see [`RedisOptions::prefix`](crate::RedisOptions::prefix).
#[derive(Clone, Debug)]
pub(crate) struct Keyspace {
    prefix: String,
}

impl Keyspace {
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix = prefix.to_owned();
        Self { prefix }
    }

    pub(crate) fn account(&self, account: &AccountId) -> AccountKeys {
        let tag = escaped(account.as_str());
        let slot = slot_of(tag.as_bytes());
        AccountKeys {
            base: format!("{}:{{{tag}}}:", self.prefix),
            accounts: self.accounts(slot),
            slot,
        }
    }

    /// Lists the accounts of a slot.
    pub(crate) fn accounts(&self, slot: u16) -> String {
        format!("{}:accounts:{{{}}}", self.prefix, tag_of(slot))
    }

    pub(crate) fn schema(&self) -> String {
        format!("{}:schema", self.prefix)
    }
}

/// The keys of one account.
pub(crate) struct AccountKeys {
    /// What they begin with.
    base: String,
    pub(crate) accounts: String,
    pub(crate) slot: u16,
}

impl AccountKeys {
    pub(crate) fn commits(&self) -> String {
        format!("{}commits", self.base)
    }

    pub(crate) fn partitions(&self) -> String {
        format!("{}partitions", self.base)
    }

    pub(crate) fn partition(&self, partition: &Name) -> String {
        format!("{}p:{partition}", self.base)
    }
}

/// The first closing brace ends a hash tag, so names must not have one; the percent sign makes the way back unique.
fn escaped(account: &str) -> String {
    account
        .replace('%', "%25")
        .replace('{', "%7B")
        .replace('}', "%7D")
}

/// The slot of a key: of the tag in its first pair of braces, or of all of it without one.
pub(crate) fn slot_of_key(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    slot_of(tag.unwrap_or(key).as_bytes())
}

fn slot_of(tag: &[u8]) -> u16 {
    crc16(tag) % SLOTS
}

/// CRC-16 as in XMODEM, which Redis uses.
fn crc16(bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0x1021;
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ POLYNOMIAL
            }
        })
    })
}

/// The smallest number whose digits lie in the slot.
fn tag_of(slot: u16) -> u32 {
    static TAGS: OnceLock<Vec<u32>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        let mut tags = vec![None; usize::from(SLOTS)];
        let mut missing = tags.len();
        for number in 0_u32.. {
            if missing == 0 {
                break;
            }
            let slot = usize::from(slot_of(number.to_string().as_bytes()));
            if let Some(tag @ None) = tags.get_mut(slot) {
                *tag = Some(number);
                missing -= 1;
            }
        }
        tags.into_iter().flatten().collect()
    });
    tags.get(usize::from(slot)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_is_that_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of_key("foo"), 12_182);
        assert_eq!(slot_of_key("{user1000}.following"), slot_of_key("user1000"));
        assert_eq!(slot_of_key("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
    }

    #[test]
    fn every_slot_has_a_tag() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of(tag_of(slot).to_string().as_bytes()), slot);
        }
    }

    #[test]
    fn keys_of_an_account_share_its_slot() {
        let keyspace = Keyspace::new("omemo");
        for name in [
            "romeo@montague.lit",
            "}",
            "{",
            "{}",
            "a}b{c",
            "%7D",
            "\n",
            "é",
            "a}:p:x",
        ] {
            let keys = keyspace.account(&AccountId::new(name).unwrap());
            let partition = keys.partition(&Name::new("{p}").unwrap());
            for key in [
                keys.commits(),
                keys.partitions(),
                partition,
                keys.accounts.clone(),
            ] {
                assert_eq!(slot_of_key(&key), keys.slot, "{key}");
            }
        }
    }

    #[test]
    fn different_names_have_different_keys() {
        let keyspace = Keyspace::new("omemo");
        let names = ["a", "a}", "a%7D", "a{", "a}:p:x", "a%", "a%25", "A"];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let keys = keyspace.account(&AccountId::new(name).unwrap());
            assert!(seen.insert(keys.commits()), "{name}");
            assert!(seen.insert(keys.partitions()), "{name}");
            for partition in ["x", "x}:partitions", "artitions", "p:x"] {
                assert!(
                    seen.insert(keys.partition(&Name::new(partition).unwrap())),
                    "{name} {partition}"
                );
            }
        }
    }
}
