//! Whom messages are for is decided while one is being encrypted: it is not handed out to those who were taken out.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use omemo::blocking::wait;
use omemo::keys::IdentityKey;
use omemo::local::Server;
use omemo::trust::TrustLevel;
use omemo::{
    BareJid, Client, Clock, DeviceId, EncryptRequest, Encrypted, Error, Namespace, Network, SystemClock,
    Timer, Timestamp,
};
use omemo_storage::{
    AccountId, Batch, Committed, Cursor, ErrorKind, Page, Query, RecordInfo, Snapshot, Storage, StorageError,
};
use omemo_storage_memory::MemoryStorage;

use super::common::{jid, open, open_on, rng, settings};
use super::hesitant::Hesitant;
use super::next_message;
use super::unclaimed::{DURING_COMMIT, MOST, poll};

/// The key of a device of a contact.
fn key_of(client: &Client<impl Storage, impl Network>, contact: &BareJid, device: DeviceId) -> IdentityKey {
    let known = wait(client.device_information(contact.clone())).unwrap().devices;
    let of = known.iter().find(|known| known.device == device);
    of.unwrap().identity_key.unwrap()
}

/// The devices that can read it.
fn readers(encrypted: Result<Encrypted, Error>) -> Vec<DeviceId> {
    let outgoing = match encrypted.unwrap().complete() {
        Ok(outgoing) => outgoing,
        Err(partly) => partly.outgoing,
    };
    outgoing.encrypted_to.iter().map(|to| to.device).collect()
}

/// A storage that loses the answer of its next commit, if it is told so.
struct Forgetful(MemoryStorage, Arc<AtomicBool>);

impl Storage for Forgetful {
    async fn load(&self, account: &AccountId, query: &Query) -> Result<Snapshot, StorageError> {
        self.0.load(account, query).await
    }

    async fn commit(&self, account: &AccountId, batch: &Batch) -> Result<Committed, StorageError> {
        let committed = self.0.commit(account, batch).await;
        if self.1.swap(false, Ordering::Relaxed) {
            return Err(StorageError::new(ErrorKind::OutcomeUnknown, "told to lose it"));
        }
        committed
    }

    async fn accounts(&self, after: Option<&Cursor>, limit: usize) -> Result<Page<AccountId>, StorageError> {
        self.0.accounts(after, limit).await
    }

