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
//! use omemo::{BareJid, Client, EncryptRequest, IncomingMessage, Namespace, Settings};
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
//! let encrypted = his.encrypt(request).await?;
//! for message in encrypted.messages {
//!     let decrypted = hers.decrypt(IncomingMessage { sender: romeo.clone(), message }).await?;
//!     println!("{:?} from {}", decrypted.content, decrypted.sender.device);
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
mod network;
mod parked;
mod time;

pub use builder::Builder;
pub use client::Client;
pub use network::{Network, TrustPrompt};
pub use omemo_sansio::engine::{
    AskTrust, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
pub use omemo_sansio::keys::{self, IdentityKey};
pub use omemo_sansio::protocol::{Omemo2, Protocol};
pub use omemo_sansio::ratchet::Limits;
pub use omemo_sansio::trust;
pub use omemo_sansio::{
    BareJid, Bundle, BundleFailure, CatchUp, Content, DecryptFailure, Decrypted, DeviceAddress, DeviceEntry,
    DeviceId, DeviceInformation, DeviceList, DeviceListChange, Devices, EncryptFailure, EncryptRequest,
    Encrypted, EncryptedMessage, Error, Flushed, IncomingMessage, Inconsistency, InvalidJid, InvalidSettings,
    KeyElement, Label, MAX_LABEL, MAX_PAYLOAD, Maintained, Namespace, NetworkError, OutboxFailure,
    OutboxItem, Payload, PreKeyId, PublicSignedPreKey, RecipientKeys, RecordError, Sender, Settings,
    SkipReason, SkippedDevice, Timestamp,
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
