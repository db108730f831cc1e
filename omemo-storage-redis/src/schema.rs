//! The version of the keys' layout, kept beside them.

use omemo_storage::{ErrorKind, StorageError};
use redis::{FromRedisValue, cmd};

use crate::client::{Call, Servers};
use crate::error::corrupt;
use crate::keys::{Keyspace, slot_of_key};

const VERSION: u64 = 1;

/// Checks that the layout is one this code knows; writes its version where there is none.
pub(crate) async fn check(servers: &Servers, keyspace: &Keyspace) -> Result<(), StorageError> {
    let key = keyspace.schema();
    let slot = slot_of_key(&key);
    let mut get = cmd("GET");
    get.arg(&key);
    let found = servers.carry_out(Call::plain(get, slot)).await?;
    let found = Option::<u64>::from_redis_value(found)
        .map_err(|_| corrupt("the version of the storage is not a number"))?;
    match found {
        None => {
            let mut set = cmd("SET");
            set.arg(&key).arg(VERSION).arg("NX");
            servers.carry_out(Call::plain(set, slot)).await.map(drop)
        }
        Some(version) if version > VERSION => {
            let message = format!(
                "the database was written by a newer version: its schema is version {version}, known are those up to {VERSION}"
            );
            Err(StorageError::new(ErrorKind::UnsupportedVersion, message))
        }
        Some(_) => Ok(()),
    }
}
