//! Who has a session with whom: what there is to say about whether a message can be read.
//!
//! A session is known by the base key of its key exchange. Which one a message belongs to is known when it leaves: it
//! brings a key exchange, or is in the session that the sender has used last. So the model foretells, without any
//! cryptography, what must be readable; whatever else happens is a fault.

mod duties;
mod holdings;
mod offers;

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::keys::PublicKey;
use omemo_sansio::protocol::{Header, KeyExchange};
use omemo_sansio::{Bundle, Namespace, PreKeyId, Timestamp};

use duties::Duties;
pub(super) use holdings::Holdings;
use offers::Offers;

/// Names a session.
pub(super) type Tag = PublicKey;

/// A message on its way, for one device.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) namespace: Namespace,
    pub(super) session: Tag,
    pub(super) header: Header,
    pub(super) key_exchange: Option<KeyExchange>,
}

/// What the model says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foretold {
    /// It must be readable, if it was not read before.
    Readable,
    /// It need not be readable, and why.
    Lost(&'static str),
}

/// What all devices have.
#[derive(Debug, Default)]
pub(super) struct Model {
    devices: Vec<Holdings>,
    /// Sessions of which an old copy was put back behind the library's back.
    tainted: BTreeSet<Tag>,
    /// The signed pre keys that a device has published, each with the generation of its pre keys.
    published: BTreeMap<(usize, Namespace), BTreeSet<(PreKeyId, u32)>>,
    /// The generation of pre keys that each session was opened for.
    opened_for: BTreeMap<Tag, Option<u32>>,
    /// The session that each ratchet key belongs to.
    ratchets: BTreeMap<PublicKey, Tag>,
}

impl Model {
    /// There is another device, whose keys are made now.
    pub(super) fn add(&mut self, since: Timestamp) {
        self.devices.push(Holdings::new(since));
    }

    /// What a device has.
    pub(super) fn of(&self, device: usize) -> &Holdings {
        &self.devices[device]
    }

    pub(super) fn of_mut(&mut self, device: usize) -> &mut Holdings {
        &mut self.devices[device]
    }

    /// The session that a device writes in to another.
    pub(super) fn live(&self, holder: usize, peer: usize, namespace: &Namespace) -> Option<Tag> {
        self.devices[holder].live(peer, namespace)
    }

