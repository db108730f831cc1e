//! Servers to measure on.

mod postgres;
mod redis;

use std::path::PathBuf;

pub(crate) use postgres::Postgres;
pub(crate) use redis::Redis;

use crate::measure::Failure;

/// The runtime of one who asks a server directly: this thread, and nobody else.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Where databases and the environment of Python go: beside what cargo builds, which is on a disk. Elsewhere a temporary
/// directory may be in memory, and a commit to it costs nothing.
pub(crate) fn directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or("this program lies in no target directory")?;
    let directory = target.join("omemo-bench");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// Bytes that nobody foresees.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
