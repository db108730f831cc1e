//! `omemo fingerprint`: whose keys a storage knows, and how far they are trusted.

use std::io::Write;

use omemo::{BareJid, DeviceInformation, Namespace};
use omemo_storage::{AccountId, AnyStorage};

use crate::failure::Failure;
use crate::inspect::{accounts, records};
use crate::master_key::Unsealing;
use crate::offline::{Onlooker, look};
use crate::storage_url::{to_read, without_secrets};
use crate::text::shown;

/// What stands before the JID in the name of the partition that holds what is known of a contact.
const CONTACT: &str = "contact/";

/// Shows the fingerprints in the storage at `url`: of one account, or of all.
pub(crate) fn run(
    url: &str,
    unsealing: &Unsealing,
    only: Option<&str>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let storage = to_read(url, unsealing)?;
    let url = without_secrets(url);
    let mut accounts = accounts(&storage)?;
    if let Some(only) = only {
        accounts.retain(|account| account.as_str() == only);
        if accounts.is_empty() {
            return Err(Failure::new(format!("{url} has no account {only}")));
        }
    }
    if accounts.is_empty() {
        writeln!(out, "{url} has no account yet.")?;
    }
    for (index, account) in accounts.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        show_account(&storage, account, out).map_err(|failure| failure.about(account))?;
    }
    Ok(())
}

fn show_account(storage: &AnyStorage, account: &AccountId, out: &mut impl Write) -> Result<(), Failure> {
    let own = jid(account.as_str())?;
    let client = look(storage.clone(), &own)?;
    writeln!(out, "{}", shown(own.as_str()))?;
    show_devices(&client, &own, out)?;
    for contact in contacts(storage, account)? {
        if contact != own {
            writeln!(out, "\n  {}", shown(contact.as_str()))?;
            show_devices(&client, &contact, out)?;
        }
    }
    Ok(())
}

/// The accounts of which something is known, by the names of the records about them.
fn contacts(storage: &AnyStorage, account: &AccountId) -> Result<Vec<BareJid>, Failure> {
    let mut contacts = records(storage, account)?
        .iter()
        .filter_map(|record| record.key.partition.as_str().strip_prefix(CONTACT))
        .map(jid)
        .collect::<Result<Vec<_>, _>>()?;
    contacts.dedup();
    Ok(contacts)
}

fn jid(text: &str) -> Result<BareJid, Failure> {
    BareJid::new(text).map_err(|error| Failure::because(text, error))
}

fn show_devices(client: &Onlooker, of: &BareJid, out: &mut impl Write) -> Result<(), Failure> {
    let known = client.device_information(of.clone())?;
    if !known.unlisted.is_empty() {
        writeln!(out, "    its device list was never received")?;
    } else if known.devices.is_empty() {
        writeln!(out, "    no devices")?;
    }
    // This device first.
    let (here, others): (Vec<_>, Vec<_>) = known.devices.iter().partition(|device| device.is_own);
    for device in here.into_iter().chain(others) {
        show_device(device, out)?;
    }
    Ok(())
}

fn show_device(device: &DeviceInformation, out: &mut impl Write) -> Result<(), Failure> {
    let level = match (&device.level, device.identity_key) {
        _ if device.is_own => Some("this device"),
        (Some(level), _) => Some(level.as_str()),
        (None, Some(_)) => Some("undecided"),
        (None, None) => None,
    };
    let listed = device.protocols.get(&Namespace::OMEMO_2).copied() == Some(true);
    let unlisted = (!listed).then_some("not on the device list");
    let details: Vec<_> = [device.label.as_deref(), level, unlisted]
        .into_iter()
        .flatten()
        .map(shown)
        .collect();
    let fingerprint = match device.identity_key {
        Some(key) => key.fingerprint().to_string(),
        None => "its key was never received".to_owned(),
    };
    let first = format!("    {:<10}  {}", device.device.get(), details.join(", "));
    writeln!(out, "{}\n                {fingerprint}", first.trim_end())?;
    Ok(())
}
