//! HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869) over 32-byte keys, without errors that cannot happen.

use alloc::boxed::Box;

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use once_cell::race::OnceBox;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What HKDF extracts by.
pub(crate) enum Salt<'a> {
    /// 32 zero bytes.
    Zeros,
    Key(&'a [u8; 32]),
}

impl Salt<'_> {
    /// Begins the HMAC that extracts. That of zeros hides nothing and is needed with each message, so it is begun only once.
    fn begin(&self) -> Hmac<Sha256> {
        static ZEROS: OnceBox<Hmac<Sha256>> = OnceBox::new();
        match self {
            Self::Zeros => ZEROS.get_or_init(|| Box::new(hmac(&[0; 32]))).clone(),
            Self::Key(key) => hmac(key),
        }
    }
}

/// Begins an HMAC. A clone continues from the same key without hashing it again.
pub(crate) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    #[cfg(test)]
    super::testing::count_hmac();
    // HMAC fills a short key up with zeros (RFC 2104, section 2).
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

/// Writes an HMAC's result to where it shall live.
pub(crate) fn finish(mac: Hmac<Sha256>, to: &mut [u8; 32]) {
    mac.finalize_into(to.into());
}

/// HKDF with `BLOCKS * 32` bytes of output. At most 255 blocks, which no caller comes near.
pub(crate) fn hkdf<const BLOCKS: usize>(
    salt: &Salt<'_>,
    key_material: &[&[u8]],
    info: &[u8],
) -> Zeroizing<[[u8; 32]; BLOCKS]> {
    let mut extract = salt.begin();
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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hkdf_is_that_of_the_rfc(salt: [u8; 32], key: [u8; 32], more: Vec<u8>, info: Vec<u8>) {
            let joined = [key.as_slice(), &more].concat();
            let mut expected = vec![0; 96];
            hkdf::Hkdf::<Sha256>::new(Some(&salt), &joined).expand(&info, &mut expected).unwrap();
            let ours = hkdf::<3>(&Salt::Key(&salt), &[&key, &more], &info);
            prop_assert_eq!(ours.concat(), expected);
        }

        #[test]
        fn no_salt_is_32_zeros(key: [u8; 32], info: Vec<u8>) {
            let mut expected = vec![0; 96];
            hkdf::Hkdf::<Sha256>::new(Some(&[0; 32]), &key).expand(&info, &mut expected).unwrap();
            let ours = hkdf::<3>(&Salt::Zeros, &[&key], &info);
            prop_assert_eq!(ours.concat(), expected);
        }

        #[test]
        fn hmac_is_that_of_the_rfc(key: [u8; 32], message: Vec<u8>) {
            let expected = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&message);
            let mut ours = [0; 32];
            finish(hmac(&key).chain_update(&message), &mut ours);
            let expected: [u8; 32] = expected.finalize().into_bytes().into();
            prop_assert_eq!(ours, expected);
        }
    }
}
