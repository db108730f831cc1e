//! What happens to messages on their way.

use super::Delivery;
use super::mailbox::Mailbox;

/// How many of a hundred messages, for each device, are lost, repeated, delayed until the weather clears up, or overtake
/// the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Lost.
    pub lost: u8,
    /// Delivered twice.
    pub repeated: u8,
    /// Held back until [`Server::clear_up`](super::Server::clear_up).
    pub delayed: u8,
    /// Delivered before the one that was sent before.
    pub reordered: u8,
}

impl Weather {
    pub(super) fn carry(&self, dice: &mut Dice, mailbox: &mut Mailbox, delivery: Delivery) {
        if dice.percent(self.lost) {
            return;
        }
        if dice.percent(self.repeated) {
            mailbox.push(delivery.clone());
        }
        if dice.percent(self.delayed) {
            mailbox.delay(delivery);
        } else if dice.percent(self.reordered) {
            mailbox.overtake(delivery);
        } else {
            mailbox.push(delivery);
        }
    }
}

/// Repeatable chance (SplitMix64); nothing secret depends on it.
#[derive(Debug, Default)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn percent(&mut self, chance: u8) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 100 < u64::from(chance)
    }
}
