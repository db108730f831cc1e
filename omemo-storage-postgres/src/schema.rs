//! The tables and functions, and how they come to be: numbered migrations, each in a transaction of its own.
//!
//! Nothing here is prepared, so that it goes through any pooler.

use omemo_storage::{ErrorKind, StorageError};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::call::Statement;
use crate::connections::misconfigured;
use crate::error::error;
use crate::literal;

/// The migration at place 0 leads to version 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_records.sql"),
    include_str!("../migrations/0002_own_connections.sql"),
    include_str!("../migrations/0003_alone.sql"),
];

/// The most partitions a table may be given.
pub(crate) const MOST_PARTITIONS: u32 = 1_024;

/// Where in the database the storage lives.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    name: String,
}

/// What the storage asks the server for.
pub(crate) struct Statements {
    pub(crate) load: Statement,
    pub(crate) commit: Statement,
    /// The same on connections that the storage has set up.
    pub(crate) own_load: Statement,
    pub(crate) own_commit: Statement,
    /// The same on connections that somebody may have left within a transaction.
    pub(crate) lone_commit: Statement,
    pub(crate) lone_purge: Statement,
    pub(crate) remembers: Statement,
    pub(crate) purge: Statement,
    pub(crate) records: Statement,
    pub(crate) accounts: Statement,
}

