//! What has to be done from time to time.

use alloc::vec::Vec;

use super::device_list::{WAR_REST, is_broken_off};
use super::flush::{self, Flushed};
use super::information::silent_devices;
use super::{catch_up, mark, own_account, pool};
use crate::engine::{Env, Stop, View};
use crate::records::{Contact, MarkPlace, PreKeys, ProtocolRecord, Relisted, place};
use crate::settings::Settings;
use crate::{DeviceId, Error, Namespace, Timestamp};

/// How soon to try again what has failed: 5 minutes, in seconds.
const RETRY_AFTER: u64 = 300;

/// The longest rest between two runs: a day, in seconds.
const AT_LEAST_DAILY: u64 = 86_400;

/// What maintenance did.
#[derive(Clone, Debug)]
pub struct Maintained {
    /// What happened to the outbox.
    pub outbox: Flushed,
    /// When it wants to be called again.
    pub next: Timestamp,
    /// Other devices of the own account that are listed and have said nothing for
    /// [`Settings::silent_after`](crate::Settings). Nothing was done to them.
    pub silent: Vec<DeviceId>,
}

pub(super) fn maintain(view: &mut View, env: &mut Env<'_>, settings: &Settings) -> Result<Maintained, Stop> {
    view.want(place::account()?);
    view.want(place::contact(&settings.jid)?);
    for namespace in settings.namespaces() {
        view.want(place::protocol(&namespace)?);
        view.want(MarkPlace::Bundle(namespace.clone()).key()?);
        view.want(MarkPlace::Devices(namespace).key()?);
    }
    catch_up::require(view, settings)?;
    let mut changed = catch_up::close_expired(view, env, settings)?;
    changed |= end_wars(view, env, settings)?;
    for namespace in settings.namespaces() {
        changed |= renew_keys(view, env, settings, &namespace)?;
    }
    if changed {
        // The keys are durable before they are published.
        return Err(Stop::Checkpoint);
    }
    let outbox = flush::flush(view, env, settings)?;
    let next = next_call(view, env, settings, &outbox)?;
    let own = own_account(view)?.device;
    let contact = view
        .read::<Contact>(&place::contact(&settings.jid)?)?
        .unwrap_or_default();
    let silent = silent_devices(&contact, own, env.now, settings.silent_after);
    Ok(Maintained { outbox, next, silent })
}

/// Tries once more to be on the lists that another client took this device off, after a rest.
fn end_wars(view: &mut View, env: &Env<'_>, settings: &Settings) -> Result<bool, Stop> {
    let key = place::contact(&settings.jid)?;
    let Some(mut contact) = view.take::<Contact>(&key)? else {
        return Ok(false);
    };
    let rested = |relisted: &Relisted| Timestamp::is_due(relisted.since, env.now, WAR_REST);
    let ended: Vec<_> = contact
        .relisted
        .iter()
        .filter(|(_, relisted)| rested(relisted) && is_broken_off(relisted))
        .map(|(namespace, _)| namespace.clone())
        .filter(|namespace| settings.protocol(namespace).is_some())
        .collect();
    contact.relisted.retain(|_, relisted| !rested(relisted));
    view.put_changed(&key, contact)?;
    for namespace in &ended {
        mark(view, &MarkPlace::Devices(namespace.clone()))?;
    }
    Ok(!ended.is_empty())
}

/// Rotates the signed pre key when it is due, forgets the one before when it has expired, and refills the pool.
fn renew_keys(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    namespace: &Namespace,
) -> Result<bool, Stop> {
    let account = own_account(view)?;
    let protocol = settings
        .protocol(namespace)
        .ok_or_else(|| Error::UnknownNamespace(namespace.clone()))?;
    let record_key = place::protocol(namespace)?;
    let pre_keys_key = place::pre_keys(namespace)?;
    let record = view.take::<ProtocolRecord>(&record_key)?;
    let (Some(mut record), Some(mut pre_keys)) = (record, view.take::<PreKeys>(&pre_keys_key)?) else {
        // Purged meanwhile.
        return Ok(false);
    };
    record.correct_age(env.now, settings.rotation_period);
    let rotate = env.now - record.signed_pre_key.created >= settings.rotation_period;
    let expired = record
        .retired
        .as_ref()
        .is_some_and(|retired| retired.expires <= env.now);
    let refill = pre_keys.visible.len() < settings.pre_key_threshold;
    if expired {
        record.retired = None;
    }
    if rotate {
        pool::rotate(
            protocol.as_ref(),
            &account.identity,
            &mut record,
            settings,
            env.now,
            &mut env.rng,
        );
    }
    if refill {
        pool::refill(&mut record, &mut pre_keys, &mut env.rng);
    }
    view.put_changed(&record_key, record)?;
    view.put_changed(&pre_keys_key, pre_keys)?;
    if rotate || refill {
        mark(view, &MarkPlace::Bundle(namespace.clone()))?;
    }
    Ok(rotate || expired || refill)
}

/// The next moment something is due.
fn next_call(
    view: &mut View,
    env: &Env<'_>,
    settings: &Settings,
    outbox: &Flushed,
) -> Result<Timestamp, Stop> {
    let mut next = env.now + AT_LEAST_DAILY;
    if !outbox.failed.is_empty() || outbox.postponed > 0 {
        next = next.min(env.now + RETRY_AFTER);
    }
    let contact = view
        .read::<Contact>(&place::contact(&settings.jid)?)?
        .unwrap_or_default();
    for relisted in contact
        .relisted
        .values()
        .filter(|relisted| is_broken_off(relisted))
    {
        next = next.min(relisted.since + WAR_REST);
    }
    for namespace in settings.namespaces() {
        let Some(record) = view.read::<ProtocolRecord>(&place::protocol(&namespace)?)? else {
            continue;
        };
        next = next.min(record.signed_pre_key.created + settings.rotation_period);
        if let Some(retired) = &record.retired {
            next = next.min(retired.expires);
        }
    }
    Ok(next)
}
