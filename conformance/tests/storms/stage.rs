//! Romeo, whose storage is in the storm, and Juliet, whose is not: she reads everything he sends at once and answers some.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{
    BareJid, Client, Decrypted, EncryptRequest, EncryptedMessage, Error, IncomingMessage, Namespace, Omemo2,
    Protocol, Settings,
};
use omemo_storage::{AccountId, Storage};
use omemo_storage_memory::MemoryStorage;

use super::hand::{Hand, Local, Reading, text_of};
use super::watched::Troubles;
use crate::places::redis::random;
use crate::places::{Place, Wrapping, say};

/// How many of his messages it takes to make her answer: each answer is a step of the ratchet.
const ANSWERS_EVERY: usize = 2;

pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) wrapping: Wrapping,
    pub(crate) troubles: Arc<Troubles>,
    romeo: BareJid,
    juliet: Mutex<Juliet>,
    /// Answers on their way to Romeo.
    mail: Mutex<VecDeque<Letter>>,
    /// Those that were read, or died with their reader.
    delivered: Mutex<Vec<Letter>>,
    written: AtomicUsize,
    died: AtomicUsize,
}

struct Juliet {
    jid: BareJid,
    client: Client<MemoryStorage, Connection>,
    /// Ratchet key and number of every message she has read: the same twice would be the same message key twice.
    keys: BTreeSet<([u8; 32], u32)>,
    texts: BTreeSet<String>,
    answers: usize,
}

struct Letter {
    text: String,
    message: IncomingMessage,
    /// A process was killed that had it in its hands.
    was_with_the_dead: bool,
}

impl Stage {
    /// Accounts that have met. Romeo's has a name of its own unless it is given one.
    pub(crate) fn new(place: Place, wrapping: Wrapping, romeo: Option<&str>) -> Self {
        let own = format!("romeo-{:016x}@montague.lit", random());
        let romeo = BareJid::new(romeo.unwrap_or(&own)).unwrap();
        let juliet = BareJid::new("juliet@capulet.lit").unwrap();
        let server = Server::new();
        let his = wrapping.wrap(wait(place.open()).unwrap());
        let his = open(&server, &romeo, his);
        let hers = open(&server, &juliet, MemoryStorage::new());
        for round in 0..3 {
            writes_to(&his, &juliet, &format!("his {round}"));
            settle(&his);
            settle(&hers);
            writes_to(&hers, &romeo, &format!("hers {round}"));
            settle(&his);
            settle(&hers);
        }
        let juliet = Juliet {
            jid: juliet,
            client: hers,
            keys: BTreeSet::new(),
            texts: BTreeSet::new(),
            answers: 0,
        };
        Self {
            place,
            wrapping,
            troubles: Arc::default(),
            romeo,
            juliet: Mutex::new(juliet),
            mail: Mutex::default(),
            delivered: Mutex::default(),
            written: AtomicUsize::new(0),
            died: AtomicUsize::new(0),
        }
    }

    pub(crate) fn jids(&self) -> [BareJid; 2] {
        [self.romeo.clone(), self.juliet.lock().unwrap().jid.clone()]
    }

    /// Another client of Romeo's, on a connection of its own.
    pub(crate) fn hand(&self) -> Local {
        let [romeo, juliet] = self.jids();
        Local::open(&self.place, self.wrapping, [&romeo, &juliet], &self.troubles)
    }

    /// How many messages were written or read.
    pub(crate) fn progress(&self) -> usize {
        self.written.load(Ordering::SeqCst) + self.delivered.lock().unwrap().len()
    }

    /// Reads what is there, and writes.
    pub(crate) fn turn(&self, hand: &mut impl Hand) {
        let letter = self.mail.lock().unwrap().pop_front();
        if let Some(letter) = letter {
            self.read(hand, letter);
        }
        let text = format!("{:016x}", random());
        if let Some(message) = hand.writes(&text) {
            self.written.fetch_add(1, Ordering::SeqCst);
            let answer = self.juliet.lock().unwrap().reads(&self.romeo, &text, message);
            self.mail.lock().unwrap().extend(answer);
        }
    }

    fn read(&self, hand: &mut impl Hand, mut letter: Letter) {
        match hand.reads(&letter.message) {
            Some(Reading::Text(text)) => assert_eq!(text, letter.text),
            Some(Reading::Repeated) => {
                assert!(letter.was_with_the_dead, "a message is lost that nobody has read");
                self.died.fetch_add(1, Ordering::SeqCst);
            }
            None => {
                letter.was_with_the_dead = true;
                return self.mail.lock().unwrap().push_front(letter);
            }
        }
        self.delivered.lock().unwrap().push(letter);
    }

