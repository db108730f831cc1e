//! Making a client.

use std::sync::{Arc, Mutex};

use event_listener::Event;
use omemo_sansio::{Account, Error, Settings};
use omemo_storage::Storage;
use rand_core::CryptoRng;

use crate::client::Client;
use crate::drive::Driver;
use crate::network::{Network, Nobody, TrustPrompt};
use crate::parked::{Parked, Request};
use crate::time::{Clock, SystemClock, Timer};

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

    /// Opens the account, the first time with a new identity, and publishes what is new. What could not be published
    /// stays in the outbox.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`], [`Error::Storage`], [`Error::Corrupt`]; at the first opening also [`Error::Network`] if the
    /// account's device lists cannot be downloaded.
    pub async fn open(self) -> Result<Client<S, N>, Error> {
        let Self {
            settings,
            storage,
            network,
            label,
            prompt,
            clock,
            timer,
            rng,
        } = self;
        let driver = Driver {
            account: Account::new(settings)?,
            storage,
            network,
            prompt,
            clock,
            timer,
            rng: Mutex::new(rng),
            turn: async_lock::Mutex::new(()),
            parked: Parked::default(),
            outbox: Event::new(),
        };
        let opened = driver
            .run(Request::Repeatable, |account| account.open(label))
            .await?;
        let publish = !opened.added.is_empty();
        let client = Client::new(driver, opened.device);
        if publish && let Err(error) = client.flush().await {
            tracing::warn!(%error, "the new keys are not published yet");
        }
        Ok(client)
    }
}
