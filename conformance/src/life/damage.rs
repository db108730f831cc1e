//! Messages that were damaged on their way, by whoever carries them: they are refused, and leave nothing behind.

use std::sync::Arc;

use omemo_sansio::{
    BareJid, DecryptFailure, Decrypted, DeviceId, EncryptedMessage, Error, IncomingMessage, Namespace,
};
use omemo_storage::Storage;

use super::device::{Mail, Sheet};
use super::world::{Fate, World};
use super::writing::is_passing;

impl<S: Storage> World<'_, S> {
    /// The first of the mail comes damaged before it comes as it was.
    pub(super) fn damages_mail(&mut self, device: usize, part: u8) {
        let this = &mut self.devices[device];
        let Some(Mail::Letter(sheet)) = this.mail.front() else {
            return;
        };
        if sheet.damaged {
            return;
        }
        let sheet = Sheet {
            message: Arc::new(damaged(&sheet.message, &this.jid, this.id, part)),
            damaged: true,
            ..sheet.clone()
        };
        let what = self.what(&sheet);
        self.devices[device].mail.push_front(Mail::Letter(sheet));
        self.tell(
            device,
            &format!("will get {what} damaged before it gets it whole"),
        );
    }

    /// Decrypting a message that was damaged has come to this. What comes after it shows whether it has left anything.
    pub(super) fn has_met_damage(&mut self, device: usize, sheet: Sheet, outcome: Result<Decrypted, Error>) {
        let what = self.what(&sheet);
        match outcome {
            Ok(Decrypted::AlreadyDecrypted) => {
                let was_read = matches!(self.fate(device, &sheet), Fate::Read | Fate::DiedWith);
                if !was_read && !self.is_unclear(&sheet) {
                    self.finds(|| format!("{what}, damaged, is taken for read, and never was"));
                }
                self.tells_of(device, "takes", &sheet, ", damaged, for what it has read");
            }
            Ok(outcome) => self.finds(|| format!("{what} is read though it is damaged: {outcome:?}")),
            Err(error) if self.struck && is_passing(&error) => {
                self.tells_of(
                    device,
                    "cannot look at",
                    &sheet,
                    &format!(", damaged, now: {error}"),
                );
                self.devices[device].mail.push_front(Mail::Letter(sheet));
            }
            Err(Error::Decrypt(failure)) => {
                self.tells_of(device, "refuses", &sheet, &format!(", damaged: {failure}"));
                self.must_repair(device, &sheet, &failure);
            }
            Err(error) => self.finds(|| format!("{what}, damaged, fails otherwise: {error}")),
        }
    }

    /// A message cannot be read since there is no session for it. If nothing speaks against it, its sender must be sent a
    /// new one.
    pub(super) fn must_repair(&mut self, device: usize, sheet: &Sheet, failure: &DecryptFailure) {
        let (from, namespace) = (sheet.letter.from, &sheet.letter.namespace);
        let is_broken = matches!(
            failure,
            DecryptFailure::NoSession(_)
                | DecryptFailure::PreKeyGone(_)
                | DecryptFailure::SignedPreKeyGone(_)
        );
        if is_broken && !self.unlisted.contains(&(from, namespace.clone())) {
            self.model.of_mut(device).duties.repairs(from, namespace);
        }
    }
}

/// The message with its payload changed, or taken away, or with the key for this device changed.
fn damaged(incoming: &IncomingMessage, jid: &BareJid, device: DeviceId, part: u8) -> IncomingMessage {
    let mut incoming = incoming.clone();
    let EncryptedMessage {
        namespace,
        recipients,
        payload,
        ..
    } = &mut incoming.message;
    let has_payload = payload
        .as_ref()
        .is_some_and(|payload| !payload.ciphertext.is_empty());
    match (part % 3, payload.as_mut()) {
        (0, Some(payload)) if has_payload => flip_last(&mut payload.ciphertext),
        // In legacy OMEMO nothing tells what is left from a key transport.
        (1, Some(_)) if has_payload && *namespace == Namespace::OMEMO_2 => *payload = None,
        _ => {
            let mine = recipients
                .iter_mut()
                .filter(|recipient| recipient.jid.as_ref().is_none_or(|of| of == jid));
            let keys = mine.flat_map(|recipient| &mut recipient.keys);
            keys.filter(|key| key.device == device)
                .for_each(|key| flip_last(&mut key.data));
        }
    }
    incoming
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}
