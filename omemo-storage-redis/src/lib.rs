//! OMEMO state in Redis: in a single server, in one watched by Sentinels, or in a Cluster.
//!
//! Redis 7.0 or newer, or Valkey. Each call is one script and one round trip; a script is one step that nothing comes
//! between, and no key of an account is ever in another slot of a Cluster than the rest.
//!
//! ```no_run
//! use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Storage, Value};
//! use omemo_storage_redis::RedisStorage;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = RedisStorage::open("redis://127.0.0.1").await?;
//! let account = AccountId::new("romeo@montague.lit")?;
//! let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
//! batch.put(Key::new("contact/juliet@capulet.lit", "contact")?, None, Value::from(b"opaque".to_vec()));
//! assert_eq!(storage.commit(&account, &batch).await?, Committed::Applied);
//! # Ok(())
//! # }
//! ```
//!
//! A commit is durable when it is answered, or it is not answered: [`RedisOptions`] tells what that asks of the server,
//! and a server that does not promise it is refused. A lost connection is made anew, and the call repeated once: a server
//! applies a batch once, however often it comes. A failover is not waited for: calls fail with
//! [`Unavailable`](omemo_storage::ErrorKind::Unavailable), or commits with
//! [`OutcomeUnknown`](omemo_storage::ErrorKind::OutcomeUnknown), until a new primary is found.
//!
//! While a slot of a Cluster moves to another server, Redis refuses scripts for its accounts unless it has all of their
//! keys; they are tried again until it has moved, or the [timeout](RedisOptions::timeout) has passed.
//!
//! A server that was cut off from its Sentinels or its Cluster may go on answering loads for a while after another took
//! over. What is loaded from it can be old; commits that wait for replicas do not succeed there.
//!
//! The futures run on any executor: what they need of tokio they find in a runtime of this crate, with one thread, which
//! starts with the first call and ends with the process.
//!
//! The arguments of a batch go to the server in one piece, so together its values may have just under a gigabyte. Values
//! are not wiped from the buffers of connections, nor from the server's memory and files.

mod admin;
mod client;
mod commit;
mod durability;
mod error;
mod keys;
mod load;
mod node;
mod options;
mod place;
mod runtime;
mod schema;
mod script;
mod topology;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use omemo_storage::{
    AccountId, Batch, Committed, Cursor, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

use crate::client::Servers;
use crate::error::unavailable;
use crate::keys::Keyspace;
use crate::runtime::within;

pub use crate::options::RedisOptions;

/// A storage in Redis. Cloning shares its connections.
#[derive(Clone)]
pub struct RedisStorage {
    /// `None` once closed.
    servers: Arc<RwLock<Option<Arc<Servers>>>>,
    keyspace: Keyspace,
}

impl RedisStorage {
    /// Opens the servers at a URL: `redis://host`, `redis-sentinel://host,host/name` or `redis-cluster://host,host`. See
    /// [`RedisOptions`] for more choices.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if no server can be reached, it does not accept the user, was written by a newer version, is
    /// older than Redis 7.0, or has settings that keep commits from being durable.
    pub async fn open(url: impl AsRef<str>) -> Result<Self, StorageError> {
        RedisOptions::new(url)?.open().await
    }

    fn new(servers: Servers, keyspace: Keyspace) -> Self {
        let servers = Arc::new(RwLock::new(Some(Arc::new(servers))));
        Self { servers, keyspace }
    }

    /// Closes all connections once the calls under way have ended. Later calls fail, also those of clones.
    pub fn close(&self) {
        self.servers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn servers(&self) -> Result<Arc<Servers>, StorageError> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        servers
            .clone()
            .ok_or_else(|| unavailable("the storage is closed"))
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisStorage")
    }
}

impl Storage for RedisStorage {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let servers = self.servers()?;
        let keys = self.keyspace.account(account);
        within(async { load::load(&servers, &keys, query).await }).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        batch.check()?;
        let servers = self.servers()?;
        let keys = self.keyspace.account(account);
        within(async { commit::commit(&servers, &keys, account.as_str(), batch).await }).await
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        let servers = self.servers()?;
        within(async { admin::accounts(&servers, &self.keyspace, after, limit).await }).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        let servers = self.servers()?;
        let keys = self.keyspace.account(account);
        within(async { admin::records(&servers, &keys, after, limit).await }).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        let servers = self.servers()?;
        let keys = self.keyspace.account(account);
        within(async { admin::purge(&servers, &keys, account.as_str()).await }).await
    }
}
