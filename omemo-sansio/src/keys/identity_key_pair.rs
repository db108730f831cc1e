//! The identity key pair of a device.

use core::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::clamp_integer;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::curve::Point;
use super::{IdentityKey, InvalidKey, NonContributory, PublicKey, Secret, SharedSecret, Signature, xeddsa};
use crate::RecordError;
use crate::records::codec::{Reader, Writer};

/// An identity key pair, which signs (as Ed25519) and agrees (as X25519) by one private scalar. A new one is an Ed25519
/// seed; an imported one may be the private scalar alone, which no seed can be found for.
pub struct IdentityKeyPair {
    /// The seed, unless there is only a scalar.
    seed: Option<Secret>,
    scalar: Secret,
    public: IdentityKey,
}

impl IdentityKeyPair {
    /// Draws a seed of 32 bytes.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(*seed)
    }

    /// Takes an Ed25519 seed: the private key of RFC 8032, section 5.1.5.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let scalar = Secret::copy(&xeddsa::scalar_of_seed(&seed));
        let pair = Self {
            seed: Some(Secret::copy(&seed)),
            public: identity_of_scalar(&scalar),
            scalar,
        };
        seed.zeroize();
        pair
    }

    /// Takes a clamped private scalar, such as the identity key of a legacy library. Its Ed25519 form has the sign bit
    /// that comes out.
    ///
    /// # Errors
    ///
    /// [`InvalidKey::NotClamped`] if it is not clamped: clamping it here could silently make it another identity.
    pub fn from_private_scalar(mut scalar: [u8; 32]) -> Result<Self, InvalidKey> {
        let pair = Self {
            seed: None,
            public: identity_of_scalar(&scalar),
            scalar: Secret::copy(&scalar),
        };
        scalar.zeroize();
        let clamped = Zeroizing::new(clamp_integer(*pair.scalar));
        if *clamped == *pair.scalar {
            Ok(pair)
        } else {
            Err(InvalidKey::NotClamped)
        }
    }

    /// The public key, in both its forms.
    pub const fn public(&self) -> &IdentityKey {
        &self.public
    }

    /// Signs, with 64 random bytes in the nonce. The signature verifies as an ordinary Ed25519 one (RFC 8032).
    pub fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Signature {
        let mut nonce = Zeroizing::new([0; 64]);
        rng.fill_bytes(&mut *nonce);
        xeddsa::sign(&self.scalar, self.public.ed25519(), message, &nonce)
    }

    /// Agrees with the owner of another public key (RFC 7748, section 6.1).
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if the result is all zero.
    pub fn agree(&self, other: &PublicKey) -> Result<SharedSecret, NonContributory> {
        Point::new(other).agree(&self.scalar)
    }

    pub(crate) fn scalar(&self) -> &Secret {
        &self.scalar
    }

    /// Writes 97 bytes: what the secret is, the secret, both forms of the public key.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        let Self { seed, scalar, public } = self;
        writer.flag(seed.is_some());
        writer.bytes(&**seed.as_ref().unwrap_or(scalar));
        writer.bytes(public.ed25519());
        writer.bytes(public.curve25519().as_bytes());
    }

    /// Reads what [`encode`](Self::encode) wrote; the public key is taken as it stands.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let is_seed = reader.flag()?;
        let secret = Secret::decode(reader)?;
        let public = IdentityKey::from_parts(reader.array()?, PublicKey::from_bytes(reader.array()?));
        Ok(if is_seed {
            Self {
                scalar: Secret::copy(&xeddsa::scalar_of_seed(&secret)),
                seed: Some(secret),
                public,
            }
        } else {
            Self {
                seed: None,
                scalar: secret,
                public,
            }
        })
    }
}

impl fmt::Debug for IdentityKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed: _,
            scalar: _,
            public,
        } = self;
        f.debug_struct("IdentityKeyPair")
            .field("public", public)
            .finish_non_exhaustive()
    }
}

pub(crate) fn identity_of_scalar(scalar: &[u8; 32]) -> IdentityKey {
    let point = EdwardsPoint::mul_base_clamped(*scalar);
    IdentityKey::from_parts(point.compress().0, PublicKey::from_bytes(point.to_montgomery().0))
}
