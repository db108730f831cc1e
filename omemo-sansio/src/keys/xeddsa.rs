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
