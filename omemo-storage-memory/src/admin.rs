//! Listing what is stored. A cursor names the last entry of the page it ended.

use std::ops::Bound;

use omemo_storage::{AccountId, Cursor, Key, Name, Page, Record, RecordInfo};

use crate::{Account, Accounts};

pub(crate) fn accounts(accounts: &Accounts, after: Option<&Cursor>, limit: usize) -> Page<AccountId> {
    // A cursor is the account that the page before ended with. A text that is no account begins anew.
    let after = after.and_then(|after| AccountId::new(&after.0).ok());
    let begin = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    let listed = accounts
        .range((begin, Bound::Unbounded))
        .filter(|(_, account)| !account.partitions.is_empty())
        .map(|(name, _)| name.clone());
    page(listed, limit, |name| name.as_str().to_owned())
}

pub(crate) fn records(account: Option<&Account>, after: Option<&Cursor>, limit: usize) -> Page<RecordInfo> {
    let listed = account
        .into_iter()
        .flat_map(|account| &account.partitions)
        .flat_map(|(partition, items)| {
            items
                .iter()
                .map(move |(item, record)| info(partition, item, record))
        })
        .filter(|info| after.is_none_or(|after| position(&info.key) > after.0));
    page(listed, limit, |info| position(&info.key))
}

fn info(partition: &Name, item: &Name, record: &Record) -> RecordInfo {
    let key = Key {
        partition: partition.clone(),
        item: item.clone(),
    };
    RecordInfo {
        key,
        revision: record.revision,
        bytes: record.value.len(),
    }
}

/// Both names in one text that sorts as the key does: a name holds no NUL.
fn position(key: &Key) -> String {
    format!("{}\0{}", key.partition, key.item)
}

/// Takes a page off a listing; it has at least one entry, lest a caller that follows the cursors never arrives.
fn page<T>(mut listed: impl Iterator<Item = T>, limit: usize, position: impl Fn(&T) -> String) -> Page<T> {
    let entries: Vec<T> = listed.by_ref().take(limit.max(1)).collect();
    let next = match (entries.last(), listed.next()) {
        (Some(last), Some(_)) => Some(Cursor(position(last))),
        _ => None,
    };
    Page { entries, next }
}
