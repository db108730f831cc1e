//! Signatures by a private scalar instead of a seed.
//!
//! The XEdDSA construction: an Ed25519 signature whose nonce is hashed from the scalar, the message and 64 fresh random
//! bytes. Anyone can verify it as an ordinary Ed25519 signature.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::Signature;

/// Signs with a scalar below 2^255 and the Ed25519 public key that belongs to it, sign bit included.
pub(crate) fn sign(scalar: &[u8; 32], public: &[u8; 32], message: &[u8], nonce: &[u8; 64]) -> Signature {
    // The prefix separates this hash from the one of the plain construction: no scalar or point is encoded like it
    // (XEdDSA, section 2.5).
    let mut prefix = [0xff; 32];
    prefix[0] = 0xfe;
    let hash = Sha512::new()
        .chain_update(prefix)
        .chain_update(scalar)
        .chain_update(message)
        .chain_update(nonce);
    let r = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide(hash)));
    let commitment = EdwardsPoint::mul_base(&r).compress().0;

    let hash = Sha512::new()
        .chain_update(commitment)
        .chain_update(public)
        .chain_update(message);
    let challenge = Scalar::from_bytes_mod_order_wide(&wide(hash));
    let a = Zeroizing::new(Scalar::from_bytes_mod_order(*scalar));
    let s = *r + challenge * *a;

    let mut signature = [0; 64];
    let halves = commitment.iter().chain(s.as_bytes());
    signature
        .iter_mut()
        .zip(halves)
        .for_each(|(to, from)| *to = *from);
    Signature::from_bytes(signature)
}

/// The scalar or its negative, whichever has a public key with the wanted sign bit (XEdDSA, section 2.3,
/// `calculate_key_pair`), and that public key. `public` is the Ed25519 public key of `scalar`.
#[cfg(any(test, feature = "hazmat"))]
pub(crate) fn force_sign(
    scalar: &[u8; 32],
    public: &[u8; 32],
    negative: bool,
) -> (Zeroizing<[u8; 32]>, [u8; 32]) {
    let [.., last] = public;
    if (last >> 7 == 1) == negative {
        return (Zeroizing::new(*scalar), *public);
    }
    let mut a = Scalar::from_bytes_mod_order(*scalar);
    let mut minus_a = -a;
    let forced = Zeroizing::new(minus_a.to_bytes());
    a.zeroize();
    minus_a.zeroize();
    let mut flipped = *public;
    let [.., last] = &mut flipped;
    *last ^= 0x80;
    (forced, flipped)
}

/// The scalar of a seed: the clamped first half of its hash (RFC 8032, section 5.1.5).
pub(crate) fn scalar_of_seed(seed: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let hash = wide(Sha512::new().chain_update(seed));
    let mut scalar = Zeroizing::new([0; 32]);
    scalar
        .iter_mut()
        .zip(hash.iter())
        .for_each(|(to, from)| *to = *from);
    *scalar = curve25519_dalek::scalar::clamp_integer(*scalar);
    scalar
}

fn wide(hash: Sha512) -> Zeroizing<[u8; 64]> {
    let mut output = hash.finalize();
    let mut bytes = Zeroizing::new([0; 64]);
    bytes.copy_from_slice(&output);
    output.as_mut_slice().zeroize();
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::IdentityKey;
    use crate::keys::identity_key_pair::identity_of_scalar;
    use crate::keys::testing::hex;

    /// Made by libxeddsa.
    #[test]
    fn signs_as_libxeddsa_does() {
        let scalar = hex("a8a0a689371ac3749a707439317b84d2e0c31b203b327e6c42cb1ab85e03bb7f");
        let nonce = hex(concat!(
            "69cddb8e25b12cbaadf106ddf2a003187c6a2c571923f02ebe140590e723b8d6",
            "45892f4ff45572340c29d268027b61473d134936665b8aff7181c263f9e35a79"
        ));
        let signature = sign(&scalar, identity_of_scalar(&scalar).ed25519(), b"", &nonce);
        let expected = hex(concat!(
            "7a86b30fab33607a9d55147a7a8b46b47ae3d18fbfdc64ef3ee731e4e04cd601",
            "7929965cde918781d148a045b40f70b16b90831975654fc52014d5db1e0dfb08"
        ));
        assert_eq!(signature.as_bytes(), &expected);
    }

    #[test]
    fn a_seed_has_the_scalar_of_the_rfc() {
        let seed = hex("a1384933fae16c8f5fc2c175c95bfcdea9837e68bca650fc0adb4fecf1fc6d1b");
        let scalar = hex("a8a0a689371ac3749a707439317b84d2e0c31b203b327e6c42cb1ab85e03bb7f");
        assert_eq!(*scalar_of_seed(&seed), scalar);
    }

    proptest! {
        #[test]
        fn a_forced_sign_is_there_and_verifies(seed: [u8; 32], negative: bool, message: [u8; 20]) {
            let scalar = scalar_of_seed(&seed);
            let own = identity_of_scalar(&scalar);
            let (forced, public) = force_sign(&scalar, own.ed25519(), negative);
            prop_assert_eq!(public[31] >> 7 == 1, negative);
            let key = IdentityKey::from_ed25519(public).unwrap();
            prop_assert_eq!(key, own);
            prop_assert!(key.verify(&message, &sign(&forced, &public, &message, &[9; 64])).is_ok());
        }
    }
}
