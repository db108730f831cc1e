//! What is asked for on the command line.

use crate::Failure;

const USAGE: &str = "usage: multi_tenant URL [--accounts N] [--processes N] [--tasks N] [--seconds N] [--wait-for-replicas N]";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Of the storage: `postgres://..`, `redis://..`, `redis-sentinel://..` or `redis-cluster://..`.
    pub(crate) url: String,
    pub(crate) accounts: u64,
    pub(crate) processes: u64,
    /// In each process.
    pub(crate) tasks: u64,
    /// How long messages are sent.
    pub(crate) seconds: u64,
    /// How many replicas each primary of Redis has; 0 if it has none.
    pub(crate) replicas: usize,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    Parent,
    /// Opens one share of the accounts.
    Opener(u64),
    Server,
}

impl Options {
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            url: arguments.next().filter(|url| url.contains(':')).ok_or(USAGE)?,
            accounts: 10_000,
            processes: 2,
            tasks: 4,
            seconds: 10,
            replicas: 0,
            role: Role::Parent,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--accounts" => options.accounts = value.parse()?,
                "--processes" => options.processes = value.parse()?,
                "--tasks" => options.tasks = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--wait-for-replicas" => options.replicas = value.parse()?,
                "--role" => options.role = Role::named(&value)?,
                _ => return Err(USAGE.into()),
            }
        }
        // Accounts come in pairs.
        options.accounts = options.accounts.next_multiple_of(2).max(2);
        options.processes = options.processes.max(1);
        Ok(options)
    }

    /// The command line of a process in a role.
    pub(crate) fn for_role(&self, role: &str) -> Vec<String> {
        let mut arguments = vec![self.url.clone()];
        for (name, value) in [
            ("--accounts", self.accounts),
            ("--processes", self.processes),
            ("--tasks", self.tasks),
            ("--wait-for-replicas", self.replicas as u64),
        ] {
            arguments.extend([name.to_owned(), value.to_string()]);
        }
        arguments.extend(["--role".to_owned(), role.to_owned()]);
        arguments
    }
}

impl Role {
    fn named(name: &str) -> Result<Self, Failure> {
        match name.split_once(':') {
            Some(("opener", share)) => Ok(Self::Opener(share.parse()?)),
            None if name == "server" => Ok(Self::Server),
            _ => Err(USAGE.into()),
        }
    }
}
