//! What the scenes begin with: told once, and copied for each telling.

use std::collections::VecDeque;
use std::sync::Arc;

use omemo_sansio::protocol::{Legacy, Omemo2, Protocol};
use omemo_sansio::{Account, BareJid, DeviceId, Namespace, Timestamp};
use omemo_storage::{CommitId, Storage};
use rand_core::Rng;

use super::Strike;
use super::ledger::Ledger;
use super::rng::TestRng;
use super::world::{Device, World};
use crate::scene::{Copy, Server};

/// The devices that are acquainted, by their numbers.
pub(super) const PHONE: usize = 0;
pub(super) const JULIET: usize = 1;
pub(super) const LAPTOP: usize = 2;

/// The accounts they are of.
pub(super) const ROMEO_JID: &str = "romeo@montague.lit";
pub(super) const JULIET_JID: &str = "juliet@capulet.lit";

/// Both protocols.
pub(super) const BOTH: [Namespace; 2] = [Namespace::OMEMO_2, Namespace::LEGACY];

pub(super) fn both() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Omemo2), Arc::new(Legacy)]
}

/// Two devices of one account, one of another, and sessions between all of them in both protocols. Nothing is on its way.
pub(super) struct Prepared {
    devices: Vec<Known>,
    server: Server,
    ledger: Ledger,
    now: Timestamp,
}

struct Known {
    name: &'static str,
    jid: BareJid,
    account: Account,
    rng: TestRng,
    id: Option<DeviceId>,
    copy: Copy,
}

impl Prepared {
    pub(super) fn tell<S: Storage>(open: impl Fn(&str) -> S) -> Self {
        let mut world = World::new(open, None);
        world.protocols = both();
        world.opens("romeo's phone", ROMEO_JID);
        world.opens("juliet's phone", JULIET_JID);
        world.opens("romeo's laptop", ROMEO_JID);
        world.hears_of_lists();
        for namespace in &BOTH {
            for (device, to) in [(PHONE, JULIET_JID), (JULIET, ROMEO_JID), (LAPTOP, JULIET_JID)] {
                world.says_in(
                    namespace,
                    device,
                    to,
                    &format!("from {device} before it begins, in {namespace}"),
                );
                world.settles();
            }
        }
        let devices = (0..world.devices.len()).map(|number| world.known(number));
        let prepared = Self {
            devices: devices.collect(),
            server: world.server.clone(),
            ledger: world.ledger.clone(),
            now: world.now,
        };
        world.end();
        prepared
    }
}

impl<'a, S: Storage> World<'a, S> {
    fn known(&self, number: usize) -> Known {
        let copy = self.copy(number);
        let device = &self.devices[number];
        Known {
            name: device.name,
            jid: device.jid.clone(),
            account: device.account.clone(),
            rng: device.rng.clone(),
            id: device.id,
            copy,
        }
    }

    /// A world that is so far, where nothing is at stake yet.
    pub(super) fn after(prepared: &Prepared, open: impl Fn(&str) -> S + 'a, strike: Option<Strike>) -> Self {
        let mut world = Self::new(open, strike);
        world.protocols = both();
        world.at_stake = false;
        world.server = prepared.server.clone();
        world.ledger = prepared.ledger.clone();
        world.now = prepared.now;
        for known in &prepared.devices {
            let storage = (world.open)(known.name);
            let mut rng = known.rng.clone();
            let mut id = [0; 16];
            rng.fill_bytes(&mut id);
            known
                .copy
                .put_back(&storage, known.account.id(), CommitId::from_bytes(id));
            world.devices.push(Device {
                name: known.name,
                jid: known.jid.clone(),
                account: known.account.clone(),
                storage,
                rng,
                id: known.id,
                mail: VecDeque::new(),
                gone: false,
            });
        }
        world
    }
}
