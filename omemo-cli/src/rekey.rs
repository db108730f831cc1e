//! `omemo rekey`: a new master key for a sealed storage.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use omemo_storage::blocking::wait;
use omemo_storage::{Keyring, MasterKey, Sealed};

use crate::failure::Failure;
use crate::master_key::{Unsealing, read};
use crate::server_options::ServerOptions;
use crate::storage_url::{Durability, Place, about, existing, without_secrets};
use crate::text::counted;

/// What a rotation needs.
#[derive(Args, Debug)]
pub(crate) struct Rotation {
    /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
    url: String,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    old: Unsealing,
    /// The file with the new master key
    #[arg(long, value_name = "FILE")]
    new_key_file: PathBuf,
    /// Accept a server that may forget what was written
    #[arg(long)]
    allow_volatile: bool,
}

/// Wraps the keys of every account by the new master key.
pub(crate) fn run(rotation: &Rotation, out: &mut impl Write) -> Result<(), Failure> {
    let keyring = keyring(&rotation.old, &rotation.new_key_file)?;
    let url = &rotation.url;
    let place = Place::of(url, &rotation.server)?;
    if let Place::Sqlite(path) = place {
        existing(path)?;
    }
    let durability = Durability::waived_if(rotation.allow_volatile);
    let storage = wait(place.open(durability)).map_err(|error| about(url, error))?;
    let all = wait(Sealed::new(storage, keyring).rekey_all()).map_err(|error| about(url, error))?;
    let done = counted(all.done, "account");
    writeln!(
        out,
        "{done} rekeyed, {} had the new key already",
        all.already_current
    )?;
    match all.not_sealed {
        0 => Ok(()),
        accounts => Err(Failure::new(format!(
            "{} has {} without keys: not sealed",
            without_secrets(url),
            counted(accounts, "account")
        ))),
    }
}

fn keyring(old: &Unsealing, new: &Path) -> Result<Keyring, Failure> {
    let new = read(new)?;
    match old.key()? {
        None => Err(Failure::Usage(
            "the former master key is missing: --key-file".into(),
        )),
        Some(old) if old == new => Err(Failure::Usage("both master keys are the same".into())),
        Some(old) => Ok(Keyring::new(MasterKey::from_bytes(*new)).with_older(MasterKey::from_bytes(*old))),
    }
}
