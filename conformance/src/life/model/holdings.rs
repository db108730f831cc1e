//! What one device has.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::keys::PublicKey;
use omemo_sansio::{Namespace, PreKeyId, Timestamp};

use super::{Duties, Letter, Offers, Tag};

/// How many sessions a device certainly keeps with another: the live one, and three that were replaced. (It keeps four, but
/// one may be there that has never left a process that died.)
const KEPT: usize = 4;

/// How long replaced sessions are kept: 30 days.
const KEPT_FOR: u64 = 30 * 86_400;

/// How many chains before the current one a session remembers.
const REMEMBERED_CHAINS: usize = 8;

const WEEK: u64 = 7 * 86_400;

#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Not known of a session that was opened in place of another, before its first message leaves.
    pub(super) session: Option<Tag>,
    /// When it was replaced; the live one was not.
    replaced: Option<Timestamp>,
}

/// Since when a device has had its signed pre key, and which.
#[derive(Clone, Copy, Debug)]
struct Signed {
    id: u32,
    since: Timestamp,
}

/// What one device has.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Holdings {
    /// The sessions with each other device, the live one first.
    pub(super) sessions: BTreeMap<(usize, Namespace), Vec<Held>>,
    /// The pre keys that were used, and by which session first.
    pub(in super::super) used: BTreeMap<(Namespace, PreKeyId), Tag>,
    /// Those among them that are hidden as long as a catch-up is open.
    pub(super) hidden: BTreeSet<(Namespace, PreKeyId)>,
    /// The ratchet keys received on in each session, oldest first.
    chains: BTreeMap<Tag, Vec<PublicKey>>,
    /// When its first keys were made.
    since: Timestamp,
    /// The first signed pre keys it has published since a restore, which replaces them.
    signed: BTreeMap<Namespace, Signed>,
    /// How many restores have replaced its pre keys.
    pub(super) generation: u32,
    /// The devices whose keys are distrusted.
    pub(in super::super) distrusted: BTreeSet<usize>,
    /// The sessions it has dropped, with an account that it forgot or in a restore.
    dropped: BTreeSet<Tag>,
    /// What it owes others.
    pub(in super::super) duties: Duties,
    /// What it has offered to open sessions with.
    pub(in super::super) offers: Offers,
    /// The texts that wait in the inbox, in the order they were read in.
    pub(in super::super) inbox: Vec<usize>,
    /// What it calls itself.
    pub(in super::super) label: Option<String>,
}

impl Holdings {
    /// Nothing yet.
    pub(in super::super) fn new(since: Timestamp) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// An old copy with all that a restore drops dropped; `before` is what there was until then.
    pub(super) fn restored(self, before: Self) -> Self {
        let mut offers = before.offers;
        offers.drops_all();
        let held = [before.sessions, self.sessions].into_iter().flatten();
        let held = held.flat_map(|(_, held)| held).filter_map(|held| held.session);
        let dropped = [before.dropped, self.dropped].into_iter().flatten();
        Self {
            generation: before.generation + 1,
            dropped: dropped.chain(held).collect(),
            offers,
            distrusted: self.distrusted,
            inbox: self.inbox,
            label: self.label,
            ..Self::new(self.since)
        }
    }

    /// It has published a bundle with this signed pre key.
    pub(super) fn publishes(&mut self, namespace: &Namespace, id: PreKeyId, latest: Timestamp) {
        let first = Signed {
            id: id.get(),
            since: latest,
        };
        self.signed.entry(namespace.clone()).or_insert(first);
    }

    /// Until when a signed pre key is certainly kept: a week as the published one, and another after that.
    pub(super) fn kept_until(&self, namespace: &Namespace, id: PreKeyId) -> Timestamp {
        match self.signed.get(namespace) {
            // It may have been rotated before it was published.
            Some(first) if id.get() >= first.id => first.since + (u64::from(id.get() - first.id) + 1) * WEEK,
            // One of before: the ids begin anywhere.
            _ => self.since + 2 * WEEK,
        }
    }

