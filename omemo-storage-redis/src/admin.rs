//! Listing and removing what is stored. A cursor names the last entry of the page it ended.

use omemo_storage::{AccountId, Cursor, Key, Name, Page, RecordInfo, StorageError};
use redis::{Cmd, FromRedisValue, Pipeline, Value as Answer, cmd};

use crate::client::{Call, Servers};
use crate::error::{corrupt, unavailable};
use crate::keys::{AccountKeys, Keyspace, SLOTS};
use crate::load::{name, not_an_answer, revision};
use crate::script::{PURGE, RECORDS};

/// How many slots are asked at once for their accounts.
const SLOTS_AT_ONCE: u16 = 512;

/// How many partitions are asked at once for their records.
const PARTITIONS_AT_ONCE: usize = 64;

/// How often a purge begins again because the account got new partitions meanwhile.
const PURGES: usize = 16;

/// Slot by slot, in order of their names: each account once.
pub(crate) async fn accounts(
    servers: &Servers,
    keyspace: &Keyspace,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<AccountId>, StorageError> {
    // A page has at least one entry, lest a caller that follows the cursors never arrives.
    let limit = limit.max(1);
    let (mut slot, mut last) = position(after);
    let mut page = Page {
        entries: Vec::new(),
        next: None,
    };
    while slot < SLOTS {
        let end = SLOTS.min(slot.saturating_add(SLOTS_AT_ONCE));
        let wanted = limit + 1 - page.entries.len();
        let listed = list(servers, keyspace, slot..end, &last, wanted).await?;
        for (slot, names) in (slot..end).zip(listed) {
            for name in names {
                if page.entries.len() == limit {
                    return Ok(page);
                }
                page.next = Some(Cursor(format!("{slot}\0{name}")));
                page.entries.push(account(&name)?);
            }
        }
        (slot, last) = (end, String::new());
    }
    page.next = None;
    Ok(page)
}

/// The slot and the account where a page ended.
fn position(after: Option<&Cursor>) -> (u16, String) {
    let position = after.and_then(|after| after.0.split_once('\0'));
    let position = position.and_then(|(slot, last)| Some((slot.parse().ok()?, last.to_owned())));
    position.unwrap_or_default()
}

fn account(name: &str) -> Result<AccountId, StorageError> {
    AccountId::new(name).map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))
}

/// Up to `limit` accounts of each slot; of the first slot those after `last`. Slots that one server has go to it together.
async fn list(
    servers: &Servers,
    keyspace: &Keyspace,
    slots: std::ops::Range<u16>,
    last: &str,
    limit: usize,
) -> Result<Vec<Vec<String>>, StorageError> {
    let first = slots.start;
    let question = |slot| {
        let after = if slot == first { last } else { "" };
        ask_for_accounts(&keyspace.accounts(slot), after, limit)
    };
    let mut listed = Vec::new();
    let mut next = slots.start;
    while next < slots.end {
        let node = servers.topology.owner(next).await?;
        let mut questions = Pipeline::new();
        let begun = next;
        while next < slots.end && std::sync::Arc::ptr_eq(&node, &servers.topology.owner(next).await?) {
            questions.add_command(question(next));
            next += 1;
        }
        let together = node.send(&questions).await.unwrap_or_default();
        let mut together = together.into_iter();
        for slot in begun..next {
            let answer = match together.next() {
                Some(answer) if !matches!(answer, Answer::ServerError(_)) => answer,
                // The slot has moved, or the connection was lost: by itself it is followed.
                _ => servers.carry_out(Call::plain(question(slot), slot)).await?,
            };
            listed.push(Vec::from_redis_value(answer).map_err(|_| not_an_answer())?);
        }
    }
    Ok(listed)
}

fn ask_for_accounts(key: &str, after: &str, limit: usize) -> Cmd {
    let mut question = cmd("ZRANGEBYLEX");
    let from = if after.is_empty() {
        "-".to_owned()
    } else {
        format!("({after}")
    };
    question
        .arg(key)
        .arg(from)
        .arg("+")
        .arg("LIMIT")
        .arg(0)
        .arg(limit);
    question
}

/// Partition by partition, in order of the names.
pub(crate) async fn records(
    servers: &Servers,
    keys: &AccountKeys,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<RecordInfo>, StorageError> {
    let limit = limit.max(1);
    // A name holds no NUL.
    let (last_partition, last_item) = after
        .and_then(|after| after.0.split_once('\0'))
        .unwrap_or_default();
    let mut partitions = partitions(servers, keys).await?;
    partitions.sort();
    partitions.retain(|partition| partition.as_str() >= last_partition);
    let mut entries = Vec::new();
    for partitions in partitions.chunks(PARTITIONS_AT_ONCE) {
        for info in records_of(servers, keys, partitions).await? {
            let place = (info.key.partition.as_str(), info.key.item.as_str());
            if place > (last_partition, last_item) {
                entries.push(info);
            }
        }
        if entries.len() > limit {
            break;
        }
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|info| Cursor(format!("{}\0{}", info.key.partition, info.key.item)));
    Ok(Page { entries, next })
}

async fn partitions(servers: &Servers, keys: &AccountKeys) -> Result<Vec<Name>, StorageError> {
    let mut members = cmd("SMEMBERS");
    members.arg(keys.partitions());
    match servers.carry_out(Call::plain(members, keys.slot)).await? {
        Answer::Array(names) => names.into_iter().map(name).collect(),
        _ => Err(not_an_answer()),
    }
}

/// All records of some partitions, in order.
async fn records_of(
    servers: &Servers,
    keys: &AccountKeys,
    partitions: &[Name],
) -> Result<Vec<RecordInfo>, StorageError> {
    let mut call = Call::reading(&RECORDS, keys.slot, partitions.len());
    for partition in partitions {
        call.arg(keys.partition(partition));
    }
    let Answer::Array(answers) = servers.carry_out(call).await? else {
        return Err(not_an_answer());
    };
    let mut records = Vec::new();
    for (partition, answer) in partitions.iter().zip(answers) {
        let Answer::Array(answer) = answer else {
            return Err(not_an_answer());
        };
        let mut fields = answer.into_iter();
        while let (Some(item), Some(Answer::BulkString(stored)), Some(Answer::Int(bytes))) =
            (fields.next(), fields.next(), fields.next())
        {
            records.push(RecordInfo {
                key: Key {
                    partition: partition.clone(),
                    item: name(item)?,
                },
                revision: revision(&stored)?,
                bytes: usize::try_from(bytes).unwrap_or_default(),
            });
        }
    }
    records.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(records)
}

/// A Cluster wants to hear of every key beforehand, so the partitions are asked for first, and the script makes sure that
/// they are still all.
pub(crate) async fn purge(servers: &Servers, keys: &AccountKeys, account: &str) -> Result<(), StorageError> {
    for _ in 0..PURGES {
        let partitions = partitions(servers, keys).await?;
        let mut call = Call::writing(&PURGE, keys.slot, 3 + partitions.len());
        call.arg(keys.commits());
        call.arg(keys.partitions());
        call.arg(&keys.accounts);
        for partition in &partitions {
            call.arg(keys.partition(partition));
        }
        call.arg(account);
        for partition in &partitions {
            call.arg(partition.as_str());
        }
        match servers.carry_out(call).await? {
            Answer::Int(1) => return Ok(()),
            Answer::Int(0) => {}
            _ => return Err(not_an_answer()),
        }
    }
    Err(unavailable("the account is written to again and again"))
}
