//! Payloads of both protocols: what was encrypted is decrypted, and nothing else is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_conformance::faults::TestRng;
use omemo_fuzz::Choices;
use omemo_sansio::Payload;
use omemo_sansio::protocol::{KeyMaterial, Legacy, Omemo2, Protocol};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let protocols: [&dyn Protocol; 2] = [&Omemo2, &Legacy];
    let protocol = *choices.pick(&protocols);
    if choices.flag() {
        made_up(protocol, &mut choices);
    } else {
        changed(protocol, &mut choices);
    }
});

/// Key material and payload that belong to nothing.
fn made_up(protocol: &dyn Protocol, choices: &mut Choices<'_>) {
    let length = usize::from(choices.byte() % 66);
    let material = choices.take(length).to_vec().into();
    let Ok(material) = protocol.key_material(material) else {
        return;
    };
    let iv = choices.flag().then(|| choices.some().to_vec());
    let payload = Payload {
        iv,
        ciphertext: choices.rest().to_vec(),
    };
    let _ = protocol.without_payload(&material);
    let _ = protocol.decrypt_payload(&payload, &material);
}

/// A payload, of which one bit or the length is changed.
fn changed(protocol: &dyn Protocol, choices: &mut Choices<'_>) {
    let (kind, at, bit) = (
        choices.byte() % 6,
        usize::from(choices.word()),
        1 << (choices.byte() % 8),
    );
    let plaintext = choices.rest();
    let Ok((mut payload, material)) = protocol.encrypt_payload(plaintext, &mut TestRng::new(1)) else {
        return;
    };
    let read = protocol
        .decrypt_payload(&payload, &material)
        .expect("it was just encrypted");
    assert_eq!(read.as_slice(), plaintext);

    let before = payload.clone();
    let mut bytes = material.as_bytes().to_vec();
    match kind {
        0 => flip(&mut payload.ciphertext, at, bit),
        1 => flip(&mut bytes, at, bit),
        2 => payload.ciphertext.truncate(at),
        3 => payload.ciphertext.push(bit),
        4 => payload.iv.iter_mut().for_each(|iv| flip(iv, at, bit)),
        _ => payload.iv = payload.iv.map(|iv| iv[..at % iv.len()].to_vec()),
    }
    let is_same = payload == before && bytes == material.as_bytes();
    let changed = protocol
        .key_material(bytes.into())
        .and_then(|material: KeyMaterial| protocol.decrypt_payload(&payload, &material));
    assert_eq!(changed.is_ok(), is_same, "what was changed must not be read");
}

fn flip(bytes: &mut [u8], at: usize, bit: u8) {
    let length = bytes.len();
    if length > 0 {
        bytes[at % length] ^= bit;
    }
}
