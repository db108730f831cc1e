//! Another process of a device, at work in the middle of an operation.

use omemo_storage::Storage;

use super::world::World;

/// What the other process does, just before a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meddler {
    /// It writes a message, to whomever is next.
    Writes,
    /// It reads the first of the mail.
    Reads,
    /// It does what has to be done from time to time.
    KeepsHouse,
    /// It begins a catch-up, or ends it.
    CatchesUp,
    /// The person distrusts the first device of the next account, or trusts it again.
    Decides,
}

impl Meddler {
    pub(super) const ALL: [Self; 5] = [
        Self::Writes,
        Self::Reads,
        Self::KeepsHouse,
        Self::CatchesUp,
        Self::Decides,
    ];
}

impl<S: Storage> World<'_, S> {
    /// Another process of the device does something, and nothing strikes it.
    pub(super) fn is_at_work_too(&mut self, device: usize) {
        self.interrupted = true;
        let next = (self.devices[device].account_number + 1) % self.accounts;
        match self.devices[device].meddler {
            Meddler::Writes => drop(self.writes(device, &[next])),
            Meddler::Reads => self.takes_mail(device),
            Meddler::KeepsHouse => self.keeps_house(device),
            Meddler::CatchesUp => self.catches_up(device),
            Meddler::Decides => self.changes_its_mind(device, next),
        }
        self.interrupted = false;
        self.struck = true;
    }

    fn changes_its_mind(&mut self, device: usize, account: usize) {
        let mut others = self.present().into_iter();
        let other = others.find(|other| self.devices[*other].account_number == account);
        if let Some(other) = other {
            let trusts = self.model.of(device).distrusted.contains(&other);
            self.decides(device, other, trusts);
        }
    }
}
