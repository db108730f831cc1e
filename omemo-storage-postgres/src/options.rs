//! How a database is opened, and what is checked before it is used.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use omemo_storage::StorageError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool, Row};

use crate::PostgresStorage;
use crate::call::Protocol;
use crate::connections::{Connections, Own, Source, misconfigured};
use crate::error::error;
use crate::runtime::within;
use crate::schema::{MOST_PARTITIONS, Schema};

/// How a database is opened. [`PostgresStorage::open`] does with the defaults.
///
/// Connections of the storage's own are set up with `default_transaction_isolation = 'read committed'` and
/// `synchronous_commit = on`; those of an application's pool must have the first and should have the second.
#[derive(Clone)]
pub struct PostgresOptions {
    origin: Origin,
    schema: Option<String>,
    connections: u32,
    acquire_timeout: Duration,
    answer_timeout: Duration,
    durability: Durability,
    protocol: Protocol,
    partitions: u32,
    row_security: bool,
}

/// Where connections are to come from.
#[derive(Clone)]
enum Origin {
    Url(Box<PgConnectOptions>),
    Pool(PgPool),
}

/// Whether a database that may forget commits is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Required,
    Waived,
}

impl PostgresOptions {
    /// The database at a URL that begins with `postgres:`, such as `postgres://user:password@host:5432/database`. What
    /// the URL does not say, the environment (`PGHOST`, `PGUSER`, ...) and `.pgpass` do. Encrypted connections need one of
    /// sqlx's `tls-...` features, which the application turns on.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](omemo_storage::ErrorKind::Misconfigured) if it is no such URL.
    pub fn new(url: &str) -> Result<Self, StorageError> {
        if !url.starts_with("postgres:") && !url.starts_with("postgresql:") {
            let message = "a URL of a PostgreSQL database begins with postgres:";
            return Err(misconfigured(message.to_owned()));
        }
        let connect = PgConnectOptions::from_str(url).map_err(error)?;
        Ok(Self::from_origin(Origin::Url(Box::new(connect))))
    }

    /// The application's own connections. Their role needs what [the crate](crate) says of roles.
    pub fn from_pool(pool: PgPool) -> Self {
        Self::from_origin(Origin::Pool(pool))
    }

    fn from_origin(origin: Origin) -> Self {
        Self {
            origin,
            schema: None,
            connections: 8,
            acquire_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            durability: Durability::Required,
            protocol: Protocol::Prepared,
            partitions: 0,
            row_security: false,
        }
    }

    /// The schema to live in, which is created where there is none. Unless told, it is the first of the connection's
    /// `search_path`, usually `public`.
    #[must_use]
    pub fn schema(mut self, name: &str) -> Self {
        self.schema = Some(name.to_owned());
        self
    }

    /// The most connections that are open at a time; 8 unless told. An application's pool has its own bound.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long a call waits for a connection before it fails with
    /// [`Unavailable`](omemo_storage::ErrorKind::Unavailable); 30 seconds unless told. An application's pool has its own.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long the server may take to answer a call; 60 seconds unless told. A commit that got no answer is
    /// [`OutcomeUnknown`](omemo_storage::ErrorKind::OutcomeUnknown) then, also where it waited for a transaction of the
    /// application's that has the account locked for as long. Without an end to it, a call would never end whose server went
    /// away without a word. Calls within a transaction of the application's have none.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Accepts a server that may forget commits after a power failure (`fsync`, `full_page_writes` or
    /// `synchronous_commit` off, unlogged tables), and does not wait for the disk on connections of the storage's own. For
    /// tests and for data that is worth nothing: a ratchet that goes back uses its keys twice.
    #[must_use]
    pub fn allow_volatile(mut self) -> Self {
        self.durability = Durability::Waived;
        self
    }

    /// For connections through a pooler that gives each transaction another session: pgbouncer in transaction mode, whatever
    /// its version. One that keeps prepared statements (from 1.21) needs it too: connections of the storage's own have
    /// settings of their own, which such a pooler refuses, or leaves to the next client.
    ///
    /// Each call is then a text with its arguments in it, still one round trip. The server writes such a text to its log
    /// when it fails (`log_min_error_statement`) or when it is told to log statements, and so do sqlx and an application's
    /// pool where statement logging is not disabled: with the values, which are secrets.
    #[must_use]
    pub fn pgbouncer(mut self) -> Self {
        self.protocol = Protocol::Text;
        self
    }

    /// Creates the tables in so many partitions, at most 1,024, by hash of the account. Tables that exist stay as they are:
    /// with another number of partitions they are not opened.
    #[must_use]
    pub fn hash_partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Puts row-level security in force, if it is not yet: for every role but the tables' owner (and superusers), a
    /// statement sees the rows of the account that the setting `omemo.account` names, in its transaction, and no other.
    /// The storage sets it with each call. Names of more than 512 bytes stand there as they do in the tables.
    #[must_use]
    pub fn row_security(mut self) -> Self {
        self.row_security = true;
        self
    }

