//! Committing.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::Ordering;

use omemo_storage::{
    Batch, Committed, ErrorKind, Key, MAX_RECORDS, MAX_VALUE, Revision, Stake, StorageError, Value, Write,
};

use super::flaw::Flaw;
use super::names::place;
use super::server::{Account, Accounts, Server, Stored, gap};

const WHOLE: Range<usize> = 0..usize::MAX;

/// The bounds of the contract.
pub(crate) fn check(server: &Server, batch: &Batch) -> Result<(), StorageError> {
    let records = batch.stakes().len();
    match server.flaw {
        Some(Flaw::LargeTaken | Flaw::LargeRefusedLate) if records <= MAX_RECORDS => Ok(()),
        Some(Flaw::ManyTaken) if records > MAX_RECORDS => Ok(()),
        Some(Flaw::ManyRefused) if records > 20_000 => {
            Err(StorageError::new(ErrorKind::TooLarge, "too many records"))
        }
        _ => batch.check(),
    }
}

/// Judges and writes the batch.
pub(crate) async fn commit(server: &Server, name: &str, batch: &Batch) -> Result<Committed, StorageError> {
    let others = server.committing.fetch_add(1, Ordering::SeqCst);
    if server.has(Flaw::AccountsConflict) {
        gap().await;
    }
    let committed = judge_and_write(server, name, batch).await;
    server.committing.fetch_sub(1, Ordering::SeqCst);
    let deletes = batch.stakes().any(|(_, stake)| stake.write == Write::Delete);
    Ok(match (committed?, server.flaw) {
        (_, Some(Flaw::AccountsConflict)) if others > 0 => Committed::Conflict,
        (Committed::Conflict, Some(Flaw::ConflictSaidApplied)) => Committed::Applied,
        (Committed::Applied, Some(Flaw::AppliedSaidConflict)) if deletes => Committed::Conflict,
        (committed, _) => committed,
    })
}

async fn judge_and_write(server: &Server, name: &str, batch: &Batch) -> Result<Committed, StorageError> {
    if leaves_a_gap(server.flaw) {
        let early = judge(server, &mut server.lock(), name, batch, |_| true, true);
        gap().await;
        if let Some(early) = early {
            return Ok(early);
        }
    }
    let is_judged = |stake: &Stake| match server.flaw {
        Some(Flaw::CheckThenWrite) => false,
        Some(Flaw::CreateRace) => stake.expected.is_some(),
        Some(Flaw::SkewOfPresent) => stake.write != Write::Keep || stake.expected.is_none(),
        Some(Flaw::SkewOfAbsent) => stake.write != Write::Keep || stake.expected.is_some(),
        _ => true,
    };
    let tears = server.has(Flaw::TornByDropping);
    let half = batch.stakes().len() / 2;
    {
        let mut accounts = server.lock();
        let looks_up = !server.has(Flaw::ResendRace);
        if let Some(outcome) = judge(server, &mut accounts, name, batch, is_judged, looks_up) {
            return Ok(outcome);
        }
        write(
            server,
            &mut accounts,
            name,
            batch,
            if tears { 0..half } else { WHOLE },
        )?;
    }
    if tears {
        gap().await;
        write(server, &mut server.lock(), name, batch, half..usize::MAX)?;
    }
    Ok(Committed::Applied)
}

fn leaves_a_gap(flaw: Option<Flaw>) -> bool {
    use Flaw::{CheckThenWrite, CreateRace, ResendRace, SkewOfAbsent, SkewOfPresent};
    matches!(
        flaw,
        Some(CheckThenWrite | CreateRace | ResendRace | SkewOfAbsent | SkewOfPresent)
    )
}

/// The outcome of the batch, unless it is still to be written.
fn judge(
    server: &Server,
    accounts: &mut Accounts,
    name: &str,
    batch: &Batch,
    is_judged: impl Fn(&Stake) -> bool,
    looks_up: bool,
) -> Option<Committed> {
    let flaw = server.flaw;
    let for_all = accounts.known_for_all.contains(&batch.id());
    let account = accounts.by_name.entry(name.to_owned()).or_default();
    let is_known = match flaw {
        Some(Flaw::NotIdempotent) => false,
        Some(Flaw::LastCommitOnlyKnown) => account.known.last() == Some(&batch.id()),
        _ => account.known.contains(&batch.id()) || for_all,
    };
    if is_known && looks_up {
        for (key, stake) in batch.stakes() {
            let again = match stake.write {
                Write::Put(_) => flaw == Some(Flaw::ResentWrittenAgain),
                Write::Delete => flaw == Some(Flaw::ResentDeletedAgain),
                Write::Keep => false,
            };
            if again {
                write_one(flaw, account, batch, key, stake);
            }
        }
        return Some(Committed::Applied);
    }
    let mut failing = batch
        .stakes()
        .enumerate()
        .filter(|(n, (key, stake))| is_judged(stake) && fails(flaw, account, batch, *n, key, stake));
    failing.next()?;
    drop(failing);
    if flaw == Some(Flaw::TornBatch) {
        for (n, (key, stake)) in batch.stakes().enumerate() {
            if !fails(flaw, account, batch, n, key, stake) {
                write_one(flaw, account, batch, key, stake);
            }
        }
    }
    if flaw == Some(Flaw::ConflictKnown) {
        account.known.push(batch.id());
    }
    Some(Committed::Conflict)
}

