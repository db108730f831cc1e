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

    /// As [`verify`](Self::verify), for a key that may be known by its Curve25519 form alone, as legacy OMEMO gives it: then
    /// the sign of the Ed25519 form is a guess. Both signs belong to the same private key (XEdDSA, section 2.3).
    pub(crate) fn verify_with_either_sign(
        &self,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), InvalidSignature> {
        let mut other = self.ed25519;
        let [.., last] = &mut other;
        *last ^= 0x80;
        let other = Self::from_parts(other, self.curve25519);
        self.verify(message, signature)
            .or_else(|_| other.verify(message, signature))
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
    /// Takes the 32 bytes, as they were read from a text or a QR code.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(PublicKey::from_bytes(bytes))
    }

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

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    use super::*;
    use crate::keys::IdentityKeyPair;
    use crate::keys::testing::{TestRng, hex};

    fn read(digits: &str) -> Result<PublicKey, InvalidKey> {
        IdentityKey::from_ed25519(hex(digits)).map(|key| key.curve25519())
    }

    #[test]
    fn both_forms_are_those_of_libxeddsa() {
        let ed25519 = "1b67d29decc438d77a5517ce10d2e049bb36b8015a823e31e9c0d479e80d4112";
        let curve25519 = PublicKey::from_bytes(hex(
            "d43de375350d65210d571336b3b0a53c484c0df596b0d6b3497ed74625410c6d",
        ));
        assert_eq!(read(ed25519), Ok(curve25519));
        let back = IdentityKey::from_curve25519(curve25519, false).unwrap();
        assert_eq!(back.ed25519(), &hex(ed25519));
        let other = IdentityKey::from_curve25519(curve25519, true).unwrap();
        assert_eq!(other.ed25519()[31], 0x92);
        assert_eq!(other, back);
    }

    #[test]
    fn the_curve25519_form_is_kept_in_one_encoding() {
        let key = *IdentityKeyPair::from_seed([1; 32]).public();
        let mut bytes = *key.curve25519().as_bytes();
        bytes[31] |= 0x80;
        let same = IdentityKey::from_curve25519(PublicKey::from_bytes(bytes), false).unwrap();
        assert_eq!(same.curve25519(), key.curve25519());
    }

    #[test]
    fn keys_outside_the_group_are_refused() {
        let small = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        let mixed = "d6e18867dd20911270ceb64bf61b62491ca6049548bca40fab4de023e47c68a6";
        for key in small.into_iter().chain([mixed]) {
            assert_eq!(read(key), Err(InvalidKey::SmallOrder));
        }
        for u in [0, 1] {
            let mut bytes = [0; 32];
            bytes[0] = u;
            let result = IdentityKey::from_curve25519(PublicKey::from_bytes(bytes), false);
            assert_eq!(result.unwrap_err(), InvalidKey::SmallOrder);
        }
    }

    #[test]
    fn bytes_that_are_no_point_are_refused() {
        let key = "6bd0283f8553a3e84efc4ab4823be1412ddf82145be5f0af9cbb3d76e0f5746c";
        assert_eq!(read(key), Err(InvalidKey::NotOnCurve));
        let twist = IdentityKey::from_curve25519(PublicKey::from_bytes([2; 32]), false);
        let other = IdentityKey::from_curve25519(PublicKey::from_bytes([3; 32]), false);
        assert!(twist.is_err() || other.is_err());
    }

    #[test]
    fn encodings_beyond_p_are_refused() {
        for (first, sign) in [
            (0xed, 0x7f),
            (0xee, 0x7f),
            (0xff, 0x7f),
            (0xed, 0xff),
            (0xff, 0xff),
        ] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (first, sign);
            assert_eq!(
                IdentityKey::from_ed25519(bytes).unwrap_err(),
                InvalidKey::NonCanonical
            );
        }
    }

    /// A signature that verifies with S, but not strictly with S + l.
    #[test]
    fn signatures_are_checked_strictly() {
        let pair = IdentityKeyPair::from_seed([1; 32]);
        let signature = pair.sign(b"", &mut TestRng::new(1));
        let order = hex::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut bytes = *signature.as_bytes();
        let mut carry = 0;
        for (byte, add) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(pair.public().verify(b"", &signature), Ok(()));
        assert_eq!(
            pair.public().verify(b"", &Signature::from_bytes(bytes)),
            Err(InvalidSignature)
        );
        let identity = IdentityKey::from_parts(EIGHT_TORSION[0].compress().0, PublicKey::from_bytes([0; 32]));
        let mut bytes = [0; 64];
        bytes[0] = 1;
        assert_eq!(
            identity.verify(b"", &Signature::from_bytes(bytes)),
            Err(InvalidSignature)
        );
    }

    #[test]
    fn a_fingerprint_is_eight_groups_of_eight() {
        let fingerprint = IdentityKeyPair::from_seed([1; 32]).public().fingerprint();
        let shown = fingerprint.to_string();
        let groups = shown.split(' ');
        assert!(groups.clone().all(|group| group.len() == 8) && groups.count() == 8);
        assert_eq!(hex(&shown.replace(' ', "")), *fingerprint.as_bytes());
        assert_eq!(shown, shown.to_lowercase());
    }

    proptest! {
        #[test]
        fn a_signature_is_known_whatever_the_sign(seed: [u8; 32], other: [u8; 32], message: [u8; 8]) {
            let signer = IdentityKeyPair::from_seed(seed);
            let signature = signer.sign(&message, &mut TestRng::new(1));
            for sign in [false, true] {
                let known = IdentityKey::from_curve25519(signer.public().curve25519(), sign).unwrap();
                prop_assert_eq!(known.verify_with_either_sign(&message, &signature), Ok(()));
                prop_assert!(known.verify_with_either_sign(b"another", &signature).is_err());
            }
            let stranger = IdentityKeyPair::from_seed(other);
            prop_assert_eq!(stranger.public().verify_with_either_sign(&message, &signature).is_ok(), seed == other);
        }

        #[test]
        fn the_group_is_known(seed: [u8; 32], torsion in 0_usize..8) {
            let point = EdwardsPoint::mul_base_clamped(seed) + EIGHT_TORSION[torsion];
            prop_assert_eq!(require_prime_order(&point).is_ok(), point.is_torsion_free());
            prop_assert_eq!(point.is_torsion_free(), torsion == 0);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: [u8; 32], sign: bool) {
            if let Ok(key) = IdentityKey::from_ed25519(bytes) {
                prop_assert_eq!(key.ed25519(), &bytes);
                let again = IdentityKey::from_curve25519(key.curve25519(), bytes[31] >> 7 == 1).unwrap();
                prop_assert_eq!(again.ed25519(), &bytes);
            }
            let _ = IdentityKey::from_curve25519(PublicKey::from_bytes(bytes), sign);
        }
    }
}
