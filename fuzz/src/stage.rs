//! A state in which messages can be decrypted: two people who write to each other, over storages in memory.

use std::collections::BTreeMap;

use omemo_conformance::faults::TestRng;
use omemo_sansio::engine::{Effect, Operation, Step};
use omemo_sansio::{
    Account, BareJid, Bundle, DeviceId, DeviceList, EncryptRequest, Error, IncomingMessage, Namespace,
    Settings, Timestamp,
};
use omemo_storage::blocking::wait;
use omemo_storage::{AccountId, Batch, CommitId, Committed, Key, Query, Storage, Value};
use omemo_storage_memory::MemoryStorage;

/// When everything happens.
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

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
        for person in [&mut juliet, &mut romeo] {
            person.device = drive(person, &mut server, |account| account.open(None))
                .expect("opened")
                .device;
            drive(person, &mut server, Account::flush).expect("published");
        }
        let namespaces = [Namespace::OMEMO_2, Namespace::LEGACY];
        let mut beginning = Vec::new();
        for namespace in &namespaces {
            let list = server.lists[&(namespace.clone(), juliet.jid())].clone();
            drive(&mut romeo, &mut server, |account| {
                account.update_device_list(namespace.clone(), juliet.jid(), list)
            })
            .expect("heard of");
            beginning.extend((0..3).map(|_| write(&mut juliet, &mut romeo, &mut server, namespace)));
        }
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

    fn of(receiver: &Person, server: &Server, letters: Vec<Letter>) -> Self {
        Self {
            receiver: receiver.account.settings().clone(),
            device: receiver.device,
            records: receiver.records(),
            letters,
            server: server.clone(),
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

fn person(jid: &str) -> Person {
    Person::new(BareJid::new(jid).expect("a JID"))
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
