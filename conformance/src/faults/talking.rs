//! What devices say to one another, and how it is read.

use std::sync::Arc;

use omemo_sansio::{
    Audience, BareJid, Content, Decrypted, EncryptRequest, EncryptedMessage, IncomingMessage, Namespace,
};
use omemo_storage::Storage;

use super::asking::{ATTEMPTS, is_passing};
use super::world::World;
use crate::scene::Interrupted;

impl<S: Storage> World<'_, S> {
    pub(super) fn says(&mut self, device: usize, to: &str, text: &str) {
        self.says_in(&Namespace::OMEMO_2, device, to, text);
    }

    /// A device says something to an account, in one protocol. Its other devices read it too.
    pub(super) fn says_in(&mut self, namespace: &Namespace, device: usize, to: &str, text: &str) {
        let to = BareJid::new(to).unwrap();
        let request = EncryptRequest::new(vec![to], namespace.clone(), text.as_bytes().to_vec());
        for message in self.writes(device, request, text) {
            self.post(device, &message, Some(text));
        }
    }

    /// Encrypts to everybody the text is for.
    pub(super) fn writes(
        &mut self,
        device: usize,
        request: EncryptRequest,
        text: &str,
    ) -> Vec<EncryptedMessage> {
        let request = Arc::new(request);
        let everybody = request.audience == Audience::Trusted;
        for _ in 0..ATTEMPTS {
            let answer = self.insists(device, |account| account.encrypt(Arc::clone(&request)));
            assert!(answer.committed, "a ciphertext left before its commit");
            let (outgoing, skipped) = answer.output.partial();
            outgoing
                .messages
                .iter()
                .for_each(|message| self.ledger.leaves(message));
            if everybody && !skipped.is_empty() {
                // A bundle could not be downloaded: that one device would miss the message, so it is said again.
                continue;
            }
            for address in &outgoing.encrypted_to {
                self.ledger.expect(text, address.device);
            }
            return outgoing.messages;
        }
        panic!("{text:?} could not be said to everybody");
    }

    /// Reads everything in the mail.
    pub(super) fn reads_all(&mut self, device: usize) {
        while let Some((message, text)) = self.devices[device].mail.pop_front() {
            self.reads(device, &message, text.as_deref());
        }
    }

    pub(super) fn reads(&mut self, device: usize, message: &IncomingMessage, text: Option<&str>) {
        let id = self.id(device);
        let mut may_be_gone = false;
        for _ in 0..ATTEMPTS {
            match self.drive(device, |account| account.decrypt(message.clone())) {
                Ok((Decrypted::AlreadyDecrypted, _)) if may_be_gone => {
                    text.into_iter().for_each(|text| self.ledger.died_with(text, id));
                    return;
                }
                Ok((decrypted, committed)) => {
                    assert!(committed, "a plaintext left before its commit");
                    let received = decrypted.received().expect("a message for this device");
                    check_content(&received.content, text);
                    text.into_iter().for_each(|text| self.ledger.reads(text, id));
                    return self.reads_no_more(device, message);
                }
                Err(Interrupted::Died { committed }) => may_be_gone |= committed,
                Err(Interrupted::Failed(error)) => assert!(is_passing(&error), "{text:?}: {error}"),
            }
        }
        panic!("{text:?} cannot be read");
    }

    /// A message that is delivered again is nothing new.
    pub(super) fn reads_no_more(&mut self, device: usize, message: &IncomingMessage) {
        let again = self.asks(device, |account| account.decrypt(message.clone()));
        assert!(
            matches!(again, Decrypted::AlreadyDecrypted),
            "a repeated message came out as {again:?}"
        );
    }
}

/// Whether a message came out as what it was, with a text or without.
pub(super) fn check_content(content: &Content, text: Option<&str>) {
    match (content, text) {
        (Content::Plaintext(read), Some(text)) => assert_eq!(read.as_slice(), text.as_bytes()),
        // What has no payload in legacy OMEMO is a key transport.
        (Content::Empty | Content::KeyTransport, None) => {}
        (content, _) => panic!("{text:?} came out as {content:?}"),
    }
}
