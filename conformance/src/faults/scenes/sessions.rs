//! Sessions are counted, replaced and forgotten.

use omemo_sansio::{DeviceAddress, Namespace, SendingChains};
use omemo_storage::Storage;

use crate::faults::asking::ATTEMPTS;
use crate::faults::prepared::{BOTH, JULIET, JULIET_JID, LAPTOP, PHONE, ROMEO_JID};
use crate::faults::world::World;

/// A new session takes the place of the old one, in which what is on its way can still be read. One that is forgotten leaves
/// nothing.
pub(super) fn tell<S: Storage>(world: &mut World<'_, S>) {
    let before = world.chains();
    world.says(PHONE, JULIET_JID, "one more");
    world.says(PHONE, JULIET_JID, "and another");
    let [new, old] = &BOTH;
    world.says_in(new, JULIET, ROMEO_JID, "on its way");
    world.says_in(old, JULIET, ROMEO_JID, "on its way in the old way");

    world.at_stake = true;
    let grown = before[new].map(|length| length + 2);
    assert_eq!(
        world.chains(),
        [(new.clone(), grown), (old.clone(), before[old])].into()
    );
    world.replaces_sessions();
    assert!(world.chains().values().all(|length| *length == Some(0)));
    world.reads_all(JULIET);
    world.flushes(PHONE);
    let told = |length: &Option<u32>| length.is_some_and(|length| length > 0);
    assert!(world.chains().values().all(told));
    world.reads_all(PHONE);
    world.reads_all(LAPTOP);
    world.settles();

    let juliet = world.jid(JULIET);
    world.changes(PHONE, |account| {
        account.forget_sessions(vec![juliet.clone()], None)
    });
    assert!(world.chains().values().all(Option::is_none));
    let left: Vec<_> = world.items_of(PHONE, JULIET_JID);
    assert_eq!(left, ["contact"]);
    world.says(PHONE, JULIET_JID, "in a session that nobody had");
    world.reads_all(JULIET);
}

impl<S: Storage> World<'_, S> {
    /// How many messages the phone has sent to Juliet in vain.
    fn chains(&mut self) -> SendingChains {
        let device = self.juliets_device();
        self.looks(PHONE, |account| account.sending_chains(device.clone()))
    }

    fn juliets_device(&self) -> DeviceAddress {
        DeviceAddress {
            jid: self.jid(JULIET),
            device: self.id(JULIET),
        }
    }

    /// Until each protocol's bundle could be downloaded.
    fn replaces_sessions(&mut self) {
        let device = self.juliets_device();
        for _ in 0..ATTEMPTS {
            let answer = self.insists(PHONE, |account| account.replace_sessions(device.clone()));
            let replaced: Vec<&Namespace> = answer.output.keys().collect();
            assert_eq!(replaced, [&Namespace::LEGACY, &Namespace::OMEMO_2]);
            let any = answer.output.values().any(Result::is_ok);
            assert!(
                !any || answer.committed,
                "a new session was told of before its commit"
            );
            if answer.output.values().all(Result::is_ok) {
                return;
            }
        }
        panic!("the sessions cannot be replaced");
    }

    /// The items that a device has stored of an account.
    pub(in crate::faults) fn items_of(&self, device: usize, jid: &str) -> Vec<String> {
        let partitions = [format!("contact/{jid}"), format!("cold/{jid}")];
        let copy = self.copy(device);
        let of_account = copy
            .keys()
            .filter(|key| partitions.iter().any(|name| name == key.partition.as_str()));
        of_account.map(|key| key.item.as_str().to_owned()).collect()
    }
}
