//! Catching up with the archive: while one is open, used pre keys are hidden instead of deleted, since others may have
//! opened sessions with them too (XEP-0384, section 6).

use rand_core::Rng;

use crate::engine::{Env, Stop, View};
use crate::records::{CatchUps, PreKeys, RunId, place};
use crate::settings::Settings;

/// An open catch-up; needed to end it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a catch-up that is not ended stays open for a day"]
pub struct CatchUp(RunId);

/// The most catch-ups that are open at a time, should nobody ever end them: 64. The oldest is given up first.
const MAX_OPEN: usize = 64;

pub(super) fn begin(view: &mut View, env: &mut Env<'_>) -> Result<CatchUp, Stop> {
    let key = place::catch_up()?;
    view.require([key.clone()])?;
    let mut catch_ups = view.take::<CatchUps>(&key)?.unwrap_or_default();
    let mut id = [0; 16];
    env.rng.fill_bytes(&mut id);
    catch_ups
        .runs
        .insert(RunId(id), env.now + CatchUps::GIVEN_UP_AFTER);
    if catch_ups.runs.len() > MAX_OPEN {
        let oldest = catch_ups.runs.iter().min_by_key(|(_, expires)| **expires);
        if let Some(oldest) = oldest.map(|(run, _)| *run) {
            catch_ups.runs.remove(&oldest);
        }
    }
    view.put(&key, catch_ups)?;
    Ok(CatchUp(RunId(id)))
}

pub(super) fn end(
    view: &mut View,
    env: &mut Env<'_>,
    settings: &Settings,
    catch_up: &CatchUp,
) -> Result<(), Stop> {
    require(view, settings)?;
    let key = place::catch_up()?;
    let mut catch_ups = view.take::<CatchUps>(&key)?.unwrap_or_default();
    catch_ups.runs.remove(&catch_up.0);
    view.put(&key, catch_ups)?;
    close_expired(view, env, settings)?;
    Ok(())
}

/// Asks for all that [`close_expired`] looks at.
pub(super) fn require(view: &mut View, settings: &Settings) -> Result<(), Stop> {
    view.want(place::catch_up()?);
    for namespace in settings.namespaces() {
        view.want(place::pre_keys(&namespace)?);
    }
    view.settle()
}

/// Whether any catch-up is open.
pub(super) fn any_open(view: &mut View, env: &Env<'_>) -> Result<bool, Stop> {
    let catch_ups = view.read::<CatchUps>(&place::catch_up()?)?;
    Ok(catch_ups.is_some_and(|catch_ups| catch_ups.any_open(env.now)))
}

/// Gives up catch-ups that were never ended; when none is left, hidden pre keys are deleted for good. Tells whether
/// anything was changed.
pub(super) fn close_expired(view: &mut View, env: &Env<'_>, settings: &Settings) -> Result<bool, Stop> {
    let key = place::catch_up()?;
    let Some(mut catch_ups) = view.take::<CatchUps>(&key)? else {
        return Ok(false);
    };
    let before = catch_ups.runs.len();
    catch_ups.drop_given_up(env.now);
    let mut changed = catch_ups.runs.len() != before;
    let none_left = catch_ups.runs.is_empty();
    if none_left {
        view.delete(&key)?;
    } else {
        view.put_changed(&key, catch_ups)?;
    }
    if none_left {
        changed = true;
        for namespace in settings.namespaces() {
            let key = place::pre_keys(&namespace)?;
            if let Some(mut pre_keys) = view.take::<PreKeys>(&key)? {
                pre_keys.end_hiding();
                view.put_changed(&key, pre_keys)?;
            }
        }
    }
    Ok(changed)
}
