//! The `omemo` command.

mod accept_copy;
mod backup;
mod conformance;
mod demo;
mod doctor;
mod failure;
mod fingerprint;
mod import;
mod inspect;
mod master_key;
mod offline;
mod rekey;
mod server_options;
mod storage_url;
mod text;
mod vectors;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use accept_copy::Copy;
use backup::Wanted;
use conformance::Subject;
use fingerprint::Form;
use import::Move;
use rekey::Rotation;
use storage_url::Source;

/// OMEMO end-to-end encryption for XMPP, from the command line.
#[derive(Parser)]
#[command(name = "omemo", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Two people with four devices talk, in this process, without network
    Demo {
        /// Keep the devices' files in this directory, which must be new or empty
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// List what a storage holds: names, revisions and sizes, never a value
    Inspect {
        #[command(flatten)]
        source: Source,
    },
    /// Show the fingerprints that a storage knows, and how far they are trusted
    Fingerprint {
        #[command(flatten)]
        source: Source,
        /// Only this account
        #[arg(long, value_name = "JID")]
        account: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Look whether all that a storage holds can be read and fits together: a line for each finding, with advice. Nothing is
    /// changed. What clients change meanwhile may look wrong
    Doctor {
        #[command(flatten)]
        source: Source,
    },
    /// Take over an account from the storage of another implementation: all of it, or nothing. The source is not changed
    Import(Move),
    /// Write the identity and the trust decisions of an account to a file, without sessions
    Backup(Wanted),
    /// Give a sealed storage a new master key, while clients that know both are at work. Can be repeated
    Rekey(Rotation),
    /// Make an older copy of a storage fit for use: drop the sessions and pre keys of all its accounts, which have been
    /// used since, and accept the database. Identities and trust stay. Stop all clients first
    AcceptCopy(Copy),
    /// Run the suite that every storage must pass
    Conformance(Subject),
    /// Replay interoperability vectors
    Vectors {
        /// Where they are
        dir: PathBuf,
        /// Only this set; may be given several times
        #[arg(long, value_name = "SET")]
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let done = match Arguments::parse().command {
        Command::Demo { dir } => demo::run(dir.as_deref(), out),
        Command::Inspect { source } => inspect::run(&source, out),
        Command::Fingerprint {
            source,
            account,
            form,
        } => fingerprint::run(&source, account.as_deref(), &form, out),
        Command::Doctor { source } => doctor::run(&source, out),
        Command::Import(import) => import::run(&import, out),
        Command::Backup(wanted) => backup::run(&wanted, out),
        Command::Rekey(rotation) => rekey::run(&rotation, out),
        Command::AcceptCopy(copy) => accept_copy::run(&copy, out),
        Command::Conformance(subject) => conformance::run(subject, out),
        Command::Vectors { dir, only } => return vectors::run(&dir, &only),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
