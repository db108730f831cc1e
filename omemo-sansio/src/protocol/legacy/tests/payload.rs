//! Contents, and key transport.

use alloc::vec::Vec;
use std::format;

use proptest::prelude::*;

use super::*;
use crate::keys::testing::TestRng;
use crate::protocol::legacy::gcm;

#[test]
fn wire_note_16_key_and_tag_go_together() {
    let (payload, material) = Legacy
        .encrypt_payload(b"plaintext", &mut TestRng::new(1))
        .unwrap();
    assert_eq!((material.key().len(), material.tag().len()), (16, 16));
    assert_eq!(payload.ciphertext.len(), 9);
    assert_eq!(
        *Legacy.decrypt_payload(&payload, &material).unwrap(),
        b"plaintext"
    );
}

#[test]
fn wire_note_16_a_tag_at_the_end_of_the_payload_is_accepted() {
    let (mut payload, material) = Legacy
        .encrypt_payload(b"plaintext", &mut TestRng::new(1))
        .unwrap();
    payload.ciphertext.extend_from_slice(material.tag());
    let key = KeyMaterial::new(material.key(), &[]);
    assert_eq!(*Legacy.decrypt_payload(&payload, &key).unwrap(), b"plaintext");
    let short = Payload {
        ciphertext: payload.ciphertext[..15].to_vec(),
        ..payload.clone()
    };
    assert_eq!(Legacy.decrypt_payload(&short, &key), Err(PayloadError::NoTag));
    for at in 0..payload.ciphertext.len() {
        let mut changed = payload.clone();
        changed.ciphertext[at] ^= 1;
        assert_eq!(
            Legacy.decrypt_payload(&changed, &key),
            Err(PayloadError::InvalidTag)
        );
    }
}

#[test]
fn wire_note_16_every_change_is_noticed() {
    let (payload, material) = Legacy
        .encrypt_payload(b"plaintext", &mut TestRng::new(1))
        .unwrap();
    for at in 0..payload.ciphertext.len() {
        let mut changed = payload.clone();
        changed.ciphertext[at] ^= 1;
        assert_eq!(
            Legacy.decrypt_payload(&changed, &material),
            Err(PayloadError::InvalidTag)
        );
    }
    for at in 0..12 {
        let mut changed = payload.clone();
        changed.iv.as_mut().unwrap()[at] ^= 1;
        assert_eq!(
            Legacy.decrypt_payload(&changed, &material),
            Err(PayloadError::InvalidTag)
        );
    }
    for at in 0..material.as_bytes().len() {
        let mut changed = material.as_bytes().to_vec();
        changed[at] ^= 1;
        let changed = Legacy.key_material(changed.into()).unwrap();
        assert_eq!(
            Legacy.decrypt_payload(&payload, &changed),
            Err(PayloadError::InvalidTag)
        );
    }
}

#[test]
fn wire_note_17_an_iv_of_12_bytes_is_sent() {
    let (payload, _) = Legacy
        .encrypt_payload(b"plaintext", &mut TestRng::new(1))
        .unwrap();
    let (empty, _) = Legacy.encrypt_empty(&mut TestRng::new(1));
    assert_eq!(payload.iv.unwrap().len(), 12);
    assert_eq!(empty.unwrap().iv.unwrap().len(), 12);
}

#[test]
fn wire_note_17_an_iv_of_any_length_is_accepted() {
    let decrypt = |length| {
        let (iv, mut buffer) = ([9; 65], *b"plaintext");
        let tag = gcm::Gcm::new(&[1; 16]).encrypt(&iv[..length], &mut buffer);
        let payload = Payload {
            ciphertext: buffer.into(),
            iv: Some(iv[..length].into()),
        };
        let plaintext = Legacy.decrypt_payload(&payload, &KeyMaterial::new(&[1; 16], &tag));
        plaintext.map(|plaintext| plaintext.to_vec())
    };
    for length in 1..=64 {
        assert_eq!(decrypt(length).unwrap(), b"plaintext");
    }
    for length in [0, 65] {
        assert_eq!(decrypt(length), Err(PayloadError::IvLength(length)));
    }
    let payload = Payload {
        ciphertext: [1; 16].into(),
        iv: None,
    };
    let material = KeyMaterial::new(&[1; 16], &[1; 16]);
    assert_eq!(
        Legacy.decrypt_payload(&payload, &material),
        Err(PayloadError::IvLength(0))
    );
}

/// What is encrypted is the text and nothing else.
#[test]
fn wire_note_19_there_is_no_envelope() {
    for length in [1, 15, 16, 17] {
        let text = &[b'x'; 17][..length];
        let (payload, _) = Legacy.encrypt_payload(text, &mut TestRng::new(1)).unwrap();
        assert_eq!(payload.ciphertext.len(), length);
    }
}

#[test]
fn wire_note_25_key_transport_has_16_or_32_bytes() {
    for length in 0..100 {
        let result = Legacy.key_material(Zeroizing::new([1; 100][..length].to_vec()));
        match (length, result) {
            (16 | 32, Ok(material)) => {
                assert_eq!(material.key(), [1; 16]);
                assert_eq!(
                    Legacy.without_payload(&material),
                    Ok(WithoutPayload::KeyTransport)
                );
            }
            (_, result) => assert_eq!(result.unwrap_err(), PayloadError::KeyMaterialLength(length)),
        }
    }
}

#[test]
fn wire_note_25_an_empty_message_has_a_key_and_no_payload() {
    let mut rng = TestRng::new(1);
    let (payload, material) = Legacy.encrypt_empty(&mut rng);
    assert_eq!(payload.unwrap().ciphertext, [0; 0]);
    assert_eq!((material.key().len(), material.tag().len()), (16, 0));
    let (_, other) = Legacy.encrypt_empty(&mut rng);
    assert_ne!(material, other, "the key is fresh");
}

#[test]
fn nothing_secret_is_shown() {
    let (_, material) = Legacy.encrypt_empty(&mut TestRng::new(1));
    assert_eq!(format!("{material:?}"), "KeyMaterial(..)");
}

proptest! {
    #[test]
    fn what_was_encrypted_is_decrypted(plaintext: Vec<u8>, seed: u64) {
        let (payload, material) = Legacy.encrypt_payload(&plaintext, &mut TestRng::new(seed)).unwrap();
        prop_assert_eq!(payload.ciphertext.len(), plaintext.len());
        prop_assert_eq!(&*Legacy.decrypt_payload(&payload, &material).unwrap(), &plaintext);
    }
}
