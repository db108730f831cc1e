//! A state in which messages can be decrypted: two people who write to each other, over storages in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use omemo_conformance::faults::TestRng;
use omemo_sansio::engine::{Effect, Operation, Step};
use omemo_sansio::keys::{IdentityKey, IdentityKeyPair};
use omemo_sansio::trust::{AutomaticTrustManagement, KeyOwner, Trust, TrustLevel, TrustMessage};
use omemo_sansio::{
    Account, BareJid, Bundle, CatchUp, DeviceAddress, DeviceId, DeviceList, EncryptRequest, Error,
    IncomingMessage, Namespace, Sender, Settings, Timestamp,
};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Storage, Value};
use omemo_storage_memory::MemoryStorage;

/// When everything happens.
pub const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// More steps than any operation takes.
const MAX_STEPS: usize = 1_000;

/// All that an account has stored.
pub type Records = BTreeMap<Key, Value>;

/// A device and its storage.
pub struct Person {
    pub account: Account,
    pub storage: MemoryStorage,
    pub device: DeviceId,
    rng: TestRng,
    /// How many texts it has written.
    written: usize,
}

/// Bundles and device lists, by protocol and account.
#[derive(Clone, Default)]
pub struct Server {
    pub bundles: BTreeMap<(Namespace, BareJid, DeviceId), Bundle>,
    pub lists: BTreeMap<(Namespace, BareJid), DeviceList>,
}

/// A message, and what it says.
#[derive(Clone)]
pub struct Letter {
    pub message: IncomingMessage,
    pub text: Vec<u8>,
    /// Whether the receiver has read it.
    pub is_read: bool,
}

/// A receiver, and what is on its way to it.
pub struct Scene {
    pub receiver: Settings,
    pub device: DeviceId,
    pub records: Records,
    pub letters: Vec<Letter>,
    pub server: Server,
    /// The catch-up that is open.
    pub catch_up: Option<CatchUp>,
}

impl Person {
    /// Somebody with an empty storage.
    pub fn new(jid: BareJid) -> Self {
        Self::with(Settings::new(jid), MemoryStorage::new(), DeviceId::new(0))
    }

    fn with(settings: Settings, storage: MemoryStorage, device: DeviceId) -> Self {
        let seed = settings.jid.as_str().len() as u64;
        Self {
            account: Account::new(settings).expect("the settings are valid"),
            storage,
            device,
            rng: TestRng::new(seed),
            written: 0,
        }
    }

    /// All that is stored.
    pub fn records(&self) -> Records {
        let account = self.account.id();
        let mut query = Query::new();
        let page = wait(self.storage.records(account, None, 10_000)).expect("memory does not fail");
        query
            .records
            .extend(page.entries.into_iter().map(|info| info.key));
        let snapshot = wait(self.storage.load(account, &query)).expect("memory does not fail");
        snapshot
            .records
            .into_iter()
            .map(|(key, record)| (key, record.value))
            .collect()
    }
}

impl Scene {
    /// Before the receiver has read anything, and in the middle of conversations, in both protocols.
    pub fn all() -> Vec<Self> {
        let (mut juliet, mut romeo, mut server) = (
            person("juliet@capulet.lit"),
            person("romeo@montague.lit"),
            Server::default(),
        );
        let beginning = begin(&mut juliet, &mut romeo, &mut server);
        let namespaces = NAMESPACES;
        let first = Self::of(&romeo, &server, beginning.clone());
        let mut middle = beginning;
        for letter in &mut middle {
            read(&mut romeo, &mut server, letter);
        }
        for namespace in namespaces.iter().chain(&namespaces) {
            let mut answer = write(&mut romeo, &mut juliet, &mut server, namespace);
            read(&mut juliet, &mut server, &mut answer);
            let mut letters: Vec<_> = (0..4)
                .map(|_| write(&mut juliet, &mut romeo, &mut server, namespace))
                .collect();
            // The second is read, so that the first is skipped.
            read(&mut romeo, &mut server, &mut letters[1]);
            middle.extend(letters);
        }
        vec![first, Self::of(&romeo, &server, middle)]
    }

