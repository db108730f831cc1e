//! What a storage on a server has to be told besides its URL.

use std::process::Command;
use std::time::Duration;

use clap::Args;
use omemo_storage::StorageError;
use omemo_storage_postgres::PostgresOptions;
use omemo_storage_redis::RedisOptions;

use crate::failure::Failure;

/// How long replicas may take to have a commit, before its outcome is taken for unknown and it is sent again.
const REPLICAS_MAY_TAKE: Duration = Duration::from_secs(5);

/// What clients say of the same server in a program.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServerOptions {
    /// Redis with replicas: how many have to have what is written, which is all that a primary has
    #[arg(long, value_name = "N")]
    wait_for_replicas: Option<usize>,
    /// Redis: what keys begin with [default: omemo]
    #[arg(long)]
    prefix: Option<String>,
    /// Redis that does not tell its settings: they are as they must be
    #[arg(long)]
    vouch_for_settings: bool,
    /// PostgreSQL: the schema of the tables [default: the first of the search_path]
    #[arg(long)]
    schema: Option<String>,
    /// PostgreSQL through pgbouncer in transaction mode
    #[arg(long)]
    pgbouncer: bool,
}

impl ServerOptions {
    /// Refuses what is given for the sake of another kind of storage than this one.
    pub(crate) fn check(&self, is_redis: bool, is_postgres: bool) -> Result<(), Failure> {
        let redis = [
            (self.wait_for_replicas.is_some(), "--wait-for-replicas"),
            (self.prefix.is_some(), "--prefix"),
            (self.vouch_for_settings, "--vouch-for-settings"),
        ];
        let postgres = [
            (self.schema.is_some(), "--schema"),
            (self.pgbouncer, "--pgbouncer"),
        ];
        let strange =
            |flags: &[(bool, &'static str)]| flags.iter().find(|(given, _)| *given).map(|(_, flag)| *flag);
        let of_redis = strange(&redis).filter(|_| !is_redis).map(|flag| (flag, "Redis"));
        let of_postgres = strange(&postgres)
            .filter(|_| !is_postgres)
            .map(|flag| (flag, "PostgreSQL"));
        match of_redis.or(of_postgres) {
            Some((flag, kind)) => Err(Failure::Usage(format!("{flag} is for {kind} alone"))),
            None => Ok(()),
        }
    }

    pub(crate) fn redis(&self, url: &str) -> Result<RedisOptions, StorageError> {
        let mut options = RedisOptions::new(url)?;
        if let Some(count) = self.wait_for_replicas {
            options = options.wait_for_replicas(count, REPLICAS_MAY_TAKE);
        }
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if self.vouch_for_settings {
            options = options.vouch_for_settings();
        }
        Ok(options)
    }

    pub(crate) fn postgres(&self, url: &str) -> Result<PostgresOptions, StorageError> {
        let mut options = PostgresOptions::new(url)?;
        if let Some(schema) = &self.schema {
            options = options.schema(schema);
        }
        if self.pgbouncer {
            options = options.pgbouncer();
        }
        Ok(options)
    }

    /// Tells another process of this program the same.
    pub(crate) fn pass_on(&self, command: &mut Command) {
        let Self {
            wait_for_replicas,
            prefix,
            vouch_for_settings,
            schema,
            pgbouncer,
        } = self;
        let replicas = wait_for_replicas.map(|count| count.to_string());
        for (flag, value) in [
            ("--wait-for-replicas", &replicas),
            ("--prefix", prefix),
            ("--schema", schema),
        ] {
            if let Some(value) = value {
                // As one word: a value may look like a flag.
                command.arg(format!("{flag}={value}"));
            }
        }
        for (flag, given) in [
            ("--vouch-for-settings", vouch_for_settings),
            ("--pgbouncer", pgbouncer),
        ] {
            if *given {
                command.arg(flag);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: ServerOptions,
    }

    fn parsed(line: &[&str]) -> ServerOptions {
        Line::try_parse_from([&["omemo"], line].concat()).unwrap().options
    }

    #[test]
    fn options_reach_the_storage() {
        let all = [
            "--wait-for-replicas",
            "2",
            "--prefix",
            "verona",
            "--vouch-for-settings",
        ];
        let redis = format!("{:?}", parsed(&all).redis("redis-cluster://host").unwrap());
        for says in ["count: 2", "\"verona\"", "Vouched"] {
            assert!(redis.contains(says), "{redis}");
        }
        let none = format!("{:?}", parsed(&[]).redis("redis://host").unwrap());
        for says in ["replicas: None", "\"omemo\"", "Required"] {
            assert!(none.contains(says), "{none}");
        }
        let all = ["--schema", "verona", "--pgbouncer"];
        let postgres = format!("{:?}", parsed(&all).postgres("postgres://host/omemo").unwrap());
        for says in ["Some(\"verona\")", "Text"] {
            assert!(postgres.contains(says), "{postgres}");
        }
        let none = format!("{:?}", parsed(&[]).postgres("postgres://host/omemo").unwrap());
        for says in ["schema: None", "Prepared"] {
            assert!(none.contains(says), "{none}");
        }
    }

    #[test]
    fn another_process_is_told_all_of_it() {
        let given = [
            "--wait-for-replicas=2",
            "--prefix=--verona",
            "--schema=verona",
            "--vouch-for-settings",
            "--pgbouncer",
        ];
        let mut command = Command::new("omemo");
        parsed(&given).pass_on(&mut command);
        let told: Vec<_> = command.get_args().collect();
        assert_eq!(told, given);
    }

    #[test]
    fn what_is_for_another_storage_is_refused() {
        for (line, is_redis) in [
            (&["--wait-for-replicas", "1"][..], true),
            (&["--prefix", "verona"], true),
            (&["--vouch-for-settings"], true),
            (&["--schema", "verona"], false),
            (&["--pgbouncer"], false),
        ] {
            let options = parsed(line);
            options.check(is_redis, !is_redis).unwrap();
            options.check(!is_redis, is_redis).unwrap_err();
            options.check(false, false).unwrap_err();
        }
        parsed(&[]).check(false, false).unwrap();
    }
}
