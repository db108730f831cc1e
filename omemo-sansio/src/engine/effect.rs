//! What an operation asks the outside to do.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use omemo_storage::{Batch, Committed, Query, Snapshot, StorageError};

use super::reply::{Reply, Request, Sealed};
use crate::trust::{TrustDecision, UndecidedKey};
use crate::{BareJid, Bundle, DeviceId, DeviceList, EncryptedMessage, Namespace, NetworkError};

/// One thing to do, with the token to answer it by. Several that come together may be done in any order or at once.
#[derive(Debug)]
#[must_use = "an operation waits for the outcome of each of its effects"]
pub enum Effect {
    /// Load records of the operation's account.
    Load(Load, Reply<Load>),
    /// Commit a batch to the operation's account.
    Store(Store, Reply<Store>),
    /// Download the bundle of a device.
    DownloadBundle(DownloadBundle, Reply<DownloadBundle>),
    /// Publish the own bundle.
    UploadBundle(UploadBundle, Reply<UploadBundle>),
    /// Take the own bundle back.
    DeleteBundle(DeleteBundle, Reply<DeleteBundle>),
    /// Download a device list.
    DownloadDeviceList(DownloadDeviceList, Reply<DownloadDeviceList>),
    /// Publish the own device list.
    UploadDeviceList(UploadDeviceList, Reply<UploadDeviceList>),
    /// Send a message that the core made itself.
    SendMessage(SendMessage, Reply<SendMessage>),
    /// Ask a person whom to trust.
    AskTrust(AskTrust, Reply<AskTrust>),
}

/// See [`Effect::Load`].
#[derive(Clone, Debug)]
pub struct Load {
    /// What to load.
    pub query: Arc<Query>,
}

/// See [`Effect::Store`]. An outcome of [`OutcomeUnknown`](omemo_storage::ErrorKind::OutcomeUnknown) makes the operation
/// issue the same batch again.
#[derive(Clone, Debug)]
pub struct Store {
    /// What to commit.
    pub batch: Arc<Batch>,
    /// How often this batch was answered with an unknown outcome before; at least once if it was issued and not answered.
    pub unknown_outcomes: u32,
}

/// See [`Effect::DownloadBundle`]. `Ok(None)`: there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DownloadBundle {
    /// The protocol.
    pub namespace: Namespace,
    /// The account.
    pub jid: BareJid,
    /// The device.
    pub device: DeviceId,
}

/// See [`Effect::UploadBundle`].
#[derive(Clone, Debug)]
pub struct UploadBundle {
    /// The protocol.
    pub namespace: Namespace,
    /// The own device.
    pub device: DeviceId,
    /// The bundle.
    pub bundle: Bundle,
}

/// See [`Effect::DeleteBundle`]. That there is none is no failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeleteBundle {
    /// The protocol.
    pub namespace: Namespace,
    /// The own device.
    pub device: DeviceId,
}

/// See [`Effect::DownloadDeviceList`]. `Ok(None)`: there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DownloadDeviceList {
    /// The protocol.
    pub namespace: Namespace,
    /// The account.
    pub jid: BareJid,
}

/// See [`Effect::UploadDeviceList`].
#[derive(Clone, Debug)]
pub struct UploadDeviceList {
    /// The protocol.
    pub namespace: Namespace,
    /// The list.
    pub list: DeviceList,
}

/// See [`Effect::SendMessage`]. Done when the message is on its way, not when it has arrived.
#[derive(Clone, Debug)]
pub struct SendMessage {
    /// The recipient.
    pub to: BareJid,
    /// The message.
    pub message: EncryptedMessage,
}

/// See [`Effect::AskTrust`]. The outcome holds the decisions that were made; keys it leaves out stay undecided. It is an
/// error if nobody could be asked.
#[derive(Clone, Debug)]
pub struct AskTrust {
    /// Every open decision of the operation.
    pub undecided: Vec<UndecidedKey>,
    /// What the caller gave the operation to tell the person by.
    pub context: String,
}

macro_rules! requests {
    ($($name:ident => $outcome:ty),* $(,)?) => {
        /// What is being waited for.
        #[derive(Clone, Debug)]
        pub(crate) enum Wanted {
            $($name($name),)*
        }

        impl Wanted {
            /// The effect, with a fresh token.
            pub(super) fn issue(&self, owner: &Arc<()>, slot: u64) -> Effect {
                match self {
                    $(Self::$name(request) => Effect::$name(request.clone(), Reply::new(owner, slot)),)*
                }
            }
        }

        /// How an effect ended.
        #[derive(Debug)]
        #[allow(unreachable_pub, reason = "named by a sealed trait")]
        pub enum Outcome {
            $(
                #[doc(hidden)]
                $name(<$name as Request>::Outcome),
            )*
        }

        $(
            impl Sealed for $name {}

            impl Request for $name {
                type Outcome = $outcome;

                fn wrap(outcome: Self::Outcome) -> Outcome {
                    Outcome::$name(outcome)
                }
            }
        )*
    };
}

requests! {
    Load => Result<Snapshot, StorageError>,
    Store => Result<Committed, StorageError>,
    DownloadBundle => Result<Option<Bundle>, NetworkError>,
    UploadBundle => Result<(), NetworkError>,
    DeleteBundle => Result<(), NetworkError>,
    DownloadDeviceList => Result<Option<DeviceList>, NetworkError>,
    UploadDeviceList => Result<(), NetworkError>,
    SendMessage => Result<(), NetworkError>,
    AskTrust => Result<Vec<TrustDecision>, NetworkError>,
}
