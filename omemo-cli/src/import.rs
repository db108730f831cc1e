//! `omemo import`: an account from the storage of another implementation.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use omemo::blocking::{Client, wait};
use omemo::trust::TrustLevel;
use omemo::{BareJid, Imported, Settings, Storage};
use omemo_import::{Levels, Reading, python_omemo, python_omemo_legacy};
use omemo_storage::{AccountId, AnyStorage};
use omemo_storage_memory::MemoryStorage;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::master_key::Unsealing;
use crate::offline::Offline;
use crate::server_options::ServerOptions;
use crate::storage_url::{Durability, Place, about, to_read};
use crate::text::{counted, shown};

/// What is moved where.
#[derive(Args, Debug)]
pub(crate) struct Move {
    /// The file with the other implementation's storage, in JSON
    source: PathBuf,
    /// The storage to write to: sqlite:PATH, postgres://HOST/DATABASE or redis://HOST
    url: String,
    /// What the source is
    #[arg(long, value_enum, default_value_t = Format::PythonOmemo)]
    format: Format,
    /// The account, where the source does not tell
    #[arg(long, value_name = "JID")]
    account: Option<String>,
    /// What a trust level of the source becomes; may be given several times
    #[arg(long, value_name = "NAME=LEVEL")]
    level: Vec<String>,
    /// Say what would be done, or why it would be refused, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    unsealing: Unsealing,
    /// Accept a server that may forget what was written
    #[arg(long)]
    allow_volatile: bool,
}

/// What a source can be.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The keys and values of a storage of python-omemo 1.x or 2.x
    PythonOmemo,
    /// What the storage of python-omemo before 1.0 returned, with python-omemo-backend-signal
    PythonOmemoLegacy,
}

/// Takes the account over, or says what would be taken over.
pub(crate) fn run(wanted: &Move, out: &mut impl Write) -> Result<(), Failure> {
    let reading = read(wanted)?;
    let place = Place::of(&wanted.url, &wanted.server)?;
    let settings = Settings::new(reading.jid.clone());
    for left_behind in &reading.left_behind {
        writeln!(out, "left behind: {}", shown(&left_behind.to_string()))?;
    }
    if wanted.dry_run {
        if place.exists() {
            let storage = to_read(&wanted.url, &wanted.server, &wanted.unsealing)?;
            refuse_present(&storage, &reading.jid, &wanted.url)?;
        }
        // Everything but the writing: the same operation, on a storage that is thrown away.
        let imported = take_over(settings, MemoryStorage::new(), reading)?;
        return report(out, "would be taken over", &imported);
    }
    let durability = Durability::waived_if(wanted.allow_volatile);
    let storage = wait(place.open(durability)).map_err(|error| about(&wanted.url, error))?;
    let storage = wanted.unsealing.unseal(storage)?;
    refuse_present(&storage, &reading.jid, &wanted.url)?;
    let imported = take_over(settings, storage, reading)?;
    report(out, "taken over", &imported)?;
    writeln!(
        out,
        "Nothing may run on the source any more: two copies of a session use the same message keys."
    )?;
    Ok(())
}

fn read(wanted: &Move) -> Result<Reading, Failure> {
    let of_source = |error: &dyn std::fmt::Display| Failure::because(wanted.source.display(), error);
    let json = Zeroizing::new(fs::read(&wanted.source).map_err(|error| of_source(&error))?);
    let account = wanted.account.as_deref().map(BareJid::new).transpose();
    let account = account.map_err(|error| Failure::Usage(format!("--account: {error}")))?;
    let reading = match wanted.format {
        Format::PythonOmemo => python_omemo::read(&json, account.as_ref(), &levels(&wanted.level)?),
        Format::PythonOmemoLegacy => python_omemo_legacy::read(&json),
    };
    let reading = reading.map_err(|error| of_source(&error))?;
    match account {
        Some(account) if account != reading.jid => Err(of_source(&format_args!(
            "is the storage of {}",
            shown(reading.jid.as_str())
        ))),
        _ => Ok(reading),
    }
}

fn levels(given: &[String]) -> Result<Levels, Failure> {
    let mut levels = Levels::default();
    for level in given {
        let (name, became) = level
            .split_once('=')
            .and_then(|(name, level)| {
                let became = match level {
                    "trusted" => Some(TrustLevel::TRUSTED),
                    "blindly-trusted" => Some(TrustLevel::BLINDLY_TRUSTED),
                    "distrusted" => Some(TrustLevel::DISTRUSTED),
                    "undecided" => None,
                    _ => return None,
                };
                Some((name, became))
            })
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "--level {level}: NAME=trusted, blindly-trusted, undecided or distrusted"
                ))
            })?;
        levels = levels.with(name, became);
    }
    Ok(levels)
}

fn take_over<S: Storage>(settings: Settings, storage: S, reading: Reading) -> Result<Imported, Failure> {
    let builder = Client::builder(settings, storage, Offline);
    // Here is no network to open it with: that is for the application.
    Ok(builder.import_blocking(reading.account)?.imported)
}

/// Refuses an account that is there already. One without a readable record may be, sealed by a key that was not given.
fn refuse_present(storage: &AnyStorage, jid: &BareJid, url: &str) -> Result<(), Failure> {
    let account = AccountId::new(jid.as_str()).map_err(|error| Failure::because(jid, error))?;
    let page = wait(storage.records(&account, None, 1)).map_err(|error| about(url, error))?;
    if page.entries.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{}: the account is there already",
            shown(jid.as_str())
        )))
    }
}

fn report(out: &mut impl Write, what: &str, imported: &Imported) -> Result<(), Failure> {
    let Imported {
        contacts,
        devices,
        sessions,
        skipped_keys,
        records,
    } = *imported;
    writeln!(
        out,
        "{what}: {}, {}, {}, {}; {}",
        counted(contacts, "account"),
        counted(devices, "device"),
        counted(sessions, "session"),
        counted(skipped_keys, "skipped message key"),
        counted(records, "record")
    )?;
    Ok(())
}
