//! `cold/<jid>/trust`: when an account's keys were decided about, and what its keys have said that cannot be believed yet.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::Value;

use super::codec::{Reader, Writer};
use super::{RecordError, Stored};
use crate::keys::PublicKey;
use crate::trust::KeyIdentifier;
use crate::{BareJid, Timestamp};

const VERSION: u8 = 1;

/// What automatic trust management remembers of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustHistory {
    /// When each key of the account was last decided about, so that older messages change nothing.
    pub(crate) decided: BTreeMap<PublicKey, Decision>,
    /// What keys of the account have said before they were authenticated, oldest first.
    pub(crate) held: Vec<Held>,
}

/// When and by whom a key was decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// When: the time in the message, or now.
    pub(crate) at: Timestamp,
    /// Whether it was a person here; otherwise a trust message.
    pub(crate) by_person: bool,
}

/// A statement that waits for its sender's key to be authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The key that authenticated the message.
    pub(crate) sender: PublicKey,
    /// What was said.
    pub(crate) statement: Statement,
}

/// What a trust message says about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The account that owns the key.
    pub(crate) owner: BareJid,
    /// The key, as the message names it.
    pub(crate) key: KeyIdentifier,
    /// What is said.
    pub(crate) verdict: Verdict,
    /// The time in the message.
    pub(crate) at: Timestamp,
}

/// What is said about a key. Of what was said at the same time, the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is authentic.
    Trust,
    /// It must not be used.
    Distrust,
}

impl Verdict {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(match reader.flag()? {
            true => Self::Trust,
            false => Self::Distrust,
        })
    }

    pub(super) fn encode(self, writer: &mut Writer) {
        writer.flag(self == Self::Trust);
    }
}

impl Stored for TrustHistory {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, VERSION)?;
        let mut history = Self::default();
        for _ in 0..reader.length()? {
            let key = PublicKey::from_bytes(reader.array()?);
            let at = reader.timestamp()?;
            let by_person = reader.flag()?;
            history.decided.insert(key, Decision { at, by_person });
        }
        for _ in 0..reader.length()? {
            let sender = PublicKey::from_bytes(reader.array()?);
            let statement = Statement {
                owner: reader.jid()?,
                key: KeyIdentifier::from_bytes(reader.array()?),
                verdict: Verdict::decode(&mut reader)?,
                at: reader.timestamp()?,
            };
            history.held.push(Held { sender, statement });
        }
        reader.finish()?;
        Ok(history)
    }

    fn encode(&self) -> Value {
        let Self { decided, held } = self;
        let mut writer = Writer::new(VERSION, 9 + decided.len() * 41 + held.len() * 128);
        writer.length(decided.len());
        for (key, Decision { at, by_person }) in decided {
            writer.bytes(key.as_bytes());
            writer.timestamp(*at);
            writer.flag(*by_person);
        }
        writer.length(held.len());
        for Held { sender, statement } in held {
            let Statement {
                owner,
                key,
                verdict,
                at,
            } = statement;
            writer.bytes(sender.as_bytes());
            writer.text(owner.as_str());
            writer.bytes(key.as_bytes());
            verdict.encode(&mut writer);
            writer.timestamp(*at);
        }
        writer.finish().into()
    }
}
