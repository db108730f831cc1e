//! The story: two accounts, three devices, every operation.

use omemo_sansio::engine::Operation;
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{
    Account, Content, Decrypted, EncryptFailure, EncryptRequest, Error, IncomingMessage, Namespace,
};
use omemo_storage::Storage;

use super::world::World;
use crate::scene::Interrupted;

/// How often an application asks again. One fault strikes once.
const ATTEMPTS: usize = 4;

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
    world.all_talk();
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
    /// Asks until there is an answer; dying and failing on the way.
    fn insists<T>(&mut self, device: usize, begin: impl Fn(&Account) -> Operation<T>) -> (T, bool) {
        for _ in 0..ATTEMPTS {
            match self.drive(device, &begin) {
                Ok(output) => return output,
                Err(Interrupted::Died { .. }) => {}
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{error}"),
            }
        }
        panic!("no answer after {ATTEMPTS} attempts");
    }

    fn asks<T>(&mut self, device: usize, begin: impl Fn(&Account) -> Operation<T>) -> T {
        self.insists(device, begin).0
    }

    fn opens(&mut self, name: &'static str, jid: &str) -> usize {
        let device = self.add(name, jid);
        let opened = self.asks(device, |account| account.open(Some("a label".to_owned())));
        self.devices[device].id = Some(opened.device);
        self.flushes(device);
        device
    }

    /// Flushes until nothing is left.
    fn flushes(&mut self, device: usize) {
        for _ in 0..ATTEMPTS {
            if self.asks(device, Account::flush).failed.is_empty() {
                return;
            }
        }
        panic!("the outbox of {} does not empty", self.devices[device].name);
    }

    /// Everybody is told of every device list.
    fn hears_of_lists(&mut self) {
        for device in 0..self.devices.len() {
            for ((namespace, jid), list) in self.server.lists.clone() {
                self.asks(device, |account| {
                    account.update_device_list(namespace.clone(), jid.clone(), list.clone())
                });
            }
            self.flushes(device);
        }
    }

    pub(super) fn says(&mut self, device: usize, to: &str, text: &str) {
        let to = omemo_sansio::BareJid::new(to).unwrap();
        let request = || EncryptRequest::new(vec![to.clone()], Namespace::OMEMO_2, text.as_bytes().to_vec());
        for _ in 0..ATTEMPTS {
            let (encrypted, committed) = self.insists(device, |account| account.encrypt(request()));
            assert!(committed, "a ciphertext left before its commit");
            let (outgoing, skipped) = encrypted.partial();
            outgoing
                .messages
                .iter()
                .for_each(|message| self.ledger.leaves(message));
            if !skipped.is_empty() {
                // A bundle could not be downloaded: that one device would miss the message, so it is said again.
                continue;
            }
            for address in &outgoing.encrypted_to {
                self.ledger.expect(text, address.device);
            }
            outgoing
                .messages
                .iter()
                .for_each(|message| self.post(device, message, Some(text)));
            return;
        }
        panic!("{text:?} could not be said to everybody");
    }

    /// Reads everything in the mail.
    pub(super) fn reads_all(&mut self, device: usize) {
        while let Some((message, text)) = self.devices[device].mail.pop_front() {
            self.reads(device, &message, text.as_deref());
        }
    }

    fn reads(&mut self, device: usize, message: &IncomingMessage, text: Option<&str>) {
        let id = self.devices[device].id.unwrap();
        let mut may_be_gone = false;
        for _ in 0..ATTEMPTS {
            match self.drive(device, |account| account.decrypt(message.clone())) {
                Ok((Decrypted::AlreadyDecrypted, _)) if may_be_gone => {
                    text.into_iter().for_each(|text| self.ledger.died_with(text, id));
                    return;
                }
                Ok((decrypted, committed)) => {
                    assert!(committed, "a plaintext left before its commit");
                    match (
                        &decrypted.received().expect("a message for this device").content,
                        text,
                    ) {
                        (Content::Plaintext(read), Some(text)) => {
                            assert_eq!(read.as_slice(), text.as_bytes());
                            self.ledger.reads(text, id);
                        }
                        (Content::Empty, None) => {}
                        (content, _) => panic!("{text:?} came out as {content:?}"),
                    }
                    return self.reads_no_more(device, message);
                }
                Err(Interrupted::Died { committed }) => may_be_gone |= committed,
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{text:?}: {error}"),
            }
        }
        panic!("{text:?} cannot be read");
    }

    /// A message that is delivered again is nothing new.
    fn reads_no_more(&mut self, device: usize, message: &IncomingMessage) {
        for _ in 0..ATTEMPTS {
            match self.drive(device, |account| account.decrypt(message.clone())) {
                Ok((Decrypted::AlreadyDecrypted, _)) => return,
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{error}"),
                Err(Interrupted::Died { .. }) => {}
                Ok((decrypted, _)) => panic!("a repeated message came out as {decrypted:?}"),
            }
        }
        panic!("a repeated message is not recognised");
    }

    /// Everybody reads and answers until nothing moves.
    fn settles(&mut self) {
        for _ in 0..4 {
            for device in 0..self.devices.len() {
                self.reads_all(device);
                self.flushes(device);
            }
        }
        assert!(
            self.devices.iter().all(|device| device.mail.is_empty()),
            "the outboxes never rest"
        );
    }

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

    /// In the end everybody can still talk to everybody.
    pub(super) fn all_talk(&mut self) {
        self.settles();
        for round in 0..2 {
            for device in 0..self.devices.len() {
                let to = self
                    .devices
                    .iter()
                    .find(|other| other.jid != self.devices[device].jid)
                    .unwrap();
                let to = to.jid.as_str().to_owned();
                self.says(
                    device,
                    &to,
                    &format!("number {device}, at the end, round {round}"),
                );
                self.settles();
            }
        }
    }
}

/// Whether asking again may help: the fault was told to happen once.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Storage(error) => error.retry() != omemo_storage::Retry::Never,
        Error::Network { .. } | Error::Encrypt(EncryptFailure::NoEligibleDevices { .. }) => true,
        _ => false,
    }
}
