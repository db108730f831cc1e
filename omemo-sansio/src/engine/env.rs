//! Time and randomness, handed to an operation for one run.

use core::convert::Infallible;

use rand_core::{CryptoRng, TryCryptoRng, TryRng};

use crate::Timestamp;

/// What a run may use beside its view.
pub(crate) struct Env<'a> {
    pub(crate) now: Timestamp,
    pub(crate) rng: WatchedRng<'a>,
}

/// Randomness that remembers whether any was drawn: a run that stops because its view lacks something must not have
/// drawn, or its bytes would depend on what the storage happened to hold.
pub(crate) struct WatchedRng<'a> {
    inner: &'a mut dyn CryptoRng,
    drawn: bool,
}

impl<'a> Env<'a> {
    pub(crate) fn new(now: Timestamp, rng: &'a mut dyn CryptoRng) -> Self {
        Self {
            now,
            rng: WatchedRng {
                inner: rng,
                drawn: false,
            },
        }
    }

    /// What was drawn so far has been thrown away, with the writes it went into.
    pub(crate) fn forget_draws(&mut self) {
        self.rng.drawn = false;
    }

    pub(super) fn has_drawn(&self) -> bool {
        self.rng.drawn
    }
}

impl TryRng for WatchedRng<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.drawn = true;
        Ok(self.inner.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.drawn = true;
        Ok(self.inner.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.drawn = true;
        self.inner.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for WatchedRng<'_> {}
