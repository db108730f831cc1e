//! The `omemo` command.

mod conformance;
mod demo;
mod failure;
mod fingerprint;
mod inspect;
mod master_key;
mod offline;
mod rekey;
mod storage_url;
mod text;
mod vectors;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use conformance::Subject;
use master_key::Unsealing;
use rekey::Rotation;

/// OMEMO end-to-end encryption for XMPP, from the command line.
#[derive(Parser)]
#[command(version)]
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
        /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
        url: String,
        #[command(flatten)]
        unsealing: Unsealing,
    },
    /// Show the fingerprints that a storage knows, and how far they are trusted
    Fingerprint {
        /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
        url: String,
        #[command(flatten)]
        unsealing: Unsealing,
        /// Only this account
        #[arg(long, value_name = "JID")]
        account: Option<String>,
    },
    /// Give a sealed storage a new master key, while clients that know both are at work. Can be repeated
    Rekey(Rotation),
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
        Command::Inspect { url, unsealing } => inspect::run(&url, &unsealing, out),
        Command::Fingerprint {
            url,
            unsealing,
            account,
        } => fingerprint::run(&url, &unsealing, account.as_deref(), out),
        Command::Rekey(rotation) => rekey::run(&rotation, out),
        Command::Conformance(subject) => conformance::run(subject, out),
        Command::Vectors { dir, only } => return vectors::run(&dir, &only),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
