//! Key elements of both protocols: what is read is written again, and then reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omemo_sansio::protocol::{Incoming, Legacy, Message, Omemo2, Protocol};

fuzz_target!(|data: &[u8]| {
    check(&Omemo2, data);
    check(&Legacy, data);
});

fn check(protocol: &dyn Protocol, data: &[u8]) {
    let Ok(incoming) = protocol.parse(data) else {
        return;
    };
    let again = write(protocol, &incoming, incoming.message.authenticated().to_vec());
    assert_same(
        &protocol.parse(&again).expect("what was read can be read again"),
        &incoming,
    );

    // The same message as the protocol itself would write it: the header and the ciphertext are all there is to it.
    let message = &incoming.message;
    let own = protocol.encode_message(message.header(), message.ciphertext());
    let own = protocol
        .parse(&write(protocol, &incoming, own))
        .expect("what is written can be read");
    assert_eq!(own.message.header(), message.header());
    assert_eq!(own.message.ciphertext(), message.ciphertext());
}

fn write(protocol: &dyn Protocol, incoming: &Incoming, message: Vec<u8>) -> Vec<u8> {
    let sealed = protocol.seal(message, &whole(incoming.message.mac()));
    match &incoming.key_exchange {
        Some(key_exchange) => protocol.encode_key_exchange(key_exchange, sealed),
        None => sealed,
    }
}

/// A MAC that is cut to this one.
fn whole(mac: &[u8]) -> [u8; 32] {
    let mut whole = [0; 32];
    whole[..mac.len()].copy_from_slice(mac);
    whole
}

fn assert_same(one: &Incoming, other: &Incoming) {
    let parts = |message: &Message| {
        (
            *message.header(),
            message.authenticated().to_vec(),
            message.mac().to_vec(),
        )
    };
    assert_eq!(parts(&one.message), parts(&other.message));
    assert_eq!(one.message.ciphertext(), other.message.ciphertext());
    assert_eq!(one.key_exchange, other.key_exchange);
}
