//! The scripts that a server runs, each as one atomic step.

use std::sync::LazyLock;

pub(crate) static LOAD: LazyLock<Script> = script(|| Script::new(include_str!("scripts/load.lua")));
pub(crate) static COMMIT: LazyLock<Script> = script(|| Script::new(include_str!("scripts/commit.lua")));
pub(crate) static PURGE: LazyLock<Script> = script(|| Script::new(include_str!("scripts/purge.lua")));
pub(crate) static RECORDS: LazyLock<Script> = script(|| Script::new(include_str!("scripts/records.lua")));

/// A script, and the hash by which a server that has seen it knows it.
pub(crate) struct Script {
    pub(crate) source: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let hash = redis::Script::new(source).get_hash().to_owned();
        Self { source, hash }
    }
}

const fn script(new: fn() -> Script) -> LazyLock<Script> {
    LazyLock::new(new)
}
