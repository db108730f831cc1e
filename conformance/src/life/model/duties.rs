//! What a device owes others: empty messages that answer a key exchange, move a ratchet on, or repair a session.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::Namespace;
use omemo_sansio::keys::PublicKey;

use super::{Letter, Tag};

/// After how many messages of a chain an answer is owed, and again.
const HEARTBEAT: u32 = 53;

/// What one device owes.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Duties {
    owed: BTreeSet<(usize, Namespace)>,
    /// How long the chains are that were received on.
    lengths: BTreeMap<(Tag, PublicKey), u32>,
    /// The devices it has certainly seen on the list of their account, when it last heard of that.
    listed: BTreeSet<(usize, Namespace)>,
    /// The devices it has owed a new session since it knows them: at most one a day.
    repaired: BTreeSet<usize>,
}

impl Duties {
    /// Whom it owes an answer, and in what.
    pub(in super::super) fn owed(&self) -> Vec<(usize, Namespace)> {
        self.owed.iter().cloned().collect()
    }

    /// It owes another device an answer.
    pub(in super::super) fn owes(&mut self, peer: usize, namespace: &Namespace) {
        self.owed.insert((peer, namespace.clone()));
    }

    /// An answer has left.
    pub(in super::super) fn answers(&mut self, peer: usize, namespace: &Namespace) {
        self.owed.remove(&(peer, namespace.clone()));
    }

    /// A letter of the newest chain of its session was read.
    pub(super) fn receives(&mut self, letter: &Letter) {
        let Letter { header, session, .. } = letter;
        let length = self.lengths.entry((*session, header.ratchet_key)).or_default();
        let before = std::mem::replace(length, header.n.saturating_add(1).max(*length));
        let passed = |length: u32| length.saturating_sub(1) / HEARTBEAT;
        if passed(*length) > passed(before) {
            self.owes(letter.from, &letter.namespace);
        }
    }

    /// It was told of a device list, where the other device is or is not.
    pub(in super::super) fn is_told(&mut self, peer: usize, namespace: &Namespace, is_listed: bool) {
        if is_listed {
            self.listed.insert((peer, namespace.clone()));
        } else {
            self.listed.remove(&(peer, namespace.clone()));
        }
    }

    /// What came from the other device could not be read for want of a session.
    pub(in super::super) fn repairs(&mut self, peer: usize, namespace: &Namespace) {
        // Whether it sends one or not, this is the first.
        let is_first = self.repaired.insert(peer);
        if is_first && self.listed.contains(&(peer, namespace.clone())) {
            self.owes(peer, namespace);
        }
    }

    /// It knows nothing of the other device any more.
    pub(super) fn forgets(&mut self, peer: usize) {
        self.owed.retain(|(other, _)| *other != peer);
        self.listed.retain(|(other, _)| *other != peer);
        self.repaired.remove(&peer);
    }
}
