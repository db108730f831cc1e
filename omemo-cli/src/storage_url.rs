//! A storage chosen by URL.

use std::path::Path;

use clap::Args;
use omemo_storage::{AnyStorage, ErrorKind, StorageError, blocking::wait};
use omemo_storage_sqlite::{SqliteOptions, SqliteStorage};

use crate::failure::Failure;
use crate::master_key::Unsealing;
use crate::server_options::ServerOptions;

/// What the URLs look like, for people.
pub(crate) const URLS: &str = "sqlite:PATH, postgres://HOST/DATABASE or redis://HOST";

/// A storage that is looked at.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
    pub(crate) url: String,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    unsealing: Unsealing,
}

impl Source {
    /// See [`to_read`].
    pub(crate) fn open(&self) -> Result<AnyStorage, Failure> {
        to_read(&self.url, &self.server, &self.unsealing)
    }
}

/// Opens the storage at a URL for reading, and unseals it if a master key was given. A file that is not there is not
/// created, and nothing is changed, except that a database in PostgreSQL without tables gets them.
pub(crate) fn to_read(
    url: &str,
    options: &ServerOptions,
    unsealing: &Unsealing,
) -> Result<AnyStorage, Failure> {
    let storage = match Place::of(url, options)? {
        Place::Sqlite(path) => sqlite_to_read(path).map(AnyStorage::new)?,
        // A look needs no promise that what is written stays.
        Place::Server(server) => wait(server.open(Durability::Waived)).map_err(|error| about(url, error))?,
    };
    unsealing.unseal(storage)
}

/// Whether a storage that may forget commits will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    Required,
    Waived,
}

impl Durability {
    pub(crate) fn waived_if(allow_volatile: bool) -> Self {
        if allow_volatile {
            Self::Waived
        } else {
            Self::Required
        }
    }
}

/// Where a URL leads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Sqlite(&'a str),
    Server(Server<'a>),
}

/// A server, by its whole URL and what else it is to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server<'a> {
    Postgres(&'a str, &'a ServerOptions),
    Redis(&'a str, &'a ServerOptions),
}

impl<'a> Place<'a> {
    pub(crate) fn of(url: &'a str, options: &'a ServerOptions) -> Result<Self, Failure> {
        let place = Self::at(url, options)?;
        options.check(
            matches!(place, Self::Server(Server::Redis(..))),
            matches!(place, Self::Server(Server::Postgres(..))),
        )?;
        Ok(place)
    }

    fn at(url: &'a str, options: &'a ServerOptions) -> Result<Self, Failure> {
        match url.split_once(':') {
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Server(Server::Postgres(url, options))),
            Some((scheme, _)) if scheme.starts_with("redis") => Ok(Self::Server(Server::Redis(url, options))),
            Some(("memory", _)) => Err(Failure::Usage(format!(
                "memory: is empty in every new process, there is nothing to see; try {URLS}"
            ))),
            _ => Err(Failure::Usage(format!(
                "{} is no URL of a storage; try {URLS}",
                without_secrets(url)
            ))),
        }
    }

    /// Whether there may be something: a server always has to be asked.
    pub(crate) fn exists(self) -> bool {
        match self {
            Self::Sqlite(path) => Path::new(path).exists(),
            Self::Server(_) => true,
        }
    }

    /// Opens it to be written. A file that is not there is created.
    pub(crate) async fn open(self, durability: Durability) -> Result<AnyStorage, StorageError> {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteOptions::new(path)?;
                let storage = match durability {
                    Durability::Required => options.open().await?,
                    Durability::Waived => options.allow_volatile().open().await?,
                };
                Ok(AnyStorage::new(storage))
            }
            Self::Server(server) => server.open(durability).await,
        }
    }

    /// Opens it to be written though it may be a copy. A copy of a SQLite database is refused as before when it is opened
    /// again.
    pub(crate) async fn open_copy(self, durability: Durability) -> Result<AnyStorage, StorageError> {
        match self {
            Self::Sqlite(path) => {
                let storage = SqliteOptions::new(path)?.unmarked().open().await?;
                Ok(AnyStorage::new(storage))
            }
            Self::Server(server) => server.open(durability).await,
        }
    }
}

/// Whether a SQLite database is refused as a copy.
pub(crate) fn is_seen_to_be_copied(path: &str) -> Result<bool, Failure> {
    let opened = wait(async {
        let storage = SqliteOptions::new(path)?.open().await?;
        storage.close().await;
        Ok::<_, StorageError>(())
    });
    match opened {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == ErrorKind::Copy => Ok(true),
        Err(error) => Err(Failure::because(path, error)),
    }
}

/// Accepts a SQLite database as the one that is in use from now on.
pub(crate) fn accept_copy(path: &str) -> Result<(), Failure> {
    let accepted = wait(async {
        let storage = SqliteOptions::new(path)?.accept_copy().open().await?;
        storage.close().await;
        Ok::<_, StorageError>(())
    });
    accepted.map_err(|error| Failure::because(path, error))
}

impl Server<'_> {
    async fn open(self, durability: Durability) -> Result<AnyStorage, StorageError> {
        match self {
            Self::Postgres(url, options) => {
                let options = options.postgres(url)?;
                let options = match durability {
                    Durability::Required => options,
                    Durability::Waived => options.allow_volatile(),
                };
                options.open().await.map(AnyStorage::new)
            }
            Self::Redis(url, options) => {
                let options = options.redis(url)?;
                let options = match durability {
                    Durability::Required => options,
                    Durability::Waived => options.allow_volatile(),
                };
                options.open().await.map(AnyStorage::new)
            }
        }
    }
}

/// An error of the storage at a URL.
pub(crate) fn about(url: &str, error: StorageError) -> Failure {
    let mut message = error.to_string();
    if let Some(cause) = std::error::Error::source(&error) {
        message = format!("{message}: {cause}");
    }
    Failure::because(without_secrets(url), message)
}

/// A URL without user, password and parameters, fit to be shown. A file stays as it is.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    let end = rest.find('?').unwrap_or(rest.len());
    let (place, _) = rest.split_at(end);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    format!("{scheme}://{place}")
}

fn sqlite_to_read(path: &str) -> Result<SqliteStorage, Failure> {
    existing(path)?;
    let url = format!("sqlite:{}?mode=ro", escaped(path));
    wait(SqliteStorage::open(url)).map_err(|error| Failure::because(path, error))
}

/// Whether there is a file at all.
pub(crate) fn existing(path: &str) -> Result<(), Failure> {
    match Path::new(path).metadata() {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Failure::new(format!("{path} is not a file"))),
        Err(error) => Err(Failure::because(format!("{path} cannot be opened"), error)),
    }
}

/// A path as it stands in a URL.
fn escaped(path: &str) -> String {
    path.chars()
        .map(|character| match character {
            '%' => "%25".to_owned(),
            '?' => "%3F".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("sqlite:a@b?c", "sqlite:a@b?c"),
            (
                "postgres://romeo:wherefore@host:5432/omemo",
                "postgres://host:5432/omemo",
            ),
            (
                "postgres://romeo:p@ss@host/omemo?password=art",
                "postgres://host/omemo",
            ),
            ("redis://:thou@host", "redis://host"),
            ("redis://host/0?password=a@b", "redis://host/0"),
            ("mysql://romeo:wherefore@host", "mysql://host"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
