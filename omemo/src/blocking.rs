//! The client for code without an executor: the same calls, on the calling thread.
//!
//! The storages of this project answer on any executor, so waiting on the calling thread is all it takes.

use std::future::ready;
use std::sync::Arc;

use omemo_sansio::engine::{DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList};
use omemo_sansio::trust::TrustLevel;
use omemo_sansio::{
    BareJid, Bundle, CatchUp, Decrypted, DeviceId, DeviceList, DeviceListChange, Devices, EncryptRequest,
    Encrypted, Error, Flushed, IncomingMessage, Maintained, Namespace, NetworkError, Settings,
};
pub use omemo_storage::blocking::wait;
use omemo_storage::{Companion, Storage, Transactional};

use crate::Builder;
use crate::keys::IdentityKey;

/// [`crate::Network`] for blocking code.
pub trait Network: Send + Sync {
    /// Downloads bundles: one answer for each, in the same order.
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>>;

    /// Publishes the own bundle.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be published.
    fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError>;

    /// Downloads the device list of an account; `Ok(None)` if there is none.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be found out whether there is one.
    fn download_device_list(&self, wanted: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError>;

    /// Publishes the own device list.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be published.
    fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError>;

    /// Sends a message without content to an account.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be sent.
    fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError>;
}

/// A blocking network where an async one is asked for: each call runs to its end at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline<N>(pub N);

impl<N: Network> crate::Network for Inline<N> {
    fn download_bundles(
        &self,
        wanted: &[DownloadBundle],
    ) -> impl Future<Output = Vec<Result<Option<Bundle>, NetworkError>>> + Send {
        ready(self.0.download_bundles(wanted))
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.upload_bundle(upload))
    }

    fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> impl Future<Output = Result<Option<DeviceList>, NetworkError>> + Send {
        ready(self.0.download_device_list(wanted))
    }

    fn upload_device_list(
        &self,
        upload: &UploadDeviceList,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.upload_device_list(upload))
    }

    fn send_message(&self, message: &SendMessage) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.send_message(message))
    }
}

/// [`crate::Client`] for blocking code: see there for each call.
///
/// ```
/// use omemo::blocking::{Client, Network};
/// use omemo::{BareJid, Content, EncryptRequest, IncomingMessage, Namespace, Settings};
/// use omemo_storage_memory::MemoryStorage;
///
/// # #[cfg(feature = "local")]
/// fn talk() -> Result<(), Box<dyn std::error::Error>> {
///     let server = omemo::local::Server::new(); // its connections implement `Network`
///     let (romeo, juliet) = (BareJid::new("romeo@montague.lit")?, BareJid::new("juliet@capulet.lit")?);
///     let open = |jid: &BareJid| {
///         Client::open(Settings::new(jid.clone()), MemoryStorage::new(), server.connect(jid, "phone"))
///     };
///     let (his, hers) = (open(&romeo)?, open(&juliet)?);
///     let encrypted = his.encrypt(EncryptRequest::new(vec![juliet], Namespace::OMEMO_2, b"hello".to_vec()))?;
///     let message = IncomingMessage { sender: romeo, message: encrypted.messages[0].clone() };
///     assert!(matches!(hers.decrypt(message)?.content, Content::Plaintext(text) if text.as_slice() == b"hello"));
///     Ok(())
/// }
/// # #[cfg(feature = "local")]
/// # talk().unwrap();
/// ```
pub struct Client<S, N>(crate::Client<S, Inline<N>>);

impl<S, N> Clone for Client<S, N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S, N> std::fmt::Debug for Client<S, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<S: Storage, N: Network> Builder<S, Inline<N>> {
    /// [`Builder::open`] for blocking code.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_blocking(self) -> Result<Client<S, N>, Error> {
        wait(self.open()).map(Client)
    }
}

impl<S: Storage, N: Network> Client<S, N> {
    /// Opens the account with the defaults; [`builder`](Self::builder) has more to choose.
    ///
    /// # Errors
    ///
    /// As [`Builder::open`].
    pub fn open(settings: Settings, storage: S, network: N) -> Result<Self, Error> {
        Self::builder(settings, storage, network).open_blocking()
    }

    /// Begins to make a client: [`Builder::open_blocking`] ends it.
    pub fn builder(settings: Settings, storage: S, network: N) -> Builder<S, Inline<N>> {
        crate::Client::builder(settings, storage, Inline(network))
    }

    /// The id of this device.
    pub fn device(&self) -> DeviceId {
        self.0.device()
    }

    /// The storage.
    pub fn storage(&self) -> &S {
        self.0.storage()
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.0.network().0
    }

    /// See [`crate::Client::encrypt`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encrypt(&self, request: impl Into<Arc<EncryptRequest>>) -> Result<Encrypted, Error> {
        wait(self.0.encrypt(request))
    }

    /// See [`crate::Client::decrypt`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decrypt(&self, message: impl Into<Arc<IncomingMessage>>) -> Result<Decrypted, Error> {
        wait(self.0.decrypt(message))
    }

    /// See [`crate::Client::update_device_list`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update_device_list(
        &self,
        namespace: Namespace,
        jid: BareJid,
        list: DeviceList,
    ) -> Result<DeviceListChange, Error> {
        wait(self.0.update_device_list(namespace, jid, list))
    }

    /// See [`crate::Client::refresh_device_list`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn refresh_device_list(&self, namespace: Namespace, jid: BareJid) -> Result<DeviceListChange, Error> {
        wait(self.0.refresh_device_list(namespace, jid))
    }

    /// See [`crate::Client::set_trust`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_trust(&self, jid: BareJid, identity_key: IdentityKey, level: TrustLevel) -> Result<(), Error> {
        wait(self.0.set_trust(jid, identity_key, level))
    }

    /// See [`crate::Client::device_information`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn device_information(&self, jid: BareJid) -> Result<Devices, Error> {
        wait(self.0.device_information(jid))
    }

    /// See [`crate::Client::begin_catch_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn begin_catch_up(&self) -> Result<CatchUp, Error> {
        wait(self.0.begin_catch_up())
    }

    /// See [`crate::Client::end_catch_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn end_catch_up(&self, catch_up: &CatchUp) -> Result<(), Error> {
        wait(self.0.end_catch_up(catch_up))
    }

    /// See [`crate::Client::flush`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn flush(&self) -> Result<Flushed, Error> {
        wait(self.0.flush())
    }

    /// See [`crate::Client::maintain`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn maintain(&self) -> Result<Maintained, Error> {
        wait(self.0.maintain())
    }
}

/// Together with writes of the application, where the storage is in a database that it writes in too.
impl<S: Transactional, N: Network> Client<S, N> {
    /// See [`crate::Client::encrypt_in`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encrypt_in<C>(
        &self,
        request: impl Into<Arc<EncryptRequest>>,
        companion: C,
    ) -> Result<Encrypted, Error>
    where
        C: for<'t> FnMut(&'t mut S::Transaction, &Encrypted) -> Companion<'t> + Send,
    {
        wait(self.0.encrypt_in(request, companion))
    }

    /// See [`crate::Client::decrypt_in`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decrypt_in<C>(
        &self,
        message: impl Into<Arc<IncomingMessage>>,
        companion: C,
    ) -> Result<Decrypted, Error>
    where
        C: for<'t> FnMut(&'t mut S::Transaction, &Decrypted) -> Companion<'t> + Send,
    {
        wait(self.0.decrypt_in(message, companion))
    }
}
