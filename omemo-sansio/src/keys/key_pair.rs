//! Key pairs that agree.

use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::curve::{self, Factor, Point};
use super::{NonContributory, PublicKey, Secret, SharedSecret};
use crate::RecordError;
use crate::records::codec::{Reader, Writer};

/// An X25519 key pair: a pre key, a signed pre key, an ephemeral key or a ratchet key. Its public key is computed once
/// and kept, since that costs half as much as an agreement.
pub struct KeyPair {
    secret: Secret,
    public: PublicKey,
}

impl KeyPair {
    /// Draws 32 bytes for the secret key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let secret = Secret::fill(|bytes| rng.fill_bytes(bytes));
        let public = curve::public_key(&secret);
        Self { secret, public }
    }

    /// Draws a key pair and agrees at once, which is faster than one after the other.
    pub(crate) fn generate_and_agree(
        rng: &mut dyn CryptoRng,
        other: &Point,
    ) -> Result<(Self, SharedSecret), NonContributory> {
        let secret = Secret::fill(|bytes| rng.fill_bytes(bytes));
        let [public, shared] = curve::multiply([(Factor::Base, &secret), (Factor::Point(other), &secret)]);
        let public = PublicKey::from_bytes(*public);
        Ok((Self { secret, public }, SharedSecret::new(shared)?))
    }

    /// Takes a secret key, clamped or not (it is clamped where it is used; RFC 7748, section 5), and computes its public
    /// key.
    pub fn from_secret(mut secret: [u8; 32]) -> Self {
        let copy = Secret::copy(&secret);
        secret.zeroize();
        let public = curve::public_key(&copy);
        Self { secret: copy, public }
    }

    /// Takes a secret key and the public key that is known to belong to it.
    pub fn from_parts(mut secret: [u8; 32], public: PublicKey) -> Self {
        let pair = Self {
            secret: Secret::copy(&secret),
            public,
        };
        secret.zeroize();
        pair
    }

    /// The same pair in memory of its own, wiped like the original.
    pub(crate) fn copy(&self) -> Self {
        Self {
            secret: Secret::copy(&self.secret),
            public: self.public,
        }
    }

    /// The public key.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Agrees with the owner of another public key (RFC 7748, section 6.1).
    ///
    /// # Errors
    ///
    /// [`NonContributory`] if the result is all zero.
    pub fn agree(&self, other: &PublicKey) -> Result<SharedSecret, NonContributory> {
        Point::new(other).agree(&self.secret)
    }

    /// Writes 64 bytes: the secret key, the public key.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        let Self { secret, public } = self;
        writer.bytes(&**secret);
        writer.bytes(public.as_bytes());
    }

    /// Reads the public key alone of what [`encode`](Self::encode) wrote.
    pub(crate) fn decode_public(reader: &mut Reader<'_>) -> Result<PublicKey, RecordError> {
        reader.take(32)?;
        reader.array().map(PublicKey::from_bytes)
    }

    /// Reads what [`encode`](Self::encode) wrote; computes nothing.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let secret = Secret::decode(reader)?;
        let public = PublicKey::from_bytes(reader.array()?);
        Ok(Self { secret, public })
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret: _, public } = self;
        f.debug_struct("KeyPair")
            .field("public", public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::keys::testing::{Counts, TestRng, counted};

    #[test]
    fn both_sides_agree() {
        let mut rng = TestRng::new(1);
        let (one, other) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
        let shared = one.agree(other.public()).unwrap();
        assert_eq!(shared.as_bytes(), other.agree(one.public()).unwrap().as_bytes());
        assert_eq!(format!("{shared:?}"), "SharedSecret(..)");
    }

    #[test]
    fn the_record_holds_the_public_key() {
        let pair = KeyPair::from_secret([0xab; 32]);
        let mut writer = Writer::new(1, 65);
        pair.encode(&mut writer);
        let record = writer.finish();
        assert_eq!(record.len(), 65);
        let (read, counts) = counted(|| KeyPair::decode(&mut Reader::new(&record, 1).unwrap()).unwrap());
        assert_eq!(counts, Counts::default());
        assert_eq!(read.public(), pair.public());
        assert_eq!(**read.secret(), [0xab; 32]);
        for length in 1..record.len() {
            let truncated = &record[..length];
            assert!(KeyPair::decode(&mut Reader::new(truncated, 1).unwrap()).is_err());
        }
    }

    #[test]
    fn shows_the_public_key_alone() {
        let pair = KeyPair::from_parts([0xab; 32], PublicKey::from_bytes([1; 32]));
        let shown = format!("{pair:?}");
        assert_eq!(shown, format!("KeyPair {{ public: {:?}, .. }}", pair.public()));
        assert!(!shown.contains("ab") && !shown.contains("171"));
    }
}