/// Whether the record is not as the batch expects.
fn fails(flaw: Option<Flaw>, account: &Account, batch: &Batch, n: usize, key: &Key, stake: &Stake) -> bool {
    let place = place(flaw, key);
    let mut found = account.records.get(&place).map(|stored| stored.revision);
    let keeps = stake.write == Write::Keep;
    let is_ignored = match flaw {
        Some(Flaw::PresenceIgnored) => !keeps && stake.expected.is_some(),
        Some(Flaw::AbsenceIgnored) => !keeps && stake.expected.is_none(),
        Some(Flaw::ReadIgnored) => keeps && stake.expected.is_some(),
        Some(Flaw::ReadAbsenceIgnored) => keeps && stake.expected.is_none(),
        Some(Flaw::ValidationIgnored) => batch.writes() == 0,
        Some(Flaw::LaterExpectationsIgnored) => n >= 100,
        _ => false,
    };
    if flaw == Some(Flaw::GraveKeepsRevision) && stake.expected.is_some() {
        found = found.or(account.graves.get(&place).copied());
    }
    !is_ignored && found != stake.expected
}

/// Writes a part of the batch.
fn write(
    server: &Server,
    accounts: &mut Accounts,
    name: &str,
    batch: &Batch,
    part: Range<usize>,
) -> Result<(), StorageError> {
    let flaw = server.flaw;
    accounts.last = name.to_owned();
    let account = accounts.by_name.entry(name.to_owned()).or_default();
    if let Some(Flaw::StaleAfterCommit | Flaw::Volatile | Flaw::RestartLoses) = flaw {
        account.before = None;
        account.before = Some(Box::new(account.clone()));
    }
    let mut refused = Ok(());
    let count = part.end.saturating_sub(part.start);
    for (key, stake) in batch.stakes().skip(part.start).take(count) {
        match &stake.write {
            Write::Put(value) if flaw == Some(Flaw::LargeRefusedLate) && value.len() > MAX_VALUE => {
                refused = Err(StorageError::new(ErrorKind::TooLarge, "a value is too large"));
            }
            _ => write_one(flaw, account, batch, key, stake),
        }
    }
    if flaw == Some(Flaw::PutsExchanged) {
        exchange_last_puts(account, batch);
    }
    let forgets = flaw == Some(Flaw::ValidationNotKnown) && batch.writes() == 0;
    if !forgets && part.end == usize::MAX {
        account.known.push(batch.id());
        if flaw == Some(Flaw::KnownForAll) {
            accounts.known_for_all.push(batch.id());
        }
    }
    refused
}

/// Each of the last two that the batch puts has the value of the other.
fn exchange_last_puts(account: &mut Account, batch: &Batch) {
    let puts = batch.stakes().filter_map(|(key, stake)| match &stake.write {
        Write::Put(value) => Some((key, value)),
        Write::Keep | Write::Delete => None,
    });
    let puts: Vec<(&Key, &Value)> = puts.collect();
    if let [.., (one, of_one), (other, of_other)] = puts[..] {
        for (key, value) in [(one, of_other), (other, of_one)] {
            account.records.get_mut(&place(None, key)).unwrap().value = value.clone();
        }
    }
}

fn write_one(flaw: Option<Flaw>, account: &mut Account, batch: &Batch, key: &Key, stake: &Stake) {
    let place = place(flaw, key);
    match &stake.write {
        Write::Keep => {}
        Write::Put(value) => {
            let before = account.records.get(&place).map(|stored| stored.revision);
            let stored = Stored {
                key: key.clone(),
                revision: revision(flaw, before, batch, value),
                value: value.clone(),
            };
            account.records.insert(place, stored);
        }
        Write::Delete => {
            let puts = batch
                .stakes()
                .any(|(_, stake)| matches!(stake.write, Write::Put(_)));
            if flaw == Some(Flaw::DeleteForgotten) && puts {
                return;
            }
            if flaw == Some(Flaw::DeleteEverywhere) {
                account.records.retain(|(_, item), _| *item != place.1);
            }
            if let Some(stored) = account.records.remove(&place) {
                account.graves.insert(place, stored.revision);
            }
        }
    }
}

fn revision(flaw: Option<Flaw>, before: Option<Revision>, batch: &Batch, value: &Value) -> Revision {
    match (flaw, before) {
        (Some(Flaw::RevisionUnchanged), Some(before)) => before,
        (Some(Flaw::RevisionOfValue), _) => {
            let mut hasher = DefaultHasher::new();
            value.as_bytes().hash(&mut hasher);
            Revision::from_bytes(u128::from(hasher.finish()).to_be_bytes())
        }
        _ => batch.id().into(),
    }
}
