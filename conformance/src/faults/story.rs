//! The story: two accounts, three devices, from the first message to the last.

use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{Account, Namespace};
use omemo_storage::Storage;

use super::asking::ATTEMPTS;
use super::world::World;

/// Eight days: longer than a signed pre key is published.
pub(super) const EIGHT_DAYS: u64 = 8 * 86_400;

pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let romeo = world.opens("romeo's phone", "romeo@montague.lit");
    let juliet = world.opens("juliet's phone", "juliet@capulet.lit");
    let laptop = world.opens("romeo's laptop", "romeo@montague.lit");
    world.hears_of_lists();

    world.says(romeo, "juliet@capulet.lit", "first contact");
    world.reads_all(juliet);
    world.reads_all(laptop);
    world.flushes(juliet);
    world.flushes(laptop);
    world.reads_all(romeo);

    for text in ["in order", "early", "late", "last"] {
        world.says(juliet, "romeo@montague.lit", text);
    }
    world.devices[romeo].mail.swap(1, 2);
    world.reads_all(romeo);
    world.devices[laptop].mail.make_contiguous().reverse();
    world.reads_all(laptop);
    world.settles();

    world.trusts(romeo, juliet);
    world.asks(romeo, |account| {
        account.device_information(account.settings().jid.clone())
    });
    let other = world.devices[juliet].jid.clone();
    world.asks(romeo, |account| account.device_information(other.clone()));
    world.asks(romeo, |account| {
        account.refresh_device_list(Namespace::OMEMO_2, other.clone())
    });

    world.catches_up(romeo, juliet, laptop);
    world.loses_its_place_on_the_list(romeo);
    world.maintains_after_a_week(juliet);
    world.all_talk(2);
}

/// Only this: a device of each of two accounts, and a session between them.
pub(super) fn meet<S: Storage>(world: &mut World<'_, S>) -> (usize, usize) {
    let romeo = world.opens("romeo's phone", "romeo@montague.lit");
    let juliet = world.opens("juliet's phone", "juliet@capulet.lit");
    world.hears_of_lists();
    world.says(romeo, "juliet@capulet.lit", "first contact");
    world.says(juliet, "romeo@montague.lit", "first answer");
    world.settles();
    (romeo, juliet)
}

impl<S: Storage> World<'_, S> {
    fn trusts(&mut self, device: usize, other: usize) {
        let jid = self.devices[other].jid.clone();
        let devices = self.asks(device, |account| account.device_information(jid.clone()));
        let key = devices.devices[0].identity_key.expect("an identity key");
        self.asks(device, |account| {
            account.set_trust(jid.clone(), key, TrustLevel::TRUSTED)
        });
        let devices = self.asks(device, |account| account.device_information(jid.clone()));
        assert_eq!(devices.devices[0].level, Some(TrustLevel::TRUSTED));
    }

    /// A new device of the one account writes to the other while that catches up: its pre key is hidden until the end.
    fn catches_up(&mut self, from: usize, to: usize, also: usize) {
        let catch_up = self.asks(to, Account::begin_catch_up);
        let tablet = self.opens("romeo's tablet", "romeo@montague.lit");
        self.hears_of_lists();
        self.says(tablet, "juliet@capulet.lit", "from the tablet");
        for device in [from, to, also] {
            self.reads_all(device);
        }
        let flushed = self.asks(to, Account::flush);
        assert_eq!(
            flushed.postponed, 1,
            "the reply waits for the end of the catch-up"
        );
        self.asks(to, |account| account.end_catch_up(catch_up.clone()));
        self.settles();
    }

    /// Another client publishes a list without this device.
    fn loses_its_place_on_the_list(&mut self, device: usize) {
        let (jid, id) = (self.devices[device].jid.clone(), self.devices[device].id.unwrap());
        let of_account = (Namespace::OMEMO_2, jid);
        self.server
            .lists
            .get_mut(&of_account)
            .unwrap()
            .devices
            .remove(&id);
        self.hears_of_lists();
        assert!(
            self.server.lists[&of_account].devices.contains_key(&id),
            "the device is back on its list"
        );
    }

    fn maintains_after_a_week(&mut self, device: usize) {
        let jid = self.devices[device].jid.clone();
        let owner = (Namespace::OMEMO_2, jid, self.devices[device].id.unwrap());
        let before = self.server.bundles[&owner].signed_pre_key.id;
        self.now = self.now + EIGHT_DAYS;
        for _ in 0..ATTEMPTS {
            if self.asks(device, Account::maintain).outbox.failed.is_empty() {
                break;
            }
        }
        let after = self.server.bundles[&owner].signed_pre_key.id;
        assert_ne!(before, after, "the new signed pre key is published");
    }
}
