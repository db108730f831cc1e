//! Judging how reading went.

use omemo_sansio::{DecryptFailure, Decrypted, Error, Received};
use omemo_storage::Storage;

use super::device::{Mail, Sheet};
use super::model::Foretold;
use super::world::{Fate, World};
use super::writing::is_passing;

/// What is known of how a message was decrypted.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// The operation has committed something.
    pub(super) committed: bool,
    /// A process has died over it after a commit.
    pub(super) may_be_gone: bool,
    /// A catch-up was open.
    pub(super) catching_up: bool,
}

impl<S: Storage> World<'_, S> {
    /// Decrypting a message has come to this.
    pub(super) fn has_ended(
        &mut self,
        device: usize,
        sheet: Sheet,
        outcome: Result<Decrypted, Error>,
        how: How,
    ) {
        if sheet.damaged {
            return self.has_met_damage(device, sheet, outcome);
        }
        match outcome {
            Ok(Decrypted::Trusted(received) | Decrypted::Undecided(received)) => {
                self.has_read(device, &sheet, &received, how);
            }
            Ok(Decrypted::AlreadyDecrypted) if how.may_be_gone => self.has_died_with(device, &sheet, how),
            Ok(Decrypted::AlreadyDecrypted) => self.takes_for_read(device, &sheet),
            Ok(Decrypted::NotForUs) => {
                self.finds(|| "a device finds no key for it where there is one".to_owned());
            }
            Err(error) => self.cannot_read(device, sheet, &error),
        }
    }

    fn has_died_with(&mut self, device: usize, sheet: &Sheet, how: How) {
        if matches!(self.fate(device, sheet), Fate::Read | Fate::DiedWith) {
            // It was for something else that the process has committed.
            return self.takes_for_read(device, sheet);
        }
        self.tells_of(device, "has died, and with it", sheet, "");
        if self.is_kept(device, sheet) && !self.is_unclear(sheet) {
            return self.finds(|| "the inbox has not kept what a process has died with".to_owned());
        }
        self.set_fate(device, sheet, Fate::DiedWith);
        self.model.is_read(&sheet.letter, how.catching_up, self.now);
    }

    fn has_read(&mut self, device: usize, sheet: &Sheet, received: &Received, how: How) {
        let what = self.what(sheet);
        if !self.is_right(sheet.number, received) {
            let content = &received.content;
            return self.finds(|| format!("{what} came out as {content:?}"));
        }
        let is_clear = !self.is_unclear(sheet);
        // What the inbox hands out again changes no session, whoever was put back.
        if self.waits_in_inbox(device, sheet) && (is_clear || !how.committed) {
            self.tells_of(device, "finds", sheet, " in its inbox");
            self.seen.repeated += 1;
            return;
        }
        let new = if received.new_session {
            ", in a session that is new to it"
        } else {
            ""
        };
        self.tells_of(device, "reads", sheet, new);
        let was_kept = received.inbox.is_some() && (how.may_be_gone || self.waits_in_inbox(device, sheet));
        if !how.committed && !was_kept {
            self.finds(|| "a plaintext left before its commit".to_owned());
        }
        let was_read = matches!(self.fate(device, sheet), Fate::Read | Fate::DiedWith);
        if was_read && is_clear {
            return self.finds(|| format!("{what} was read twice"));
        }
        if let Some(why) = self.model.forbids(&sheet.letter)
            && is_clear
        {
            return self.finds(|| format!("{what} was read, and {why}"));
        }
        if self.model.of(device).distrusted.contains(&sheet.letter.from) && is_clear {
            return self.finds(|| format!("{what} was read, and its sender is distrusted"));
        }
        if received.inbox.is_some() != self.is_kept(device, sheet) {
            return self.finds(|| format!("{what} is in the inbox, or is not, against its rule"));
        }
        if received.inbox.is_some() && !self.waits_in_inbox(device, sheet) {
            self.model.of_mut(device).inbox.push(sheet.number);
        }
        self.seen.read += 1;
        self.set_fate(device, sheet, Fate::Read);
        self.model.is_read(&sheet.letter, how.catching_up, self.now);
    }

    /// The library says that a message was read before.
    fn takes_for_read(&mut self, device: usize, sheet: &Sheet) {
        self.tells_of(device, "knows", sheet, " already");
        if self.waits_in_inbox(device, sheet) && !self.is_unclear(sheet) {
            return self.finds(|| "what waits in the inbox is not handed out again".to_owned());
        }
        match self.fate(device, sheet) {
            Fate::Read | Fate::DiedWith => self.seen.repeated += 1,
            Fate::OnItsWay | Fate::Lost if self.is_unclear(sheet) => self.set_fate(device, sheet, Fate::Lost),
            Fate::OnItsWay | Fate::Lost => {
                let (name, what) = (self.name(device).to_owned(), self.what(sheet));
                self.finds(|| format!("{name} takes {what} for read, and has never read it"));
            }
        }
    }

    fn cannot_read(&mut self, device: usize, sheet: Sheet, error: &Error) {
        let not_found = matches!(error, Error::Decrypt(DecryptFailure::SenderNotFound(_)));
        let sender_is_gone = self.devices[sheet.letter.from].gone;
        if self.struck && is_passing(error) {
            self.tells_of(device, "cannot read now", &sheet, &format!(": {error}"));
            return self.devices[device].mail.push_front(Mail::Letter(sheet));
        }
        if not_found && !sender_is_gone {
            self.tells_of(device, "puts aside", &sheet, &format!(": {error}"));
            return self.devices[device].mail.push_back(Mail::Letter(sheet));
        }
        let what = self.what(&sheet);
        if matches!(error, Error::Decrypt(DecryptFailure::SenderDistrusted(_))) && !self.is_unclear(&sheet) {
            return self.is_refused(device, sheet);
        }
        if self.waits_in_inbox(device, &sheet) && !self.is_unclear(&sheet) {
            return self.finds(|| format!("{what} waits in the inbox, and is not handed out: {error}"));
        }
        if let Error::Decrypt(failure) = error {
            self.must_repair(device, &sheet, failure);
        }
        let foretold = match self.is_unclear(&sheet) {
            true => Foretold::Lost("one of them was put back to an old copy"),
            false if not_found => Foretold::Lost("its sender is gone"),
            false => self.model.foretell(&sheet.letter, self.latest),
        };
        if matches!(self.fate(device, &sheet), Fate::Read | Fate::DiedWith) {
            self.tells_of(device, "cannot read again", &sheet, &format!(": {error}"));
            if foretold == Foretold::Readable && self.model.remembers(&sheet.letter) {
                self.finds(|| format!("{what} has come again and is not known for it: {error}"));
            }
            return;
        }
        match foretold {
            Foretold::Lost(why) => {
                self.tells_of(
                    device,
                    "cannot read",
                    &sheet,
                    &format!(", and need not, since {why}: {error}"),
                );
                self.seen.lost += 1;
                self.set_fate(device, &sheet, Fate::Lost);
            }
            Foretold::Readable => {
                let name = self.name(device).to_owned();
                self.finds(|| format!("{name} cannot read {what}: {error}"));
            }
        }
    }

    /// The sender is distrusted: the message waits for that to change.
    fn is_refused(&mut self, device: usize, sheet: Sheet) {
        self.tells_of(device, "refuses", &sheet, ", since its sender is distrusted");
        if !self.model.of(device).distrusted.contains(&sheet.letter.from) {
            return self.finds(|| "a message is refused, and its sender is not distrusted".to_owned());
        }
        if matches!(self.fate(device, &sheet), Fate::Read | Fate::DiedWith) {
            return;
        }
        if self.devices[sheet.letter.from].gone {
            // Nobody can decide about it any more.
            return self.set_fate(device, &sheet, Fate::Lost);
        }
        self.devices[device].mail.push_back(Mail::Letter(sheet));
    }

    pub(super) fn tells_of(&mut self, device: usize, does: &str, sheet: &Sheet, how: &str) {
        let (name, what) = (&self.devices[device].name, self.what(sheet));
        self.story.tell(|| format!("{name} {does} {what}{how}"));
    }

    /// Whether nothing can be said of a message, since an old copy was put back behind the library's back.
    pub(super) fn is_unclear(&self, sheet: &Sheet) -> bool {
        let letter = &sheet.letter;
        self.devices[letter.from].adrift
            || self.devices[letter.to].adrift
            || self.model.is_tainted(&letter.session)
    }

    pub(super) fn fate(&self, device: usize, sheet: &Sheet) -> Fate {
        self.texts[sheet.number].for_whom[&device]
    }

    pub(super) fn set_fate(&mut self, device: usize, sheet: &Sheet, fate: Fate) {
        self.texts[sheet.number].for_whom.insert(device, fate);
    }

    /// What a message is called.
    pub(super) fn what(&self, sheet: &Sheet) -> String {
        let from = &self.devices[sheet.letter.from].name;
        match &*self.texts[sheet.number].text {
            "" => format!("an empty message of {from}"),
            text => format!("{text} of {from}"),
        }
    }
}
