//! The storage itself, and the factory that opens it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use omemo_conformance::storage::{Capabilities, Capability, Factory};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};

use super::flaw::Flaw;
use super::server::{Connection, Moment, Pool, Server, gap};
use super::{admin, commit, load, names};

/// Opens storages that share a server with a flaw.
pub(crate) struct Broken {
    server: Arc<Server>,
}

impl Broken {
    pub(crate) fn new(flaw: Option<Flaw>) -> Self {
        let server = Arc::new(Server::new(flaw));
        Self { server }
    }
}

impl Factory for Broken {
    type Storage = Handle;

    async fn open(&self) -> Result<Handle, StorageError> {
        let server = self.server.clone();
        if server.has(Flaw::Volatile) {
            server.forgets_last_commit();
        }
        if server.has(Flaw::ReopeningForgetsCommits) {
            server.forgets_known();
        }
        let epoch = AtomicU64::new(server.epoch.load(Ordering::SeqCst));
        let remembered = Mutex::default();
        let pool = Pool::new(server.flaw);
        Ok(Handle {
            server,
            pool,
            epoch,
            remembered,
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Processes])
    }

    async fn restart(&self) {
        self.server.cut(true);
        if self.server.has(Flaw::RestartLoses) {
            self.server.forgets_last_commit();
        }
    }

    async fn cut(&self) {
        self.server.cut(false);
    }
}

/// A handle on the server.
pub(crate) struct Handle {
    server: Arc<Server>,
    pool: Pool,
    /// When it connected.
    epoch: AtomicU64,
    /// Answers given before, where a flaw remembers them.
    remembered: Mutex<BTreeMap<String, Snapshot>>,
}

impl Handle {
    /// A connection, unless those there were are cut: the next call has a new one.
    async fn connect(&self) -> Result<Connection<'_>, StorageError> {
        let epoch = self.server.epoch.load(Ordering::SeqCst);
        if epoch != self.epoch.load(Ordering::SeqCst) {
            if !self.server.has(Flaw::NeverReconnects) {
                self.epoch.store(epoch, Ordering::SeqCst);
            }
            return Err(lost(ErrorKind::Unavailable));
        }
        let connection = self.pool.connect().await?;
        if self.server.has(Flaw::TwoConnections) {
            gap().await;
            self.pool.connect().await?.give_back();
        }
        Ok(connection)
    }

    fn is_cut_since(&self, epoch: u64) -> bool {
        self.server.epoch.load(Ordering::SeqCst) != epoch
    }

    fn account(&self, account: &AccountId) -> String {
        names::account(self.server.flaw, account)
    }

    /// Sends the batch and waits for the answer; the connection may be cut before and after it is written.
    async fn send(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        gap().await;
        self.server.reaches(Moment::Unwritten);
        if self.is_cut_since(epoch) {
            if self.server.has(Flaw::UnknownSaidApplied) {
                return Ok(Committed::Applied);
            }
            return Err(lost(ErrorKind::Unavailable));
        }
        let committed = commit::commit(&self.server, &self.account(account), batch).await?;
        self.server.reaches(Moment::Unanswered);
        match self.is_cut_since(epoch) {
            true if self.server.has(Flaw::UnknownSaidUnwritten) => Err(lost(ErrorKind::Unavailable)),
            true => Err(lost(ErrorKind::OutcomeUnknown)),
            false => Ok(committed),
        }
    }
}

fn lost(kind: ErrorKind) -> StorageError {
    StorageError::new(kind, "the connection was cut")
}

impl Storage for Handle {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        let connection = self.connect().await?;
        let name = self.account(account);
        let question = format!("{name} {query:?}");
        if self.server.has(Flaw::StaleHandle)
            && let Some(remembered) = self.remembered.lock().unwrap().get(&question)
        {
            return Ok(remembered.clone());
        }
        let snapshot = Snapshot::new(load::load(&self.server, &name, query).await);
        if self.server.has(Flaw::StaleHandle) {
            self.remembered.lock().unwrap().insert(question, snapshot.clone());
        }
        // A call that goes on for a while is one that can be dropped.
        gap().await;
        connection.give_back();
        Ok(snapshot)
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        commit::check(&self.server, batch)?;
        let connection = self.connect().await?;
        // What the handle remembers of the account is true until it writes itself.
        let name = self.account(account);
        self.remembered
            .lock()
            .unwrap()
            .retain(|question, _| !question.starts_with(&name));
        let committed = self.send(account, batch).await;
        connection.give_back();
        committed
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        let connection = self.connect().await?;
        let page = admin::accounts(&self.server, after, limit);
        connection.give_back();
        Ok(page)
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        let connection = self.connect().await?;
        let page = admin::records(&self.server, &self.account(account), after, limit);
        connection.give_back();
        Ok(page)
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        let connection = self.connect().await?;
        admin::purge(&self.server, &self.account(account)).await;
        connection.give_back();
        Ok(())
    }
}
