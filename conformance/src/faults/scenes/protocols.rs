//! A protocol is purged, or rests for a while, and comes back.

use omemo_sansio::{Account, DeviceId, Namespace, Opened};
use omemo_storage::Storage;

use crate::faults::prepared::{JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID, both};
use crate::faults::world::World;

/// Nothing is left of the protocol, here or on the server, and the other devices stay listed.
pub(super) fn purged<S: Storage>(world: &mut World<'_, S>) {
    let (romeo, juliet) = (world.jid(PHONE), world.jid(JULIET));
    world.at_stake = true;
    world.changes(PHONE, |account| account.purge_protocol(Namespace::LEGACY));
    world.rests_legacy();
    world.changes(PHONE, |account| {
        account.forget_sessions(vec![romeo.clone(), juliet.clone()], Some(Namespace::LEGACY))
    });
    world.flushes(PHONE);
    world.is_withdrawn();
    let legacy = Namespace::LEGACY;
    for key in world.copy(PHONE).keys() {
        assert!(!key.item.as_str().contains(legacy.as_str()), "{key:?} is left");
    }
    world.at_stake = false;
    world.hears_of_lists();
    let known = world.asks(JULIET, |account| account.device_information(romeo.clone()));
    let speaks = |device: DeviceId| {
        let mut known = known.devices.iter();
        known
            .find(|known| known.device == device)
            .map(|known| known.protocols[&legacy])
    };
    assert_eq!(
        (speaks(world.id(PHONE)), speaks(world.id(LAPTOP))),
        (Some(false), Some(true))
    );
    world.comes_back();
}

/// Its keys stay, what is published is taken back until it is spoken again.
pub(super) fn rests<S: Storage>(world: &mut World<'_, S>) {
    world.rests_legacy();
    world.at_stake = true;
    let opened = world.changes(PHONE, |account| account.open(None));
    if !opened.lost {
        assert_eq!(opened.output.dropped, [Namespace::LEGACY]);
    }
    world.flushes(PHONE);
    world.is_withdrawn();
    world.comes_back();
    world.at_stake = false;
    world.hears_of_lists();
    world.says_in(&Namespace::LEGACY, JULIET, ROMEO_JID, "in the session there was");
    world.reads_all(PHONE);
    world.says_in(&Namespace::LEGACY, PHONE, JULIET_JID, "in the same");
}

impl<S: Storage> World<'_, S> {
    /// The phone's application does not speak legacy OMEMO any more.
    fn rests_legacy(&mut self) {
        let account = &self.devices[PHONE].account;
        self.devices[PHONE].account = account.without(&Namespace::LEGACY).unwrap();
    }

    /// Nothing is published of the phone's legacy OMEMO.
    fn is_withdrawn(&self) {
        let (legacy, jid, phone) = (Namespace::LEGACY, self.jid(PHONE), self.id(PHONE));
        let listed = &self.server.lists[&(legacy.clone(), jid.clone())].devices;
        assert!(!listed.contains_key(&phone), "it is still listed");
        assert!(listed.contains_key(&self.id(LAPTOP)), "the laptop is not listed");
        let bundle = (legacy, jid, phone);
        assert!(
            !self.server.bundles.contains_key(&bundle),
            "its bundle is still there"
        );
    }

    fn comes_back(&mut self) {
        self.sets(PHONE, |settings| settings.protocols = both());
        let opened = self.changes(PHONE, |account: &Account| account.open(None));
        let Opened {
            device,
            first_run,
            added,
            ..
        } = opened.output;
        assert_eq!((device, first_run), (self.id(PHONE), false));
        assert!(opened.lost || added == [Namespace::LEGACY]);
        self.flushes(PHONE);
        let bundle = (Namespace::LEGACY, self.jid(PHONE), device);
        assert!(
            self.server.bundles.contains_key(&bundle),
            "its bundle is not back"
        );
    }
}
