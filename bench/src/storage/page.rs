//! A page of an archive, read at once.

use std::rc::Rc;
use std::sync::Arc;

use omemo::blocking::wait;
use omemo::local::{Connection, Delivery, Server};
use omemo::{BareJid, Client, EncryptRequest, Error, IncomingMessage, Namespace, Omemo2, Settings};
use omemo_storage::{Counts, Metered, Storage};
use omemo_storage_memory::MemoryStorage;

use super::embedded::{databases, open};
use super::message::{PLAINTEXT, costs};
use super::{Group, Prepared, Wanted};
use crate::measure::{Failure, Item, Work};

pub(super) const PAGE: Group = Group {
    names: &["decrypt_page_1000"],
    prepare: page,
};

const MESSAGES: usize = 1_000;

const ROUNDS: usize = 12;

/// Beside the same page in memory: a load and a commit of a few records more.
const BAR: f64 = 1.5;

/// Beside the same messages one by one, each with a commit of its own.
const BAR_ONE_BY_ONE: f64 = 20.0;

/// A page at once, on SQLite; against the same in memory, and beside the messages one by one.
fn page(_: &Wanted<'_>) -> Result<Prepared, Failure> {
    let databases = databases()?;
    let on_disk = |name: &str| -> Result<_, Failure> {
        Ok(Rc::new(Correspondence::begin(Metered::new(open(
            &databases, name,
        )?))?))
    };
    let (at_once, one_by_one) = (on_disk("page.db")?, on_disk("one_by_one.db")?);
    let in_memory = Rc::new(Correspondence::begin(MemoryStorage::new())?);

    let counts = at_once.counts_of_a_page()?;
    let item = Item::new("decrypt_page_1000", BAR, reading(&at_once), reading(&in_memory))
        .with_peer(BAR_ONE_BY_ONE, reading_one_by_one(&one_by_one))
        .rounds(ROUNDS)
        .with_counts(costs(counts));
    Ok(Prepared::of([item.keeping(&databases)]))
}

fn reading<S: Storage + 'static>(correspondence: &Rc<Correspondence<S>>) -> Work {
    let (writing, reading) = (Rc::clone(correspondence), Rc::clone(correspondence));
    Work::new(1, move || writing.write(), move |page| reading.read(page))
}

fn reading_one_by_one<S: Storage + 'static>(correspondence: &Rc<Correspondence<S>>) -> Work {
    let (writing, reading) = (Rc::clone(correspondence), Rc::clone(correspondence));
    Work::new(
        1,
        move || writing.write(),
        move |page| {
            for message in page.drain(..) {
                let _ = wait(reading.reader.decrypt(message))?;
            }
            Ok(())
        },
    )
}

/// Somebody who writes, in memory, and somebody who reads.
struct Correspondence<S> {
    writer: Client<MemoryStorage, Connection>,
    reader: Client<S, Connection>,
    to: BareJid,
}

impl<S: Storage> Correspondence<S> {
    /// They have written to each other before.
    fn begin(storage: S) -> Result<Self, Failure> {
        let server = Server::new();
        let to = BareJid::new("juliet@capulet.lit")?;
        let correspondence = Self {
            writer: client(&server, "romeo@montague.lit", MemoryStorage::new())?,
            reader: client(&server, to.as_str(), storage)?,
            to,
        };
        let mut first = correspondence.write_some(1)?;
        correspondence.read(&mut first)?;
        wait(correspondence.reader.flush())?;
        while let Some(delivery) = correspondence.writer.network().receive() {
            if let Delivery::Message(message) = delivery {
                let _ = wait(correspondence.writer.decrypt(message))?;
            }
        }
        Ok(correspondence)
    }

    fn write(&self) -> Result<Vec<IncomingMessage>, Failure> {
        self.write_some(MESSAGES)
    }

    fn write_some(&self, count: usize) -> Result<Vec<IncomingMessage>, Failure> {
        let mut page = Vec::with_capacity(count);
        for _ in 0..count {
            let request =
                EncryptRequest::new(vec![self.to.clone()], Namespace::OMEMO_2, vec![b'x'; PLAINTEXT]);
            let encrypted = wait(self.writer.encrypt(request))?.complete()?;
            for message in &encrypted.messages {
                self.writer
                    .network()
                    .send(std::slice::from_ref(&self.to), message);
            }
        }
        while let Some(delivery) = self.reader.network().receive() {
            if let Delivery::Message(message) = delivery {
                page.push(message);
            }
        }
        if page.len() == count {
            Ok(page)
        } else {
            Err(format!("{} messages have arrived, not {count}", page.len()).into())
        }
    }

    /// Every message of the page must be read.
    fn read(&self, page: &mut Vec<IncomingMessage>) -> Result<(), Failure> {
        let outcomes = wait(self.reader.decrypt_many(std::mem::take(page)))?;
        outcomes.into_iter().collect::<Result<Vec<_>, Error>>()?;
        Ok(())
    }
}

impl<S: Storage> Correspondence<Metered<S>> {
    fn counts_of_a_page(&self) -> Result<Counts, Failure> {
        let mut page = self.write()?;
        self.reader.storage().take();
        self.read(&mut page)?;
        Ok(self.reader.storage().take())
    }
}

fn client<S: Storage>(server: &Server, jid: &str, storage: S) -> Result<Client<S, Connection>, Failure> {
    let jid = BareJid::new(jid)?;
    let connection = server.connect(&jid, "phone");
    let settings = Settings {
        protocols: vec![Arc::new(Omemo2)],
        ..Settings::new(jid)
    };
    Ok(wait(
        Client::builder(settings, storage, connection)
            .catch_up(false)
            .open(),
    )?)
}
