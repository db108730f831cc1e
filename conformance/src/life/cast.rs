//! Who there is.

use std::sync::Arc;

use omemo_sansio::BareJid;
use omemo_sansio::protocol::{Legacy, Omemo2, Protocol};

/// Devices for each account. The first is the least.
const CASTS: [&[usize]; 16] = [
    &[1, 1],
    &[1, 1],
    &[1, 1],
    &[1, 1],
    &[2, 1],
    &[1, 2],
    &[2, 1],
    &[1, 1, 1],
    &[1, 1, 1],
    &[1, 1, 1],
    &[2, 2],
    &[1, 3],
    &[1, 1, 1, 1],
    &[2, 1, 1],
    &[4, 1],
    &[1, 1, 1, 1, 1],
];

/// The most devices an account has.
pub(super) const MAX_DEVICES: usize = 4;

const NAMES: [(&str, &str); 5] = [
    ("Romeo", "romeo@montague.lit"),
    ("Juliet", "juliet@capulet.lit"),
    ("Mercutio", "mercutio@verona.lit"),
    ("the Nurse", "nurse@capulet.lit"),
    ("Tybalt", "tybalt@capulet.lit"),
];

const DEVICES: [&str; MAX_DEVICES] = ["phone", "laptop", "tablet", "desktop"];

/// Who takes part, and what they speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cast {
    pub(super) people: u8,
    pub(super) manner: u8,
}

impl Cast {
    /// How many devices each account has at first.
    pub(super) fn accounts(self) -> &'static [usize] {
        CASTS[usize::from(self.people) % CASTS.len()]
    }

    /// How many pre keys of a bundle the server hands out.
    pub(super) fn offered(self) -> Option<usize> {
        match self.manner / 4 % 4 {
            0 | 1 => None,
            few => Some(usize::from(few) - 1),
        }
    }

    /// Whether the device at this place of its account keeps what it reads until that is acknowledged.
    pub(super) fn keeps_inbox(self, place: usize) -> bool {
        match self.manner / 16 % 4 {
            0 | 1 => false,
            2 => place.is_multiple_of(2),
            _ => true,
        }
    }

    /// What the device at this place of its account speaks, most preferred first.
    pub(super) fn protocols(self, place: usize) -> Vec<Arc<dyn Protocol>> {
        let mut all = protocols();
        let of_one = match (self.manner % 4, place % 3) {
            (0, _) | (3, 0) => return all,
            (1, _) | (3, 1) => 0,
            _ => all.len() - 1,
        };
        vec![all.swap_remove(of_one)]
    }
}

/// Every protocol there is.
pub(super) fn protocols() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(Omemo2), Arc::new(Legacy)]
}

pub(super) fn jid(account: usize) -> BareJid {
    BareJid::new(NAMES[account].1).unwrap()
}

pub(super) fn person(account: usize) -> &'static str {
    NAMES[account].0
}

/// What people call a device.
pub(super) fn device_name(account: usize, place: usize) -> String {
    format!("{}'s {}", NAMES[account].0, DEVICES[place])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_to_five_accounts_have_one_to_four_devices_each() {
        let all = || (0..=255).map(|people| Cast { people, manner: 0 }.accounts());
        let accounts: BTreeSet<_> = all().map(<[usize]>::len).collect();
        let devices: BTreeSet<_> = all().flatten().copied().collect();
        assert_eq!(accounts, (2..=5).collect());
        assert_eq!(devices, (1..=MAX_DEVICES).collect());
    }
}
