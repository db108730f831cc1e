//! AES-128-GCM (NIST SP 800-38D) with an initialisation vector of any length, which ready-made ones fix when they are
//! compiled. Blocks, counters and GHASH are theirs.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The bytes of a tag.
pub(super) const TAG: usize = 16;

type Block = ghash::Block;

/// A key, ready to be used.
pub(super) struct Gcm {
    cipher: Aes128,
    hash: GHash,
}

impl Gcm {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let cipher = Aes128::new(key.into());
        let mut hash_key = Block::default();
        cipher.encrypt_block(&mut hash_key);
        let hash = GHash::new(&hash_key);
        hash_key.zeroize();
        Self { cipher, hash }
    }

    /// Encrypts in place; gives the tag (section 7.1).
    pub(super) fn encrypt(&self, iv: &[u8], buffer: &mut [u8]) -> [u8; TAG] {
        let (keystream, mask) = self.keystream(iv);
        keystream.apply_keystream_partial(buffer.into());
        self.tag(&mask, buffer)
    }

    /// Decrypts in place if the tag fits; tells whether it does (section 7.2).
    pub(super) fn decrypt(&self, iv: &[u8], buffer: &mut [u8], tag: &[u8]) -> bool {
        let (keystream, mask) = self.keystream(iv);
        let authentic = bool::from(self.tag(&mask, buffer).ct_eq(tag));
        if authentic {
            keystream.apply_keystream_partial(buffer.into());
        }
        authentic
    }

    /// The keystream, and its first block, which masks the tag.
    fn keystream(&self, iv: &[u8]) -> (CtrCore<&Aes128, Ctr32BE>, Block) {
        let mut keystream = CtrCore::inner_iv_init(&self.cipher, &self.first_counter(iv));
        let mut mask = Block::default();
        keystream.write_keystream_block(&mut mask);
        (keystream, mask)
    }

    /// 12 bytes stand for themselves, any other number is hashed (section 7.1, step 2).
    fn first_counter(&self, iv: &[u8]) -> Block {
        if let Ok(iv) = <[u8; 12]>::try_from(iv) {
            let mut counter = [0; 16];
            let (head, tail) = counter.split_at_mut(12);
            head.copy_from_slice(&iv);
            tail.copy_from_slice(&[0, 0, 0, 1]);
            return counter.into();
        }
        let mut hash = self.hash.clone();
        hash.update_padded(iv);
        hash.update(&[length_block(iv.len())]);
        hash.finalize()
    }

    fn tag(&self, mask: &Block, ciphertext: &[u8]) -> [u8; TAG] {
        let mut hash = self.hash.clone();
        hash.update_padded(ciphertext);
        hash.update(&[length_block(ciphertext.len())]);
        let mut tag = hash.finalize();
        tag.iter_mut().zip(mask).for_each(|(tag, mask)| *tag ^= mask);
        tag.into()
    }
}

/// What is hashed last: 64 bits of zero, since there is no additional data, and a length in bits.
fn length_block(bytes: usize) -> Block {
    let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
    Array::from(u128::from(bits).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use aes_gcm::aead::array::ArraySize;
    use aes_gcm::aead::consts::{U1, U8, U12, U15, U16, U17, U32};
    use aes_gcm::{AeadInOut, AesGcm};
    use proptest::prelude::*;

    use super::*;

    /// What the implementation that is compiled for a length makes of it.
    fn expected<Length: ArraySize>(key: &[u8; 16], iv: &[u8], plaintext: &[u8]) -> (Vec<u8>, [u8; TAG]) {
        let gcm = AesGcm::<Aes128, Length>::new(key.into());
        let mut buffer = plaintext.to_vec();
        let iv = iv.try_into().unwrap();
        let tag = gcm.encrypt_inout_detached(iv, b"", buffer.as_mut_slice().into());
        (buffer, tag.unwrap().into())
    }

    use std::vec::Vec;

    proptest! {
        #[test]
        fn any_length_is_that_of_the_standard(key: [u8; 16], iv: [u8; 32], plaintext: Vec<u8>) {
            let gcm = Gcm::new(&key);
            for (length, (ciphertext, tag)) in [
                (1, expected::<U1>(&key, &iv[..1], &plaintext)),
                (8, expected::<U8>(&key, &iv[..8], &plaintext)),
                (12, expected::<U12>(&key, &iv[..12], &plaintext)),
                (15, expected::<U15>(&key, &iv[..15], &plaintext)),
                (16, expected::<U16>(&key, &iv[..16], &plaintext)),
                (17, expected::<U17>(&key, &iv[..17], &plaintext)),
                (32, expected::<U32>(&key, &iv[..32], &plaintext)),
            ] {
                let iv = &iv[..length];
                let mut buffer = plaintext.clone();
                prop_assert_eq!(gcm.encrypt(iv, &mut buffer), tag);
                prop_assert_eq!(&buffer, &ciphertext);
                prop_assert!(gcm.decrypt(iv, &mut buffer, &tag));
                prop_assert_eq!(&buffer, &plaintext);
            }
        }

        #[test]
        fn what_is_not_authentic_is_not_decrypted(key: [u8; 16], iv: [u8; 16], plaintext: [u8; 40], at in 0_usize..56) {
            let gcm = Gcm::new(&key);
            let mut buffer = plaintext;
            let mut tag = gcm.encrypt(&iv, &mut buffer);
            match at.checked_sub(buffer.len()) {
                Some(at) => tag[at] ^= 1,
                None => buffer[at] ^= 1,
            }
            let before = buffer;
            prop_assert!(!gcm.decrypt(&iv, &mut buffer, &tag));
            prop_assert_eq!(buffer, before);
        }
    }
}