    /// Whether enough was said for a storm to have struck it.
    pub(crate) fn was_eventful(&self) -> bool {
        is_much(
            self.written.load(Ordering::SeqCst),
            self.juliet.lock().unwrap().answers,
        )
    }

    /// When the storm is over: everybody can still talk, everything that was on its way arrives, and nothing that was read
    /// can be read again. Says how it was.
    pub(crate) fn end(&self, storm: &str) {
        let mut hand = self.hand();
        for _ in 0..3 {
            self.turn(&mut hand);
        }
        while let Some(letter) = { self.mail.lock().unwrap().pop_front() } {
            self.read(&mut hand, letter);
        }
        for letter in self.delivered.lock().unwrap().iter() {
            match hand.try_read(&letter.message) {
                Ok(Decrypted::AlreadyDecrypted) | Err(Error::Decrypt(_)) => {}
                other => panic!("a message that was read is read again: {other:?}"),
            }
        }
        let (written, died) = (
            self.written.load(Ordering::SeqCst),
            self.died.load(Ordering::SeqCst),
        );
        let (juliet, delivered) = (self.juliet.lock().unwrap(), self.delivered.lock().unwrap());
        assert_eq!(juliet.texts.len(), written);
        assert_eq!(juliet.keys.len(), written);
        assert_eq!(delivered.len(), juliet.answers);
        assert!(is_much(written, juliet.answers), "hardly anything was said");
        say(&format!(
            "{storm}, {}: {written} written, {} read, {died} died with their reader; {}",
            format!("{:?}", self.wrapping).to_lowercase(),
            delivered.len() - died,
            self.troubles
        ));
        let account = AccountId::new(self.romeo.as_str()).unwrap();
        wait(wait(self.place.open()).unwrap().purge(&account)).unwrap();
    }
}

impl Juliet {
    /// Reads a message, and perhaps answers.
    fn reads(&mut self, from: &BareJid, text: &str, message: EncryptedMessage) -> Option<Letter> {
        for element in message.recipients.iter().flat_map(|recipient| &recipient.keys) {
            let header = *Omemo2.parse(&element.data).unwrap().message.header();
            let is_new = self.keys.insert((*header.ratchet_key.as_bytes(), header.n));
            assert!(is_new, "a message key was used twice");
        }
        let incoming = IncomingMessage {
            sender: from.clone(),
            message,
        };
        let decrypted = wait(self.client.decrypt(incoming)).unwrap();
        assert_eq!(text_of(decrypted), text.as_bytes());
        assert!(self.texts.insert(text.to_owned()));
        if !self.texts.len().is_multiple_of(ANSWERS_EVERY) {
            return None;
        }
        self.answers += 1;
        let text = format!("answer {}", self.answers);
        let request = EncryptRequest::new(vec![from.clone()], Namespace::OMEMO_2, text.as_bytes().to_vec());
        let encrypted = wait(self.client.encrypt(request)).unwrap().complete().unwrap();
        let [message] = <[_; 1]>::try_from(encrypted.messages).unwrap();
        Some(Letter {
            text,
            message: IncomingMessage {
                sender: self.jid.clone(),
                message,
            },
            was_with_the_dead: false,
        })
    }
}

fn open<S: Storage>(server: &Server, jid: &BareJid, storage: S) -> Client<S, Connection> {
    let connection = server.connect(jid, "phone");
    wait(Client::builder(Settings::new(jid.clone()), storage, connection).open()).unwrap()
}

fn writes_to<S: Storage>(client: &Client<S, Connection>, to: &BareJid, text: &str) {
    let to = vec![to.clone()];
    let request = EncryptRequest::new(to.clone(), Namespace::OMEMO_2, text.as_bytes().to_vec());
    for message in wait(client.encrypt(request))
        .unwrap()
        .complete()
        .unwrap()
        .messages
    {
        client.network().send(&to, &message);
    }
}

/// Takes in everything that has arrived, and sends what is owed.
fn settle<S: Storage>(client: &Client<S, Connection>) {
    while let Some(delivery) = client.network().receive() {
        match delivery {
            Delivery::Message(message) => drop(wait(client.decrypt(message)).unwrap()),
            Delivery::DeviceList { namespace, jid, list } => {
                wait(client.update_device_list(namespace, jid, list)).unwrap();
            }
        }
    }
    wait(client.flush()).unwrap();
}

fn is_much(written: usize, answers: usize) -> bool {
    written > 20 && answers > 10
}
