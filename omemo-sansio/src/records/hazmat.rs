//! Records read and written again: see [`crate::hazmat`].

use alloc::vec::Vec;

use super::{
    AccountRecord, Archive, CatchUps, Contact, InboxIndex, InboxMessage, Mark, OwedTrust, PreKeys,
    ProtocolRecord, RecordError, Stored, TrustHistory,
};
use crate::ratchet::{Session, SkippedKeys};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $record:ty,)*) => {
        /// What a stored record can be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RecordKind {
            $($(#[$doc])* $kind,)*
        }

        impl RecordKind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Reads a record and writes it again, in the form of today.
            ///
            /// # Errors
            ///
            /// [`RecordError`] if the bytes are no such record.
            pub fn rewrite(self, bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
                match self {
                    $(Self::$kind => rewrite::<$record>(bytes),)*
                }
            }
        }
    };
}

kinds! {
    /// `own/account`.
    Account => AccountRecord,
    /// `own/protocol/<namespace>`.
    Protocol => ProtocolRecord,
    /// `own/prekeys/<namespace>`.
    PreKeys => PreKeys,
    /// `own/catchup`.
    CatchUps => CatchUps,
    /// `own/outbox/..`.
    Mark => Mark,
    /// `own/trust/owed`.
    OwedTrust => OwedTrust,
    /// `contact/<jid>/contact`.
    Contact => Contact,
    /// `contact/<jid>/session/..`.
    Session => Session,
    /// `cold/<jid>/skipped/..`.
    Skipped => SkippedKeys,
    /// `cold/<jid>/archive/..`.
    Archive => Archive,
    /// `cold/<jid>/trust`.
    TrustHistory => TrustHistory,
    /// `inbox/index`.
    InboxIndex => InboxIndex,
    /// `inbox/message/<id>`.
    InboxMessage => InboxMessage,
}

fn rewrite<T: Stored>(bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    T::decode(bytes).map(|record| Stored::encode(&record).as_bytes().to_vec())
}
