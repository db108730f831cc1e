//! How it begins: every device opened and published. Making a hundred pre keys a device takes longer than all that
//! follows, so it is done once for each, and copied.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use omemo_sansio::{Account, Bundle, DeviceId, Namespace};
use omemo_storage::Storage;
use omemo_storage_memory::MemoryStorage;

use super::cast::Cast;
use super::model::Holdings;
use super::story::Story;
use super::world::{START, World};
use crate::scene::{Copy, drive};

/// A device that has just been opened.
struct Newborn {
    id: DeviceId,
    copy: Copy,
    bundles: Vec<(Namespace, Bundle)>,
}

/// Account, place in it, and what the cast speaks.
type Who = (usize, usize, u8);

/// The device at a place of an account.
fn newborn(cast: Cast, account: usize, place: usize) -> Arc<Newborn> {
    static KNOWN: OnceLock<Mutex<BTreeMap<Who, Arc<Newborn>>>> = OnceLock::new();
    let mut known = KNOWN
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let who = (account, place, cast.manner % 4);
    Arc::clone(
        known
            .entry(who)
            .or_insert_with(|| Arc::new(bear(cast, account, place))),
    )
}

fn bear(cast: Cast, account: usize, place: usize) -> Newborn {
    let storage = MemoryStorage::new();
    let open = |_: &str| storage.clone();
    let mut world = World::new(cast, Story::default(), &open);
    let device = world.add(account, place);
    world.devices[device].rng = crate::faults::TestRng::new((account * 100 + place) as u64);
    world.opens(device);
    let this = &world.devices[device];
    let of_bundle =
        |((namespace, ..), bundle): (&(Namespace, _, _), &Bundle)| (namespace.clone(), bundle.clone());
    Newborn {
        id: this.id,
        copy: Copy::of(&storage, this.account.id()),
        bundles: world.server.bundles.iter().map(of_bundle).collect(),
    }
}

impl<S: Storage> World<'_, S> {
    /// Everybody is there, and the devices of each account know each other.
    pub(super) fn begins(&mut self) {
        for (account, count) in self.cast.accounts().iter().enumerate() {
            for place in 0..*count {
                self.comes(account, place);
            }
        }
        for device in self.present() {
            let account = self.devices[device].account_number;
            if self.cast.accounts()[account] > 1 {
                self.hears(device, &[account]);
            }
        }
    }

    fn comes(&mut self, account: usize, place: usize) {
        let born = newborn(self.cast, account, place);
        let device = self.add(account, place);
        self.installs(device, &born.copy);
        self.devices[device].id = born.id;
        self.devices[device].copy = Some((born.copy.clone(), Holdings::new(START)));
        let jid = &self.devices[device].jid;
        for (namespace, bundle) in &born.bundles {
            let offers = &mut self.model.of_mut(device).offers;
            offers.publishes(namespace, bundle, START);
            let published = (namespace.clone(), jid.clone(), born.id);
            self.server.bundles.insert(published, bundle.clone());
            let list = self
                .server
                .lists
                .entry((namespace.clone(), jid.clone()))
                .or_default();
            list.devices.insert(born.id, omemo_sansio::DeviceEntry::default());
        }
    }

    /// Opens the account of a device for the first time.
    pub(super) fn opens(&mut self, device: usize) {
        match drive(self, device, |account| account.open(None)) {
            Ok((opened, _)) => self.devices[device].id = opened.device,
            Err(error) => return self.finds(|| format!("an account cannot be opened: {error:?}")),
        }
        match drive(self, device, Account::flush) {
            Ok((flushed, _)) if flushed.failed.is_empty() => {}
            flushed => self.finds(|| format!("what is new cannot be published: {flushed:?}")),
        }
    }
}
