//! What waits in the inbox until the application has it.

use omemo_sansio::{Account, Content, Namespace, Received};
use omemo_storage::Storage;

use super::device::Sheet;
use super::world::World;
use super::writing::is_passing;
use crate::scene::{Interrupted, drive};

impl<S: Storage> World<'_, S> {
    /// Whether a message is kept in the inbox of its device once it is read. Of those without a text, in OMEMO 2 none is;
    /// legacy OMEMO cannot tell them from those that transport a key.
    pub(super) fn is_kept(&self, device: usize, sheet: &Sheet) -> bool {
        let is_empty = self.texts[sheet.number].text.is_empty();
        self.devices[device].account.settings().inbox
            && !(is_empty && sheet.letter.namespace == Namespace::OMEMO_2)
    }

    /// Whether it waits there now.
    pub(super) fn waits_in_inbox(&self, device: usize, sheet: &Sheet) -> bool {
        self.model.of(device).inbox.contains(&sheet.number)
    }

    /// Whether a message came out as what was written.
    pub(super) fn is_right(&self, number: usize, received: &Received) -> bool {
        let text = &self.texts[number].text;
        match &received.content {
            Content::Plaintext(read) => read.as_slice() == text.as_bytes() && !text.is_empty(),
            // What has no payload in legacy OMEMO is a key transport.
            Content::Empty | Content::KeyTransport => text.is_empty(),
        }
    }

    /// The application looks at all that waits in the inbox, and takes so many.
    pub(super) fn acknowledges(&mut self, device: usize, count: usize) {
        if !self.devices[device].account.settings().inbox {
            return;
        }
        self.struck = false;
        // What another process adds meanwhile need not be seen.
        self.alone = true;
        let pending = drive(self, device, Account::pending);
        self.alone = false;
        let pending = match pending {
            Ok((pending, _)) => pending,
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                return self.finds(|| format!("nobody can look into the inbox: {error}"));
            }
            Err(_) => return self.tell(device, "does not get to its inbox"),
        };
        let kept = self.model.of(device).inbox.clone();
        let are_right = pending.len() == kept.len()
            && kept
                .iter()
                .zip(&pending)
                .all(|(number, pending)| self.is_right(*number, &pending.received));
        if !are_right && !self.devices[device].adrift {
            let (there, wanted) = (pending.len(), kept.len());
            return self
                .finds(|| format!("in the inbox are {there} messages, and it should be other {wanted}"));
        }
        let ids: Vec<_> = pending.iter().take(count).map(|pending| pending.id).collect();
        let taken = ids.len();
        self.tell(device, &format!("takes {taken} messages out of its inbox"));
        match drive(self, device, |account| account.acknowledge(ids)) {
            Ok(_) | Err(Interrupted::Died { committed: true }) => {
                let inbox = &mut self.model.of_mut(device).inbox;
                inbox.drain(..taken.min(inbox.len()));
            }
            Err(Interrupted::Failed(error)) if !(self.struck && is_passing(&error)) => {
                self.finds(|| format!("what is in the inbox cannot be taken: {error}"));
            }
            Err(_) => self.tell(device, "does not get to it"),
        }
    }
}