    /// Connects, checks the server's settings and brings the tables to this version.
    ///
    /// # Errors
    ///
    /// As [`PostgresStorage::open`].
    pub async fn open(self) -> Result<PostgresStorage, StorageError> {
        within(async move {
            let source = self.source();
            let mut lease = source.lease().await?;
            let schema = self.prepare(lease.get()).await?;
            lease.give_back();
            Ok(PostgresStorage::new(Connections {
                source,
                protocol: self.protocol,
                durability: self.durability,
                statements: schema.statements(),
                answer_timeout: self.answer_timeout,
            }))
        })
        .await
    }

    fn source(&self) -> Source {
        match &self.origin {
            Origin::Url(connect) => {
                let connect = connect.clone().disable_statement_logging();
                let connect = match self.protocol {
                    Protocol::Prepared => connect.options(self.settings()),
                    // A pooler knows no settings of one connection.
                    Protocol::Text => connect.extra_float_digits(None),
                };
                Source::Own(Own::new(
                    Box::new(connect),
                    self.protocol,
                    self.connections,
                    self.acquire_timeout,
                ))
            }
            Origin::Pool(pool) => Source::Pool(pool.clone()),
        }
    }

    /// What is set on each connection of the storage's own.
    fn settings(&self) -> [(&'static str, &'static str); 2] {
        let synchronous = match self.durability {
            Durability::Required => "on",
            Durability::Waived => "off",
        };
        [
            ("default_transaction_isolation", "read committed"),
            ("synchronous_commit", synchronous),
        ]
    }

    /// Checks what the contract needs of the database, and brings its tables to this version.
    async fn prepare(&self, connection: &mut PgConnection) -> Result<Schema, StorageError> {
        let settings = Settings::read(connection).await?;
        settings.require_usable(self.protocol)?;
        if self.durability == Durability::Required {
            settings.require_durable()?;
        }
        if self.partitions > MOST_PARTITIONS {
            return Err(misconfigured(format!(
                "{} partitions are more than {MOST_PARTITIONS}",
                self.partitions
            )));
        }
        let schema = match &self.schema {
            Some(name) => Schema::new(name)?,
            None => Schema::current(connection).await?,
        };
        schema.migrate(connection, self.partitions).await?;
        self.check_tables(connection, &schema).await?;
        Ok(schema)
    }

    async fn check_tables(&self, connection: &mut PgConnection, schema: &Schema) -> Result<(), StorageError> {
        if self.durability == Durability::Required && !schema.is_logged(connection).await? {
            return Err(misconfigured(
                "commits would not be durable: a table is UNLOGGED".to_owned(),
            ));
        }
        if self.partitions > 0 {
            let partitions = schema.partitions(connection).await?;
            if partitions != i64::from(self.partitions) {
                return Err(misconfigured(format!(
                    "the tables have {partitions} partitions, not {}",
                    self.partitions
                )));
            }
        }
        if self.row_security {
            schema.secure_rows(connection).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("durability", &self.durability)
            .field("protocol", &self.protocol)
            .field("partitions", &self.partitions)
            .field("row_security", &self.row_security)
            .finish_non_exhaustive()
    }
}

/// Settings of the server and of the session that the contract depends on.
struct Settings {
    version: i32,
    encoding: String,
    isolation: String,
    bytea_output: String,
    /// Each setting that keeps commits from being lost, with its value.
    durability: Vec<(&'static str, String)>,
}

impl Settings {
    async fn read(connection: &mut PgConnection) -> Result<Self, StorageError> {
        let row = sqlx::raw_sql(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
             current_setting('default_transaction_isolation'), current_setting('bytea_output'), \
             current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')",
        )
        .fetch_one(connection)
        .await
        .map_err(error)?;
        let text = |column: usize| row.try_get::<String, _>(column).map_err(error);
        Ok(Self {
            version: row.try_get(0).map_err(error)?,
            encoding: text(1)?,
            isolation: text(2)?,
            bytea_output: text(3)?,
            durability: vec![
                ("fsync", text(4)?),
                ("full_page_writes", text(5)?),
                ("synchronous_commit", text(6)?),
            ],
        })
    }

    fn require_usable(&self, protocol: Protocol) -> Result<(), StorageError> {
        const OLDEST: i32 = 130_000;
        if self.version < OLDEST {
            return Err(misconfigured("the server is older than PostgreSQL 13".to_owned()));
        }
        if self.encoding != "UTF8" {
            return Err(misconfigured(format!(
                "names are Unicode: server_encoding is {}, not UTF8",
                self.encoding
            )));
        }
        if self.isolation != "read committed" {
            return Err(misconfigured(format!(
                "default_transaction_isolation is {}, not read committed: a commit would not see what was \
                 committed while it waited for its turn",
                self.isolation
            )));
        }
        if protocol == Protocol::Text && self.bytea_output != "hex" {
            return Err(misconfigured(format!(
                "bytea_output is {}, not hex",
                self.bytea_output
            )));
        }
        Ok(())
    }

    fn require_durable(&self) -> Result<(), StorageError> {
        match self.durability.iter().find(|(_, value)| value == "off") {
            Some((setting, _)) => Err(misconfigured(format!(
                "commits would not be durable: {setting} is off"
            ))),
            None => Ok(()),
        }
    }
}
