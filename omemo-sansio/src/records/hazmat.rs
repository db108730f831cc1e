//! Records read and written again: see [`crate::hazmat`].

use alloc::vec::Vec;

use omemo_storage::Key;

use super::{
    AccountRecord, Archive, CatchUps, Contact, InboxIndex, InboxMessage, Mark, MarkPlace, OwedTrust, PreKeys,
    ProtocolRecord, RecordError, Stored, TrustHistory, place,
};
use crate::keys::IdentityKey;
use crate::protocol::Protocol;
use crate::ratchet::{EncryptError, Sealed, SendingSession, Session, SkippedKeys};

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

/// Reads the name of a record, of those that tell what the record is about, and writes it again. `None` if it is another.
pub fn rename(key: &Key) -> Option<Key> {
    let item = key.item.as_str();
    let renamed = match key.partition.as_str() {
        place::OWN => match MarkPlace::parse(item) {
            Some(mark) => mark.key(),
            None => place::protocol(&place::protocol_of(key)?),
        },
        place::INBOX => place::inbox_message(&place::inbox_id(item)?),
        _ => {
            let (kind, namespace, device) = place::of_device(key)?;
            let jid = place::contact_of(key)?;
            match kind {
                "session" => place::session(&jid, &namespace, device),
                "skipped" => place::skipped(&jid, &namespace, device),
                "archive" => place::archive(&jid, &namespace, device),
                _ => return None,
            }
        }
    };
    renamed.ok()
}

/// To whom a session has sent, what, and its record after that.
type Sent = (IdentityKey, Result<(Sealed, Vec<u8>), EncryptError>);

/// Sends in the session of a record, read whole and as one of the many that a message is sent in.
///
/// # Errors
///
/// [`RecordError`] if the bytes are no session.
pub fn send_both_ways(bytes: &[u8], protocol: &dyn Protocol) -> Result<[Sent; 2], RecordError> {
    let mut whole = Session::decode(bytes)?;
    let stored = SendingSession::decode(bytes)?;
    let (peer, stored_peer) = (whole.peer_identity(), stored.peer_identity());
    let in_whole = whole.encrypt(protocol, &peer, b"hello");
    let in_stored = match stored.encrypt(protocol, &peer, b"hello") {
        // It is written in as it was, in the form of before too.
        Ok((sealed, next)) => Ok((sealed, rewrite::<Session>(next.as_bytes())?)),
        Err(error) => Err(error),
    };
    Ok([
        (peer, in_whole.map(|sealed| (sealed, whole.encode().to_vec()))),
        (stored_peer, in_stored),
    ])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{Legacy, Omemo2};

    /// What was stored of each kind, in each of its versions.
    fn golden() -> Vec<Vec<u8>> {
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let record = |line: &str| -> Vec<u8> {
            let (_, digits) = line.split_once(' ').unwrap();
            digits.as_bytes().chunks(2).map(byte).collect()
        };
        include_str!("golden.txt").lines().map(record).collect()
    }

    /// The kinds that these bytes can be read as. What is read is written in a form that can be read again, and stays as it is.
    fn kinds(bytes: &[u8]) -> Vec<RecordKind> {
        let reads = |kind: &RecordKind| {
            let Ok(written) = kind.rewrite(bytes) else {
                return false;
            };
            assert_eq!(kind.rewrite(&written).as_ref(), Ok(&written), "{kind:?}");
            if *kind == RecordKind::Session {
                assert!(written.len() <= 512);
                for protocol in [&Omemo2 as &dyn Protocol, &Legacy] {
                    let [whole, stored] = send_both_ways(bytes, protocol).unwrap();
                    assert_eq!(whole, stored);
                }
            }
            true
        };
        RecordKind::ALL.iter().copied().filter(reads).collect()
    }

    #[test]
    fn what_was_stored_of_every_kind_is_read() {
        let read: Vec<_> = golden().iter().flat_map(|record| kinds(record)).collect();
        for kind in RecordKind::ALL {
            assert!(read.contains(kind), "nothing that was stored is read as {kind:?}");
        }
    }

    #[test]
    fn records_that_are_cut_are_refused_or_stay_as_they_are_read() {
        for record in golden() {
            for length in 0..record.len() {
                kinds(&record[..length]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn changed_records_are_refused_or_stay_as_they_are_read(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        ) {
            for mut record in golden() {
                for (at, bit) in &flips {
                    let at = at.index(record.len());
                    record[at] ^= 1 << *bit;
                }
                kinds(&record);
            }
        }

        #[test]
        fn any_bytes_are_refused_or_stay_as_they_are_read(
            mut bytes in prop::collection::vec(any::<u8>(), 1..600),
        ) {
            kinds(&bytes);
            for version in [1, 2] {
                bytes[0] = version;
                kinds(&bytes);
            }
        }
    }
}
