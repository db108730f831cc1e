//! Storages that have many accounts.

use futures_util::{StreamExt, TryStreamExt, stream};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Query, Storage};
use omemo_storage_postgres::PostgresStorage;
use omemo_storage_redis::RedisStorage;

use super::template::Template;
use crate::measure::Failure;
use crate::servers::{Postgres, Redis, random};

/// How many accounts a statement adds at once.
const CHUNK: usize = 10_000;

/// How many commits are under way at once.
const CONCURRENT: usize = 64;

/// A storage, its accounts, and the server it has to itself.
pub(crate) struct Filled<S, Server> {
    pub(crate) storage: S,
    pub(crate) accounts: usize,
    /// How many bytes they take on the disk, or in memory.
    pub(crate) bytes: u64,
    server: Server,
}

/// A server that can be filled.
pub(crate) trait Fillable: Sized {
    type Storage: Storage + Clone + 'static;

    /// What it is called.
    const NAME: &'static str;

    /// What `Filled::bytes` is counted in.
    const WHERE: &'static str;

    fn start() -> Result<(Self, Self::Storage), Failure>;

    /// Adds the accounts of these numbers, the first of which is there; how many bytes all take then.
    fn fill(
        &self,
        storage: &Self::Storage,
        template: &Template,
        accounts: usize,
        sessions: bool,
    ) -> Result<u64, Failure>;

    /// Leaves nothing to be done in the background.
    fn settle(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<Server: Fillable> Filled<Server::Storage, Server> {
    /// A server with so many accounts, with or without sessions.
    pub(crate) fn new(template: &Template, accounts: usize, sessions: bool) -> Result<Self, Failure> {
        let (server, storage) = Server::start()?;
        let bytes = server.fill(&storage, template, accounts, sessions)?;
        let filled = Self {
            storage,
            accounts,
            bytes,
            server,
        };
        let last = accounts.saturating_sub(1);
        for number in [0, accounts / 2, last] {
            filled.check(template, number, sessions)?;
        }
        Ok(filled)
    }

    /// Leaves nothing to be done in the background.
    pub(crate) fn settle(&self) -> Result<(), Failure> {
        self.server.settle()
    }

    /// Whether the storage finds in an account what it would have written itself, and nothing else.
    fn check(&self, template: &Template, number: usize, sessions: bool) -> Result<(), Failure> {
        let expected = template.records_of(&name(number), sessions)?;
        let account = AccountId::new(&name(number))?;
        let listed = wait(self.storage.records(&account, None, 1_000))?;
        let mut query = Query::new();
        query
            .records
            .extend(listed.entries.into_iter().map(|info| info.key));
        let found = wait(self.storage.load(&account, &query))?.records;
        let found = found.into_iter().map(|(key, record)| (key, record.value));
        if found.eq(expected) {
            Ok(())
        } else {
            Err(format!("{} was not filled as the storage would have", Server::NAME).into())
        }
    }
}

/// What the account of a number is called.
pub(crate) fn name(number: usize) -> String {
    format!("user{number}@montague.lit")
}

/// Writes an account as a client does.
async fn write(
    storage: &impl Storage,
    template: &Template,
    number: usize,
    sessions: bool,
) -> Result<(), Failure> {
    let mut batch = Batch::new(CommitId::from_bytes(random()?));
    for (key, value) in template.records_of(&name(number), sessions)? {
        batch.put(key, None, value);
    }
    match storage.commit(&AccountId::new(&name(number))?, &batch).await? {
        Committed::Applied => Ok(()),
        Committed::Conflict => Err("an account is there already".into()),
    }
}

impl Fillable for Postgres {
    type Storage = PostgresStorage;

    const NAME: &'static str = "postgres";

    const WHERE: &'static str = "disk";

    fn start() -> Result<(Self, PostgresStorage), Failure> {
        let postgres = Self::new()?;
        let storage = postgres.open()?;
        Ok((postgres, storage))
    }

    /// The storage writes the first account, and its rows are copied for the others.
    fn fill(
        &self,
        storage: &PostgresStorage,
        template: &Template,
        accounts: usize,
        sessions: bool,
    ) -> Result<u64, Failure> {
        wait(write(storage, template, 0, sessions))?;
        let first = name(0);
        for begin in (1..accounts).step_by(CHUNK) {
            let end = (begin + CHUNK).min(accounts) - 1;
            self.execute(&format!(
                "INSERT INTO $.omemo_record \
                 SELECT copy.* FROM generate_series({begin}, {end}) AS number CROSS JOIN LATERAL ( \
                     SELECT replace('{first}', '0', number::text) AS account, \
                         replace(partition, '{first}', replace('{first}', '0', number::text)) AS partition, \
                         item, revision, value, full_account, full_partition, full_item \
                     FROM $.omemo_record WHERE account = '{first}' OFFSET 0) AS copy"
            ))?;
        }
        self.execute("VACUUM ANALYZE $.omemo_record")?;
        let bytes = self.number("SELECT pg_total_relation_size('$.omemo_record')")?;
        Ok(bytes.unsigned_abs())
    }

    fn settle(&self) -> Result<(), Failure> {
        self.execute("CHECKPOINT")
    }
}

impl Fillable for Redis {
    type Storage = RedisStorage;

    const NAME: &'static str = "redis";

    const WHERE: &'static str = "memory";

    fn start() -> Result<(Self, RedisStorage), Failure> {
        let redis = Self::start()?;
        let storage = redis.open()?;
        Ok((redis, storage))
    }

    /// The storage writes them all.
    fn fill(
        &self,
        storage: &RedisStorage,
        template: &Template,
        accounts: usize,
        sessions: bool,
    ) -> Result<u64, Failure> {
        let empty = self.memory()?;
        let written = stream::iter(0..accounts)
            .map(|number| write(storage, template, number, sessions))
            .buffer_unordered(CONCURRENT);
        wait(written.try_collect::<()>())?;
        Ok(self.memory()?.saturating_sub(empty))
    }
}
