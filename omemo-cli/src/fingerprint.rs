//! `omemo fingerprint`: whose keys a storage knows, and how far they are trusted.

use std::io::{self, IsTerminal, Write};

use clap::Args;
use omemo::keys::Fingerprint;
use omemo::trust::TrustLevel;
use omemo::{BareJid, DeviceInformation};
use omemo_storage::{AccountId, AnyStorage};
use omemo_verify::{VerificationUri, groups, qr};

use crate::failure::Failure;
use crate::inspect::{accounts, records};
use crate::offline::{Onlooker, look};
use crate::storage_url::{Source, without_secrets};
use crate::text::shown;

/// What stands before the JID in the name of the partition that holds what is known of a contact.
const CONTACT: &str = "contact/";

/// How light the colours of fingerprints are: legible on a dark terminal, and still on a light one.
const LIGHTNESS: f64 = 65.0;

/// In which form fingerprints are shown.
#[derive(Args)]
pub(crate) struct Form {
    /// Show the xmpp: URI that others verify this device by, and the account's other devices that were verified here
    #[arg(long)]
    uri: bool,
    /// Show that URI as a QR code
    #[arg(long)]
    qr: bool,
}

/// Shows the fingerprints in the storage: of one account, or of all.
pub(crate) fn run(
    source: &Source,
    only: Option<&str>,
    form: &Form,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let storage = source.open()?;
    let url = without_secrets(&source.url);
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
        show_account(&storage, account, form, out).map_err(|failure| failure.about(account))?;
    }
    Ok(())
}

fn show_account(
    storage: &AnyStorage,
    account: &AccountId,
    form: &Form,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let own = jid(account.as_str())?;
    let client = look(storage.clone(), &own)?;
    if form.uri || form.qr {
        return show_uri(&client, own, form, out);
    }
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

/// Shows what others scan: the URI of this device and of those that were verified here.
fn show_uri(client: &Onlooker, own: BareJid, form: &Form, out: &mut impl Write) -> Result<(), Failure> {
    let vouched = |device: &DeviceInformation| device.is_own || device.level == Some(TrustLevel::TRUSTED);
    let known = client.device_information(own.clone())?;
    let fingerprints = known
        .devices
        .iter()
        .filter(|device| vouched(device))
        .filter_map(|device| Some((device.device, device.identity_key?.fingerprint())))
        .collect();
    let uri = VerificationUri {
        jid: own,
        fingerprints,
    }
    .to_string();
    if form.qr {
        let code = qr::unicode(&uri).map_err(|error| Failure::because("the QR code", error))?;
        writeln!(out, "{code}")?;
    }
    writeln!(out, "{uri}")?;
    Ok(())
}

/// The accounts of which something is known, by the names of the records about them.
pub(crate) fn contacts(storage: &AnyStorage, account: &AccountId) -> Result<Vec<BareJid>, Failure> {
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
    if known.devices.is_empty() {
        let nothing = match known.unlisted.is_empty() {
            true => "no devices",
            false => "its device list was never received",
        };
        writeln!(out, "    {nothing}")?;
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
    let listed = device.protocols.values().any(|active| *active);
    let unlisted = (!listed).then_some("not on the device list");
    let details: Vec<_> = [device.label.as_deref(), level, unlisted]
        .into_iter()
        .flatten()
        .map(shown)
        .collect();
    let fingerprint = match device.identity_key {
        Some(key) => painted(&key.fingerprint(), in_color()),
        None => "its key was never received".to_owned(),
    };
    let first = format!("    {:<10}  {}", device.device.get(), details.join(", "));
    writeln!(out, "{}\n                {fingerprint}", first.trim_end())?;
    Ok(())
}

/// Whether colours are shown: on a terminal, unless its owner wants none (<https://no-color.org>).
fn in_color() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A fingerprint, its groups in the colours that other clients show them in, too.
fn painted(fingerprint: &Fingerprint, in_color: bool) -> String {
    if !in_color {
        return fingerprint.to_string();
    }
    let groups = groups(fingerprint, 100.0, LIGHTNESS);
    let painted = groups.iter().map(|group| {
        let (color, digits) = (group.color, &group.digits);
        format!(
            "\u{1b}[38;2;{};{};{}m{digits}\u{1b}[0m",
            color.red, color.green, color.blue
        )
    });
    painted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_around_the_digits_and_change_nothing_else() {
        let fingerprint = Fingerprint::from_bytes([0xab; 32]);
        let painted = painted(&fingerprint, true);
        assert_eq!(painted.matches("\u{1b}[38;2;").count(), 8);
        assert_eq!(painted.matches("\u{1b}[0m").count(), 8);
        let mut plain = String::new();
        for part in painted.split('\u{1b}') {
            plain += part.split_once('m').map_or(part, |(_, text)| text);
        }
        assert_eq!(plain, fingerprint.to_string());
        assert_eq!(super::painted(&fingerprint, false), plain);
    }
}
