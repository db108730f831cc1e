//! Making a client.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use event_listener::Event;
use omemo_sansio::transfer::{Backup, ImportedAccount};
use omemo_sansio::{Account, Error, Imported, OpenOptions, Opened, Settings};
use omemo_storage::Storage;
use rand_core::CryptoRng;

use crate::client::Client;
use crate::drive::Driver;
use crate::network::{Network, Nobody, TrustPrompt};
use crate::parked::{Parked, Request};
use crate::time::{Clock, SystemClock, Timer};
use crate::unclaimed::Unclaimed;

/// An account that was [taken over](Builder::import) from another implementation.
#[derive(Debug)]
#[must_use = "it says whether the account could be opened"]
pub struct TakenOver<C> {
    /// The client.
    pub client: C,
    /// What was taken over. It is stored, whatever became of the opening.
    pub imported: Imported,
    /// What opening the account did, or why it could not be opened yet.
    pub opened: Result<Opened, Error>,
}

/// What a client is made of; see [`Client::builder`].
#[must_use = "a builder does nothing before `open`"]
pub struct Builder<S, N> {
    settings: Settings,
    storage: S,
    network: N,
    label: Option<String>,
    prompt: Arc<dyn TrustPrompt>,
    clock: Arc<dyn Clock>,
    timer: Option<Arc<dyn Timer>>,
    rng: Box<dyn CryptoRng + Send>,
    catch_up: bool,
    accepts_copy: bool,
}

impl<S: Storage, N: Network> Builder<S, N> {
    pub(crate) fn new(settings: Settings, storage: S, network: N) -> Self {
        Self {
            settings,
            storage,
            network,
            label: None,
            prompt: Arc::new(Nobody),
            clock: Arc::new(SystemClock),
            timer: None,
            rng: Box::new(crate::system_rng()),
            catch_up: true,
            accepts_copy: false,
        }
    }

    /// A name for this device that others are shown, at most 212 bytes. Counts when the account is opened for the first
    /// time.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Whom to ask about undecided keys. Without, they stay undecided.
    pub fn prompt(mut self, prompt: impl TrustPrompt + 'static) -> Self {
        self.prompt = Arc::new(prompt);
        self
    }

