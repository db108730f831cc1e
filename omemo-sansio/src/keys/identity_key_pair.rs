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

    /// The same pair in memory of its own, wiped like the original.
    pub(crate) fn copy(&self) -> Self {
        Self {
            seed: self.seed.as_deref().map(Secret::copy),
            scalar: Secret::copy(&self.scalar),
            public: self.public,
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

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::keys::InvalidSignature;
    use crate::keys::testing::{Counts, TestRng, counted, hex};

    fn clamped() -> [u8; 32] {
        clamp_integer([0xab; 32])
    }

    #[test]
    fn signs_so_that_others_verify() {
        let mut rng = TestRng::new(1);
        for pair in [
            IdentityKeyPair::generate(&mut rng),
            IdentityKeyPair::from_private_scalar(clamped()).unwrap(),
        ] {
            let signature = pair.sign(b"message", &mut rng);
            assert_eq!(pair.public().verify(b"message", &signature), Ok(()));
            assert_eq!(
                pair.public().verify(b"massage", &signature),
                Err(InvalidSignature)
            );
            assert_ne!(pair.sign(b"message", &mut rng), signature);
        }
    }

    #[test]
    fn the_public_key_of_a_seed_is_that_of_the_rfc() {
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(IdentityKeyPair::from_seed(seed).public().ed25519(), &public);
    }

    #[test]
    fn agrees_by_its_curve25519_form() {
        let one = IdentityKeyPair::from_seed([1; 32]);
        let other = IdentityKeyPair::from_private_scalar(clamped()).unwrap();
        let shared = one.agree(&other.public().curve25519()).unwrap();
        assert_eq!(
            shared.as_bytes(),
            other.agree(&one.public().curve25519()).unwrap().as_bytes()
        );
        assert_eq!(
            one.agree(&PublicKey::from_bytes([0; 32])).unwrap_err(),
            NonContributory
        );
    }

    #[test]
    fn a_scalar_must_be_clamped() {
        let result = IdentityKeyPair::from_private_scalar([0xab; 32]);
        assert_eq!(result.unwrap_err(), InvalidKey::NotClamped);
    }

    #[test]
    fn the_record_holds_either_secret_and_the_public_key() {
        for pair in [
            IdentityKeyPair::from_seed([0xab; 32]),
            IdentityKeyPair::from_private_scalar(clamped()).unwrap(),
        ] {
            let mut writer = Writer::new(1, 98);
            pair.encode(&mut writer);
            let record = writer.finish();
            assert_eq!(record.len(), 98);
            let decode = |record: &[u8]| IdentityKeyPair::decode(&mut Reader::new(record, 1).unwrap());
            let (read, counts) = counted(|| decode(&record).unwrap());
            assert_eq!(counts, Counts::default());
            assert_eq!(read.public().ed25519(), pair.public().ed25519());
            assert_eq!(read.public(), pair.public());
            assert_eq!(**read.scalar(), **pair.scalar());
            assert_eq!(read.seed.is_some(), pair.seed.is_some());
            (1..record.len()).for_each(|length| assert!(decode(&record[..length]).is_err()));
        }
    }

    #[test]
    fn shows_the_public_key_alone() {
        let pair = IdentityKeyPair::from_seed([0xab; 32]);
        assert_eq!(
            format!("{pair:?}"),
            format!("IdentityKeyPair {{ public: {:?}, .. }}", pair.public())
        );
    }
}
