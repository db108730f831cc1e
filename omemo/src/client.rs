//! The client.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use omemo_sansio::transfer::Backup;
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{
    Advice, BareJid, CatchUp, DecryptFailure, Decrypted, DecryptedPage, DeviceId, DeviceList,
    DeviceListChange, Devices, EncryptRequest, Encrypted, Error, Flushed, IncomingMessage, Maintained,
    Namespace, Settings,
};
use omemo_storage::{Companion, Storage, Transactional};

use crate::builder::Builder;
use crate::commits::Accompanied;
use crate::drive::Driver;
use crate::keys::IdentityKey;
use crate::network::Network;
use crate::parked::Request;
use crate::time::Timer;

/// How long [`Client::run`] rests after a failure: a minute.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// One account on one device. Cloning is cheap and shares it; clones may be used from any number of tasks and threads.
///
/// Every future may be dropped at any await. Made again, the same call goes on where it was: a `decrypt` inside a timeout
/// loses nothing, also if the message comes again in a page, or in another one. An `encrypt` begins anew if it may have been
/// decided meanwhile whom messages are for.
pub struct Client<S, N> {
    pub(crate) driver: Arc<Driver<S, N>>,
    device: DeviceId,
}

impl<S, N> Clone for Client<S, N> {
    fn clone(&self) -> Self {
        Self {
            driver: Arc::clone(&self.driver),
            device: self.device,
        }
    }
}

impl<S, N> std::fmt::Debug for Client<S, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client(device {})", self.device)
    }
}

impl<S: Storage, N: Network> Client<S, N> {
    /// Begins to make a client: [`Builder::open`] ends it.
    pub fn builder(settings: Settings, storage: S, network: N) -> Builder<S, N> {
        Builder::new(settings, storage, network)
    }

    pub(crate) fn new(driver: Driver<S, N>, device: DeviceId) -> Self {
        Self {
            driver: Arc::new(driver),
            device,
        }
    }

