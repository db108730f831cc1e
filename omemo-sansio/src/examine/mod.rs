//! Whether what is stored of an account can be read, and fits together. Looks only; mending is for operations.

mod contact;
mod own;
mod problem;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::{Key, Name, Query, Record};

pub use contact::examine_contact;
pub use own::examine_own;
pub use problem::Problem;

use crate::records::{Stored, place};
use crate::{BareJid, Error, Namespace};

/// Something that is wrong with a stored record. Shows names and numbers, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The record; where one is missing, its place.
    pub key: Key,
    /// What is wrong.
    pub problem: Problem,
}

/// Records that are looked at together, and what was found.
struct Examination<'a> {
    records: &'a BTreeMap<Key, Record>,
    findings: Vec<Finding>,
}

impl<'a> Examination<'a> {
    fn of(records: &'a BTreeMap<Key, Record>) -> Self {
        Self {
            records,
            findings: Vec::new(),
        }
    }

    fn find(&mut self, key: &Key, problem: Problem) {
        self.findings.push(Finding {
            key: key.clone(),
            problem,
        });
    }

    /// A record, if it is there and can be read.
    fn read<T: Stored>(&mut self, key: &Key) -> Option<T> {
        let record = self.records.get(key)?;
        match T::decode(record.value.as_bytes()) {
            Ok(record) => Some(record),
            Err(error) => {
                self.find(key, Problem::Unreadable(error));
                None
            }
        }
    }
}

/// The protocols that the device has keys of, as far as their records lie in `own`.
fn namespaces<'a>(records: impl Iterator<Item = &'a Key>) -> Vec<Namespace> {
    records.filter_map(place::protocol_of).collect()
}

/// What [`examine_own`] looks at.
///
/// # Errors
///
/// None for a JID that names an account in a storage.
pub fn own_records(jid: &BareJid) -> Result<Query, Error> {
    Ok(Query {
        records: [place::contact(jid)?].into(),
        partitions: [Name::new(place::OWN)?, Name::new(place::INBOX)?].into(),
    })
}

/// What [`examine_contact`] looks at.
///
/// # Errors
///
/// None for a JID that a storage has a contact of.
pub fn contact_records(jid: &BareJid) -> Result<Query, Error> {
    Ok(Query {
        partitions: [place::contact_partition(jid)?, place::cold_partition(jid)?].into(),
        ..Query::new()
    })
}
