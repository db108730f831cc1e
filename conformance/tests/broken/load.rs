//! Loading.

use std::collections::BTreeMap;

use omemo_storage::{Key, Name, Query, Record, Value};

use super::flaw::Flaw;
use super::names;
use super::server::{Account, Server, Stored, gap};

/// Everything asked for.
pub(crate) async fn load(server: &Server, account: &str, query: &Query) -> BTreeMap<Key, Record> {
    let mut found = BTreeMap::new();
    if server.has(Flaw::TornSnapshot) {
        for partition in &query.partitions {
            if let Some(account) = server.lock().by_name.get(account) {
                load_partition(server, account, partition, &mut found);
            }
            gap().await;
        }
        if let Some(account) = server.lock().by_name.get(account) {
            load_records(server, account, query, &mut found);
        }
    } else if let Some(account) = server.lock().by_name.get(account) {
        let account = match &account.before {
            Some(before) if server.has(Flaw::StaleAfterCommit) => before,
            _ => account,
        };
        load_all(server, account, query, &mut found);
    }
    if server.has(Flaw::ValuesExchanged) {
        exchange_last_values(&mut found);
    }
    found
}

/// Their revisions stay, so that nothing but the values tells.
fn exchange_last_values(found: &mut BTreeMap<Key, Record>) {
    let mut last = found.values_mut().rev();
    if let (Some(one), Some(other)) = (last.next(), last.next()) {
        std::mem::swap(&mut one.value, &mut other.value);
    }
}

fn load_all(server: &Server, account: &Account, query: &Query, found: &mut BTreeMap<Key, Record>) {
    let most = if server.has(Flaw::PartitionsCut) {
        100
    } else {
        usize::MAX
    };
    for partition in query.partitions.iter().take(most) {
        load_partition(server, account, partition, found);
    }
    if query.is_empty() && server.has(Flaw::NothingIsEverything) {
        found.extend(
            account
                .records
                .values()
                .map(|stored| (stored.key.clone(), shown(server, stored))),
        );
    }
    if query.partitions.is_empty() || !server.has(Flaw::RecordsForgotten) {
        load_records(server, account, query, found);
    }
}

fn load_partition(server: &Server, account: &Account, partition: &Name, found: &mut BTreeMap<Key, Record>) {
    let asked = names::partition(server.flaw, partition.as_str());
    let most = if server.has(Flaw::PartitionCut) {
        1_000
    } else {
        usize::MAX
    };
    let is_loaded = |filed: &str| names::is_loaded_with(server.flaw, &asked, filed);
    let exact = (asked.clone(), String::new())..;
    let all = matches!(server.flaw, Some(Flaw::PrefixBleed | Flaw::Wildcards));
    let records: Box<dyn Iterator<Item = _>> = if all {
        Box::new(account.records.iter().filter(|((filed, _), _)| is_loaded(filed)))
    } else {
        Box::new(
            account
                .records
                .range(exact)
                .take_while(|((filed, _), _)| is_loaded(filed)),
        )
    };
    for (_, stored) in records.take(most) {
        found.insert(stored.key.clone(), shown(server, stored));
    }
}

fn load_records(server: &Server, account: &Account, query: &Query, found: &mut BTreeMap<Key, Record>) {
    for key in &query.records {
        if let Some(stored) = account.records.get(&names::place(server.flaw, key)) {
            found.insert(key.clone(), shown(server, stored));
        }
    }
    if server.has(Flaw::EmptyIsAbsent) {
        found.retain(|_, record| !record.value.is_empty());
    }
}

/// A record as it is loaded.
fn shown(server: &Server, stored: &Stored) -> Record {
    let bytes = stored.value.as_bytes();
    let value = match server.flaw {
        Some(Flaw::ValueTruncated) => Value::from(bytes[..bytes.len().min(65_535)].to_vec()),
        Some(Flaw::ValueAsText) => Value::from(String::from_utf8_lossy(bytes).into_owned().into_bytes()),
        _ => stored.value.clone(),
    };
    let revision = stored.revision;
    Record { revision, value }
}