    /// The receiver keeps what it reads until that is acknowledged, manages trust automatically, is catching up, has replaced
    /// its sessions, and owes others what it has decided: there is a record of each kind.
    pub fn full() -> Self {
        let settings = Settings {
            inbox: true,
            trust: Arc::new(AutomaticTrustManagement),
            ..Settings::new(jid("romeo@montague.lit"))
        };
        let (mut juliet, mut romeo, mut server) = (
            person("juliet@capulet.lit"),
            Person::with(settings, MemoryStorage::new(), DeviceId::new(0)),
            Server::default(),
        );
        let mut letters = begin(&mut juliet, &mut romeo, &mut server);
        let catch_up = drive(&mut romeo, &mut server, Account::begin_catch_up).expect("begun");
        // The second of each three is not there yet.
        for letter in letters.iter_mut().enumerate().filter(|(n, _)| n % 3 != 1) {
            read(&mut romeo, &mut server, letter.1);
        }
        let address = DeviceAddress {
            jid: juliet.jid(),
            device: juliet.device,
        };
        drive(&mut romeo, &mut server, |account| {
            account.replace_sessions(address)
        })
        .expect("replaced");
        for namespace in &NAMESPACES {
            let mut answer = write(&mut romeo, &mut juliet, &mut server, namespace);
            read(&mut juliet, &mut server, &mut answer);
            let mut news: Vec<_> = (0..4)
                .map(|_| write(&mut juliet, &mut romeo, &mut server, namespace))
                .collect();
            read(&mut romeo, &mut server, &mut news[1]);
            letters.extend(news);
        }
        decide(&mut romeo, &mut server, &juliet.jid());
        Self {
            catch_up: Some(catch_up),
            ..Self::of(&romeo, &server, letters)
        }
    }

    fn of(receiver: &Person, server: &Server, letters: Vec<Letter>) -> Self {
        Self {
            receiver: receiver.account.settings().clone(),
            device: receiver.device,
            records: receiver.records(),
            letters,
            server: server.clone(),
            catch_up: None,
        }
    }

    /// The receiver, with these records.
    pub fn receiver(&self, records: &Records) -> Person {
        let storage = storage_of(&self.receiver.jid, records);
        Person::with(self.receiver.clone(), storage, self.device)
    }
}

impl Person {
    fn jid(&self) -> BareJid {
        self.account.settings().jid.clone()
    }
}

fn jid(jid: &str) -> BareJid {
    BareJid::new(jid).expect("a JID")
}

fn person(of: &str) -> Person {
    Person::new(jid(of))
}

const NAMESPACES: [Namespace; 2] = [Namespace::OMEMO_2, Namespace::LEGACY];

/// Both open their accounts, and juliet writes to romeo in both protocols.
fn begin(juliet: &mut Person, romeo: &mut Person, server: &mut Server) -> Vec<Letter> {
    for person in [&mut *juliet, &mut *romeo] {
        person.device = drive(person, server, |account| account.open(None))
            .expect("opened")
            .device;
        drive(person, server, Account::flush).expect("published");
    }
    let mut letters = Vec::new();
    for namespace in &NAMESPACES {
        let list = server.lists[&(namespace.clone(), juliet.jid())].clone();
        drive(romeo, server, |account| {
            account.update_device_list(namespace.clone(), juliet.jid(), list)
        })
        .expect("heard of");
        letters.extend((0..3).map(|_| write(juliet, romeo, server, namespace)));
    }
    letters
}

/// A person authenticates the key of a contact, and what that has said of another before, by a key that nobody knows.
fn decide(person: &mut Person, server: &mut Server, contact: &BareJid) {
    let devices = drive(person, server, |account| {
        account.device_information(contact.clone())
    });
    let devices = devices.expect("known").devices;
    let key = devices[0].identity_key.expect("it is known");
    drive(person, server, |account| {
        account.set_trust(contact.clone(), key, TrustLevel::TRUSTED)
    })
    .expect("decided");
    let stranger = *IdentityKeyPair::from_seed([7; 32]).public();
    for by in [key, stranger] {
        let (sender, message) = (said_by(contact, by), saying(contact, stranger));
        drive(person, server, |account| {
            account.receive_trust_message(sender, NOW, message)
        })
        .expect("heard");
    }
}

/// A device of an account that has said something, as decrypting tells.
pub fn said_by(jid: &BareJid, key: IdentityKey) -> Sender {
    Sender {
        jid: jid.clone(),
        device: DeviceId::new(7),
        identity_key: key,
        trust: Trust::Undecided,
        level: None,
    }
}