    /// What is wrong with the session that a letter was written in, if anything is.
    pub(super) fn is_written_wrongly(&self, letter: &Letter) -> Option<&'static str> {
        let sender = &self.devices[letter.from];
        let live = sender.live(letter.to, &letter.namespace)?;
        let of_key = self.ratchets.get(&letter.header.ratchet_key);
        if self.is_tainted(&live) || self.is_tainted(&letter.session) {
            None
        } else if letter.session != live {
            Some("another session than the one it has used last")
        } else if of_key.is_some_and(|session| *session != live) {
            Some("an older session than the one it has used last")
        } else if letter.key_exchange.is_some() && sender.has_received_in(&live) {
            Some("a key exchange that was answered long since")
        } else {
            None
        }
    }

    /// A letter leaves: its sender has its session.
    pub(super) fn leaves(&mut self, letter: &Letter, now: Timestamp) {
        let Letter { from, to, .. } = letter;
        let ratchet_key = letter.header.ratchet_key;
        self.ratchets.entry(ratchet_key).or_insert(letter.session);
        if let Some(key_exchange) = &letter.key_exchange
            && !self.opened_for.contains_key(&letter.session)
        {
            let generation = self.generation_of(*to, &letter.namespace, key_exchange.signed_pre_key);
            self.opened_for.insert(letter.session, generation);
            self.devices[*from].names_unseen(*to, letter);
        }
        self.devices[*from].uses(*to, letter, now);
    }

    /// A letter was read: the receiver has its session, and takes it for the live one.
    pub(super) fn is_read(&mut self, letter: &Letter, catching_up: bool, now: Timestamp) {
        let holdings = &mut self.devices[letter.to];
        let had = holdings.holds(letter, now);
        if letter.key_exchange.is_some() && !holdings.knows(letter) {
            holdings.duties.owes(letter.from, &letter.namespace);
        }
        holdings.uses(letter.from, letter, now);
        holdings.receives(letter);
        if let Some(key_exchange) = &letter.key_exchange
            && !had
        {
            let pre_key = (letter.namespace.clone(), key_exchange.pre_key);
            if catching_up {
                holdings.hidden.insert(pre_key.clone());
            } else {
                holdings.hidden.clear();
            }
            holdings.used.entry(pre_key).or_insert(letter.session);
        }
    }

    /// A device has begun or ended a catch-up, or it may have ended by itself: what was hidden may be gone.
    pub(super) fn forgets_hidden(&mut self, device: usize) {
        self.devices[device].hidden.clear();
    }

    /// A device forgets all sessions with another.
    pub(super) fn forgets(&mut self, device: usize, peer: usize) {
        self.devices[device].forgets(peer);
    }

    /// A device has opened a session with another in place of the one there was.
    pub(super) fn replaces(&mut self, device: usize, peer: usize, namespace: &Namespace, now: Timestamp) {
        let holdings = &mut self.devices[device];
        holdings.replaces_live(peer, namespace, now);
        holdings.duties.owes(peer, namespace);
    }

    /// A device publishes a bundle.
    pub(super) fn publishes(
        &mut self,
        device: usize,
        namespace: &Namespace,
        bundle: &Bundle,
        latest: Timestamp,
    ) {
        let signed = bundle.signed_pre_key.id;
        let holdings = &mut self.devices[device];
        holdings.offers.publishes(namespace, bundle, latest);
        holdings.publishes(namespace, signed, latest);
        let generation = holdings.generation;
        let published = self.published.entry((device, namespace.clone())).or_default();
        published.insert((signed, generation));
    }

    /// The generation that a signed pre key is of; `None` if its id was given twice, since one copy was put back twice.
    fn generation_of(&self, device: usize, namespace: &Namespace, signed: PreKeyId) -> Option<u32> {
        let published = self.published.get(&(device, namespace.clone()));
        let mut all = published.into_iter().flatten().filter(|(id, _)| *id == signed);
        match (all.next(), all.next()) {
            // What there was at the beginning.
            (None, _) => Some(0),
            (Some((_, generation)), None) => Some(*generation),
            (Some(_), Some(_)) => None,
        }
    }

    /// Whether a letter must be readable. `latest` is the latest time there ever was.
    pub(super) fn foretell(&self, letter: &Letter, latest: Timestamp) -> Foretold {
        let holdings = &self.devices[letter.to];
        if self.tainted.contains(&letter.session) {
            return Foretold::Lost("an old copy of its session was put back");
        }
        if holdings.holds(letter, latest) {
            return Foretold::Readable;
        }
        if holdings.has_dropped(&letter.session) {
            return Foretold::Lost("its session was dropped");
        }
        let Some(key_exchange) = &letter.key_exchange else {
            return Foretold::Lost("its session is not there any more");
        };
        if self.opened_for.get(&letter.session) != Some(&Some(holdings.generation)) {
            return Foretold::Lost("its pre key was dropped in a restore");
        }
        let pre_key = (letter.namespace.clone(), key_exchange.pre_key);
        if latest >= holdings.kept_until(&letter.namespace, key_exchange.signed_pre_key) {
            return Foretold::Lost("its signed pre key may have expired");
        }
        match holdings.used.get(&pre_key) {
            Some(session) if *session == letter.session => Foretold::Lost("its session is there no more"),
            Some(_) if !holdings.hidden.contains(&pre_key) => Foretold::Lost("another has used its pre key"),
            _ => Foretold::Readable,
        }
    }

    /// Why a letter must not be readable, if it must not.
    pub(super) fn forbids(&self, letter: &Letter) -> Option<&'static str> {
        let holdings = &self.devices[letter.to];
        let opened_for = self.opened_for.get(&letter.session).copied().flatten();
        if holdings.has_dropped(&letter.session) {
            Some("its session was dropped")
        } else if !holdings.knows(letter)
            && opened_for.is_some_and(|generation| generation < holdings.generation)
        {
            Some("its pre key was dropped in a restore")
        } else {
            None
        }
    }

    /// Whether the session of a message that was read before remembers its chain.
    pub(super) fn remembers(&self, letter: &Letter) -> bool {
        self.devices[letter.to].remembers(letter)
    }

    pub(super) fn is_tainted(&self, session: &Tag) -> bool {
        self.tainted.contains(session)
    }

    /// What a device has, for a copy of it.
    pub(super) fn copy(&self, device: usize) -> Holdings {
        self.devices[device].clone()
    }

    /// An old copy of a device is put back, and the library is told: its sessions and pre keys are dropped.
    pub(super) fn is_restored(&mut self, device: usize, copy: Holdings) {
        let before = std::mem::take(&mut self.devices[device]);
        self.devices[device] = copy.restored(before);
    }

    /// An old copy of a device is put back: nothing can be said any more of any session it ever had.
    pub(super) fn put_back(&mut self, device: usize, copy: Holdings) {
        self.taint(device);
        self.devices[device] = copy;
        self.taint(device);
    }

    fn taint(&mut self, device: usize) {
        let own = self.devices[device].sessions.values().flatten();
        let of_others = self
            .devices
            .iter()
            .flat_map(|other| &other.sessions)
            .filter(|((peer, _), _)| *peer == device)
            .flat_map(|(_, held)| held);
        let tainted: Vec<_> = own.chain(of_others).filter_map(|held| held.session).collect();
        self.tainted.extend(tainted);
    }
}
