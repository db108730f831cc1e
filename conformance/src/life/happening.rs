//! What each event does.

use omemo_storage::Storage;

use super::event::Event;
use super::meddling::Meddler;
use super::world::{START, World};
use crate::faults::Fault;
use crate::scene::Scene;

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// How far the clock may go: replaced sessions are kept for 30 days, and where both sides have replaced the other's, the
/// application has to open a new one after so long a silence.
const LAST_DAY: u64 = 26 * DAY;

/// How many effects a fault may wait for.
const MAX_WAIT: u8 = 12;

impl<S: Storage> World<'_, S> {
    /// An event happens, five seconds after the one before. An arm for each kind of event: hence its length.
    pub(super) fn happens(&mut self, event: Event) {
        self.set_clock(self.now + 5);
        match event {
            Event::Send { from, to } => {
                let from = self.who(from);
                self.writes(from, &[self.other_account(from, to)]);
            }
            Event::SendAll { from } => {
                let from = self.who(from);
                self.writes(from, &self.other_accounts(from));
            }
            Event::StartBoth { one, other } => self.start_both(self.who(one), other),
            Event::Deliver { device } => self.takes_mail(self.who(device)),
            Event::DeliverAll { device } => self.takes_all_mail(self.who(device)),
            Event::Drop { device } => self.loses_mail(self.who(device)),
            Event::Duplicate { device } => self.repeats_mail(self.who(device)),
            Event::Reorder { device, by } => self.reorders_mail(self.who(device), by),
            Event::Restart { device } => self.starts_anew(self.who(device)),
            Event::Strike {
                device,
                effect,
                fault,
            } => self.will_be_struck(self.who(device), effect, fault),
            Event::UploadFails { device, times } => self.will_not_publish(self.who(device), times),
            Event::AddDevice { account } => self.adds_device(usize::from(account) % self.accounts),
            Event::RemoveDevice { device } => self.removes_device(self.who(device)),
            Event::Rotate { device } => {
                self.jumps(8 * DAY);
                self.keeps_house(self.who(device));
            }
            Event::CatchUp { device } => self.catches_up(self.who(device)),
            Event::Backup { device } => self.is_copied(self.who(device)),
            Event::Restore { device } => self.is_put_back(self.who(device)),
            Event::ClockJump { by } => self.clock_jumps(by),
            Event::Maintain { device } => self.keeps_house(self.who(device)),
            Event::Hear { device } => self.hears_of_all(self.who(device)),
            Event::ReadPage { device, count } => self.takes_page(self.who(device), count),
            Event::RestoreTold { device } => self.is_restored(self.who(device)),
            Event::ReplaceSessions { device, other } => {
                let device = self.who(device);
                self.replaces_sessions(device, self.other(device, other));
            }
            Event::Forget { device, account } => {
                let device = self.who(device);
                self.forgets(device, self.other_account(device, account));
            }
            Event::Acknowledge { device, count } => {
                self.acknowledges(self.who(device), 1 + usize::from(count) % 4);
            }
            Event::Decide {
                device,
                other,
                trusts,
            } => {
                let device = self.who(device);
                self.decides(device, self.other(device, other), trusts % 2 == 1);
            }
            Event::Rename { device, name } => self.is_renamed(self.who(device), name),
            Event::Damage { device, part } => self.damages_mail(self.who(device), part),
            Event::Lag { device } => self.lags(self.who(device)),
            Event::WriteALot { from, to, arrives } => {
                let from = self.who(from);
                self.writes_a_lot(from, self.other_account(from, to), arrives % 2 == 1);
            }
        }
    }

    /// A device and the first one of another account write to each other, before either has read anything.
    fn start_both(&mut self, one: usize, other: u8) {
        let account = self.other_account(one, other);
        let others = self.present().into_iter();
        let mut others = others.filter(|device| self.devices[*device].account_number == account);
        let other = others.next().expect("each account keeps a device");
        let back = self.devices[one].account_number;
        self.writes(one, &[account]);
        self.writes(other, &[back]);
    }

    fn starts_anew(&mut self, device: usize) {
        self.restart(device);
        self.tell(device, "starts anew");
    }

    fn will_not_publish(&mut self, device: usize, times: u8) {
        self.devices[device].failing_uploads = 1 + times % 3;
        self.tell(device, "will not be able to publish");
    }

    fn hears_of_all(&mut self, device: usize) {
        let all: Vec<usize> = (0..self.accounts).collect();
        self.hears(device, &all);
    }

    fn will_be_struck(&mut self, device: usize, effect: u8, fault: u8) {
        let faults = Fault::ALL.len();
        let number = usize::from(fault);
        let this = &mut self.devices[device];
        this.blow = Some((effect % MAX_WAIT, Fault::ALL[number % faults]));
        this.meddler = Meddler::ALL[number / faults % Meddler::ALL.len()];
    }

    fn clock_jumps(&mut self, by: u8) {
        match by % 6 {
            0 => self.jumps(61),
            1 => self.jumps(HOUR),
            2 => self.jumps(DAY),
            3 => self.jumps(8 * DAY),
            4 => self.jumps_back(HOUR),
            _ => self.jumps_back(DAY),
        }
    }

    /// The device that a number means, among those that are there.
    fn who(&self, number: u8) -> usize {
        let present = self.present();
        present[usize::from(number) % present.len()]
    }

    /// Another device, of whatever account.
    fn other(&self, device: usize, number: u8) -> usize {
        let mut others = self.present();
        others.retain(|other| *other != device);
        others[usize::from(number) % others.len()]
    }

    pub(super) fn other_accounts(&self, device: usize) -> Vec<usize> {
        let own = self.devices[device].account_number;
        (0..self.accounts).filter(|account| *account != own).collect()
    }

    fn other_account(&self, device: usize, number: u8) -> usize {
        let others = self.other_accounts(device);
        others[usize::from(number) % others.len()]
    }

    pub(super) fn tell(&mut self, device: usize, what: &str) {
        self.story
            .tell(|| format!("{} {what}", self.devices[device].name));
    }

    fn jumps(&mut self, seconds: u64) {
        if self.latest + seconds < START + LAST_DAY {
            self.set_clock(self.now + seconds);
            self.story.tell(|| format!("{seconds} seconds pass"));
        }
    }

    fn jumps_back(&mut self, seconds: u64) {
        self.set_clock(omemo_sansio::Timestamp::from_unix(self.now.unix() - seconds));
        self.story
            .tell(|| format!("the clock is set back by {seconds} seconds"));
        self.may_give_up_catch_ups();
    }
}
