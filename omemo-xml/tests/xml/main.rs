//! Reading and writing XML: captured stanzas, cases one by one, and random ones.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod bundle;
mod captured;
mod datetime;
mod device_list;
mod encrypted;
mod format;
mod legacy;
mod pep;
mod random;
mod round_trip;
mod sce;
mod sce_check;
mod text;
mod trust_message;
mod unknown;

use minidom::Element;
use rand_core::{TryCryptoRng, TryRng};

/// Parses a text that is well-formed.
fn element(text: &str) -> Element {
    omemo_xml::parse(text).unwrap()
}

/// A generator that counts: enough to see what is drawn, and always the same.
struct Counter(u64);

impl TryRng for Counter {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64()
            .map(|number| u32::try_from(number >> 32).unwrap())
    }

    /// SplitMix64.
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}
