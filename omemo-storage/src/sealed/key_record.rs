//! The record that holds an account's keys: format 1, the id of the master key, a nonce, then, encrypted, the keys, and a
//! tag. Its seal is bound to account and revision like that of every record.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::{AccountId, Key, Record, Revision, StorageError, Value};

use super::cipher::{Cipher, NONCE, TAG};
use super::error::{damaged_record, newer_version, unknown_master_key};
use super::keys::Secrets;
use super::master::{Keyring, MasterKey, MasterKeyId};
use super::place::Place;
use super::prf;

const FORMAT: u8 = 1;

/// Format and id of the master key.
const HEADER: usize = 1 + 8;

/// What stands before the encrypted bytes.
const FRONT: usize = HEADER + NONCE;

/// Wraps an account's keys for the commit that will write them.
pub(super) fn wrap(
    secrets: &Secrets,
    master: &MasterKey,
    account: &AccountId,
    key: &Key,
    revision: &Revision,
) -> Result<Value, StorageError> {
    let secret = secrets.encode();
    let mut header = [FORMAT; HEADER];
    if let Some(id) = header.last_chunk_mut() {
        *id = master.id().0;
    }
    let mut nonce = [0; NONCE];
    prf::fill(&mut nonce)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(FRONT + secret.len() + TAG));
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&secret);
    let tag = match bytes.get_mut(FRONT..) {
        Some(secret) => cipher(master, account, revision).seal(
            &nonce,
            Place::new(account).of(&header, key, revision),
            secret,
        ),
        None => return Err(damaged_record(key)),
    };
    let tag = tag.map_err(|cause| damaged_record(key).with_source(cause))?;
    bytes.extend_from_slice(&tag);
    Ok(Value::from(bytes))
}

/// Unwraps an account's keys; also tells which master key wrapped them.
pub(super) fn unwrap(
    record: &Record,
    keyring: &Keyring,
    account: &AccountId,
    key: &Key,
) -> Result<(Secrets, MasterKeyId), StorageError> {
    let damaged = || damaged_record(key);
    let bytes = record.value.as_bytes();
    match bytes.first() {
        Some(&FORMAT) => {}
        Some(newer @ FORMAT..) => return Err(newer_version("the key record of the account", *newer)),
        _ => return Err(damaged()),
    }
    let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or_else(damaged)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
    let (secret, tag) = rest.split_last_chunk::<TAG>().ok_or_else(damaged)?;
    let id = MasterKeyId(*header.last_chunk().ok_or_else(damaged)?);
    let master = keyring.find(id).ok_or_else(unknown_master_key)?;

    let mut secret = Zeroizing::new(secret.to_vec());
    let mut place = Place::new(account);
    let place = place.of(header, key, &record.revision);
    cipher(master, account, &record.revision)
        .open(nonce, place, &mut secret, tag)
        .map_err(|cause| damaged().with_source(cause))?;
    let secrets = Secrets::decode(&secret).ok_or_else(damaged)?;
    Ok((secrets, id))
}

fn cipher(master: &MasterKey, account: &AccountId, revision: &Revision) -> Cipher {
    Cipher::new(&master.wrapping_key(account.as_str(), revision.as_bytes()))
}
