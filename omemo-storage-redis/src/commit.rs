//! Applying a batch with one script, whatever its size.

use std::fmt::Write as _;
use std::time::Duration;

use omemo_storage::{Batch, Committed, ErrorKind, Key, Name, Stake, StorageError, Value, Write};
use redis::Value as Answer;

use crate::client::{Call, Servers};
use crate::keys::AccountKeys;
use crate::load::not_an_answer;
use crate::script::COMMIT;

/// How long a commit's id is remembered by the server's clock. The contract asks for ten minutes; after a failover the
/// clock is another's.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// The most bytes of a batch; a server closes a connection that sends it a gigabyte.
const MOST_BYTES: usize = 1_000_000_000;

pub(crate) async fn commit(
    servers: &Servers,
    keys: &AccountKeys,
    account: &str,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    check_size(batch)?;
    let groups = groups(batch);
    let mut call = Call::writing(&COMMIT, keys.slot, 3 + groups.len());
    call.arg(keys.commits());
    call.arg(keys.partitions());
    call.arg(&keys.accounts);
    for (partition, _) in &groups {
        call.arg(keys.partition(partition));
    }
    call.arg(batch.id().as_bytes().as_slice());
    call.arg(account);
    call.arg(REMEMBERED.as_millis() as u64);
    call.arg(u8::from(comes_or_goes(batch)));
    let mut buffer = Vec::new();
    for (_, stakes) in &groups {
        arguments(&mut call, batch, stakes, &mut buffer);
    }
    match servers.carry_out(call).await? {
        Answer::Int(1) => Ok(Committed::Applied),
        Answer::Int(0) => Ok(Committed::Conflict),
        _ => Err(not_an_answer()),
    }
}

/// Something of a batch that would not fit through a connection.
fn check_size(batch: &Batch) -> Result<(), StorageError> {
    let bytes: usize = batch
        .stakes()
        .map(|(key, stake)| match &stake.write {
            Write::Put(value) => value.len() + 2 * key.item.as_str().len(),
            Write::Keep | Write::Delete => 2 * key.item.as_str().len(),
        })
        .sum();
    if bytes > MOST_BYTES {
        let message = format!("a batch has {bytes} bytes, more than {MOST_BYTES}");
        return Err(StorageError::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

type Named<'a> = (&'a Key, &'a Stake);

/// What the batch names, by partition.
fn groups(batch: &Batch) -> Vec<(&Name, Vec<Named<'_>>)> {
    let mut groups: Vec<(&Name, Vec<Named<'_>>)> = Vec::new();
    for (key, stake) in batch.stakes() {
        match groups.last_mut() {
            Some((partition, stakes)) if *partition == &key.partition => stakes.push((key, stake)),
            _ => groups.push((&key.partition, vec![(key, stake)])),
        }
    }
    groups
}

/// Whether records are created or deleted, so that partitions may be as well.
fn comes_or_goes(batch: &Batch) -> bool {
    batch.stakes().any(|(_, stake)| match &stake.write {
        Write::Put(_) => stake.expected.is_none(),
        Write::Delete => true,
        Write::Keep => false,
    })
}

/// The arguments for one hash, in the order that the script reads. `buffer` is for use here.
fn arguments(call: &mut Call, batch: &Batch, stakes: &[Named<'_>], buffer: &mut Vec<u8>) {
    if let [(key, stake)] = stakes
        && let Write::Put(value) = &stake.write
    {
        let expected = stake.expected.as_ref();
        call.arg("put");
        call.arg(expected.map_or(&[][..], |revision| revision.as_bytes()));
        put(call, batch, key, value, buffer);
        return;
    }
    let puts = || {
        stakes.iter().filter_map(|(key, stake)| match &stake.write {
            Write::Put(value) => Some((key, value, stake)),
            Write::Keep | Write::Delete => None,
        })
    };
    let deletes = || stakes.iter().filter(|(_, stake)| stake.write == Write::Delete);
    let keeps = || stakes.iter().filter(|(_, stake)| stake.write == Write::Keep);
    call.arg(puts().count());
    call.arg(deletes().count());
    call.arg(keeps().count());
    let expected = puts()
        .map(|(.., stake)| stake)
        .chain(deletes().chain(keeps()).map(|(_, stake)| stake))
        .map(|stake| stake.expected);
    buffer.clear();
    let mut absent = String::new();
    for (place, expected) in (1..).zip(expected) {
        match expected {
            Some(revision) => buffer.extend_from_slice(revision.as_bytes()),
            // Writing to a string does not fail.
            None => drop(write!(absent, "{place},")),
        }
    }
    call.arg(buffer.as_slice());
    call.arg(absent);
    for (key, value, _) in puts() {
        put(call, batch, key, value, buffer);
    }
    for (key, _) in deletes().chain(keeps()) {
        call.arg(key.item.as_str());
    }
}

/// The item, and what is stored there.
fn put(call: &mut Call, batch: &Batch, key: &Key, value: &Value, buffer: &mut Vec<u8>) {
    call.arg(key.item.as_str());
    buffer.clear();
    buffer.extend_from_slice(batch.id().as_bytes());
    buffer.extend_from_slice(value.as_bytes());
    call.arg(buffer.as_slice());
}
