//! Answering a query with one script, whatever it asks for.

use std::collections::BTreeMap;

use omemo_storage::{Key, Name, Query, Record, Revision, Snapshot, StorageError, Value};
use redis::Value as Answer;

use crate::client::{Call, Servers};
use crate::error::corrupt;
use crate::keys::AccountKeys;
use crate::script::LOAD;

/// How many records of a hash the script answers in one piece; as in `scripts/load.lua`.
const CHUNK: usize = 3_500;

pub(crate) async fn load(
    servers: &Servers,
    keys: &AccountKeys,
    query: &Query,
) -> Result<Snapshot, StorageError> {
    if query.is_empty() {
        return Ok(Snapshot::default());
    }
    let groups = groups(query);
    let mut call = Call::reading(&LOAD, keys.slot, query.partitions.len() + groups.len());
    for partition in query
        .partitions
        .iter()
        .chain(groups.iter().map(|(partition, _)| *partition))
    {
        call.arg(keys.partition(partition));
    }
    call.arg(query.partitions.len());
    for (_, items) in &groups {
        call.arg(items.len());
        for item in items {
            call.arg(item.as_str());
        }
    }
    let Answer::Array(answers) = servers.carry_out(call).await? else {
        return Err(not_an_answer());
    };
    read(query, &groups, answers).map(Snapshot::new)
}

/// The single records by partition. Those of a partition that is asked for whole are not asked for again.
fn groups(query: &Query) -> Vec<(&Name, Vec<&Name>)> {
    let mut groups: Vec<(&Name, Vec<&Name>)> = Vec::new();
    for Key { partition, item } in &query.records {
        if query.partitions.contains(partition) {
            continue;
        }
        match groups.last_mut() {
            Some((last, items)) if *last == partition => items.push(item),
            _ => groups.push((partition, vec![item])),
        }
    }
    groups
}

fn read(
    query: &Query,
    groups: &[(&Name, Vec<&Name>)],
    answers: Vec<Answer>,
) -> Result<BTreeMap<Key, Record>, StorageError> {
    let mut records = BTreeMap::new();
    let mut answers = answers.into_iter();
    let mut next = || match answers.next() {
        Some(Answer::Array(fields)) => Ok(fields.into_iter()),
        _ => Err(not_an_answer()),
    };
    for partition in &query.partitions {
        let mut fields = next()?;
        while let (Some(item), Some(stored)) = (fields.next(), fields.next()) {
            let item = name(item)?;
            let partition = partition.clone();
            records.insert(Key { partition, item }, record(stored)?);
        }
    }
    for (partition, items) in groups {
        for items in items.chunks(CHUNK) {
            for (item, stored) in items.iter().zip(next()?) {
                if stored != Answer::Nil {
                    let (partition, item) = ((*partition).clone(), (*item).clone());
                    records.insert(Key { partition, item }, record(stored)?);
                }
            }
        }
    }
    Ok(records)
}

fn record(stored: Answer) -> Result<Record, StorageError> {
    let Answer::BulkString(mut bytes) = stored else {
        return Err(not_an_answer());
    };
    let revision = revision(&bytes)?;
    bytes.drain(..revision.as_bytes().len());
    let value = Value::from(bytes);
    Ok(Record { revision, value })
}

/// What a stored record begins with.
pub(crate) fn revision(stored: &[u8]) -> Result<Revision, StorageError> {
    let bytes = stored.first_chunk();
    let bytes = bytes.ok_or_else(|| corrupt("a stored record has no revision"))?;
    Ok(Revision::from_bytes(*bytes))
}

pub(crate) fn name(answer: Answer) -> Result<Name, StorageError> {
    let Answer::BulkString(bytes) = answer else {
        return Err(not_an_answer());
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| corrupt("a stored name is not text"))?;
    Name::new(text).map_err(|invalid| corrupt("a stored name is not one").with_source(invalid))
}

pub(crate) fn not_an_answer() -> StorageError {
    corrupt("the server answered with something that is no answer")
}
