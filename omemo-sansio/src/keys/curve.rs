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
    let points = products.iter().filter_map(Product::edwards).collect::<Vec<_>>();
    let points = Zeroizing::new(points);
    let batch = Zeroizing::new(EdwardsPoint::to_montgomery_batch(&points));
    let mut batch = batch.iter();
    products.map(|product| match product {
        Product::Edwards(point) => {
            let single = || Zeroizing::new(point.to_montgomery());
            batch.next().map_or_else(|| Secret::copy(&single().0), |u| Secret::copy(&u.0))
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
        super::count::multiplication(self);
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
