//! Listing and purging.

use omemo_storage::{AccountId, Cursor, Page, RecordInfo};

use super::flaw::Flaw;
use super::server::{Account, Server, gap};

pub(crate) fn accounts(server: &Server, after: Option<&Cursor>, limit: usize) -> Page<AccountId> {
    let accounts = server.lock();
    let listed: Vec<&String> = accounts
        .by_name
        .iter()
        .filter(|(_, account)| !account.records.is_empty() || server.has(Flaw::EmptyListed))
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty())
        .collect();
    if server.has(Flaw::CursorCounts) {
        let begin = after.map_or(0, |after| after.0.parse().unwrap());
        let entries = listed.iter().skip(begin).take(limit);
        let entries: Vec<AccountId> = entries.map(|name| AccountId::new(name).unwrap()).collect();
        let end = begin + entries.len();
        let next = (end < listed.len()).then(|| Cursor(end.to_string()));
        return Page { entries, next };
    }
    let rest = listed
        .into_iter()
        .filter(|name| after.is_none_or(|after| **name > after.0))
        .map(|name| (name.clone(), AccountId::new(name).unwrap()));
    page(rest.collect(), limit, server.has(Flaw::AccountSkipped))
}

pub(crate) fn records(
    server: &Server,
    account: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Page<RecordInfo> {
    let accounts = server.lock();
    let records = accounts
        .by_name
        .get(account)
        .into_iter()
        .flat_map(|account| &account.records);
    let rest = records
        .map(|((partition, item), stored)| {
            let info = RecordInfo {
                key: stored.key.clone(),
                revision: stored.revision,
                bytes: stored.value.len(),
            };
            (format!("{partition}\0{item}"), info)
        })
        .filter(|(position, _)| after.is_none_or(|after| *position > after.0));
    page(rest.collect(), limit, server.has(Flaw::RecordSkipped))
}

/// The first entries of those that remain, each with its position.
fn page<T>(rest: Vec<(String, T)>, limit: usize, skips: bool) -> Page<T> {
    let is_last = rest.len() <= limit;
    // The cursor is where the page ended, or one further.
    let end = if skips { limit } else { limit - 1 };
    let next = rest.get(end).map(|(position, _)| Cursor(position.clone()));
    let entries = rest.into_iter().take(limit).map(|(_, entry)| entry).collect();
    let next = if is_last { None } else { next };
    Page { entries, next }
}

pub(crate) async fn purge(server: &Server, account: &str) {
    match server.flaw {
        Some(Flaw::PurgeKeepsCommits) => {
            if let Some(account) = server.lock().by_name.get_mut(account) {
                account.records.clear();
            }
        }
        Some(Flaw::PurgeKeepsPartition) => {
            if let Some(account) = server.lock().by_name.get_mut(account) {
                account.records.retain(|(partition, _), _| partition == "q");
            }
        }
        Some(Flaw::PurgeTakesNeighbour) => {
            server.lock().by_name.retain(|name, _| !name.starts_with(account));
        }
        Some(Flaw::TornPurge) => {
            for turn in 0..2 {
                if let Some(account) = server.lock().by_name.get_mut(account) {
                    remove_every(account, 2 - turn);
                }
                gap().await;
            }
            server.lock().by_name.remove(account);
        }
        _ => drop(server.lock().by_name.remove(account)),
    }
}

/// Removes every nth record.
fn remove_every(account: &mut Account, nth: usize) {
    let mut n = 0;
    account.records.retain(|_, _| {
        n += 1;
        n % nth != 0
    });
}
