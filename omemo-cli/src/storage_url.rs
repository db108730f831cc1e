//! A storage chosen by URL, to be looked at.

use std::path::Path;

use omemo_storage::{AnyStorage, ErrorKind, blocking::wait};
use omemo_storage_sqlite::SqliteStorage;

use crate::failure::Failure;

/// Opens the storage at a URL for reading. What is not there is not created, and nothing is changed.
pub(crate) fn storage_by_url(url: &str) -> Result<AnyStorage, Failure> {
    match url.split_once(':') {
        Some(("sqlite", path)) => sqlite(path.strip_prefix("//").unwrap_or(path)).map(AnyStorage::new),
        Some((scheme @ ("postgres" | "postgresql" | "redis" | "rediss"), _)) => Err(Failure::Usage(format!(
            "{scheme}: storages are not supported by this build"
        ))),
        Some(("memory", _)) => Err(Failure::Usage(
            "memory: is empty in every new process, there is nothing to see; try sqlite:PATH".into(),
        )),
        _ => Err(Failure::Usage(format!(
            "{url} is no URL of a storage; try sqlite:PATH"
        ))),
    }
}

fn sqlite(path: &str) -> Result<SqliteStorage, Failure> {
    match Path::new(path).metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(Failure::new(format!("{path} is not a file"))),
        Err(error) => return Err(Failure::because(format!("{path} cannot be opened"), error)),
    }
    let url = format!("sqlite:{}?mode=ro", escaped(path));
    wait(SqliteStorage::open(url)).map_err(|error| match error.kind() {
        // Tables that are lacking would have to be made.
        ErrorKind::Misconfigured => Failure::new(format!(
            "{path} is a database, but holds no OMEMO state of this version"
        )),
        _ => Failure::because(path, error),
    })
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
