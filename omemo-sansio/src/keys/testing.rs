//! What tests need: randomness that repeats, and a count of the costly computations.

use alloc::vec::Vec;
use core::cell::Cell;
use core::convert::Infallible;
use std::thread_local;

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

use super::curve::Factor;

/// The same bytes for the same seed.
pub(crate) struct TestRng {
    seed: u64,
    block: u64,
}

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, block: 0 }
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(32) {
            self.block += 1;
            let hash = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(self.block.to_le_bytes());
            chunk
                .iter_mut()
                .zip(hash.finalize())
                .for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn hex<const N: usize>(digits: &str) -> [u8; N] {
    let pairs = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| core::str::from_utf8(pair).unwrap());
    let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap());
    bytes.collect::<Vec<_>>().try_into().unwrap()
}

/// How often the costly computations ran: costs as counts, since counts are not noisy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) agreements: usize,
    pub(crate) public_keys: usize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { agreements: 0, public_keys: 0 }) };
    static HMACS: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn count(factor: &Factor<'_>) {
    let mut counts = COUNTS.get();
    match factor {
        Factor::Base => counts.public_keys += 1,
        Factor::Point(_) => counts.agreements += 1,
    }
    COUNTS.set(counts);
}

/// What `work` computed on this thread.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    COUNTS.set(Counts::default());
    let result = work();
    (result, COUNTS.get())
}

pub(super) fn count_hmac() {
    HMACS.set(HMACS.get() + 1);
}

/// How many HMACs `work` began on this thread: one for each step of a chain, among others.
pub(crate) fn counted_hmacs<T>(work: impl FnOnce() -> T) -> (T, usize) {
    HMACS.set(0);
    let result = work();
    (result, HMACS.get())
}
