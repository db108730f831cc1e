//! How long to wait before trying again.
//!
//! # Others who write to the same account
//!
//! Of those who have read the same state, one always gets its commit through, so trying again needs no pause to make
//! progress; pauses keep the others from wasting their work, and give each its share. Who lost waits longer each time,
//! but never so long that whoever goes on meanwhile leaves it far behind: without a bound, a few have everything. Who has
//! won against others lets them go first, for about as long as it had to wait itself.
//!
//! # A storage that does not answer
//!
//! Nobody gains by asking it often, so the pauses double.

use core::time::Duration;

/// The longest pause after an unknown outcome: 4,096 ms.
const LONGEST_DOUBLED: u32 = 12;

/// A wait of a random length, so that those who met do not meet again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// In milliseconds.
    longest: u64,
}

impl Pause {
    pub(crate) const NONE: Self = Self { longest: 0 };

    /// After the `n`th conflict of an operation: at most `n` ms. All of the 64 that an operation may have take two seconds
    /// at most.
    pub(crate) fn after_conflict(n: u32) -> Self {
        Self { longest: n.into() }
    }

    /// Before the next operation, after one that went through after so many conflicts: at most twice as many ms.
    pub(crate) fn for_others(conflicts: u32) -> Self {
        Self {
            longest: 2 * u64::from(conflicts),
        }
    }

    /// After the `n`th time in a row that a commit's outcome is unknown: at most 2, 4, 8 ms and so on, up to four seconds.
    pub(crate) fn after_unknown_outcome(n: u32) -> Self {
        Self {
            longest: 1 << n.min(LONGEST_DOUBLED),
        }
    }

    /// A length from nothing to the longest, evenly, as the random number decides.
    pub(crate) fn length(self, random: u64) -> Duration {
        let longest = u128::from(self.longest) * 1_000_000;
        let nanoseconds = (u128::from(random) * longest) >> 64;
        // It is less than the longest.
        Duration::from_nanos(nanoseconds as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_spread_from_nothing_to_the_longest() {
        let longest = |pause: Pause| pause.length(u64::MAX).as_nanos().div_ceil(1_000_000);
        assert_eq!([1, 2, 64].map(|n| longest(Pause::after_conflict(n))), [1, 2, 64]);
        assert_eq!([0, 3].map(|n| longest(Pause::for_others(n))), [0, 6]);
        let unknown = [1, 2, 11, 12, 13, u32::MAX].map(|n| longest(Pause::after_unknown_outcome(n)));
        assert_eq!(unknown, [2, 4, 2_048, 4_096, 4_096, 4_096]);
        assert_eq!(Pause::after_conflict(8).length(0), Duration::ZERO);
        assert_eq!(Pause::after_conflict(8).length(1 << 63), Duration::from_millis(4));
    }
}
