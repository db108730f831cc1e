//! How it ends: everything comes to rest, and everybody can talk to everybody again.

use omemo_storage::Storage;

use super::world::{Fate, World};

/// How often everybody may read and answer before all must be at rest.
const ROUNDS: usize = 10;

/// A minute, after which a device list is downloaded again for a sender that is not on it.
const A_MINUTE: u64 = 61;

/// A day, after which catch-ups that nobody ends are given up.
const A_DAY: u64 = 86_461;

impl<S: Storage> World<'_, S> {
    pub(super) fn comes_to_its_end(&mut self) {
        self.story.tell(|| "Nothing goes wrong any more.".to_owned());
        self.set_clock(self.latest + A_DAY);
        for device in self.present() {
            let this = &mut self.devices[device];
            (this.blow, this.failing_uploads) = (None, 0);
            if this.adrift {
                self.leaves_for_good(device);
            } else {
                self.loses_catch_up(device);
            }
        }
        self.all_are_trusted();
        self.settles();
        self.everything_has_arrived();
        self.nothing_is_owed();
        self.what_is_offered_is_good();
        self.inboxes_are_emptied();
        self.story
            .tell(|| "Everybody writes to everybody, so that what is broken is mended.".to_owned());
        for device in self.present() {
            self.greets(device);
        }
        self.settles();
        self.story
            .tell(|| "Everybody writes to everybody, and everything must be read.".to_owned());
        let deaf = self.all_greet();
        self.counts(&deaf);
        self.let_applications_help(&deaf);
        self.all_names_are_known();
        self.nothing_is_owed();
        self.what_is_offered_is_good();
    }

    /// Counts who has written to whom at the end, and who could not be read by whom.
    fn counts(&mut self, deaf: &[(usize, usize)]) {
        let mut pairs = self.pairs();
        pairs.retain(|(from, to)| self.have_common_protocol(*from, *to));
        self.seen.greetings += pairs.len() as u64;
        self.seen.deaf += deaf.len() as u64;
        if self.server.offered.is_none() {
            self.seen.unlucky += deaf.len() as u64;
        }
    }

    /// Where two devices cannot talk, each has a session that the other cannot have, since somebody else has used its pre
    /// key: only the application can help, by new sessions.
    fn let_applications_help(&mut self, deaf: &[(usize, usize)]) {
        if deaf.is_empty() {
            return;
        }
        for (from, to) in deaf {
            self.replaces_sessions(*to, *from);
            // One after the other, or they would use the same pre keys again.
            self.settles();
        }
        for (from, to) in self.all_greet() {
            let (from, to) = (self.name(from).to_owned(), self.name(to).to_owned());
            self.finds(|| format!("{from} and {to} cannot talk, even in new sessions"));
        }
    }

    /// Everybody writes to everybody; answers who could not be read by whom, and need not.
    fn all_greet(&mut self) -> Vec<(usize, usize)> {
        let mut deaf = Vec::new();
        for device in self.present() {
            if let Some(text) = self.greets(device) {
                deaf.extend(self.not_read_by(device, text).into_iter().map(|to| (device, to)));
            }
        }
        deaf
    }

    /// What has arrived waits for the application until it has it.
    fn inboxes_are_emptied(&mut self) {
        for device in self.present() {
            self.acknowledges(device, usize::MAX);
            self.acknowledges(device, usize::MAX);
            if !self.model.of(device).inbox.is_empty() {
                self.finds(|| "an inbox cannot be emptied".to_owned());
            }
        }
    }

    /// Everybody is told of all lists, reads and answers, until nothing moves.
    fn settles(&mut self) {
        let all: Vec<usize> = (0..self.accounts).collect();
        for _ in 0..ROUNDS {
            if self.finding.is_some() {
                return;
            }
            self.set_clock(self.now + A_MINUTE);
            let lists = self.server.lists.clone();
            for device in self.present() {
                self.hears(device, &all);
            }
            self.reads_and_answers();
            if self.is_quiet() && lists == self.server.lists {
                return;
            }
        }
        self.finds(|| "the outboxes never rest".to_owned());
    }

    fn reads_and_answers(&mut self) {
        for device in self.present() {
            self.takes_all_mail(device);
            self.keeps_house(device);
        }
    }

    fn is_quiet(&self) -> bool {
        self.devices.iter().all(|device| device.mail.is_empty())
    }

    fn everything_has_arrived(&mut self) {
        let left = |fate: &Fate| *fate == Fate::OnItsWay;
        let on_its_way = self.texts.iter().find(|text| text.for_whom.values().any(left));
        if let Some(text) = on_its_way.map(|text| text.text.clone()) {
            self.finds(|| format!("{text} has not arrived"));
        }
    }

    /// A device writes to every account it can write to, and everybody answers.
    fn greets(&mut self, device: usize) -> Option<usize> {
        let mut accounts = self.other_accounts(device);
        accounts.retain(|account| {
            self.present().iter().any(|other| {
                self.devices[*other].account_number == *account && self.have_common_protocol(device, *other)
            })
        });
        if accounts.is_empty() || self.finding.is_some() {
            return None;
        }
        let text = self.writes(device, &accounts);
        if text.is_none() {
            self.finds(|| "after all has come to rest a message cannot be written".to_owned());
        }
        for _ in 0..ROUNDS {
            self.reads_and_answers();
            if self.is_quiet() {
                return text;
            }
        }
        self.finds(|| "the outboxes never rest".to_owned());
        text
    }

    /// By whom a text was not read who need not; all others must have.
    fn not_read_by(&mut self, from: usize, text: usize) -> Vec<usize> {
        let mut deaf = Vec::new();
        for device in self.present() {
            if device == from || !self.have_common_protocol(from, device) {
                continue;
            }
            match self.texts[text].for_whom.get(&device) {
                Some(Fate::Read) => {}
                Some(Fate::Lost) => deaf.push(device),
                _ => {
                    let (from, name) = (self.name(from).to_owned(), self.name(device).to_owned());
                    self.finds(|| format!("{from} and {name} cannot talk any more"));
                }
            }
        }
        deaf
    }
}
