//! `own/trust/owed`: decisions of a person that others must still be told, and whom to tell.

use alloc::collections::{BTreeMap, BTreeSet};

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::trust_history::Verdict;
use super::{RecordError, Stored};
use crate::BareJid;
use crate::keys::PublicKey;
use crate::trust::TrustLevel;

const VERSION: u8 = 2;

/// What automatic trust management owes to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwedTrust {
    /// The contacts with authenticated keys: those who are told about the own account's keys. Named here, since nothing is
    /// decided by which records there are. Some may have none any more.
    pub(crate) contacts: BTreeSet<BareJid>,
    /// The level of authenticated keys that every account was looked over for, so that no contact with one is missing.
    pub(crate) looked_over: Option<TrustLevel>,
    /// What a person has decided about a key, by its owner and its Curve25519 form.
    pub(crate) decisions: BTreeMap<(BareJid, PublicKey), Verdict>,
}

impl Stored for OwedTrust {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, version) = Reader::any_version(bytes, VERSION)?;
        let mut owed = Self::default();
        for _ in 0..reader.length()? {
            owed.contacts.insert(reader.jid()?);
        }
        for _ in 0..reader.length()? {
            let of = (reader.jid()?, PublicKey::from_bytes(reader.array()?));
            owed.decisions.insert(of, Verdict::decode(&mut reader)?);
        }
        if version >= 2 && reader.flag()? {
            owed.looked_over = Some(reader.trust_level()?);
        }
        reader.finish()?;
        Ok(owed)
    }

    fn encode(&self) -> Value {
        let Self {
            contacts,
            looked_over,
            decisions,
        } = self;
        let mut writer = Writer::new(VERSION, 80 + contacts.len() * 40 + decisions.len() * 80);
        writer.length(contacts.len());
        for jid in contacts {
            writer.text(jid.as_str());
        }
        writer.length(decisions.len());
        for ((jid, key), verdict) in decisions {
            writer.text(jid.as_str());
            writer.bytes(key.as_bytes());
            verdict.encode(&mut writer);
        }
        writer.flag(looked_over.is_some());
        if let Some(level) = looked_over {
            writer.text(level.as_str());
        }
        writer.finish().into()
    }
}
