//! Opening sessions: from a bundle, or because a key exchange arrived.

use alloc::boxed::Box;
use alloc::sync::Arc;

use rand_core::Rng;
use sha2::{Digest, Sha256};

use super::{catch_up, mark, pool};
use crate::engine::{Env, Stop, View};
use crate::error::{BundleFailure, DecryptFailure, Inconsistency};
use crate::keys::{IdentityKey, NonContributory, PublicKey};
use crate::protocol::{KeyExchange, Message, Protocol, WireError};
use crate::ratchet::{Accepted, KeyExchangeError, OwnKeys, Session, SkippedKeys};
use crate::records::{AccountRecord, Archive, MarkPlace, PreKeys, ProtocolRecord, place};
use crate::settings::Settings;
use crate::{BareJid, Bundle, DeviceId, Error, Namespace, NetworkError};

/// Checks a downloaded bundle: there is one, its signature is good, it holds the identity key the device is known by, and
/// every key in it is one to agree with, so that opening a session cannot fail.
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
    let (count, limit) = (bundle.pre_keys.len(), settings.limits.bundle_pre_keys);
    if count == 0 {
        return Err(BundleFailure::NoPreKeys);
    }
    if count > limit {
        return Err(BundleFailure::TooManyPreKeys { count, limit });
    }
    let mut keys = bundle.pre_keys.values().chain([&bundle.signed_pre_key.key]);
    if keys.any(PublicKey::has_small_order) {
        return Err(invalid(NonContributory.into()));
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
/// session it replaces is archived, the pre key consumed, bundle and reply marked. `None`: it was decrypted before.
pub(super) fn accept(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    origin: &Origin<'_>,
    key_exchange: &KeyExchange,
    message: &Message,
) -> Result<Option<zeroize::Zeroizing<alloc::vec::Vec<u8>>>, Stop> {
    let namespace = &origin.namespace;
    let protocol = settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    // Foreseen, unless the message has hidden that it is a key exchange.
    want_records(view, origin)?;
    view.settle()?;
    let account = super::own_account(view)?;
    let protocol_key = place::protocol(namespace)?;
    let pre_keys_key = place::pre_keys(namespace)?;
    let missing = || Stop::Fail(Error::NotOpened);
    let mut record = view.take::<ProtocolRecord>(&protocol_key)?.ok_or_else(missing)?;
    let mut pre_keys = view.take::<PreKeys>(&pre_keys_key)?.ok_or_else(missing)?;
    let catching_up = catch_up::any_open(view, env)?;
    if !catching_up {
        pre_keys.end_hiding();
    }
    let accepted = build(
        env,
        settings,
        protocol.as_ref(),
        origin,
        &account,
        &record,
        &pre_keys,
        key_exchange,
        message,
    )?;
    let Some(Accepted {
        session,
        skipped,
        plaintext,
    }) = accepted
    else {
        return Ok(None);
    };

    archive_live(view, env, origin)?;
    view.put(&place::session(origin.jid, namespace, origin.device)?, session)?;
    put_skipped(view, origin, skipped)?;

    let used = settings.pre_key_policy.used(origin.jid, catching_up);
    let presented = presented(origin, key_exchange);
    pool::consume(&mut pre_keys, key_exchange.pre_key, presented, used);
    if pre_keys.visible.len() < settings.pre_key_threshold.saturating_add(1) {
        pool::refill(&mut record, &mut pre_keys, &mut env.rng);
    }
    view.put_changed(&protocol_key, record)?;
    view.put_changed(&pre_keys_key, pre_keys)?;
    owe_answer(view, origin)?;
    Ok(Some(plaintext))
}

/// The bundle lacks a pre key now, and whoever used it waits to hear that the session is there.
fn owe_answer(view: &mut View, origin: &Origin<'_>) -> Result<(), Stop> {
    let namespace = &origin.namespace;
    mark(view, &MarkPlace::Bundle(namespace.clone()))?;
    let reply = MarkPlace::Reply(namespace.clone(), origin.jid.clone(), origin.device);
    mark(view, &reply)
}

#[allow(clippy::too_many_arguments, reason = "the inputs of X3DH")]
fn build(
    env: &mut Env<'_>,
    settings: &Settings,
    protocol: &dyn Protocol,
    origin: &Origin<'_>,
    account: &AccountRecord,
    record: &ProtocolRecord,
    pre_keys: &PreKeys,
    key_exchange: &KeyExchange,
    message: &Message,
) -> Result<Option<Accepted>, Stop> {
    let signed_pre_key = record
        .signed_pre_key(key_exchange.signed_pre_key)
        .ok_or(DecryptFailure::SignedPreKeyGone(key_exchange.signed_pre_key))?;
    let pre_key = match (
        pre_keys.visible.get(&key_exchange.pre_key),
        pre_keys.hidden.get(&key_exchange.pre_key),
    ) {
        (Some(pair), _) => pair,
        (None, Some(hidden))
            if !hidden.was_used_by(&presented(origin, key_exchange), &key_exchange.base_key) =>
        {
            &hidden.pair
        }
        // It is not there, or is kept for others: the session that this key exchange has built is gone. Whether the message
        // was read before, nobody can tell any more.
        (None, _) => return Err(DecryptFailure::PreKeyGone(key_exchange.pre_key).into()),
    };
    if !is_drawn(&key_exchange.base_key) {
        return Err(DecryptFailure::Wire(WireError::BaseKey).into());
    }
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
        settings.limits.skipped_keys,
        env.now,
        &mut env.rng,
    );
    super::receive::unless_repeated(accepted)
}