/// That a key of an account is authentic.
pub fn saying(jid: &BareJid, key: IdentityKey) -> TrustMessage {
    TrustMessage {
        encryption: Namespace::OMEMO_2,
        owners: vec![KeyOwner {
            jid: jid.clone(),
            trust: vec![key.curve25519().into()],
            distrust: Vec::new(),
        }],
    }
}

/// One device writes to another.
fn write(from: &mut Person, to: &mut Person, server: &mut Server, namespace: &Namespace) -> Letter {
    from.written += 1;
    let text = format!("number {} of {}", from.written, from.jid()).into_bytes();
    let request = EncryptRequest::new(vec![to.jid()], namespace.clone(), text.clone());
    let encrypted = drive(from, server, |account| account.encrypt(request)).expect("encrypted");
    let (mut outgoing, _) = encrypted.partial();
    let message = outgoing.messages.pop().expect("a message");
    assert_eq!(message.namespace, *namespace);
    Letter {
        message: IncomingMessage {
            sender: from.jid(),
            message,
        },
        text,
        is_read: false,
    }
}

/// It is read, and what that makes the reader send never leaves.
fn read(reader: &mut Person, server: &mut Server, letter: &mut Letter) {
    let message = letter.message.clone();
    drive(reader, server, |account| account.decrypt(message))
        .expect("decrypted")
        .received()
        .expect("it is new");
    letter.is_read = true;
}

/// A storage that holds these records.
pub fn storage_of(jid: &BareJid, records: &Records) -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut batch = Batch::new(CommitId::from_bytes([7; 16]));
    for (key, value) in records {
        batch.put(key.clone(), None, value.clone());
    }
    let account = AccountId::new(jid.as_str()).expect("a JID");
    assert_eq!(
        wait(storage.commit(&account, &batch)).expect("memory does not fail"),
        Committed::Applied
    );
    storage
}

/// Whether a record is one that no message may change that is not read: all but what is noted about senders in passing.
pub fn is_kept(key: &Key) -> bool {
    let item = key.item.as_str();
    item != "contact" && !item.starts_with("outbox/")
}

/// Drives an operation to its end.
pub fn drive<T>(
    person: &mut Person,
    server: &mut Server,
    make: impl FnOnce(&Account) -> Operation<T>,
) -> Result<T, Error> {
    let mut operation = make(&person.account);
    for _ in 0..MAX_STEPS {
        match operation.advance(NOW, &mut person.rng) {
            Step::Done(result) => return result,
            Step::Perform(effects) => {
                for effect in effects {
                    perform(person, server, &mut operation, effect);
                }
            }
        }
    }
    panic!("an operation does not end");
}

fn perform<T>(person: &mut Person, server: &mut Server, operation: &mut Operation<T>, effect: Effect) {
    let (id, jid) = (person.account.id(), person.account.settings().jid.clone());
    let done = match effect {
        Effect::Load(load, reply) => operation.fulfil(reply, wait(person.storage.load(id, &load.query))),
        Effect::Store(store, reply) => operation.fulfil(reply, wait(person.storage.commit(id, &store.batch))),
        Effect::DownloadBundle(wanted, reply) => {
            let bundle = server.bundles.get(&(wanted.namespace, wanted.jid, wanted.device));
            operation.fulfil(reply, Ok(bundle.cloned()))
        }
        Effect::UploadBundle(upload, reply) => {
            server
                .bundles
                .insert((upload.namespace, jid, upload.device), upload.bundle);
            operation.fulfil(reply, Ok(()))
        }
        Effect::DeleteBundle(deletion, reply) => {
            server.bundles.remove(&(deletion.namespace, jid, deletion.device));
            operation.fulfil(reply, Ok(()))
        }
        Effect::DownloadDeviceList(wanted, reply) => operation.fulfil(
            reply,
            Ok(server.lists.get(&(wanted.namespace, wanted.jid)).cloned()),
        ),
        Effect::UploadDeviceList(upload, reply) => {
            server.lists.insert((upload.namespace, jid), upload.list);
            operation.fulfil(reply, Ok(()))
        }
        Effect::SendMessage(_, reply) => operation.fulfil(reply, Ok(())),
        Effect::AskTrust(_, reply) => operation.fulfil(reply, Ok(Vec::new())),
    };
    done.expect("the operation has asked for it");
}
