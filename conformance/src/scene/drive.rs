//! Driving an operation with a fault in its way.

use std::collections::VecDeque;

use omemo_sansio::engine::{Effect, Operation, Step, Store};
use omemo_sansio::{Account, Error, NetworkError};
use omemo_storage::blocking::wait;
use omemo_storage::{Committed, ErrorKind, Storage, StorageError};

use super::Scene;
use crate::faults::Fault;

/// How an operation ended that did not end well.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// The process died. `committed`: a commit of the operation had gone through.
    Died { committed: bool },
    /// It failed.
    Failed(Error),
}

/// The process dies here.
struct Dies;

/// What one driving has seen.
#[derive(Default)]
struct Progress {
    /// Commits that were applied.
    applied: u32,
}

/// An operation under way on a device.
pub(crate) struct Running<T> {
    device: usize,
    operation: Operation<T>,
    /// What it has asked for and was not given yet.
    effects: VecDeque<Effect>,
    progress: Progress,
}

impl<T> Running<T> {
    /// Whether a commit of it went through.
    pub(crate) fn has_committed(&self) -> bool {
        self.progress.applied > 0
    }
}

/// Drives an operation of a device to its end. With its output comes whether it has committed anything.
pub(crate) fn drive<W: Scene, T>(
    scene: &mut W,
    device: usize,
    make: impl FnOnce(&Account) -> Operation<T>,
) -> Result<(T, bool), Interrupted> {
    let mut running = begin(scene, device, make);
    loop {
        if let Some(output) = proceed(scene, &mut running)? {
            return Ok((output, running.has_committed()));
        }
    }
}

pub(crate) fn begin<W: Scene, T>(
    scene: &W,
    device: usize,
    make: impl FnOnce(&Account) -> Operation<T>,
) -> Running<T> {
    Running {
        device,
        operation: make(scene.account(device)),
        effects: VecDeque::new(),
        progress: Progress::default(),
    }
}

/// Performs one effect, or finds that the operation has ended. When the process dies, the operation is gone and the
/// storage opened again.
pub(crate) fn proceed<W: Scene, T>(
    scene: &mut W,
    running: &mut Running<T>,
) -> Result<Option<T>, Interrupted> {
    let device = running.device;
    if running.effects.is_empty() {
        let now = scene.now();
        match running.operation.advance(now, scene.rng(device)) {
            Step::Done(Ok(output)) => return Ok(Some(output)),
            Step::Done(Err(error)) => return Err(Interrupted::Failed(error)),
            Step::Perform(effects) => running.effects.extend(effects),
        }
    }
    let effect = running.effects.pop_front().expect("a step has something to do");
    let performed = perform(
        scene,
        device,
        &mut running.operation,
        effect,
        &mut running.progress,
    );
    if let Err(Dies) = performed {
        scene.restart(device);
        return Err(Interrupted::Died {
            committed: running.has_committed(),
        });
    }
    Ok(None)
}

/// Performs an effect, unless the fault forbids. An arm for each effect and nothing to split: hence its length.
fn perform<W: Scene, T>(
    scene: &mut W,
    device: usize,
    operation: &mut Operation<T>,
    effect: Effect,
    progress: &mut Progress,
) -> Result<(), Dies> {
    let fault = scene.next_effect(device, &effect);
    if fault == Some(Fault::CrashBefore) {
        return Err(Dies);
    }
    if fault == Some(Fault::Fails) {
        fail(operation, effect);
        return Ok(());
    }
    let jid = scene.account(device).settings().jid.clone();
    match effect {
        Effect::Load(load, reply) => {
            let outcome = wait(
                scene
                    .storage(device)
                    .load(scene.account(device).id(), &load.query),
            );
            operation.fulfil(reply, outcome).unwrap();
        }
        Effect::Store(batch, reply) => {
            let outcome = store(scene, device, &batch, fault, progress)?;
            operation.fulfil(reply, outcome).unwrap();
        }
        Effect::DownloadBundle(wanted, reply) => {
            scene.downloaded(device, &wanted);
            let bundle = scene.server().bundle(wanted);
            operation.fulfil(reply, Ok(bundle)).unwrap();
        }
        Effect::UploadBundle(upload, reply) => {
            scene.publishes_bundle(device, upload);
            operation.fulfil(reply, Ok(())).unwrap();
        }
        Effect::DeleteBundle(deletion, reply) => {
            scene.server().delete_bundle(&jid, deletion);
            operation.fulfil(reply, Ok(())).unwrap();
        }
        Effect::DownloadDeviceList(wanted, reply) => {
            let list = scene.server().list(wanted);
            operation.fulfil(reply, Ok(list)).unwrap();
        }
        Effect::UploadDeviceList(upload, reply) => {
            scene.publishes_list(device, upload);
            operation.fulfil(reply, Ok(())).unwrap();
        }
        Effect::SendMessage(send, reply) => {
            assert!(
                progress.applied > 0,
                "a message left before the commit it came from"
            );
            scene.sends(device, &send);
            operation.fulfil(reply, Ok(())).unwrap();
        }
        Effect::AskTrust(asked, reply) => {
            let decisions = scene.is_asked(device, &asked.undecided);
            operation.fulfil(reply, Ok(decisions)).unwrap();
        }
    }
    if fault == Some(Fault::CrashAfter) {
        Err(Dies)
    } else {
        Ok(())
    }
}

fn store<W: Scene>(
    scene: &mut W,
    device: usize,
    store: &Store,
    fault: Option<Fault>,
    progress: &mut Progress,
) -> Result<Result<Committed, StorageError>, Dies> {
    let unknown = || StorageError::new(ErrorKind::OutcomeUnknown, "the answer was lost");
    let must_conflict = match fault {
        Some(Fault::FalseConflict) => return Ok(Ok(Committed::Conflict)),
        Some(Fault::RequestLost) => return Ok(Err(unknown())),
        Some(Fault::Conflict) => scene.meddle(device, &store.batch),
        _ => false,
    };
    let outcome = wait(
        scene
            .storage(device)
            .commit(scene.account(device).id(), &store.batch),
    );
    match outcome {
        Ok(Committed::Applied) => progress.applied += 1,
        Ok(Committed::Conflict) => scene.met_conflict(),
        Err(_) => {}
    }
    if must_conflict {
        assert!(
            matches!(outcome, Ok(Committed::Conflict)),
            "the storage overlooked a conflict: {outcome:?}"
        );
    }
    if fault == Some(Fault::AppliedAnswerLost) {
        Ok(Err(unknown()))
    } else {
        Ok(outcome)
    }
}

/// Answers an effect with an error.
fn fail<T>(operation: &mut Operation<T>, effect: Effect) {
    let storage = || StorageError::new(ErrorKind::Unavailable, "the storage was told to fail");
    let network = || NetworkError::new("the network was told to fail");
    let answered = match effect {
        Effect::Load(_, reply) => operation.fulfil(reply, Err(storage())),
        Effect::Store(_, reply) => operation.fulfil(reply, Err(storage())),
        Effect::DownloadBundle(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::UploadBundle(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::DeleteBundle(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::DownloadDeviceList(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::UploadDeviceList(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::SendMessage(_, reply) => operation.fulfil(reply, Err(network())),
        Effect::AskTrust(_, reply) => operation.fulfil(reply, Err(network())),
    };
    answered.unwrap();
}
