//! Every message key that has left a device.

use std::collections::BTreeMap;
use std::fmt;

use omemo_sansio::protocol::{Header, Protocol};
use omemo_sansio::{EncryptedMessage, KeyElement};

/// The bytes each message key was used for, by ratchet key and number. A ratchet key belongs to one session, so this is
/// what a message key is known by.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsedKeys(BTreeMap<([u8; 32], u32), Vec<u8>>);

/// A message key was used for two messages.
#[derive(Debug)]
pub(crate) struct UsedTwice {
    /// The device that both messages are for.
    pub(crate) element: KeyElement,
    /// Which key it was.
    pub(crate) header: Header,
}

impl UsedKeys {
    /// A message leaves a device.
    pub(crate) fn leaves(
        &mut self,
        protocol: &dyn Protocol,
        message: &EncryptedMessage,
    ) -> Result<(), UsedTwice> {
        for element in message.recipients.iter().flat_map(|recipient| &recipient.keys) {
            let incoming = protocol.parse(&element.data).expect("what leaves can be read");
            let header = *incoming.message.header();
            let place = (*header.ratchet_key.as_bytes(), header.n);
            let before = self.0.insert(place, element.data.clone());
            if before.is_some_and(|before| before != element.data) {
                let element = element.clone();
                return Err(UsedTwice { element, header });
            }
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for UsedTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { element, header } = self;
        write!(
            f,
            "a message key was used for two messages: number {} to device {}",
            header.n, element.device
        )
    }
}
