//! Sending in a session as it is stored. A message to many devices needs of each session little but the sending chain: what
//! comes after that in the record is not looked at, and stays as it is.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use omemo_storage::Value;
use zeroize::Zeroizing;

use super::EncryptError;
use super::chain::Chain;
use super::record::Head;
use super::session::{Sealed, Sender};
use crate::RecordError;
use crate::keys::IdentityKey;
use crate::protocol::Protocol;
use crate::records::Stored;

/// The record of a [`Session`](super::Session), to be written in.
pub(crate) struct SendingSession {
    record: Zeroizing<Vec<u8>>,
    head: Head,
    sending: Chain,
    /// Where in the record the sending chain is.
    place: Range<usize>,
    previous_sending: u32,
}

impl SendingSession {
    /// As [`Session::encrypt`](super::Session::encrypt). It is used up: what goes on is the record that comes with the message.
    pub(crate) fn encrypt(
        mut self,
        protocol: &dyn Protocol,
        own: &IdentityKey,
        plaintext: &[u8],
    ) -> Result<(Sealed, Value), EncryptError> {
        let sender = Sender {
            origin: &self.head.origin,
            confirmed: self.head.confirmed,
            ratchet_key: &self.head.ratchet_key,
            sending: &self.sending,
            previous_sending: self.previous_sending,
        };
        let (next, sealed) = sender.encrypt(protocol, own, plaintext)?;
        if let Some(place) = self.record.get_mut(self.place.clone()) {
            next.write_to(place);
        }
        Ok((sealed, self.record.into()))
    }

    /// The identity key of the other side.
    pub(crate) fn peer_identity(&self) -> IdentityKey {
        self.head.origin.peer
    }
}

impl Stored for SendingSession {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, head) = Head::read(bytes)?;
        let begin = bytes.len() - reader.left();
        let sending = Chain::decode(&mut reader)?;
        let place = begin..bytes.len() - reader.left();
        let previous_sending = reader.u32()?;
        Ok(Self {
            record: Zeroizing::new(bytes.to_vec()),
            head,
            sending,
            place,
            previous_sending,
        })
    }

    fn encode(&self) -> Value {
        self.record.to_vec().into()
    }
}

impl fmt::Debug for SendingSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendingSession(..)")
    }
}
