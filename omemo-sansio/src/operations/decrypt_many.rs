//! Decrypting a page of messages at once: one load, one commit.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::decrypt::{decrypt, origin, want_records};
use super::decrypted::{Decrypted, IncomingMessage};
use super::sender::{want_device_list, want_forgotten_by};
use super::within;
use crate::Error;
use crate::engine::{Env, Stop, View};
use crate::records::place;
use crate::settings::Settings;

/// The most messages of a page: 1,000.
pub const MAX_PAGE: usize = 1_000;

/// The most bytes of key elements and payloads that the messages of a page may have together, unless it is one message:
/// 8 MiB.
pub const MAX_PAGE_BYTES: usize = 8 << 20;

/// Of how many devices the records that are rarely needed are loaded at a time, once one is.
const COLD_AT_ONCE: usize = 64;

/// How each message of a page ended, in the order of the page.
pub type DecryptedPage = Vec<Result<Decrypted, Error>>;

impl IncomingMessage {
    /// How many bytes its key elements and its payload have.
    pub fn bytes(&self) -> usize {
        let keys = self
            .message
            .recipients
            .iter()
            .flat_map(|recipient| &recipient.keys);
        let payload = self.message.payload.as_ref();
        keys.map(|key| key.data.len())
            .chain(payload.map(|payload| payload.ciphertext.len()))
            .fold(0, usize::saturating_add)
    }

    /// Cuts any number of messages, in their order, into pages that [`decrypt_many`](crate::Account::decrypt_many) takes:
    /// of at most [`MAX_PAGE`] messages and [`MAX_PAGE_BYTES`] bytes.
    pub fn pages(messages: impl IntoIterator<Item = Self>) -> Vec<Vec<Self>> {
        let mut pages: Vec<(usize, Vec<Self>)> = Vec::new();
        for message in messages {
            let more = message.bytes();
            match pages.last_mut() {
                Some((bytes, page))
                    if page.len() < MAX_PAGE && bytes.saturating_add(more) <= MAX_PAGE_BYTES =>
                {
                    *bytes = bytes.saturating_add(more);
                    page.push(message);
                }
                _ => pages.push((more, [message].into())),
            }
        }
        pages.into_iter().map(|(_, page)| page).collect()
    }
}

/// Decrypts the messages in their order. One that cannot be decrypted leaves no trace, as if it had not been among them.
pub(super) fn decrypt_many(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    page: &[IncomingMessage],
) -> Result<DecryptedPage, Stop> {
    within("a page of messages", page.len(), MAX_PAGE)?;
    if page.len() > 1 {
        let bytes = page
            .iter()
            .map(IncomingMessage::bytes)
            .fold(0, usize::saturating_add);
        within("a page of messages in bytes", bytes, MAX_PAGE_BYTES)?;
    }
    view.want(place::account()?);
    for incoming in page {
        want_records(view, settings, incoming)?;
    }
    view.settle()?;
    for incoming in page {
        want_device_list(view, env, &origin(incoming))?;
    }
    view.settle()?;
    want_forgotten(view, env, settings, page)?;
    view.settle()?;

    let mut outcomes = Vec::with_capacity(page.len());
    for (index, incoming) in page.iter().enumerate() {
        view.set_savepoint();
        match decrypt(view, env, settings, incoming) {
            Ok(decrypted) => outcomes.push(Ok(decrypted)),
            Err(Stop::FailKeeping(error)) => outcomes.push(Err(error)),
            Err(Stop::Fail(error)) => {
                view.roll_back();
                outcomes.push(Err(error));
            }
            Err(stop) => {
                // All that the messages before have drawn is thrown away with what they wrote.
                env.forget_draws();
                want_cold(view, page.get(index..).unwrap_or_default())?;
                return Err(stop);
            }
        }
    }
    Ok(outcomes)
}

/// The device lists that were downloaded make devices be forgotten. What is stored of them is loaded for all senders at once.
fn want_forgotten(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    page: &[IncomingMessage],
) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for incoming in page {
        let origin = origin(incoming);
        let list = (origin.jid, origin.namespace.clone());
        if !seen.contains(&list) && want_forgotten_by(view, env, settings, &origin)? {
            seen.insert(list);
        }
    }
    Ok(())
}

/// One message has turned out to need what is rarely needed. Others may too, and each would begin the page again.
fn want_cold(view: &mut View, rest: &[IncomingMessage]) -> Result<(), Stop> {
    let mut seen = BTreeSet::new();
    for incoming in rest {
        let origin = origin(incoming);
        if seen.len() < COLD_AT_ONCE && seen.insert((origin.jid, origin.device, origin.namespace.clone())) {
            view.want(place::skipped(origin.jid, &origin.namespace, origin.device)?);
            view.want(place::archive(origin.jid, &origin.namespace, origin.device)?);
        }
    }
    Ok(())
}
