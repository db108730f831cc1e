//! Who writes and reads for an account: a client in this process. `process` has those in processes of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use omemo::blocking::wait;
use omemo::local::{Connection, Server};
use omemo::{
    BareJid, Client, Content, Decrypted, EncryptRequest, EncryptedMessage, Error, IncomingMessage, Namespace,
    Retry, Settings, Timer,
};

use super::watched::{Troubles, Watched};
use crate::places::{Place, Wrapping};

/// How long a storage may be away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// What became of a message that was to be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Text(String),
    /// It was read before.
    Repeated,
}

/// `None` is the answer of one who dies before it could tell.
pub(crate) trait Hand {
    fn writes(&mut self, text: &str) -> Option<EncryptedMessage>;
    fn reads(&mut self, message: &IncomingMessage) -> Option<Reading>;
}

/// The client of an account that is on the storage already.
pub(crate) struct Local {
    client: Client<Watched, Connection>,
    to: BareJid,
}

impl Local {
    pub(crate) fn open(
        place: &Place,
        wrapping: Wrapping,
        [from, to]: [&BareJid; 2],
        troubles: &Arc<Troubles>,
    ) -> Self {
        // What is not in the storage is nowhere: there is nothing to be downloaded.
        let connection = Server::new().connect(from, "phone");
        let storage = insist(|| wait(place.open()).map_err(Error::Storage));
        let storage = Watched::new(wrapping.wrap(storage), Arc::clone(troubles));
        let client = Client::builder(Settings::new(from.clone()), storage, connection).timer(Sleep);
        Self {
            client: wait(client.open()).unwrap(),
            to: to.clone(),
        }
    }
}

impl Local {
    /// One attempt to read a message.
    pub(crate) fn try_read(&self, message: &IncomingMessage) -> Result<Decrypted, Error> {
        wait(self.client.decrypt(message.clone()))
    }
}

impl Hand for Local {
    fn writes(&mut self, text: &str) -> Option<EncryptedMessage> {
        let request = EncryptRequest::new(
            vec![self.to.clone()],
            Namespace::OMEMO_2,
            text.as_bytes().to_vec(),
        );
        let request = Arc::new(request);
        let encrypted = insist(|| wait(self.client.encrypt(Arc::clone(&request))));
        let [message] = <[_; 1]>::try_from(encrypted.complete().unwrap().messages).unwrap();
        Some(message)
    }

    fn reads(&mut self, message: &IncomingMessage) -> Option<Reading> {
        let message = Arc::new(message.clone());
        Some(match insist(|| wait(self.client.decrypt(Arc::clone(&message)))) {
            Decrypted::AlreadyDecrypted => Reading::Repeated,
            decrypted => Reading::Text(String::from_utf8(text_of(decrypted)).unwrap()),
        })
    }
}

/// The text of a message that has one.
pub(crate) fn text_of(decrypted: Decrypted) -> Vec<u8> {
    match decrypted.received().map(|received| received.content) {
        Some(Content::Plaintext(text)) => text.to_vec(),
        other => panic!("no text: {other:?}"),
    }
}

/// Does what an application would do while the storage is away, or others are faster: asks again.
fn insist<T>(call: impl Fn() -> Result<T, Error>) -> T {
    let begun = Instant::now();
    loop {
        match call() {
            Ok(answer) => return answer,
            Err(Error::Contention { .. }) => {}
            Err(Error::Storage(error)) if error.retry() != Retry::Never => {
                thread::sleep(Duration::from_millis(5))
            }
            Err(error) => panic!("{error:?}"),
        }
        assert!(begun.elapsed() < PATIENCE, "the storage does not come back");
    }
}

/// Sleeps on the thread of whoever waits.
pub(crate) struct Sleep;

impl Timer for Sleep {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { thread::sleep(duration) })
    }
}
