//! What a message takes, whatever the number of accounts beside its own.

use std::time::Instant;

use omemo::blocking::wait;
use omemo_storage::{Metered, Storage};

use super::filled::{Filled, name};
use super::template::Template;
use crate::measure::Failure;
use crate::report::Times;
use crate::servers::random;

/// How many messages are timed on each storage.
const MESSAGES: usize = 400;

/// How many go before them, so that every connection is warm.
const BEFORE: usize = 20;

/// What messages of random accounts took.
#[derive(Default)]
pub(crate) struct Messages {
    /// To encrypt one, by a client that is open.
    pub(crate) encrypt: Times,
    /// To open the account and encrypt one: what nobody has looked at for long.
    pub(crate) open_and_encrypt: Times,
}

/// Sends a message on each storage in turn, over and over.
pub(crate) fn measure<S: Storage + Clone, Server>(
    template: &Template,
    storages: &[Filled<S, Server>],
) -> Result<Vec<Messages>, Failure> {
    let mut measured: Vec<_> = storages.iter().map(|_| Messages::default()).collect();
    for round in 0..BEFORE + MESSAGES {
        for (filled, messages) in storages.iter().zip(&mut measured) {
            let timed = message(template, filled)?;
            if round >= BEFORE {
                messages.encrypt.push(timed.encrypt);
                messages.open_and_encrypt.push(timed.open + timed.encrypt);
            }
        }
    }
    Ok(measured)
}

/// Nanoseconds of one message.
struct Timed {
    open: f64,
    encrypt: f64,
}

fn message<S: Storage + Clone, Server>(
    template: &Template,
    filled: &Filled<S, Server>,
) -> Result<Timed, Failure> {
    let number = u64::from_be_bytes(random()?) as usize % filled.accounts;
    let storage = Metered::new(filled.storage.clone());
    let begun = Instant::now();
    let client = template.client(&name(number), storage)?;
    let open = begun.elapsed().as_secs_f64() * 1e9;
    let opening = client.storage().take();

    let request = template.message(number);
    let begun = Instant::now();
    let encrypted = wait(client.encrypt(request))?.complete()?;
    let encrypt = begun.elapsed().as_secs_f64() * 1e9;
    let counts = client.storage().take();
    if encrypted.encrypted_to.len() != 1 {
        return Err("a message went to another number of devices than one".into());
    }
    let exchanges = encrypted
        .messages
        .iter()
        .flat_map(|message| &message.recipients)
        .flat_map(|recipient| &recipient.keys)
        .any(|key| key.key_exchange);
    if exchanges || opening.records_written > 0 || (counts.loads, counts.commits) != (1, 1) {
        return Err("a message was not one load and one commit on a session that is there".into());
    }
    Ok(Timed { open, encrypt })
}