    async fn records(
        &self,
        account: &AccountId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<RecordInfo>, StorageError> {
        self.0.records(account, after, limit).await
    }

    async fn purge(&self, account: &AccountId) -> Result<(), StorageError> {
        self.0.purge(account).await
    }
}

/// A timer that rings when it is told to.
#[derive(Clone, Default)]
struct Bell(Arc<AtomicBool>);

impl Timer for Bell {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let rings = Arc::clone(&self.0);
        Box::pin(poll_fn(move |_| {
            if rings.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }
}

/// A clock that is ahead by so many seconds.
#[derive(Clone, Default)]
struct Fast(Arc<AtomicU64>);

impl Clock for Fast {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0.load(Ordering::Relaxed)
    }
}

/// While it waits to ask again whether it was committed.
#[test]
fn what_was_committed_before_a_decision_and_is_known_after_it_is_encrypted_anew() {
    let server = Server::new();
    let [phone, tablet] = ["phone", "tablet"].map(|name| open(&server, "juliet@capulet.lit", name));
    let (bell, loses) = (Bell::default(), Arc::new(AtomicBool::new(false)));
    let romeo = jid("romeo@montague.lit");
    let storage = Forgetful(MemoryStorage::new(), Arc::clone(&loses));
    let builder = Client::builder(settings(romeo.clone()), storage, server.connect(&romeo, "phone"));
    let builder = builder
        .catch_up(false)
        .rng(rng(&romeo, "phone"))
        .timer(bell.clone());
    let client = wait(builder.open()).unwrap();
    let request = || EncryptRequest::new(vec![phone.jid.clone()], Namespace::OMEMO_2, b"hello".to_vec());
    assert_eq!(readers(wait(client.encrypt(request()))).len(), 2);
    let stolen = key_of(&client, &phone.jid, tablet.client.device());
    loses.store(true, Ordering::Relaxed);
    let mut encrypted = pin!(client.encrypt(request()));
    assert!(poll(&mut encrypted, 1).is_none());
    assert!(!loses.load(Ordering::Relaxed), "it was committed");
    wait(client.set_trust(phone.jid.clone(), stolen, TrustLevel::DISTRUSTED)).unwrap();
    bell.0.store(true, Ordering::Relaxed);
    assert_eq!(readers(wait(encrypted)), [phone.client.device()]);
}

/// Its call is dropped meanwhile.
#[test]
fn what_was_encrypted_before_a_decision_is_not_handed_out_after_it() {
    let server = Server::new();
    let storage = Hesitant::new(MemoryStorage::new());
    let romeo = open_on(&server, "romeo@montague.lit", "phone", storage);
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let tablet = open(&server, "juliet@capulet.lit", "tablet");
    romeo.send(&[&juliet.jid], "hello");
    let client = &romeo.client;
    let stolen = key_of(client, &juliet.jid, tablet.client.device());
    let decide = |level| client.set_trust(juliet.jid.clone(), stolen, level);
    let mut dropped = 0;
    for (encrypting, deciding) in (0..MOST).flat_map(|polls| (0..MOST).map(move |more| (polls, more))) {
        wait(decide(TrustLevel::TRUSTED)).unwrap();
        let said = vec![encrypting as u8, deciding as u8];
        let encrypt = || {
            client.encrypt(EncryptRequest::new(
                vec![juliet.jid.clone()],
                Namespace::OMEMO_2,
                said.clone(),
            ))
        };
        {
            let mut decision = pin!(decide(TrustLevel::DISTRUSTED));
            let decided = {
                let mut encrypted = pin!(encrypt());
                if poll(&mut encrypted, encrypting).is_some() {
                    continue;
                }
                dropped += 1;
                poll(&mut decision, deciding)
            };
            decided.unwrap_or_else(|| wait(decision)).unwrap();
        }
        let to = readers(wait(encrypt()));
        assert_eq!(to, [juliet.client.device()], "{encrypting} {deciding}");
    }
    assert!(dropped > MOST * DURING_COMMIT, "{dropped}");
}

/// It is not decided, and nobody has pushed the list: a message from a new device shows that there is another one.
#[test]
fn what_was_encrypted_before_a_list_came_because_of_a_message_is_not_handed_out_after_it() {
    let server = Server::new();
    let (romeo, clock) = (jid("romeo@montague.lit"), Fast::default());
    let connection = server.connect(&romeo, "phone");
    let storage = Hesitant::new(MemoryStorage::new());
    let builder = Client::builder(settings(romeo.clone()), storage, connection.clone());
    let builder = builder
        .catch_up(false)
        .rng(rng(&romeo, "phone"))
        .clock(clock.clone());
    let client = wait(builder.open()).unwrap();
    let juliet = open(&server, "juliet@capulet.lit", "phone");
    let tablet = open(&server, "juliet@capulet.lit", "tablet");
    let encrypt = || {
        let to = vec![juliet.jid.clone()];
        client.encrypt(EncryptRequest::new(to, Namespace::OMEMO_2, b"hello".to_vec()))
    };
    assert_eq!(readers(wait(encrypt())).len(), 2);
    let dropped = || assert!(poll(&mut pin!(encrypt()), DURING_COMMIT).is_none());
    dropped();
    let watch = open(&server, "juliet@capulet.lit", "watch");
    assert!(
        readers(wait(encrypt())).contains(&tablet.client.device()),
        "it is taken up"
    );
    dropped();
    let mut list = server.device_list(&juliet.jid, &Namespace::OMEMO_2).unwrap();
    list.devices.remove(&tablet.client.device());
    server.publish_device_list(&juliet.jid, &Namespace::OMEMO_2, list);
    watch.send(&[&romeo], "the tablet was stolen");
    // Lists are not downloaded again within a minute.
    clock.0.store(61, Ordering::Relaxed);
    let decrypted = wait(client.decrypt(next_message(&connection))).unwrap();
    assert!(decrypted.as_received().is_some());
    let to = readers(wait(encrypt()));
    assert!(
        !to.contains(&tablet.client.device()) && to.contains(&watch.client.device()),
        "{to:?}"
    );
}
