//! Following the cursors through all accounts.

use std::collections::HashSet;
use std::time::Instant;

use omemo::blocking::wait;
use omemo_storage::Storage;

use super::filled::Filled;
use crate::measure::Failure;

/// How many accounts are asked for at once.
const PAGE: usize = 1_000;

/// What listing every account took.
pub(crate) struct Listing {
    pub(crate) pages: usize,
    pub(crate) seconds: f64,
    /// How long the slowest page took.
    pub(crate) slowest: f64,
}

/// Lists every account, page by page; each has to be there once.
pub(crate) fn list<S: Storage, Server>(filled: &Filled<S, Server>) -> Result<Listing, Failure> {
    let (mut listed, mut after) = (HashSet::new(), None);
    let mut listing = Listing {
        pages: 0,
        seconds: 0.0,
        slowest: 0.0,
    };
    loop {
        let begun = Instant::now();
        let page = wait(filled.storage.accounts(after.as_ref(), PAGE))?;
        let taken = begun.elapsed().as_secs_f64();
        listing.pages += 1;
        listing.seconds += taken;
        listing.slowest = listing.slowest.max(taken);
        for account in page.entries {
            if !listed.insert(account) {
                return Err("an account was listed twice".into());
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if listed.len() != filled.accounts {
        let (listed, there) = (listed.len(), filled.accounts);
        return Err(format!("{listed} accounts were listed of {there}").into());
    }
    Ok(listing)
}
