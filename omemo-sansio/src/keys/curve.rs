//! X25519 (RFC 7748, section 5), the fast way.
//!
//! The Montgomery ladder is the usual way to multiply. Through the Edwards form of the same curve it takes about two
//! thirds of the time: find the point with the given u coordinate (either of the two; they differ in a sign that u does
//! not have), multiply it with a signed window in constant time, and go back to u. A u that is on the curve's twist
//! instead has no Edwards point and takes the ladder. Which of the two ways is taken depends on the public key alone.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::montgomery::MontgomeryPoint;
use zeroize::Zeroize;

use super::{NonContributory, PublicKey, Secret, SharedSecret};

/// A public key made ready to agree with; worth keeping where one key is used several times.
pub(crate) enum Point {
    Curve(EdwardsPoint),
    Twist(MontgomeryPoint),
}

impl Point {
    pub(crate) fn new(key: &PublicKey) -> Self {
        let u = MontgomeryPoint(*key.as_bytes());
        u.to_edwards(0).map_or(Self::Twist(u), Self::Curve)
    }

    /// X25519 with a secret that is clamped here.
    pub(crate) fn agree(&self, secret: &[u8; 32]) -> Result<SharedSecret, NonContributory> {
        #[cfg(test)]
        super::count::agreement();
        let mut u = match self {
            Self::Curve(point) => {
                let mut product = point.mul_clamped(*secret);
                let u = product.to_montgomery();
                product.zeroize();
                u
            }
            Self::Twist(point) => point.mul_clamped(*secret),
        };
        let shared = Secret::copy(&u.0);
        u.zeroize();
        contributory(shared)
    }
}

/// The public key of a secret that is clamped here.
pub(crate) fn public_key(secret: &[u8; 32]) -> PublicKey {
    #[cfg(test)]
    super::count::public_key();
    PublicKey::from_bytes(EdwardsPoint::mul_base_clamped(*secret).to_montgomery().0)
}

/// Refuses a result that is all zero, looking at every byte whatever the others are.
fn contributory(shared: Secret) -> Result<SharedSecret, NonContributory> {
    let any = shared.iter().fold(0, |any, byte| any | byte);
    if any == 0 {
        Err(NonContributory)
    } else {
        Ok(SharedSecret::new(shared))
    }
}
