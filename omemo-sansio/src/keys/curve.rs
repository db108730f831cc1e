//! X25519 (RFC 7748, section 5), the fast way.
//!
//! The Montgomery ladder is the usual way to multiply. A signed window over the Edwards form of the same curve is faster,
//! and just as constant in its time: find the point with the given u coordinate (either of the two; they differ in a sign
//! that u does not have), multiply it, and go back to u. To find the point and to go back costs an inversion each, which
//! is saved where a key is multiplied more than once, or where several products go back together. A u that is on the
//! curve's twist has no Edwards point and takes the ladder. Which of the two ways is taken depends on the public key alone.

use alloc::vec::Vec;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::montgomery::MontgomeryPoint;
use zeroize::Zeroizing;

use super::{IdentityKey, NonContributory, PublicKey, Secret, SharedSecret};

/// A public key made ready to agree with; worth keeping where one key is used several times.
pub(crate) enum Point {
    /// On the curve.
    Curve(EdwardsPoint),
    /// On its twist.
    Twist(MontgomeryPoint),
}

impl Point {
    pub(crate) fn new(key: &PublicKey) -> Self {
        let u = MontgomeryPoint(*key.as_bytes());
        u.to_edwards(0).map_or(Self::Twist(u), Self::Curve)
    }

    /// The Ed25519 form spares finding y from u.
    pub(crate) fn of_identity(key: &IdentityKey) -> Self {
        CompressedEdwardsY(*key.ed25519())
            .decompress()
            .map_or_else(|| Self::new(&key.curve25519()), Self::Curve)
    }

    /// X25519 of this key and a secret.
    pub(crate) fn agree(&self, secret: &Secret) -> Result<SharedSecret, NonContributory> {
        let [shared] = multiply([(Factor::Point(self), secret)]);
        SharedSecret::new(shared)
    }
}

/// The u coordinates of small order: 0, 1, the two of order 8, -1 (on the twist), and those beyond p that mean the same.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    low(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    high(0xec),
    high(0xed),
    high(0xee),
];

const fn low(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let [low, ..] = &mut bytes;
    *low = first;
    bytes
}

/// 2^255 - 256 + `first`; p is 0xed.
const fn high(first: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    let [low, .., high] = &mut bytes;
    *low = first;
    *high = 0x7f;
    bytes
}

impl PublicKey {
    /// Whether nothing can be agreed on with it: the shared secret would be zero, whatever the other secret is. Far faster
    /// than to find out by agreeing.
    pub(crate) fn has_small_order(&self) -> bool {
        let mut bytes = *self.as_bytes();
        // The highest bit is ignored (RFC 7748, section 5).
        let [.., high] = &mut bytes;
        *high &= 0x7f;
        SMALL_ORDER.contains(&bytes)
    }
}

/// The public key of a secret.
pub(crate) fn public_key(secret: &Secret) -> PublicKey {
    let [public] = multiply([(Factor::Base, secret)]);
    PublicKey::from_bytes(*public)
}

/// What a secret is multiplied with.
pub(crate) enum Factor<'a> {
    /// The base point, which has precomputed tables; the product is a public key.
    Base,
    /// Another public key; the product is a shared secret.
    Point(&'a Point),
}

