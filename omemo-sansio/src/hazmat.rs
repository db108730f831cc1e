//! **Hazardous materials.** The inner workings, in the open: for replaying recorded test vectors and for fuzzing, and for
//! nothing else.
//!
//! Nothing here wipes, hides or checks what it is given. Whoever signs with a nonce of his own choice gives his private
//! key away; whoever imports a session twice uses message keys twice. It is not covered by semantic versioning.
//! Applications have no use for it: do not enable the feature.

use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::clamp_integer;
use ed25519_dalek::{Signer, SigningKey};

use crate::keys::{IdentityKey, InvalidKey, KeyPair, NonContributory, PublicKey, Signature, xeddsa};

pub use crate::ratchet::hazmat::{
    ChainState, KeyAgreement, RatchetSecret, RatchetState, SessionState, SkippedState,
};
pub use crate::records::hazmat::{RecordKind, rename, send_both_ways};

/// The clamped private scalar of an Ed25519 seed (RFC 8032, section 5.1.5).
pub fn scalar_of_seed(seed: &[u8; 32]) -> [u8; 32] {
    *xeddsa::scalar_of_seed(seed)
}

/// The public key of a private scalar, which is clamped, in both its forms.
pub fn identity_of_scalar(scalar: &[u8; 32]) -> IdentityKey {
    crate::keys::identity_of_scalar(scalar)
}

/// Signs by a seed (RFC 8032, section 5.1.6).
pub fn sign_with_seed(seed: &[u8; 32], message: &[u8]) -> Signature {
    Signature::from_bytes(SigningKey::from_bytes(seed).sign(message).to_bytes())
}

/// Signs by a private scalar that was clamped, or forced, and a given nonce (XEdDSA). `ed25519` is its public key.
pub fn sign_with_scalar(
    scalar: &[u8; 32],
    ed25519: &[u8; 32],
    message: &[u8],
    nonce: &[u8; 64],
) -> Signature {
    xeddsa::sign(scalar, ed25519, message, nonce)
}

/// The clamped scalar or its negative, whichever has an Ed25519 public key with the wanted sign bit, and that public key.
pub fn force_sign(scalar: &[u8; 32], negative: bool) -> ([u8; 32], [u8; 32]) {
    let public = identity_of_scalar(scalar);
    let (scalar, public) = xeddsa::force_sign(&clamp_integer(*scalar), public.ed25519(), negative);
    (*scalar, public)
}

/// The Curve25519 form of an Ed25519 public key.
///
/// # Errors
///
/// [`InvalidKey`] as for [`IdentityKey::from_ed25519`].
pub fn ed25519_to_curve25519(ed25519: [u8; 32]) -> Result<PublicKey, InvalidKey> {
    IdentityKey::from_ed25519(ed25519).map(|key| key.curve25519())
}

/// The Ed25519 form, with the given sign bit, of a Curve25519 public key.
///
/// # Errors
///
/// [`InvalidKey`] as for [`IdentityKey::from_curve25519`].
pub fn curve25519_to_ed25519(curve25519: PublicKey, sign: bool) -> Result<[u8; 32], InvalidKey> {
    IdentityKey::from_curve25519(curve25519, sign).map(|key| *key.ed25519())
}

/// The Ed25519 form of a u coordinate by the birational map alone (RFC 7748, section 4.1), of any order, with the given
/// sign bit. A denominator of zero gives zero (XEdDSA, section 2.3). `None` on the curve's twist.
pub fn edwards_of_montgomery(curve25519: PublicKey, sign: bool) -> Option<[u8; 32]> {
    const MINUS_ONE: [u8; 32] = {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xec, 0x7f);
        bytes
    };
    let u = MontgomeryPoint(*curve25519.as_bytes());
    let mut y = match u.to_edwards(0) {
        Some(point) => point.compress().0,
        None if u == MontgomeryPoint(MINUS_ONE) => [0; 32],
        None => return None,
    };
    let [.., last] = &mut y;
    *last = *last & 0x7f | u8::from(sign) << 7;
    Some(y)
}

/// X25519 (RFC 7748, section 5).
///
/// # Errors
///
/// [`NonContributory`] if the result is all zero.
pub fn x25519(secret: [u8; 32], public: &PublicKey) -> Result<[u8; 32], NonContributory> {
    let unused = PublicKey::from_bytes([0; 32]);
    KeyPair::from_parts(secret, unused)
        .agree(public)
        .map(|shared| *shared.as_bytes())
}