/// Tells key exchanges of one pre key apart. By who presents them too: others may have seen one, as all who are in a room have,
/// and whoever presents it as his own must not use it up for its sender.
fn presented(origin: &Origin<'_>, key_exchange: &KeyExchange) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(key_exchange.base_key.as_bytes());
    hash.update(origin.device.get().to_be_bytes());
    hash.update(origin.jid.as_str());
    hash.finalize().into()
}

/// Whether a base key may have been drawn by the sender: it is in the group that the base point generates, and written in the
/// one way it is. Key exchanges are told apart by their base keys, which nothing authenticates but that the secrets come
/// out right; and these are the same for other bytes, and for a point of small order added. So a key exchange that was
/// read before could be made to look like another.
fn is_drawn(base_key: &PublicKey) -> bool {
    IdentityKey::from_curve25519(*base_key, false).is_ok_and(|key| key.curve25519() == *base_key)
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
    let skipped = take_skipped(view, origin)?;
    let key = place::archive(jid, namespace, *device)?;
    let mut archive = view.take::<Archive>(&key)?.unwrap_or_default();
    archive.add(session, skipped, env.now);
    view.put(&key, archive)
}

/// The skipped keys of the live session; loads their record if that was not foreseen.
pub(super) fn take_skipped(view: &mut View, origin: &Origin<'_>) -> Result<SkippedKeys, Stop> {
    let key = place::skipped(origin.jid, &origin.namespace, origin.device)?;
    Ok(view.take::<SkippedKeys>(&key)?.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::montgomery::MontgomeryPoint;

    use super::*;
    use crate::keys::KeyPair;
    use crate::keys::testing::TestRng;

    #[test]
    fn what_agrees_like_a_base_key_is_none() {
        let rng = &mut TestRng::new(1);
        let own = KeyPair::generate(rng);
        for _ in 0..20 {
            let drawn = *KeyPair::generate(rng).public();
            assert!(is_drawn(&drawn));
            let agreed = own.agree(&drawn).unwrap();
            let mut high = *drawn.as_bytes();
            high[31] |= 0x80;
            let point = MontgomeryPoint(*drawn.as_bytes()).to_edwards(0).unwrap();
            let [_, small @ ..] = EIGHT_TORSION;
            let alike = small.map(|small| (point + small).to_montgomery().0);
            for bytes in alike.into_iter().chain([high]) {
                let key = PublicKey::from_bytes(bytes);
                assert_eq!(own.agree(&key).unwrap().as_bytes(), agreed.as_bytes());
                assert!(!is_drawn(&key));
            }
        }
    }
}