    /// The id of this device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        &self.driver.storage
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.driver.network
    }

    /// Encrypts for every active, trusted device of the recipients and of the own account, except this device. The outcome
    /// must be taken apart, so that devices that cannot read the message are not overlooked. Device lists and bundles that are
    /// lacking are downloaded; open trust decisions are asked for, all at once.
    ///
    /// # Errors
    ///
    /// [`Error::Encrypt`], and then nobody is written to: if a recipient has no device that can be
    /// ([`EncryptFailure::NoEligibleDevices`](crate::EncryptFailure), take it out and call again), or if a key is still
    /// undecided ([`EncryptFailure::StillUndecided`](crate::EncryptFailure), decide by [`set_trust`](Self::set_trust));
    /// [`Error::Storage`], [`Error::Corrupt`],
    /// [`Error::Contention`], [`Error::TooLarge`], [`Error::UnknownNamespace`], [`Error::UnknownTrustLevel`].
    pub async fn encrypt(&self, request: impl Into<Arc<EncryptRequest>>) -> Result<Encrypted, Error> {
        self.driver.encrypt(&request.into()).await
    }

    /// Decrypts a message. One that was decrypted before, or is for others, is an outcome of its own and no failure; what
    /// can be done about a failure says [`DecryptFailure::advice`](crate::DecryptFailure::advice).
    ///
    /// # Errors
    ///
    /// [`Error::Decrypt`] if the message cannot be decrypted; [`Error::Storage`], [`Error::Corrupt`],
    /// [`Error::Contention`], [`Error::TooLarge`], [`Error::UnknownNamespace`], [`Error::UnknownTrustLevel`];
    /// [`Error::Network`] if the sender's device list was needed and could not be downloaded.
    pub async fn decrypt(&self, message: impl Into<Arc<IncomingMessage>>) -> Result<Decrypted, Error> {
        let message = message.into();
        let request = Request::Decrypt(Arc::clone(&message));
        let alone = std::slice::from_ref(&*message);
        self.driver.end_overlapping(alone, &request).await?;
        let begin = Arc::clone(&message);
        let decrypted = self.driver.run(request, |account| account.decrypt(begin)).await;
        self.driver.note_owed(&message, &decrypted);
        self.driver.claim(&message, decrypted).await
    }

    /// Decrypts a page of an archive, or whatever has piled up: messages from any senders, in their order, by one load and
    /// one commit. Each ends for itself, in the order of the page; one that cannot be decrypted does the others no harm.
    /// Where a message needs an archived session or skipped keys, one more load fetches those of the next 64 devices of the
    /// page. Device lists that are lacking are downloaded together; what they make this device forget is one more load for
    /// all.
    ///
    /// [`IncomingMessage::pages`] cuts any number of messages into pages.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] over 1,000 messages or 8 MiB; [`Error::Storage`], [`Error::Contention`]. All the others are those
    /// of single messages.
    pub async fn decrypt_many(
        &self,
        page: impl Into<Arc<[IncomingMessage]>>,
    ) -> Result<DecryptedPage, Error> {
        let page = page.into();
        let request = Request::DecryptMany(Arc::clone(&page));
        self.driver.end_overlapping(&page, &request).await?;
        let begin = Arc::clone(&page);
        let outcomes = self
            .driver
            .run(request, |account| account.decrypt_many(begin))
            .await?;
        for (message, outcome) in page.iter().zip(&outcomes) {
            self.driver.note_owed(message, outcome);
        }
        self.driver.claim_page(&page, outcomes).await
    }

    /// Takes in a device list that was pushed (a PEP event).
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`], [`Error::UnknownNamespace`].
    pub async fn update_device_list(
        &self,
        namespace: Namespace,
        jid: BareJid,
        list: DeviceList,
    ) -> Result<DeviceListChange, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let change = self.driver.run(Request::Repeatable, |account| {
            account.update_device_list(namespace, jid, list)
        });
        self.note_republish(change.await)
    }

    /// Downloads a device list and takes it in.
    ///
    /// # Errors
    ///
    /// As [`update_device_list`](Self::update_device_list), and [`Error::Network`].
    pub async fn refresh_device_list(
        &self,
        namespace: Namespace,
        jid: BareJid,
    ) -> Result<DeviceListChange, Error> {
        let _changing = self.driver.parked.forget_encrypts();
        let change = self.driver.run(Request::Repeatable, |account| {
            account.refresh_device_list(namespace, jid)
        });
        self.note_republish(change.await)
    }

    fn note_republish(&self, change: Result<DeviceListChange, Error>) -> Result<DeviceListChange, Error> {
        if change.as_ref().is_ok_and(|change| change.republish) {
            self.driver.outbox.notify(usize::MAX);
        }
        change
    }

    /// Sets the trust level of an identity key.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTrustLevel`]; [`Error::TooLarge`] if trust is managed automatically and 1,000 decisions wait already to
    /// be told to others, until [`trust_messages_sent`](Self::trust_messages_sent) reports them; [`Error::Storage`],
    /// [`Error::Corrupt`], [`Error::Contention`].
    pub async fn set_trust(
        &self,
        jid: BareJid,
        identity_key: IdentityKey,
        level: TrustLevel,
    ) -> Result<(), Error> {
        let _changing = self.driver.parked.forget_encrypts();
        self.driver
            .run(Request::Repeatable, |account| {
                account.set_trust(jid, identity_key, level)
            })
            .await
    }

    /// What is known of the devices of an account, the own one included. Downloads what is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`], [`Error::UnknownTrustLevel`]. What cannot be
    /// downloaded is in the answer.
    pub async fn device_information(&self, jid: BareJid) -> Result<Devices, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.device_information(jid))
            .await
    }

    /// Begins a catch-up with the archive: until its end used pre keys are hidden instead of deleted, and replies wait.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn begin_catch_up(&self) -> Result<CatchUp, Error> {
        self.driver
            .run(Request::BeginCatchUp, |account| account.begin_catch_up())
            .await
    }

    /// Ends a catch-up.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn end_catch_up(&self, catch_up: &CatchUp) -> Result<(), Error> {
        let catch_up = catch_up.clone();
        self.driver
            .run(Request::Repeatable, |account| account.end_catch_up(catch_up))
            .await?;
        self.driver.outbox.notify(usize::MAX);
        Ok(())
    }

    /// Makes a backup without sessions, the only kind that is safe to restore: the identity, and the trust decisions about
    /// the keys of `contacts` and of the own account. [`Builder::restore`] makes a new device of it.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn back_up(&self, contacts: Vec<BareJid>) -> Result<Backup, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.back_up(contacts))
            .await
    }

    /// Empties the outbox: publishes bundles and device lists, sends replies. What fails stays there and is in the
    /// answer.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn flush(&self) -> Result<Flushed, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.flush())
            .await
    }

    /// Rotates signed pre keys, refills pre keys and empties the outbox. Says when it wants to be called again.
    ///
    /// It drops signed pre keys that were replaced, once their time is over; catch-ups that nobody has ended within a day, and
    /// with the last of them the pre keys that were hidden meanwhile; and from the outbox what nobody can meet. It does not look
    /// for archived sessions: those that have expired are never used, and go when the next of their device is archived or
    /// taken up again.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`], [`Error::Corrupt`], [`Error::Contention`].
    pub async fn maintain(&self) -> Result<Maintained, Error> {
        self.driver
            .run(Request::Repeatable, |account| account.maintain())
            .await
    }

    /// Maintains the account for ever: whenever it is due, and whenever something was put in the outbox. For an
    /// application that wants to spawn one future and forget about it.
    pub async fn run(&self, timer: impl Timer) -> std::convert::Infallible {
        loop {
            let listener = self.driver.outbox.listen();
            let rest = match self.maintain().await {
                Ok(maintained) => Duration::from_secs((maintained.next - self.driver.clock.now()).max(1)),
                Err(error) => {
                    tracing::warn!(error = %error.without_names(), "maintenance failed");
                    AFTER_FAILURE
                }
            };
            match select(timer.sleep(rest), listener).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }
}

