//! The primitives, bare: what nobody can do without.

use std::hint::black_box;

use aes::Aes256;
use cbc::Encryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::measure::Work;

/// Inputs of the right sizes. What they are changes no time.
pub(crate) struct Primitives {
    key: [u8; 32],
    plaintext: [u8; 48],
    authenticated: [u8; 168],
    secret: StaticSecret,
    public: PublicKey,
    verifying: VerifyingKey,
    signature: Signature,
}

impl Primitives {
    pub(crate) fn new() -> Self {
        let signing = SigningKey::from_bytes(&[3; 32]);
        Self {
            key: [1; 32],
            plaintext: [2; 48],
            authenticated: [3; 168],
            secret: StaticSecret::from([4; 32]),
            public: PublicKey::from(&StaticSecret::from([5; 32])),
            verifying: signing.verifying_key(),
            signature: signing.sign(&[6; 32]),
        }
    }

    /// One message: 2 HMAC for the chain, HKDF to 80 bytes, AES-256-CBC of 48 bytes, and the HMAC of it all.
    pub(crate) fn message(&self) {
        self.hmac(&[1]);
        self.hmac(&[2]);
        let mut keys = [0; 80];
        let derived =
            Hkdf::<Sha256>::new(Some(&[0; 32]), &self.key).expand(b"OMEMO Message Key Material", &mut keys);
        black_box(derived.is_ok());
        let cipher = Encryptor::<Aes256>::new(&self.key.into(), &[0; 16].into());
        black_box(cipher.encrypt_padded_vec::<Pkcs7>(&self.plaintext));
        self.hmac(&self.authenticated);
    }

    /// HMAC with a key of 32 bytes.
    pub(crate) fn hmac(&self, message: &[u8]) {
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(message);
            black_box(mac.finalize().into_bytes());
        }
    }

    /// X25519 by the ladder.
    pub(crate) fn agreement(&self) {
        black_box(black_box(&self.secret).diffie_hellman(black_box(&self.public)));
    }

    /// A public key, by precomputed tables.
    pub(crate) fn key_generation(&self) {
        black_box(PublicKey::from(black_box(&self.secret)));
    }

    /// A strict verification, the key not yet decompressed.
    pub(crate) fn verification(&self) {
        let key = VerifyingKey::from_bytes(black_box(self.verifying.as_bytes()));
        black_box(
            key.and_then(|key| key.verify_strict(&[6; 32], &self.signature))
                .is_ok(),
        );
    }

    /// The Curve25519 form of an Ed25519 key.
    pub(crate) fn conversion(&self) {
        let point = CompressedEdwardsY(*black_box(self.verifying.as_bytes())).decompress();
        black_box(point.map(|point| point.to_montgomery()));
    }

    /// Several of these as one work.
    pub(crate) fn work(times: u32, work: fn(&Self)) -> Work {
        Work::new(
            times,
            || Ok(Self::new()),
            move |primitives| {
                work(primitives);
                Ok(())
            },
        )
    }
}
