//! `omemo conformance`: whether a storage keeps the contract.

use std::io::{self, Write};
use std::process::Command;
use std::{env, panic};

use clap::Args;
use omemo_conformance::storage::{
    Capabilities, Capability, Factory, TIME_LIMIT, run_with, write_until_killed,
};
use omemo_storage::blocking::wait;
use omemo_storage::{AnyStorage, Cached, ErrorKind, Keyring, Sealed, StorageError};

use crate::failure::Failure;
use crate::master_key::Unsealing;
use crate::server_options::ServerOptions;
use crate::storage_url::{Durability, Place, about};

/// Which storage, and what is around it.
#[derive(Args, Debug)]
pub(crate) struct Subject {
    /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST. Accounts with random names are written and removed
    url: String,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    sealing: Unsealing,
    /// Put a cache before every handle
    #[arg(long)]
    cached: bool,
    /// Accept a server that may forget what was written
    #[arg(long)]
    allow_volatile: bool,
    /// Write until killed: for the suite itself, to kill this process
    #[arg(long, hide = true)]
    write: bool,
}

/// Runs the suite. Prints a line for each behaviour as it ends, and the total.
pub(crate) fn run(subject: Subject, out: &mut impl Write) -> Result<(), Failure> {
    let keyring = subject.sealing.keyring()?;
    Place::of(&subject.url, &subject.server)?;
    let handles = Handles { subject, keyring };
    // What cannot be opened at all is one failure, not one of each behaviour.
    let storage = wait(handles.open()).map_err(|error| about(&handles.subject.url, error))?;
    if handles.subject.write {
        write_until_killed(&storage);
    }
    drop(storage);
    // A behaviour says by a panic what is wrong, and the report says it again.
    panic::set_hook(Box::new(|_| {}));
    let mut written: io::Result<()> = Ok(());
    let report = run_with(handles, TIME_LIMIT, |outcome| {
        if written.is_ok() {
            written = writeln!(out, "{outcome}").and_then(|()| out.flush());
        }
    });
    let _ = panic::take_hook();
    written?;
    writeln!(out, "{}", report.total())?;
    if report.is_success() {
        return Ok(());
    }
    let failed = report.failed().count();
    Err(Failure::new(format!(
        "the storage cannot be trusted: {failed} failed"
    )))
}

/// Opens the storage as often as the suite asks for it.
struct Handles {
    subject: Subject,
    keyring: Option<Keyring>,
}

impl Factory for Handles {
    type Storage = AnyStorage;

    async fn open(&self) -> Result<AnyStorage, StorageError> {
        let place = Place::of(&self.subject.url, &self.subject.server)
            .map_err(|failure| StorageError::new(ErrorKind::Misconfigured, failure.to_string()))?;
        let durability = Durability::waived_if(self.subject.allow_volatile);
        let mut storage = place.open(durability).await?;
        if let Some(keyring) = &self.keyring {
            storage = AnyStorage::new(Sealed::new(storage, keyring.clone()));
        }
        if self.subject.cached {
            storage = AnyStorage::new(Cached::new(storage));
        }
        Ok(storage)
    }

    fn capabilities(&self) -> Capabilities {
        let mut lacking = vec![Capability::Restart, Capability::Cut];
        if self.subject.cached {
            lacking.push(Capability::Fresh);
        }
        Capabilities::all_but(lacking)
    }

    /// This program again.
    fn writer(&self) -> Command {
        let program = env::current_exe().unwrap_or_else(|_| "omemo".into());
        let mut writer = Command::new(program);
        writer.args(["conformance", "--write"]);
        let Subject {
            url,
            server,
            sealing: _,
            cached,
            allow_volatile,
            write: _,
        } = &self.subject;
        for (given, flag) in [(cached, "--cached"), (allow_volatile, "--allow-volatile")] {
            if *given {
                writer.arg(flag);
            }
        }
        server.pass_on(&mut writer);
        self.subject.sealing.pass_on(&mut writer);
        writer.arg(url);
        writer
    }
}
