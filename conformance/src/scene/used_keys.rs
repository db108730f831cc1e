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
    /// A message leaves a device. Every key in it that was used before: one of them may be excused, and the others not.
    #[must_use = "a key that was used twice is wrong, unless it is excused"]
    pub(crate) fn leaves(&mut self, protocol: &dyn Protocol, message: &EncryptedMessage) -> Vec<UsedTwice> {
        let mut reused = Vec::new();
        for element in message.recipients.iter().flat_map(|recipient| &recipient.keys) {
            let incoming = protocol.parse(&element.data).expect("what leaves can be read");
            let header = *incoming.message.header();
            let place = (*header.ratchet_key.as_bytes(), header.n);
            let before = self.0.insert(place, element.data.clone());
            if before.is_some_and(|before| before != element.data) {
                let element = element.clone();
                reused.push(UsedTwice { element, header });
            }
        }
        reused
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

#[cfg(test)]
mod tests {
    use omemo_sansio::keys::PublicKey;
    use omemo_sansio::protocol::Omemo2;
    use omemo_sansio::{DeviceId, RecipientKeys};

    use super::*;

    /// The element for a device, which has a chain of its own: the message's number in it, and what is encrypted.
    fn element((device, n, content): (u8, u32, u8)) -> KeyElement {
        let header = Header {
            ratchet_key: PublicKey::from_bytes([device; 32]),
            n,
            pn: 0,
        };
        KeyElement {
            device: DeviceId::new(device.into()),
            key_exchange: false,
            data: Omemo2.seal(Omemo2.encode_message(&header, &[content; 16]), &[0; 32]),
        }
    }

    /// The devices for which a message with these elements uses a key again.
    fn reused(used: &mut UsedKeys, elements: &[(u8, u32, u8)]) -> Vec<u32> {
        let message = EncryptedMessage {
            namespace: Omemo2.namespace(),
            sender_device: DeviceId::new(9),
            recipients: vec![RecipientKeys {
                jid: None,
                keys: elements.iter().copied().map(element).collect(),
            }],
            payload: None,
        };
        let reused = used.leaves(&Omemo2, &message);
        reused.iter().map(|twice| twice.element.device.get()).collect()
    }

    #[test]
    fn every_key_of_a_message_that_was_used_before_is_found() {
        let mut used = UsedKeys::default();
        let first = [(1, 0, 1), (2, 0, 1), (3, 0, 1)];
        assert!(reused(&mut used, &first).is_empty());
        assert!(
            reused(&mut used, &first).is_empty(),
            "the same message may leave again"
        );
        assert_eq!(reused(&mut used, &[(1, 0, 2), (2, 1, 2), (3, 0, 2)]), [1, 3]);
    }

    #[test]
    fn what_stands_behind_a_key_that_was_used_before_is_recorded_too() {
        let mut used = UsedKeys::default();
        assert!(reused(&mut used, &[(1, 0, 1)]).is_empty());
        assert_eq!(reused(&mut used, &[(1, 0, 2), (2, 0, 2)]), [1]);
        assert_eq!(reused(&mut used, &[(2, 0, 3)]), [2]);
    }
}