impl Schema {
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] for a name that PostgreSQL would cut, or that cannot stand in the functions.
    pub(crate) fn new(name: &str) -> Result<Self, StorageError> {
        const LONGEST: usize = 63;
        if name.is_empty() || name.len() > LONGEST || name.contains(['\0', '$']) {
            let message = format!("a schema's name has 1 to {LONGEST} bytes, no NUL and no dollar sign");
            return Err(misconfigured(message));
        }
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// The first schema of the connection's `search_path`.
    pub(crate) async fn current(connection: &mut PgConnection) -> Result<Self, StorageError> {
        let current: Option<String> = one(connection, "SELECT current_schema()::text".to_owned()).await?;
        match current {
            Some(name) => Self::new(&name),
            None => Err(misconfigured(
                "search_path names no schema that exists".to_owned(),
            )),
        }
    }

    pub(crate) fn statements(&self) -> Statements {
        let table = |function: &str, arguments| {
            Statement::new(&format!("SELECT * FROM {}.{function}(", self.quoted()), arguments)
        };
        let scalar = |function: &str, arguments| {
            Statement::new(&format!("SELECT {}.{function}(", self.quoted()), arguments)
        };
        let procedure = |procedure: &str, arguments| {
            Statement::new(&format!("CALL {}.{procedure}(NULL, ", self.quoted()), arguments)
        };
        Statements {
            load: table("omemo_load", 4),
            commit: scalar("omemo_commit", 14),
            own_load: table("omemo_own_load", 4),
            own_commit: scalar("omemo_own_commit", 14),
            lone_commit: procedure("omemo_commit_alone", 14),
            lone_purge: procedure("omemo_purge_alone", 2),
            remembers: scalar("omemo_remembers", 3),
            purge: scalar("omemo_purge", 2),
            records: table("omemo_records", 4),
            accounts: table("omemo_accounts", 2),
        }
    }

    /// As it stands in a statement.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    /// The table as a literal.
    fn table(&self, table: &str) -> String {
        literal::quoted(&format!("{}.{table}", self.quoted()))
    }

    /// A number of its own for each schema: the same account in two schemas has two locks. (FNV-1a.)
    fn seed(&self) -> i64 {
        let hash = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash.cast_signed()
    }

    /// Brings the schema to the newest version, with so many partitions where the tables are new. Whoever holds the lock
    /// migrates; others wait for it, and find the work done. Where there is nothing to do, nothing is locked and no
    /// permission needed.
    pub(crate) async fn migrate(
        &self,
        connection: &mut PgConnection,
        partitions: u32,
    ) -> Result<(), StorageError> {
        while self.pending(connection).await?.is_some() {
            let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
            let mut transaction = connection.begin_with(begin).await.map_err(error)?;
            let lock = format!(
                "SELECT pg_advisory_xact_lock(hashtextextended('omemo migration', {}))",
                self.seed()
            );
            execute(&mut transaction, lock).await?;
            let Some(script) = self.pending(&mut transaction).await? else {
                continue;
            };
            if !self.exists(&mut transaction).await? {
                execute(&mut transaction, format!("CREATE SCHEMA {}", self.quoted())).await?;
            }
            execute(&mut transaction, self.filled_in(script, partitions)).await?;
            transaction.commit().await.map_err(error)?;
        }
        Ok(())
    }

    /// The script with what stands for its `{...}`.
    fn filled_in(&self, script: &str, partitions: u32) -> String {
        let places = [
            ("{schema}", self.quoted()),
            ("{quoted_schema}", literal::quoted(&self.quoted())),
            ("{record}", self.table("omemo_record")),
            ("{seed}", self.seed().to_string()),
            ("{partitions}", partitions.to_string()),
            ("{partitioning}", partitioning(partitions).to_owned()),
        ];
        let mut filled = String::with_capacity(2 * script.len());
        let mut rest = script;
        while let Some(begin) = rest.find('{') {
            let (before, place) = rest.split_at(begin);
            filled.push_str(before);
            let mut known = places
                .iter()
                .filter_map(|(name, text)| Some((text.as_str(), place.strip_prefix(name)?)));
            let (text, after) = known.next().unwrap_or_else(|| place.split_at(1));
            filled.push_str(text);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// The next migration.
    async fn pending(&self, connection: &mut PgConnection) -> Result<Option<&'static str>, StorageError> {
        let version = self.version(connection).await?;
        let next = usize::try_from(version).unwrap_or_default();
        if next > MIGRATIONS.len() {
            let message = format!(
                "the database was written by a newer version: its schema is version {version}, known are those up to {}",
                MIGRATIONS.len()
            );
            return Err(StorageError::new(ErrorKind::UnsupportedVersion, message));
        }
        Ok(MIGRATIONS.get(next).copied())
    }

    /// 0 before the first migration.
    async fn version(&self, connection: &mut PgConnection) -> Result<i32, StorageError> {
        if !self.exists(connection).await? {
            return Ok(0);
        }
        let known = format!("SELECT to_regclass({}) IS NOT NULL", self.table("omemo_schema"));
        if !one::<bool>(connection, known).await? {
            return Ok(0);
        }
        let version = format!(
            "SELECT coalesce(max(version), 0) FROM {}.omemo_schema",
            self.quoted()
        );
        one(connection, version).await
    }

    async fn exists(&self, connection: &mut PgConnection) -> Result<bool, StorageError> {
        let exists = format!(
            "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = {})",
            literal::quoted(&self.name)
        );
        one(connection, exists).await
    }

    /// Whether the tables survive a crash.
    pub(crate) async fn is_logged(&self, connection: &mut PgConnection) -> Result<bool, StorageError> {
        let tables = ["omemo_record", "omemo_commit"].map(|table| format!("{}::regclass", self.table(table)));
        // Partitions may differ from the table they belong to.
        let logged = format!(
            "SELECT bool_and(relpersistence = 'p') FROM pg_class \
             WHERE oid IN ({0}) OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent IN ({0}))",
            tables.join(", ")
        );
        one(connection, logged).await
    }

    /// How many partitions the records are in; 0 for a plain table.
    pub(crate) async fn partitions(&self, connection: &mut PgConnection) -> Result<i64, StorageError> {
        let partitions = format!(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = {}::regclass",
            self.table("omemo_record")
        );
        one(connection, partitions).await
    }

    /// Puts row-level security in force, unless it is already.
    pub(crate) async fn secure_rows(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        for table in ["omemo_record", "omemo_commit"] {
            let secured = format!(
                "SELECT relrowsecurity FROM pg_class WHERE oid = {}::regclass",
                self.table(table)
            );
            if !one::<bool>(connection, secured).await? {
                let secure = format!("ALTER TABLE {}.{table} ENABLE ROW LEVEL SECURITY", self.quoted());
                execute(connection, secure).await?;
            }
        }
        Ok(())
    }
}

fn partitioning(partitions: u32) -> &'static str {
    match partitions {
        0 => "",
        _ => "PARTITION BY HASH (account)",
    }
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), StorageError> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map_err(error)?;
    Ok(())
}

/// The first column of the only row.
async fn one<T>(connection: &mut PgConnection, statement: String) -> Result<T, StorageError>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let row = sqlx::raw_sql(AssertSqlSafe(statement))
        .fetch_one(connection)
        .await
        .map_err(error)?;
    row.try_get(0).map_err(error)
}