    /// The clock; that of the operating system if not given.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The timer of the application's runtime, to wait a little before trying again. Without, it is tried at once.
    pub fn timer(mut self, timer: impl Timer + 'static) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// The randomness; that of the operating system if not given. It must be cryptographic, and must never repeat.
    pub fn rng(mut self, rng: impl CryptoRng + Send + 'static) -> Self {
        self.rng = Box::new(rng);
        self
    }

    /// Whether the client begins in a catch-up, as it does unless told otherwise: it was offline, and what was sent
    /// meanwhile comes first. Used pre keys are kept and answers wait until [`Client::caught_up`], for a day at most.
    pub fn catch_up(mut self, catch_up: bool) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Says that the storage holds an older copy, which was put back. Its sessions and pre keys were used since and must
    /// not be used again: they are dropped before anything else happens. The identity and all trust stay, new sessions are
    /// opened as messages are sent and arrive. If that is interrupted, every other call fails with
    /// [`Error::AcceptingCopy`] until the account was opened so again. Counts for [`open`](Self::open) and
    /// [`attach`](Self::attach).
    ///
    /// It has nothing to do with [`restore`](Self::restore), which begins a new device from a backup. A SQLite database that
    /// is a copy has to be accepted as well (`SqliteOptions::accept_copy`). `omemo accept-copy` does both, for all accounts
    /// of a storage.
    pub fn accept_copy(mut self) -> Self {
        self.accepts_copy = true;
        self
    }

    /// Opens the account, the first time with a new identity, and publishes what is new. What could not be published
    /// stays in the outbox. Protocols that were spoken before and are not among the settings' protocols any more are taken
    /// back. If trust is managed automatically now and was not before, all accounts are looked over once, for keys that
    /// are authenticated.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`], [`Error::Storage`], [`Error::Corrupt`], [`Error::AcceptingCopy`]; at the first opening also
    /// [`Error::Network`] if the account's device lists cannot be downloaded.
    pub async fn open(self) -> Result<Client<S, N>, Error> {
        let accepts_copy = self.accepts_copy;
        let options = OpenOptions {
            label: self.label.clone(),
            catch_up: self.catch_up,
        };
        let driver = self.driver()?;
        if accepts_copy {
            drop_sessions(&driver).await?;
        }
        let opened = driver
            .run(Request::Repeatable, |account| account.open(options))
            .await?;
        let publish = !(opened.added.is_empty() && opened.dropped.is_empty());
        *driver.catch_up.lock().unwrap_or_else(PoisonError::into_inner) = opened.catch_up;
        let client = Client::new(driver, opened.device);
        client.look_over_trust_if(opened.look_over_trust).await;
        client.publish_if(publish).await;
        Ok(client)
    }

    /// Takes over what another implementation has kept of the account, all of it or nothing. The label given here does not
    /// count. What has to be published waits in the outbox: [`Client::flush`].
    ///
    /// Nothing may run on the other implementation's data any more: two copies of a session use the same message keys.
    ///
    /// Then the account is opened, which adds the protocols that only the settings have, and takes back those that only the
    /// other implementation had. If that fails, for example without network, the account is taken over all the same:
    /// [`TakenOver::opened`] says why, the client speaks what it can, and the next [`open`](Self::open) does the rest.
    ///
    /// # Errors
    ///
    /// What keeps the account from being taken over; then nothing is written. [`Error::AlreadyThere`] if the account was opened
    /// on this storage before, [`Error::UnknownNamespace`], [`Error::UnknownTrustLevel`], [`Error::TooLarge`];
    /// [`Error::Settings`], [`Error::Storage`], [`Error::Corrupt`].
    pub async fn import(
        self,
        imported: impl Into<Arc<ImportedAccount>>,
    ) -> Result<TakenOver<Client<S, N>>, Error> {
        let driver = self.driver()?;
        let account = imported.into();
        let device = account.device;
        let imported = driver.run(Request::Repeatable, |to| to.import(account)).await?;
        let opened = driver.run(Request::Repeatable, |account| account.open(None));
        let opened = opened.await;
        let client = Client::new(driver, device);
        let look_over = opened.as_ref().is_ok_and(|opened| opened.look_over_trust);
        client.look_over_trust_if(look_over).await;
        Ok(TakenOver {
            client,
            imported,
            opened,
        })
    }

    /// Opens the account with the identity and the trust decisions of a backup, as a new device that takes the place of
    /// the one the backup was made of. The label given here does not count.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`Error::AlreadyThere`] if the account was opened on this storage before,
    /// [`Error::OtherAccount`], [`Error::UnknownTrustLevel`].
    pub async fn restore(self, backup: impl Into<Arc<Backup>>) -> Result<Client<S, N>, Error> {
        let driver = self.driver()?;
        let backup = backup.into();
        let opened = driver
            .run(Request::Repeatable, |account| account.restore(backup))
            .await?;
        let client = Client::new(driver, opened.device);
        client.look_over_trust_if(opened.look_over_trust).await;
        client.publish_if(true).await;
        Ok(client)
    }

    /// Joins a process that has opened the account: nothing is made, changed or published, and no catch-up begins; unless
    /// a copy is [accepted](Self::accept_copy).
    ///
    /// # Errors
    ///
    /// [`Error::NotOpened`]; [`Error::Settings`], [`Error::Storage`], [`Error::Corrupt`], [`Error::AcceptingCopy`].
    pub async fn attach(self) -> Result<Client<S, N>, Error> {
        let accepts_copy = self.accepts_copy;
        let driver = self.driver()?;
        if accepts_copy {
            drop_sessions(&driver).await?;
        }
        let device = driver
            .run(Request::Repeatable, |account| account.attach())
            .await?;
        Ok(Client::new(driver, device))
    }

    fn driver(self) -> Result<Driver<S, N>, Error> {
        let account = Account::new(self.settings)?;
        Ok(Driver {
            id: account.id().clone(),
            account: RwLock::new(account),
            catch_up: Mutex::default(),
            storage: self.storage,
            network: self.network,
            prompt: self.prompt,
            clock: self.clock,
            timer: self.timer,
            rng: Mutex::new(self.rng),
            turn: async_lock::Mutex::new(()),
            contended: AtomicU32::new(0),
            parked: Parked::default(),
            unclaimed: Unclaimed::default(),
            ending: async_lock::Mutex::default(),
            outbox: Event::new(),
        })
    }
}

/// Drops the sessions and pre keys of a copy.
async fn drop_sessions<S: Storage, N: Network>(driver: &Driver<S, N>) -> Result<(), Error> {
    let begun = driver.run(Request::Repeatable, |account| account.begin_accepting_copy());
    match begun.await {
        // There was nothing in the copy.
        Err(Error::NotOpened) => return Ok(()),
        begun => begun?,
    }
    driver.forget_sessions(None).await?;
    driver
        .run(Request::Repeatable, |account| account.end_accepting_copy())
        .await
}

impl<S: Storage, N: Network> Client<S, N> {
    /// Looks whose keys were authenticated while another policy was in use. Where that fails, the next opening tries it
    /// again: a contact whose record is damaged must not keep the account from being opened.
    async fn look_over_trust_if(&self, another_was: bool) {
        if another_was && let Err(error) = self.driver.look_over_trust().await {
            tracing::warn!(error = %error.without_names(), "some contacts are not told yet whom of the own devices to trust");
        }
    }

    /// Publishes what is new. What could not be published stays in the outbox.
    async fn publish_if(&self, something_is_new: bool) {
        if something_is_new && let Err(error) = self.flush().await {
            tracing::warn!(error = %error.without_names(), "the new keys are not published yet");
        }
    }
}
