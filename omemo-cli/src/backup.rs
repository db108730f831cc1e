//! `omemo backup`: the only backup that is safe to restore.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use omemo::BareJid;
use omemo_storage::AccountId;

use crate::failure::Failure;
use crate::fingerprint::contacts;
use crate::master_key::Unsealing;
use crate::offline::look;
use crate::server_options::ServerOptions;
use crate::storage_url::to_read;
use crate::text::counted;

/// What is backed up where.
#[derive(Args, Debug)]
pub(crate) struct Wanted {
    /// The storage: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
    url: String,
    /// The account
    #[arg(value_name = "JID")]
    account: String,
    /// The file, which must be new. It holds the private identity key
    file: PathBuf,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    unsealing: Unsealing,
}

/// Writes the backup.
pub(crate) fn run(wanted: &Wanted, out: &mut impl Write) -> Result<(), Failure> {
    let storage = to_read(&wanted.url, &wanted.server, &wanted.unsealing)?;
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", wanted.account));
    let jid = BareJid::new(&wanted.account).map_err(|error| usage(&error))?;
    let account = AccountId::new(&wanted.account).map_err(|error| usage(&error))?;
    let contacts = contacts(&storage, &account)?;
    let client = look(storage, &jid)?;
    let backup = client.back_up(contacts)?;
    let file = wanted.file.display();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&wanted.file)
        .and_then(|mut opened| {
            opened.write_all(&backup.encode())?;
            opened.sync_all()
        })
        .map_err(|error| Failure::because(&file, error))?;
    let keys = backup.trust().values().map(|levels| levels.len() as u64).sum();
    writeln!(
        out,
        "{file}: the identity of {jid} and the trust of {}; keep it as secret as the storage",
        counted(keys, "key")
    )?;
    Ok(())
}
