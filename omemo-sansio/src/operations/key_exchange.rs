//! Opening sessions: from a bundle, or because a key exchange arrived.

use alloc::boxed::Box;
use alloc::sync::Arc;

use rand_core::Rng;

use super::{catch_up, mark, pool};
use crate::engine::{Env, Stop, View};
use crate::error::{BundleFailure, DecryptFailure, Inconsistency};
use crate::keys::IdentityKey;
use crate::protocol::{KeyExchange, Message, Protocol};
use crate::ratchet::{Accepted, KeyExchangeError, OwnKeys, Session, SkippedKeys};
use crate::records::{AccountRecord, Archive, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceId, Error, Namespace, NetworkError};

/// Checks a downloaded bundle: there is one, its signature is good, and it holds the identity key the device is known by.
pub(super) fn usable_bundle(
    settings: &Settings,
    namespace: &Namespace,
    answer: &Result<Option<Bundle>, NetworkError>,
    device: DeviceId,
    known: Option<IdentityKey>,
) -> Result<Bundle, BundleFailure> {
    let bundle = match answer {
        Ok(Some(bundle)) => bundle,
        Ok(None) => return Err(BundleFailure::Missing),
        Err(error) => return Err(BundleFailure::Network(error.clone())),
    };
    if let Some(known) = known.filter(|known| *known != bundle.identity_key) {
        let presented = bundle.identity_key;
        return Err(BundleFailure::Inconsistent(Box::new(Inconsistency {
            device,
            known,
            presented,
        })));
    }
    let Some(protocol) = settings.protocol(namespace) else {
        return Err(BundleFailure::Missing);
    };
    let invalid = |error| BundleFailure::Invalid(Arc::new(error));
    if bundle.pre_keys.is_empty() {
        return Err(BundleFailure::NoPreKeys);
    }
    protocol
        .verify_pre_key(&bundle.identity_key, &bundle.signed_pre_key)
        .map_err(|_| invalid(KeyExchangeError::InvalidSignature))?;
    Ok(bundle.clone())
}

/// Opens a session from a bundle, with one of its pre keys at random (XEP-0384, section 5.4).
pub(super) fn initiate(
    env: &mut Env<'_>,
    protocol: &dyn Protocol,
    account: &AccountRecord,
    bundle: &Bundle,
) -> Result<Session, Stop> {
    let count = bundle.pre_keys.len() as u64;
    let chosen = env
        .rng
        .next_u64()
        .checked_rem(count)
        .and_then(|index| usize::try_from(index).ok());
    let pre_key = chosen
        .and_then(|index| bundle.pre_keys.keys().nth(index))
        .ok_or(Error::Internal("a bundle without pre keys was taken for usable"))?;
    Session::initiate(
        protocol,
        &account.identity,
        bundle,
        *pre_key,
        env.now,
        &mut env.rng,
    )
    .map_err(|_| Error::Internal("a bundle was taken for usable that is not").into())
}

/// Where a message comes from.
pub(super) struct Origin<'a> {
    pub(super) jid: &'a BareJid,
    pub(super) device: DeviceId,
    pub(super) namespace: Namespace,
}

/// Asks for everything that taking in a key exchange may touch.
pub(super) fn want_records(view: &mut View, origin: &Origin<'_>) -> Result<(), Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    view.want(place::protocol(namespace)?);
    view.want(place::pre_keys(namespace)?);
    view.want(place::catch_up()?);
    view.want(MarkPlace::Bundle(namespace.clone()).key()?);
    view.want(place::skipped(jid, namespace, *device)?);
    view.want(place::archive(jid, namespace, *device)?);
    Ok(())
}

