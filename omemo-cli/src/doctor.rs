//! `omemo doctor`: whether what a storage holds can be read and fits together.

use std::collections::BTreeSet;
use std::io::Write;

use omemo::{BareJid, Clock, SystemClock};
use omemo_sansio::{
    Finding, Problem, contact_of, contact_records, examine_contact, examine_own, own_records,
};
use omemo_storage::blocking::Storage;
use omemo_storage::{AccountId, AnyStorage, ErrorKind, Query, RecordInfo, Snapshot};

use crate::failure::Failure;
use crate::inspect::{accounts, records};
use crate::storage_url::{Source, without_secrets};
use crate::text::{counted, shown};

/// Says what is wrong in the storage; fails if anything is.
pub(crate) fn run(source: &Source, out: &mut impl Write) -> Result<(), Failure> {
    let storage = source.open()?;
    let accounts = accounts(&storage)?;
    let (mut looked_at, mut found) = (0, 0);
    for account in &accounts {
        let listed = records(&storage, account)?;
        looked_at += listed.len() as u64;
        found += examine(&storage, account, &listed, out)?;
    }
    let (accounts, records) = (
        counted(accounts.len() as u64, "account"),
        counted(looked_at, "record"),
    );
    writeln!(out, "{accounts}, {records}: {}", counted(found, "finding"))?;
    match found {
        0 => Ok(()),
        found => Err(Failure::new(format!(
            "{}: {}",
            without_secrets(&source.url),
            counted(found, "finding")
        ))),
    }
}

/// Says what is wrong in an account, a line each; returns how much.
fn examine(
    storage: &AnyStorage,
    account: &AccountId,
    listed: &[RecordInfo],
    out: &mut impl Write,
) -> Result<u64, Failure> {
    let Ok(jid) = BareJid::new(account.as_str()) else {
        writeln!(
            out,
            "{}: is no JID; find out what wrote it",
            shown(account.as_str())
        )?;
        return Ok(1);
    };
    let mut findings: Vec<Finding> = listed.iter().filter_map(elsewhere).collect();
    let mut unloaded = 0;
    let mut load = |query: &Query, of: &str, out: &mut dyn Write| match storage.load(account, query) {
        Ok(snapshot) => Ok(Some(snapshot)),
        // Sealed values that were changed, or sealed by another key.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            unloaded += 1;
            writeln!(
                out,
                "{}: {}: cannot be loaded: {error}; look at disk and master key",
                shown(account.as_str()),
                shown(of)
            )?;
            Ok::<Option<Snapshot>, Failure>(None)
        }
        Err(error) => Err(error.into()),
    };
    if let Some(own) = load(&own_records(&jid)?, "own", out)? {
        findings.extend(examine_own(&jid, &own.records, SystemClock.now()));
    }
    let contacts: BTreeSet<BareJid> = listed
        .iter()
        .filter_map(|record| contact_of(&record.key))
        .collect();
    for contact in contacts {
        if let Some(of_contact) = load(&contact_records(&contact)?, contact.as_str(), out)? {
            findings.extend(examine_contact(&contact, &of_contact.records));
        }
    }
    for Finding { key, problem } in &findings {
        writeln!(
            out,
            "{}: {}: {}: {problem}; {}",
            shown(account.as_str()),
            shown(key.partition.as_str()),
            shown(key.item.as_str()),
            problem.advice()
        )?;
    }
    Ok(findings.len() as u64 + unloaded)
}

/// A record that lies in no partition there is.
fn elsewhere(record: &RecordInfo) -> Option<Finding> {
    let key = &record.key;
    let is_own = ["own", "inbox"].contains(&key.partition.as_str());
    (!is_own && contact_of(key).is_none()).then(|| Finding {
        key: key.clone(),
        problem: Problem::Unknown,
    })
}
