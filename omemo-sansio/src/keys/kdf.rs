//! HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869) over 32-byte keys, without errors that cannot happen.

use hmac::digest::array::Array;
use hmac::digest::typenum::U32;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// Begins an HMAC. A clone continues from the same key without hashing it again.
pub(crate) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a short key up with zeros (RFC 2104, section 2).
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

/// Writes an HMAC's result to where it shall live.
pub(crate) fn finish(mac: Hmac<Sha256>, to: &mut [u8; 32]) {
    let mut tag: Array<u8, U32> = mac.finalize().into_bytes();
    to.copy_from_slice(&tag);
    tag.as_mut_slice().zeroize();
}

/// HKDF with `BLOCKS * 32` bytes of output. At most 255 blocks, which no caller comes near.
pub(crate) fn hkdf<const BLOCKS: usize>(
    salt: &[u8; 32],
    key_material: &[&[u8]],
    info: &[u8],
) -> Zeroizing<[[u8; 32]; BLOCKS]> {
    let mut extract = hmac(salt);
    key_material.iter().for_each(|part| extract.update(part));
    let mut pseudorandom_key = Zeroizing::new([0; 32]);
    finish(extract, &mut pseudorandom_key);

    let keyed = hmac(&pseudorandom_key);
    let mut output = Zeroizing::new([[0; 32]; BLOCKS]);
    let mut previous: Option<&[u8; 32]> = None;
    for (number, block) in (1_u8..).zip(output.iter_mut()) {
        let mut expand = keyed.clone();
        if let Some(previous) = previous {
            expand.update(previous);
        }
        expand.update(info);
        expand.update(&[number]);
        finish(expand, block);
        previous = Some(block);
    }
    output
}