    /// Whether the letter's session is there.
    pub(super) fn holds(&self, letter: &Letter, latest: Timestamp) -> bool {
        let held = self
            .sessions
            .get(&(letter.from, letter.namespace.clone()))
            .into_iter()
            .flatten();
        held.take(KEPT).any(|held| {
            held.session == Some(letter.session) && held.replaced.is_none_or(|at| latest < at + KEPT_FOR)
        })
    }

    /// The letter's session is the live one from now on.
    pub(super) fn uses(&mut self, peer: usize, letter: &Letter, now: Timestamp) {
        let all = self.sessions.entry((peer, letter.namespace.clone())).or_default();
        if all
            .first()
            .is_some_and(|held| held.session == Some(letter.session))
        {
            return;
        }
        all.retain(|held| held.session != Some(letter.session));
        put_first(all, Some(letter.session), now);
    }

    /// Whether the letter's session was ever there, since its sender was forgotten.
    pub(super) fn knows(&self, letter: &Letter) -> bool {
        let all = self.sessions.get(&(letter.from, letter.namespace.clone()));
        let mut all = all.into_iter().flatten();
        all.any(|held| held.session == Some(letter.session))
    }

    /// Drops all sessions with another device.
    pub(super) fn forgets(&mut self, peer: usize) {
        let of_peer = |(other, _): &(usize, Namespace), _: &mut Vec<Held>| *other == peer;
        let forgotten = self.sessions.extract_if(.., of_peer);
        let held = forgotten.flat_map(|(_, held)| held);
        self.dropped.extend(held.filter_map(|held| held.session));
        self.distrusted.remove(&peer);
        self.duties.forgets(peer);
    }

    /// Whether a session was dropped, and cannot come back.
    pub(super) fn has_dropped(&self, session: &Tag) -> bool {
        self.dropped.contains(session)
    }

    /// Whether there is a session with another device.
    pub(in super::super) fn has_session(&self, peer: usize, namespace: &Namespace) -> bool {
        let all = self.sessions.get(&(peer, namespace.clone()));
        all.is_some_and(|all| !all.is_empty())
    }

    /// The session that the device writes in to another, if it was seen.
    pub(super) fn live(&self, peer: usize, namespace: &Namespace) -> Option<Tag> {
        self.sessions.get(&(peer, namespace.clone()))?.first()?.session
    }

    /// A session of which nobody had seen a message is the one of this letter.
    pub(super) fn names_unseen(&mut self, peer: usize, letter: &Letter) {
        let all = self.sessions.get_mut(&(peer, letter.namespace.clone()));
        if let Some(live) = all.and_then(|all| all.first_mut())
            && live.session.is_none()
        {
            live.session = Some(letter.session);
        }
    }

    /// A session that nobody has seen yet takes the place of the live one.
    pub(super) fn replaces_live(&mut self, peer: usize, namespace: &Namespace, now: Timestamp) {
        let all = self.sessions.entry((peer, namespace.clone())).or_default();
        put_first(all, None, now);
    }

    /// Messages came on the letter's chain.
    pub(super) fn receives(&mut self, letter: &Letter) {
        let chains = self.chains.entry(letter.session).or_default();
        if !chains.contains(&letter.header.ratchet_key) {
            chains.push(letter.header.ratchet_key);
        }
        if chains.last() == Some(&letter.header.ratchet_key) {
            self.duties.receives(letter);
        }
    }

    /// Whether it has read anything in a session.
    pub(super) fn has_received_in(&self, session: &Tag) -> bool {
        self.chains.contains_key(session)
    }

    /// Whether the session of a message that was read before remembers its chain.
    pub(super) fn remembers(&self, letter: &Letter) -> bool {
        let after = self.chains.get(&letter.session).map_or(0, |chains| {
            let newer = chains
                .iter()
                .rev()
                .position(|key| *key == letter.header.ratchet_key);
            newer.unwrap_or(usize::MAX)
        });
        after < REMEMBERED_CHAINS
    }
}

fn put_first(all: &mut Vec<Held>, session: Option<Tag>, now: Timestamp) {
    if let Some(replaced) = all.first_mut() {
        replaced.replaced = Some(now);
    }
    let replaced = None;
    all.insert(0, Held { session, replaced });
}