/// Builds a session from a key exchange and decrypts its first message. Everything that follows from it is written: the
/// session it replaces is archived, the pre key consumed, bundle and reply marked.
pub(super) fn accept(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    origin: &Origin<'_>,
    key_exchange: &KeyExchange,
    message: &Message,
) -> Result<zeroize::Zeroizing<alloc::vec::Vec<u8>>, Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    let protocol = settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    let account = super::own_account(view)?;
    let protocol_key = place::protocol(namespace)?;
    let pre_keys_key = place::pre_keys(namespace)?;
    let missing = || Stop::Fail(Error::NotOpened);
    let mut record = view.take::<ProtocolRecord>(&protocol_key)?.ok_or_else(missing)?;
    let mut pre_keys = view.take::<PreKeys>(&pre_keys_key)?.ok_or_else(missing)?;
    let hide = catch_up::any_open(view, env)?;
    if !hide {
        pre_keys.hidden.clear();
    }
    let Accepted {
        session,
        skipped,
        plaintext,
    } = build(
        env,
        settings,
        protocol.as_ref(),
        &account,
        &record,
        &pre_keys,
        key_exchange,
        message,
    )?;

    archive_live(view, env, origin)?;
    view.put(&place::session(jid, namespace, *device)?, session)?;
    put_skipped(view, origin, skipped)?;

    pool::consume(&mut pre_keys, key_exchange.pre_key, key_exchange.base_key, hide);
    if pre_keys.visible.len() < settings.pre_key_threshold.saturating_add(1) {
        pool::refill(&mut record, &mut pre_keys, &mut env.rng)?;
    }
    view.put_changed(&protocol_key, record)?;
    view.put_changed(&pre_keys_key, pre_keys)?;
    mark(view, &MarkPlace::Bundle(namespace.clone()))?;
    mark(
        view,
        &MarkPlace::Reply(namespace.clone(), (*jid).clone(), *device),
    )?;
    Ok(plaintext)
}

#[allow(clippy::too_many_arguments, reason = "the inputs of X3DH")]
fn build(
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    account: &AccountRecord,
    record: &ProtocolRecord,
    pre_keys: &PreKeys,
    key_exchange: &KeyExchange,
    message: &Message,
) -> Result<Accepted, Stop> {
    let signed_pre_key = record
        .signed_pre_key(key_exchange.signed_pre_key)
        .ok_or(DecryptFailure::SignedPreKeyGone(key_exchange.signed_pre_key))?;
    let pre_key = match (
        pre_keys.visible.get(&key_exchange.pre_key),
        pre_keys.hidden.get(&key_exchange.pre_key),
    ) {
        (Some(pair), _) => pair,
        (None, Some(hidden)) if hidden.base_keys.contains(&key_exchange.base_key) => {
            return Err(DecryptFailure::AlreadyDecrypted.into());
        }
        (None, Some(hidden)) => &hidden.pair,
        (None, None) => return Err(DecryptFailure::PreKeyGone(key_exchange.pre_key).into()),
    };
    let own = OwnKeys {
        identity_key: &account.identity,
        signed_pre_key,
        pre_key,
    };
    let accepted = Session::accept(
        protocol,
        own,
        key_exchange,
        message,
        settings.limits,
        env.now,
        &mut env.rng,
    );
    accepted.map_err(|error| super::receive::failure(error).into())
}

/// Moves the live session of a device, with its skipped keys, into the archive.
pub(super) fn archive_live(view: &mut View, env: &Env<'_>, origin: &Origin<'_>) -> Result<(), Stop> {
    let Origin {
        jid,
        device,
        namespace,
    } = origin;
    let Some(session) = view.take::<Session>(&place::session(jid, namespace, *device)?)? else {
        return Ok(());
    };
    let skipped = match session.skipped_len() {
        0 => SkippedKeys::default(),
        _ => view
            .take::<SkippedKeys>(&place::skipped(jid, namespace, *device)?)?
            .unwrap_or_default(),
    };
    let key = place::archive(jid, namespace, *device)?;
    let mut archive = view.take::<Archive>(&key)?.unwrap_or_default();
    archive.add(session, skipped, env.now);
    view.put(&key, archive)
}

/// Writes the skipped keys of the live session; without any there is no record.
pub(super) fn put_skipped(view: &mut View, origin: &Origin<'_>, skipped: SkippedKeys) -> Result<(), Stop> {
    let key = place::skipped(origin.jid, &origin.namespace, origin.device)?;
    if skipped.is_empty() {
        view.delete(&key)
    } else {
        view.put(&key, skipped)
    }
}
