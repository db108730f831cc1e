//! Many at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use omemo::blocking::wait;
use omemo::local::Connection;
use omemo::{Client, Error};
use omemo_storage::{Metered, Storage};

use super::filled::{Filled, name};
use super::template::Template;
use crate::measure::Failure;

/// How many messages the workers send together.
const MESSAGES: u64 = 800;

/// What a number of workers did.
pub(crate) struct Worked {
    pub(crate) messages: u64,
    pub(crate) seconds: f64,
    /// The least messages that one of them sent, and the most.
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// Commits that found their account changed.
    pub(crate) conflicts: u64,
    /// Messages that were given up, and begun again, after too many of them.
    pub(crate) given_up: u64,
    /// How many seconds the message took that took longest.
    pub(crate) longest: f64,
}

/// What one worker did.
#[derive(Default)]
struct Share {
    messages: u64,
    conflicts: u64,
    given_up: u64,
    longest: f64,
}

/// Lets workers send messages, each from an account of its own or all from the same, each by a client of its own, until
/// enough are sent.
pub(crate) fn work<S: Storage + Clone + 'static, Server>(
    template: &Template,
    filled: &Filled<S, Server>,
    workers: usize,
    same_account: bool,
) -> Result<Worked, Failure> {
    let clients = (0..workers)
        .map(|worker| {
            let number = if same_account {
                0
            } else {
                worker * filled.accounts / workers
            };
            template.client(&name(number), Metered::new(filled.storage.clone()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    for client in &clients {
        let _ = wait(client.encrypt(template.message(0)))?;
        client.storage().take();
    }

    let left = AtomicU64::new(MESSAGES);
    let begun = Instant::now();
    let shares = thread::scope(|scope| {
        let left = &left;
        let threads: Vec<_> = clients
            .iter()
            .map(|client| scope.spawn(move || share(template, client, left)))
            .collect();
        threads
            .into_iter()
            .map(ScopedJoinHandle::join)
            .collect::<Vec<_>>()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut ended = Vec::new();
    for (share, client) in shares.into_iter().zip(&clients) {
        let mut share = share.map_err(|_| "a worker has panicked")??;
        share.conflicts = client.storage().take().conflicts;
        ended.push(share);
    }
    Ok(Worked {
        messages: ended.iter().map(|share| share.messages).sum(),
        seconds,
        least: ended.iter().map(|share| share.messages).min().unwrap_or(0),
        most: ended.iter().map(|share| share.messages).max().unwrap_or(0),
        conflicts: ended.iter().map(|share| share.conflicts).sum(),
        given_up: ended.iter().map(|share| share.given_up).sum(),
        longest: ended.iter().map(|share| share.longest).fold(0.0, f64::max),
    })
}

/// Sends messages as long as any are left.
fn share<S: Storage>(
    template: &Template,
    client: &Client<Metered<S>, Connection>,
    left: &AtomicU64,
) -> Result<Share, Error> {
    let take_one = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    let mut share = Share::default();
    while take_one().is_ok() {
        let begun = Instant::now();
        loop {
            match wait(client.encrypt(template.message(0))) {
                Ok(_) => break,
                Err(Error::Contention { .. }) => share.given_up += 1,
                Err(error) => return Err(error),
            }
        }
        share.longest = share.longest.max(begun.elapsed().as_secs_f64());
        share.messages += 1;
    }
    Ok(share)
}
