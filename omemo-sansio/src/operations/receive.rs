//! Decrypting one key element, in the live session, an archived one or a new one.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::key_exchange::{self, Origin, take_skipped};
use super::mark;
use crate::engine::{Env, Stop, View};
use crate::error::DecryptFailure;
use crate::keys::PublicKey;
use crate::protocol::{Incoming, Message, Protocol};
use crate::ratchet::{DecryptError, Session};
use crate::records::{Archive, MarkPlace, place};
use crate::settings::Settings;

/// How a session took a key element.
type Opened = Result<Zeroizing<Vec<u8>>, DecryptError>;

/// What a key element carried, and whether a session was built to read it.
pub(super) struct Carried {
    pub(super) plaintext: Zeroizing<Vec<u8>>,
    pub(super) new_session: bool,
}

/// After how many messages of a chain without answer the ratchet is moved on by an empty message (XEP-0384, section 6:
/// the first message with a counter of 53 or higher). Said again as often, should that be lost.
const HEARTBEAT: u32 = 53;

/// Decrypts a key element, in a session with the identity key that the message presents: that of its key exchange, or
/// that of the live session. What follows from it is written to the view, unless it fails. `None`: it was decrypted
/// before.
pub(super) fn receive(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    incoming: &Incoming,
) -> Result<Option<Carried>, Stop> {
    let session = view.take::<Session>(&place::session(origin.jid, &origin.namespace, origin.device)?)?;
    let message = &incoming.message;
    let mut new_session = false;
    let plaintext = match (&incoming.key_exchange, session) {
        (Some(key_exchange), Some(session)) if session.opened_by(protocol, key_exchange) => {
            in_live_session(view, env, settings, protocol, origin, session, message)?
        }
        (Some(key_exchange), _) => {
            let opened_by = |session: &Session| session.opened_by(protocol, key_exchange);
            match in_archive(view, env, settings, protocol, origin, message, opened_by)? {
                Some(opened) => unless_repeated(opened)?,
                None => {
                    new_session = true;
                    key_exchange::accept(view, env, settings, origin, key_exchange, message)?
                }
            }
        }
        (None, Some(session)) => in_live_session(view, env, settings, protocol, origin, session, message)?,
        (None, None) => return Err(DecryptFailure::NoSession(origin.device).into()),
    };
    Ok(plaintext.map(|plaintext| Carried {
        plaintext,
        new_session,
    }))
}

fn in_live_session(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    mut session: Session,
    message: &Message,
) -> Result<Option<Zeroizing<Vec<u8>>>, Stop> {
    let mut skipped = match session.needs_skipped_keys(message) {
        false => None,
        true => Some(take_skipped(view, origin)?),
    };
    let before = chain_of(&session);
    let peer = session.peer_identity();
    let of_peer = |other: &Session| other.peer_identity() == peer;
    let mut outcome = session.decrypt(
        protocol,
        message,
        skipped.as_mut(),
        settings.limits.skipped_keys,
        &mut env.rng,
    );
    if let (Err(DecryptError::SkippedKeysNeeded), None) = (&outcome, &skipped) {
        // A message of a chain so old that the session does not remember it.
        skipped = Some(take_skipped(view, origin)?);
        outcome = session.decrypt(
            protocol,
            message,
            skipped.as_mut(),
            settings.limits.skipped_keys,
            &mut env.rng,
        );
    }
    match outcome {
        Ok(plaintext) => {
            owe_heartbeat(view, origin, &session, before)?;
            view.put(
                &place::session(origin.jid, &origin.namespace, origin.device)?,
                session,
            )?;
            if let Some(skipped) = skipped {
                key_exchange::put_skipped(view, origin, skipped)?;
            }
            Ok(Some(plaintext))
        }
        Err(DecryptError::AlreadyDecrypted) => Ok(None),
        Err(error) => match in_archive(view, env, settings, protocol, origin, message, of_peer)? {
            Some(Ok(plaintext)) => Ok(Some(plaintext)),
            Some(Err(DecryptError::AlreadyDecrypted)) => Ok(None),
            _ => Err(failure(error).into()),
        },
    }
}

/// A message that was decrypted before is no failure.
pub(super) fn unless_repeated<T>(opened: Result<T, DecryptError>) -> Result<Option<T>, Stop> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(DecryptError::AlreadyDecrypted) => Ok(None),
        Err(error) => Err(failure(error).into()),
    }
}

/// Tries the sessions that were replaced: both sides may have opened one at the same time. The one that can decrypt
/// becomes the live one again. `None`: there is none to try. `eligible` must see to it that only sessions with the identity
/// key that the message presents are tried, or a message would be taken for somebody else's.
fn in_archive(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    message: &Message,
    eligible: impl Fn(&Session) -> bool,
) -> Result<Option<Opened>, Stop> {
    let key = place::archive(origin.jid, &origin.namespace, origin.device)?;
    view.require([
        key.clone(),
        place::skipped(origin.jid, &origin.namespace, origin.device)?,
    ])?;
    let Some(mut archive) = view.take::<Archive>(&key)? else {
        return Ok(None);
    };
    archive.drop_expired(env.now);
    let mut outcome = None;
    for index in 0..archive.sessions.len() {
        let Some(archived) = archive.sessions.get_mut(index) else {
            break;
        };
        if !eligible(&archived.session) {
            continue;
        }
        let before = chain_of(&archived.session);
        let skipped = Some(&mut archived.skipped);
        match archived.session.decrypt(
            protocol,
            message,
            skipped,
            settings.limits.skipped_keys,
            &mut env.rng,
        ) {
            Ok(plaintext) => {
                let promoted = archive.sessions.remove(index);
                view.put(&key, archive)?;
                key_exchange::archive_live(view, env, origin)?;
                owe_heartbeat(view, origin, &promoted.session, before)?;
                view.put(
                    &place::session(origin.jid, &origin.namespace, origin.device)?,
                    promoted.session,
                )?;
                key_exchange::put_skipped(view, origin, promoted.skipped)?;
                return Ok(Some(Ok(plaintext)));
            }
            Err(error @ DecryptError::AlreadyDecrypted) => outcome = Some(Err(error)),
            Err(error) => outcome = outcome.or(Some(Err(error))),
        }
    }
    Ok(outcome)
}

/// The chain that a session receives on, and how long it is.
fn chain_of(session: &Session) -> (PublicKey, u32) {
    (session.peer_ratchet_key(), session.receiving_chain_length())
}

/// Owes the sender an empty message when its chain has grown long; `before` are the chain there was, and its length then.
fn owe_heartbeat(
    view: &mut View,
    origin: &Origin<'_>,
    session: &Session,
    (chain, length): (PublicKey, u32),
) -> Result<(), Stop> {
    let now = session.receiving_chain_length();
    let is_same = session.peer_ratchet_key() == chain;
    let before = if is_same { length } else { 0 };
    let passed = |length: u32| length.saturating_sub(1) / HEARTBEAT;
    if passed(now) > passed(before) {
        mark(
            view,
            &MarkPlace::Reply(origin.namespace.clone(), origin.jid.clone(), origin.device),
        )?;
    }
    Ok(())
}

/// What a failed session means for the message.
fn failure(error: DecryptError) -> DecryptFailure {
    match error {
        DecryptError::TooManySkipped { skipped, limit } => {
            DecryptFailure::TooManySkippedMessageKeys { skipped, limit }
        }
        error => DecryptFailure::Session(error),
    }
}
