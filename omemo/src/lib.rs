//! OMEMO end-to-end encryption (XEP-0384) for XMPP clients, bots and servers.
//!
//! A [`Client`] is one account on one device. It keeps what it knows in any [`Storage`] and
//! reaches others through what the application implements as [`Network`]. It names no runtime, spawns nothing and never
//! sleeps: its futures run on any executor, and [`blocking::Client`] needs none.
//!
//! Every call is one atomic commit, and its result is handed out only after that. A call whose future was dropped is
//! continued by the same call made again.
//!
//! ```
//! # #[cfg(feature = "local")] {
//! use omemo::local::Server;
//! use omemo::{BareJid, Client, Decrypted, EncryptRequest, IncomingMessage, Namespace, Settings};
//! use omemo_storage_memory::MemoryStorage;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # omemo::blocking::wait(async {
//! let server = Server::new();
//! let (romeo, juliet) = (BareJid::new("romeo@montague.lit")?, BareJid::new("juliet@capulet.lit")?);
//! let open = |jid: &BareJid| {
//!     Client::builder(Settings::new(jid.clone()), MemoryStorage::new(), server.connect(jid, "phone")).open()
//! };
//! let (his, hers) = (open(&romeo).await?, open(&juliet).await?);
//!
//! let request = EncryptRequest::new(vec![juliet], Namespace::OMEMO_2, b"<envelope/>".to_vec());
//! let outgoing = his.encrypt(request).await?.complete()?;
//! for message in outgoing.messages {
//!     match hers.decrypt(IncomingMessage { sender: romeo.clone(), message }).await? {
//!         Decrypted::Trusted(received) => println!("{:?} from {}", received.content, received.sender.device),
//!         Decrypted::Undecided(received) => println!("{:?} from somebody", received.content),
//!         Decrypted::AlreadyDecrypted | Decrypted::NotForUs => {}
//!     }
//! }
//! # Ok(()) })
//! # }
//! # main().unwrap();
//! # }
//! ```

pub mod blocking;
mod builder;
mod client;
mod commits;
mod drive;
#[cfg(feature = "local")]
pub mod local;
mod manage;
mod network;
mod parked;
mod patience;
mod perform;
mod time;
mod trust_messages;
mod unclaimed;

pub use builder::{Builder, TakenOver};
pub use client::Client;
pub use network::{Answer, Network, TrustPrompt};
pub use omemo_sansio::engine::{
    AskTrust, DeleteBundle, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
pub use omemo_sansio::keys::{self, IdentityKey};
pub use omemo_sansio::protocol::{KeyMaterial, Legacy, Omemo2, PayloadError, Protocol, WireError};
pub use omemo_sansio::ratchet::{DecryptError, EncryptError, KeyExchangeError, SkipLimits};
pub use omemo_sansio::transfer;
pub use omemo_sansio::trust;
pub use omemo_sansio::{
    Advice, Audience, BareJid, Bundle, BundleFailure, CatchUp, Consistency, Content, DecryptFailure,
    Decrypted, DecryptedPage, DeviceAddress, DeviceEntry, DeviceId, DeviceInformation, DeviceList,
    DeviceListChange, Devices, EncryptFailure, EncryptRequest, Encrypted, EncryptedMessage, Error, Fallback,
    Flushed, HideDuringCatchUp, Ignored, IgnoredStatement, Imported, InboxId, IncomingMessage, Inconsistency,
    InvalidJid, InvalidSettings, KeyElement, Label, Limits, MAX_DEVICES, MAX_INBOX_BYTES, MAX_INBOX_MESSAGES,
    MAX_KEY_ELEMENTS, MAX_LABEL, MAX_PAGE, MAX_PAGE_BYTES, MAX_PAYLOAD, MAX_RECIPIENTS, Maintained,
    Namespace, NetworkError, Opened, OutboxFailure, OutboxItem, Outgoing, OwedTrustMessage,
    OwedTrustMessages, PartlyEncrypted, Payload, Pending, PreKeyId, PreKeyPolicy, PublicSignedPreKey,
    Received, RecipientKeys, RecordError, Refreshed, Replaced, Sender, SendingChains, Settings, SkipReason,
    SkippedDevice, Timestamp, TrustChange, TrustMessageOutcome, UsedPreKey, WithoutNames,
};
pub use omemo_storage::{Companion, CompanionError, ErrorKind, Retry, Storage, StorageError, Transactional};
pub use time::{Clock, SystemClock, Timer};

/// The randomness of the operating system, as a client uses it unless it is given another.
///
/// # Panics
///
/// Its methods panic if the operating system has no randomness to give.
pub fn system_rng() -> impl rand_core::CryptoRng + Send {
    rand_core::UnwrapErr(getrandom::SysRng)
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
