//! Listing what is stored, by its real names.

use alloc::vec::Vec;

use crate::{AccountId, Cursor, Key, Page, Query, RecordInfo, Storage, StorageError};

use super::Sealed;
use super::error::not_sealed;
use super::keys::key_record;
use super::open::Opened;

/// How many bytes of values are loaded at once, to learn the names within: 4 MiB, or one value.
const LOADED: usize = 4 << 20;

pub(super) async fn accounts<S: Storage>(
    storage: &Sealed<S>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<AccountId>, StorageError> {
    let place = key_record()?;
    let mut after = after.cloned();
    loop {
        let Page { entries, next } = storage.inner.accounts(after.as_ref(), limit).await?;
        let mut listed = Vec::with_capacity(entries.len());
        for account in entries {
            let two = storage.inner.records(&account, None, 2).await?;
            if two.entries.iter().any(|record| record.key != place) {
                listed.push(account);
            }
        }
        // A page without entries would look like the last one to some.
        if !listed.is_empty() || next.is_none() {
            return Ok(Page {
                entries: listed,
                next,
            });
        }
        after = next;
    }
}

pub(super) async fn records<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<RecordInfo>, StorageError> {
    let place = key_record()?;
    let mut after = after.cloned();
    loop {
        let page = storage.inner.records(account, after.as_ref(), limit).await?;
        let mut listed = Vec::with_capacity(page.entries.len());
        for some in portions(&page.entries, &place) {
            listed.extend(named(storage, account, some).await?);
        }
        if !listed.is_empty() || page.next.is_none() {
            return Ok(Page {
                entries: listed,
                next: page.next,
            });
        }
        after = page.next;
    }
}

/// The records of a page but the key record, in portions that fit into memory.
fn portions(entries: &[RecordInfo], place: &Key) -> Vec<Query> {
    let mut portions: Vec<(Query, usize)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.key != *place) {
        match portions.last_mut() {
            Some((query, bytes)) if *bytes + entry.bytes <= LOADED => {
                query.records.insert(entry.key.clone());
                *bytes += entry.bytes;
            }
            _ => {
                let mut query = Query::new();
                query.records.insert(entry.key.clone());
                portions.push((query, entry.bytes));
            }
        }
    }
    portions.into_iter().map(|(query, _)| query).collect()
}

/// The records of one portion, by their real names. Those that are gone by now are left out.
async fn named<S: Storage>(
    storage: &Sealed<S>,
    account: &AccountId,
    portion: Query,
) -> Result<Vec<RecordInfo>, StorageError> {
    let Opened { keys, snapshot } = storage.load_opened(account, portion, &[]).await?;
    if keys.is_none() && !snapshot.records.is_empty() {
        return Err(not_sealed());
    }
    let records = snapshot.records.into_iter();
    Ok(records
        .map(|(key, record)| RecordInfo {
            key,
            revision: record.revision,
            bytes: record.value.len(),
        })
        .collect())
}