/// The u coordinates of several products. Secrets are clamped here. All together they need one inversion.
pub(crate) fn multiply<const N: usize>(terms: [(Factor<'_>, &Secret); N]) -> [Secret; N] {
    let products = terms.map(|(factor, secret)| factor.multiply(secret));
    // Never grown, so no copy of a secret point is left behind.
    let mut points = Zeroizing::new(Vec::with_capacity(N));
    points.extend(products.iter().filter_map(Product::edwards));
    let batch = Zeroizing::new(EdwardsPoint::to_montgomery_batch(&points));
    let mut batch = batch.iter();
    products.map(|product| match product {
        Product::Edwards(point) => {
            let single = || Zeroizing::new(point.to_montgomery());
            batch
                .next()
                .map_or_else(|| Secret::copy(&single().0), |u| Secret::copy(&u.0))
        }
        Product::Montgomery(u) => Secret::copy(&u.0),
    })
}

enum Product {
    Edwards(Zeroizing<EdwardsPoint>),
    Montgomery(Zeroizing<MontgomeryPoint>),
}

impl Factor<'_> {
    fn multiply(&self, secret: &Secret) -> Product {
        #[cfg(test)]
        super::testing::count(self);
        match self {
            Self::Base => Product::Edwards(EdwardsPoint::mul_base_clamped(**secret).into()),
            Self::Point(Point::Curve(point)) => Product::Edwards(point.mul_clamped(**secret).into()),
            Self::Point(Point::Twist(u)) => Product::Montgomery(u.mul_clamped(**secret).into()),
        }
    }
}

impl Product {
    fn edwards(&self) -> Option<EdwardsPoint> {
        match self {
            Self::Edwards(point) => Some(**point),
            Self::Montgomery(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;
    use crate::keys::testing::hex;

    fn agree(secret: &[u8; 32], u: [u8; 32]) -> Result<[u8; 32], NonContributory> {
        let shared = Point::new(&PublicKey::from_bytes(u)).agree(&Secret::copy(secret))?;
        Ok(*shared.as_bytes())
    }

    /// The first vector of RFC 7748, section 5.2.
    #[test]
    fn agrees_as_the_rfc_does() {
        let secret = hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let u = hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let expected = hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        assert_eq!(agree(&secret, u), Ok(expected));
    }

    #[test]
    fn small_order_is_refused() {
        for mut u in SMALL_ORDER {
            assert_eq!(agree(&[7; 32], u), Err(NonContributory));
            assert!(PublicKey::from_bytes(u).has_small_order());
            u[31] |= 0x80;
            assert_eq!(agree(&[7; 32], u), Err(NonContributory));
            assert!(PublicKey::from_bytes(u).has_small_order());
        }
    }

    #[test]
    fn both_ways_are_taken() {
        let ways = (2..40).map(|first| Point::new(&PublicKey::from_bytes(low(first))));
        let twists = ways.filter(|point| matches!(point, Point::Twist(_))).count();
        assert!((10..30).contains(&twists), "{twists} of 38 on the twist");
    }

    #[test]
    fn a_batch_is_what_its_terms_are() {
        let secrets = [1, 2, 3, 4, 5].map(|byte| Secret::copy(&[byte; 32]));
        let [first, second, third, fourth, fifth] = &secrets;
        let points = [low(9), low(2), [0; 32], low(3)].map(|u| Point::new(&PublicKey::from_bytes(u)));
        let [base, twist, small, curve] = &points;
        assert!(matches!(twist, Point::Twist(_)));
        let together = multiply([
            (Factor::Point(base), first),
            (Factor::Point(twist), second),
            (Factor::Base, third),
            (Factor::Point(small), fourth),
            (Factor::Point(curve), fifth),
        ]);
        let alone = vec![
            multiply([(Factor::Point(base), first)]),
            multiply([(Factor::Point(twist), second)]),
            multiply([(Factor::Base, third)]),
            multiply([(Factor::Point(small), fourth)]),
            multiply([(Factor::Point(curve), fifth)]),
        ];
        for (together, [alone]) in together.iter().zip(alone) {
            assert_eq!(**together, *alone);
        }
    }

    proptest! {
        #[test]
        fn agrees_as_the_ladder_does(secret: [u8; 32], u: [u8; 32]) {
            prop_assert_eq!(agree(&secret, u), Ok(x25519_dalek::x25519(secret, u)));
            prop_assert!(!PublicKey::from_bytes(u).has_small_order());
        }

        /// Coordinates from p on, which stand for those from 0 on.
        #[test]
        fn agrees_beyond_p(secret: [u8; 32], first in 0xee_u8..) {
            let expected = x25519_dalek::x25519(secret, high(first));
            let expected = if expected == [0; 32] { Err(NonContributory) } else { Ok(expected) };
            prop_assert_eq!(agree(&secret, high(first)), expected);
            prop_assert_eq!(PublicKey::from_bytes(high(first)).has_small_order(), expected.is_err());
        }

        #[test]
        fn public_keys_are_those_of_the_ladder(secret: [u8; 32]) {
            let expected = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
            prop_assert_eq!(*public_key(&Secret::copy(&secret)).as_bytes(), expected);
        }

        #[test]
        fn the_two_forms_of_an_identity_are_one_point(seed: [u8; 32], secret: [u8; 32]) {
            let key = *crate::keys::IdentityKeyPair::from_seed(seed).public();
            let secret = Secret::copy(&secret);
            let one = Point::of_identity(&key).agree(&secret).unwrap();
            let other = Point::new(&key.curve25519()).agree(&secret).unwrap();
            prop_assert_eq!(one.as_bytes(), other.as_bytes());
        }
    }
}
