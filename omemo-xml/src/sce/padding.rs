//! Random padding.

use rand_core::CryptoRng;

/// The most characters of padding that are written (XEP-0420, section 4). Longer padding is accepted.
pub const MAX_PADDING: usize = 200;

/// Lengths are filled up to a multiple of this before the random part is added.
const BUCKET: usize = 64;

/// How many lengths the random part may have.
const LENGTHS: u64 = (MAX_PADDING - (BUCKET - 1) + 1) as u64;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Padding for a document that has so many bytes without it.
pub(super) fn draw(bytes: usize, rng: &mut dyn CryptoRng) -> String {
    let fill = bytes.next_multiple_of(BUCKET) - bytes;
    // 2^64 is so much larger than the number of lengths that the remainder is as good as uniform.
    let more = usize::try_from(rng.next_u64() % LENGTHS).unwrap_or_default();
    let mut random = vec![0; fill + more];
    rng.fill_bytes(&mut random);
    random
        .into_iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 64)))
        .map(|&character| char::from(character))
        .collect()
}
