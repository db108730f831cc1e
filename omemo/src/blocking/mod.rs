//! The client for code without an executor: the same calls, on the calling thread.
//!
//! The storages of this project answer on any executor, so waiting on the calling thread is all it takes.

mod network;

use std::sync::Arc;

use omemo_sansio::transfer::{Backup, ImportedAccount};
use omemo_sansio::trust::{TrustLevel, TrustMessage};
use omemo_sansio::{
    BareJid, CatchUp, Consistency, Decrypted, DecryptedPage, DeviceAddress, DeviceId, DeviceList,
    DeviceListChange, Devices, EncryptRequest, Encrypted, Error, Flushed, InboxId, IncomingMessage,
    Maintained, Namespace, OwedTrustMessages, Pending, Refreshed, Replaced, Sender, SendingChains, Settings,
    Timestamp, TrustMessageOutcome,
};
pub use omemo_storage::blocking::wait;
use omemo_storage::{Companion, Storage, Transactional};

use crate::keys::IdentityKey;
use crate::{Builder, TakenOver};

pub use network::{Inline, Network};

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
///     let request = EncryptRequest::new(vec![juliet], Namespace::OMEMO_2, b"hello".to_vec());
///     let outgoing = his.encrypt(request)?.complete()?;
///     let message = IncomingMessage { sender: romeo, message: outgoing.messages[0].clone() };
///     let received = hers.decrypt(message)?.received().unwrap();
///     assert!(matches!(received.content, Content::Plaintext(text) if text.as_slice() == b"hello"));
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

    /// [`import`](Self::import), on the calling thread.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn import_blocking(
        self,
        imported: impl Into<Arc<ImportedAccount>>,
    ) -> Result<TakenOver<Client<S, N>>, Error> {
        let TakenOver {
            client,
            imported,
            opened,
        } = wait(self.import(imported))?;
        Ok(TakenOver {
            client: Client(client),
            imported,
            opened,
        })
    }

    /// [`restore`](Self::restore), on the calling thread.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn restore_blocking(self, backup: impl Into<Arc<Backup>>) -> Result<Client<S, N>, Error> {
        wait(self.restore(backup)).map(Client)
    }

    /// [`Builder::attach`] for blocking code.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn attach_blocking(self) -> Result<Client<S, N>, Error> {
        wait(self.attach()).map(Client)
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

    /// See [`crate::Client::decrypt_many`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decrypt_many(&self, page: impl Into<Arc<[IncomingMessage]>>) -> Result<DecryptedPage, Error> {
        wait(self.0.decrypt_many(page))
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

    /// [`crate::Client::back_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn back_up(&self, contacts: Vec<BareJid>) -> Result<Backup, Error> {
        wait(self.0.back_up(contacts))
    }

    /// See [`crate::Client::flush`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn flush(&self) -> Result<Flushed, Error> {
        wait(self.0.flush())
    }

    /// See [`crate::Client::owed_trust_messages`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn owed_trust_messages(&self) -> Result<OwedTrustMessages, Error> {
        wait(self.0.owed_trust_messages())
    }

    /// See [`crate::Client::trust_messages_sent`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn trust_messages_sent(&self, sent: OwedTrustMessages) -> Result<(), Error> {
        wait(self.0.trust_messages_sent(sent))
    }

    /// See [`crate::Client::receive_trust_message`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn receive_trust_message(
        &self,
        sender: Sender,
        sent: Timestamp,
        message: TrustMessage,
    ) -> Result<TrustMessageOutcome, Error> {
        wait(self.0.receive_trust_message(sender, sent, message))
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

/// Keeping an account in order.
impl<S: Storage, N: Network> Client<S, N> {
    /// See [`crate::Client::set_own_label`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn set_own_label(&self, label: Option<String>) -> Result<(), Error> {
        wait(self.0.set_own_label(label))
    }

    /// See [`crate::Client::ensure_consistency`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn ensure_consistency(&self) -> Result<Consistency, Error> {
        wait(self.0.ensure_consistency())
    }

    /// See [`crate::Client::clear_device_lists`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn clear_device_lists(&self) -> Result<Vec<DeviceId>, Error> {
        wait(self.0.clear_device_lists())
    }

    /// See [`crate::Client::caught_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn caught_up(&self) -> Result<(), Error> {
        wait(self.0.caught_up())
    }

    /// See [`crate::Client::contacts`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn contacts(&self) -> Result<Vec<BareJid>, Error> {
        wait(self.0.contacts())
    }

    /// See [`crate::Client::refresh_device_lists`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn refresh_device_lists(&self, jid: BareJid) -> Result<Refreshed, Error> {
        wait(self.0.refresh_device_lists(jid))
    }

    /// See [`crate::Client::replace_sessions`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn replace_sessions(&self, device: DeviceAddress) -> Result<Replaced, Error> {
        wait(self.0.replace_sessions(device))
    }

    /// See [`crate::Client::sending_chains`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn sending_chains(&self, device: DeviceAddress) -> Result<SendingChains, Error> {
        wait(self.0.sending_chains(device))
    }

    /// See [`crate::Client::pending`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn pending(&self) -> Result<Vec<Pending>, Error> {
        wait(self.0.pending())
    }

    /// See [`crate::Client::acknowledge`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn acknowledge(&self, ids: Vec<InboxId>) -> Result<(), Error> {
        wait(self.0.acknowledge(ids))
    }

    /// See [`crate::Client::purge_protocol`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn purge_protocol(&self, namespace: Namespace) -> Result<Flushed, Error> {
        wait(self.0.purge_protocol(namespace))
    }

    /// See [`crate::Client::purge_contact`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn purge_contact(&self, jid: BareJid) -> Result<(), Error> {
        wait(self.0.purge_contact(jid))
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