/// Whether a message that has failed so was worth looking at the list of its sender.
fn looks_at_lists(failure: &DecryptFailure) -> bool {
    !matches!(
        failure,
        DecryptFailure::OwnMessage | DecryptFailure::SeveralKeys(_)
    )
}

impl<S, N> Driver<S, N> {
    /// Tells of what was put in the outbox by a message that ended so.
    pub(crate) fn note_owed(&self, message: &IncomingMessage, decrypted: &Result<Decrypted, Error>) {
        let is_owed = match decrypted {
            Ok(decrypted) => decrypted
                .as_received()
                .is_some_and(|received| received.flush_wanted),
            // A repair; or, however a message of the own account has failed, the list that this device was missing from.
            Err(Error::Decrypt(failure)) => {
                failure.advice() == Advice::Flush
                    || matches!(failure, DecryptFailure::TooManySkippedMessageKeys { .. })
                    || message.sender.as_str() == self.id.as_str() && looks_at_lists(failure)
            }
            Err(_) => false,
        };
        if is_owed {
            self.outbox.notify(usize::MAX);
        }
    }
}

/// Together with writes of the application, where the storage is in a database that it writes in too.
impl<S: Transactional, N: Network> Client<S, N> {
    /// [`encrypt`](Self::encrypt), and in the transaction that uses up the message keys what `companion` writes: for
    /// example the message, in a table of what is to be sent.
    ///
    /// `companion` runs in each attempt, after everything else, and its writes vanish with an attempt that meets a
    /// conflict. What it needs of the outcome it has to clone. It must not end the transaction.
    ///
    /// A call that was dropped in its commit is taken up by the next call with an equal request, which hands out what was
    /// committed and writes nothing anew, whoever was distrusted since. So make the same call again until it ends; where the
    /// application goes on by what it has written instead, no two requests may be equal: let
    /// [`context`](EncryptRequest::context) name the message.
    ///
    /// # Errors
    ///
    /// As there, and [`Error::Storage`] of the kind [`Companion`](omemo_storage::ErrorKind::Companion) if `companion`
    /// failed: no key was used.
    pub async fn encrypt_in<C>(
        &self,
        request: impl Into<Arc<EncryptRequest>>,
        companion: C,
    ) -> Result<Encrypted, Error>
    where
        C: for<'t> FnMut(&'t mut S::Transaction, &Encrypted) -> Companion<'t> + Send,
    {
        let request = request.into();
        let begun = Request::EncryptIn(Arc::clone(&request));
        self.driver
            .run_with(
                begun,
                |account| account.encrypt(request),
                &mut Accompanied {
                    companion,
                    concerns: |_| true,
                },
            )
            .await
    }

    /// [`decrypt`](Self::decrypt), and in the transaction that uses up the message key what `companion` writes: for
    /// example the plaintext, so that a crash cannot come between the two.
    ///
    /// ```
    /// # use omemo::{Client, Content, Error, IncomingMessage, Network, Received};
    /// # use omemo_storage_sqlite::SqliteStorage;
    /// # async fn example(client: &Client<SqliteStorage, impl Network>, message: IncomingMessage) -> Result<(), Error> {
    /// let _ = client
    ///     .decrypt_in(message, |transaction, decrypted| {
    ///         let envelope = match decrypted.as_received() {
    ///             Some(Received { content: Content::Plaintext(plaintext), .. }) => Some(plaintext.to_vec()),
    ///             // An empty message has nothing to show.
    ///             _ => None,
    ///         };
    ///         Box::pin(async move {
    ///             if let Some(envelope) = envelope {
    ///                 let insert = sqlx::query("INSERT INTO history (envelope) VALUES (?)").bind(envelope);
    ///                 insert.execute(transaction).await?;
    ///             }
    ///             Ok(())
    ///         })
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `companion` runs in each attempt, after everything else, and its writes vanish with an attempt that meets a
    /// conflict. What it needs of the outcome it has to clone. It must not end the transaction. It does not run where
    /// nothing was decrypted; nor where a call without `companion`, which was dropped, has read the message already: that is
    /// handed out then.
    ///
    /// # Errors
    ///
    /// As there, and [`Error::Storage`] of the kind [`Companion`](omemo_storage::ErrorKind::Companion) if `companion`
    /// failed: the message can be decrypted again.
    pub async fn decrypt_in<C>(
        &self,
        message: impl Into<Arc<IncomingMessage>>,
        companion: C,
    ) -> Result<Decrypted, Error>
    where
        C: for<'t> FnMut(&'t mut S::Transaction, &Decrypted) -> Companion<'t> + Send,
    {
        let message = message.into();
        let request = Request::DecryptIn(Arc::clone(&message));
        let begin = Arc::clone(&message);
        let decrypted = self
            .driver
            .run_with(
                request,
                |account| account.decrypt(begin),
                &mut Accompanied {
                    companion,
                    concerns: |decrypted: &Decrypted| decrypted.as_received().is_some(),
                },
            )
            .await;
        self.driver.note_owed(&message, &decrypted);
        self.driver.claim(&message, decrypted).await
    }
}
