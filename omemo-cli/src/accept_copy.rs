//! `omemo accept-copy`: an older copy that was put back becomes fit for use.

use std::io::Write;

use clap::Args;
use omemo::blocking::Client;
use omemo::{BareJid, Error, Settings};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, AnyStorage};

use crate::failure::Failure;
use crate::inspect::accounts;
use crate::master_key::Unsealing;
use crate::offline::Offline;
use crate::server_options::ServerOptions;
use crate::storage_url::{Durability, Place, about, accept_copy, existing, is_seen_to_be_copied};
use crate::text::{counted, shown};

/// Which storage is a copy, and of what kind.
#[derive(Args, Debug)]
pub(crate) struct Copy {
    /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
    url: String,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    unsealing: Unsealing,
    /// It was moved as a whole, and nothing has used the original since: accept it as it is. For SQLite alone
    #[arg(long)]
    moved: bool,
    /// Also a SQLite database that is not seen to be a copy
    #[arg(long)]
    yes: bool,
    /// Accept a server that may forget what was written
    #[arg(long)]
    allow_volatile: bool,
}

/// Drops the sessions and pre keys of every account, and then accepts the database. In that order: what was interrupted
/// is still refused.
pub(crate) fn run(copy: &Copy, out: &mut impl Write) -> Result<(), Failure> {
    let url = &copy.url;
    let place = Place::of(url, &copy.server)?;
    if let Place::Sqlite(path) = place {
        existing(path)?;
        if !copy.yes && !is_seen_to_be_copied(path)? {
            return Err(Failure::Usage(format!(
                "{path}: is not seen to be a copy; if it is one all the same, say --yes"
            )));
        }
    }
    if copy.moved {
        let Place::Sqlite(path) = place else {
            return Err(Failure::Usage(
                "--moved: a server does not tell copies from the original, there is nothing to accept".into(),
            ));
        };
        accept_copy(path)?;
        writeln!(out, "{path} is accepted as it is")?;
        return Ok(());
    }
    let durability = Durability::waived_if(copy.allow_volatile);
    let storage = wait(place.open_copy(durability)).map_err(|error| about(url, error))?;
    let storage = copy.unsealing.unseal(storage)?;
    let accounts = accounts(&storage)?;
    for account in &accounts {
        renew(&storage, account).map_err(|failure| failure.about(shown(account.as_str())))?;
    }
    if let Place::Sqlite(path) = place {
        accept_copy(path)?;
    }
    writeln!(
        out,
        "{}: sessions and pre keys dropped; new pre keys are published when it is opened, and new sessions opened as \
         messages are sent and arrive",
        counted(accounts.len() as u64, "account")
    )?;
    Ok(())
}

fn renew(storage: &AnyStorage, account: &AccountId) -> Result<(), Failure> {
    let jid = BareJid::new(account.as_str()).map_err(|error| Failure::new(error.to_string()))?;
    let builder = Client::builder(Settings::new(jid), storage.clone(), Offline);
    match builder.accept_copy().attach_blocking() {
        Ok(_) => Ok(()),
        Err(Error::NotOpened) => Err(Failure::new(
            "its keys are not to be seen; if they are sealed, the master key is needed (--key-file)",
        )),
        Err(error) => Err(error.into()),
    }
}
