//! Identity keys.

use core::fmt;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity};
use ed25519_dalek::VerifyingKey;

use super::{InvalidKey, InvalidSignature, PublicKey, Signature};

/// The identity key of a device, in both its forms. Its Curve25519 form is what identifies it: two keys are equal, and
/// ordered, by that form alone. The Ed25519 bytes are kept as received, since OMEMO 2 authenticates them.
#[derive(Clone, Copy)]
pub struct IdentityKey {
    ed25519: [u8; 32],
    curve25519: PublicKey,
}

impl IdentityKey {
    /// Takes the Ed25519 form, as it stands in OMEMO 2 bundles and key exchanges, and computes the Curve25519 form
    /// (XEP-0384, section 2; RFC 7748, section 4.1).
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the encoding is not canonical, if it is not on the curve, or if the point is not in the
    /// prime-order group.
    pub fn from_ed25519(bytes: [u8; 32]) -> Result<Self, InvalidKey> {
        if !is_canonical(&bytes) {
            return Err(InvalidKey::NonCanonical);
        }
        let point = CompressedEdwardsY(bytes)
            .decompress()
            .ok_or(InvalidKey::NotOnCurve)?;
        require_prime_order(&point)?;
        Ok(Self::from_parts(
            bytes,
            PublicKey::from_bytes(point.to_montgomery().0),
        ))
    }

    /// Takes the Curve25519 form, as it stands in legacy bundles and key exchanges, and computes the Ed25519 form with
    /// the given sign bit, which the Curve25519 form does not have. Bit 255 is ignored (RFC 7748, section 5).
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if it is on the curve's twist, or if the point is not in the prime-order group.
    pub fn from_curve25519(key: PublicKey, sign: bool) -> Result<Self, InvalidKey> {
        let point = MontgomeryPoint(*key.as_bytes())
            .to_edwards(u8::from(sign))
            .ok_or(InvalidKey::NotOnCurve)?;
        require_prime_order(&point)?;
        Ok(Self::from_parts(
            point.compress().0,
            PublicKey::from_bytes(point.to_montgomery().0),
        ))
    }

    /// Checks a signature strictly (RFC 8032, section 5.1.7): S must be reduced, neither R nor the key may have small
    /// order.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`] if the signature is not this key's for this message.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        VerifyingKey::from_bytes(&self.ed25519)
            .and_then(|key| key.verify_strict(message, &signature.as_bytes().into()))
            .map_err(|_| InvalidSignature)
    }

    /// What people compare (XEP-0384, section 7).
    pub const fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.curve25519)
    }

    /// Joins two forms that are known to belong together.
    pub(crate) const fn from_parts(ed25519: [u8; 32], curve25519: PublicKey) -> Self {
        Self { ed25519, curve25519 }
    }

    /// The Ed25519 form: 32 bytes as received (RFC 8032, section 5.1.2).
    pub const fn ed25519(&self) -> &[u8; 32] {
        &self.ed25519
    }

    /// The Curve25519 form.
    pub const fn curve25519(&self) -> PublicKey {
        self.curve25519
    }
}

impl PartialEq for IdentityKey {
    fn eq(&self, other: &Self) -> bool {
        self.curve25519 == other.curve25519
    }
}

impl Eq for IdentityKey {}

impl PartialOrd for IdentityKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IdentityKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.curve25519.cmp(&other.curve25519)
    }
}

impl core::hash::Hash for IdentityKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.curve25519.hash(state);
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(")?;
        self.curve25519
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A fingerprint: the Curve25519 form of an identity key. Shown as eight groups of eight lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(PublicKey);

impl Fingerprint {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.as_bytes().chunks(4).enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            group.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Whether the y coordinate is below p = 2^255 - 19. A zero x with the sign bit set needs no check here: such points
/// have small order.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

/// Refuses points outside the group of prime order l that the base point generates.
///
/// A point P is in it if (l - 1) P = -P. The multiplication is not constant-time: the point is public, and a signed
/// digit form of l - 1 is nearly all zeros, so that little more than the doublings is left.
fn require_prime_order(point: &EdwardsPoint) -> Result<(), InvalidKey> {
    let negated = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, point, &Scalar::ZERO);
    let in_group = (negated + point).is_identity() && *point != EdwardsPoint::identity();
    if in_group {
        Ok(())
    } else {
        Err(InvalidKey::SmallOrder)
    }
}
