//! A storage of somebody else's design, and the suite that tells whether it can be trusted: `storage.rs` keeps each
//! account in a file of a directory.
//!
//! ```sh
//! cargo run --example directory
//! ```

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use omemo_conformance::storage::{
    Capabilities, Capability, Factory, TIME_LIMIT, run_with, write_until_killed,
};
use omemo_storage::StorageError;
use omemo_storage::blocking::Inline;

use crate::storage::DirectoryStorage;

mod storage;

/// Begins the arguments of the processes that the suite starts to kill them.
const WRITE: &str = "write-until-killed";

/// Opens handles on one directory.
struct Directory {
    directory: PathBuf,
    program: PathBuf,
}

impl Factory for Directory {
    /// The storage is written for blocking code; `Inline` makes it one for async code too.
    type Storage = Inline<DirectoryStorage>;

    async fn open(&self) -> Result<Self::Storage, StorageError> {
        DirectoryStorage::open(&self.directory).map(Inline)
    }

    /// There is no server that could be restarted, and no connection that could be cut.
    fn capabilities(&self) -> Capabilities {
        Capabilities::all_but([Capability::Restart, Capability::Cut])
    }

    fn writer(&self) -> Command {
        let mut writer = Command::new(&self.program);
        writer.arg(WRITE).arg(&self.directory);
        writer
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == WRITE) {
        let directory = arguments.next().ok_or("which directory?")?;
        write_until_killed(&Inline(DirectoryStorage::open(Path::new(&directory))?));
    }
    let directory = tempfile::tempdir()?;
    let factory = Directory {
        directory: directory.path().to_owned(),
        program: env::current_exe()?,
    };
    let report = run_with(factory, TIME_LIMIT, |outcome| println!("{outcome}"));
    println!("{}", report.total());
    Ok(if report.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
