//! A device, and what arrives at it.

use std::collections::VecDeque;
use std::sync::Arc;

use omemo_sansio::{Account, BareJid, CatchUp, DeviceId, DeviceList, IncomingMessage, Namespace, Timestamp};

use super::meddling::Meddler;
use super::model::{Holdings, Letter};
use crate::faults::{Fault, TestRng};
use crate::scene::Copy;

/// A device and its process.
pub(super) struct Device<S> {
    pub(super) name: String,
    pub(super) account_number: usize,
    pub(super) jid: BareJid,
    pub(super) namespaces: Vec<Namespace>,
    pub(super) account: Account,
    pub(super) storage: S,
    pub(super) rng: TestRng,
    pub(super) id: DeviceId,
    pub(super) mail: VecDeque<Mail>,
    /// It was removed, and does nothing more.
    pub(super) gone: bool,
    /// An old copy was put back, and the library was not told: nothing it says or reads means anything.
    pub(super) adrift: bool,
    /// What strikes, and after how many effects.
    pub(super) blow: Option<(u8, Fault)>,
    /// What another process does where that is what strikes.
    pub(super) meddler: Meddler,
    pub(super) failing_uploads: u8,
    /// The open catch-up, and when it is given up.
    pub(super) catch_up: Option<(CatchUp, Timestamp)>,
    /// The copy that was made last.
    pub(super) copy: Option<(Copy, Holdings)>,
}

/// Something that arrives.
#[derive(Clone)]
pub(super) enum Mail {
    Letter(Sheet),
    List(Namespace, BareJid, DeviceList),
}

/// A letter, and the message it came in.
#[derive(Clone)]
pub(super) struct Sheet {
    /// Which message it is for its device; a copy has the same number.
    pub(super) number: usize,
    pub(super) letter: Letter,
    pub(super) message: Arc<IncomingMessage>,
    /// The message is not what was written.
    pub(super) damaged: bool,
}
