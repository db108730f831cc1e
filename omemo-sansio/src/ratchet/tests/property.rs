//! Whatever happens to messages on their way, each that arrives is read once, and nothing else is.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Event {
    /// One of the two encrypts; the message is on its way.
    Send { bob: bool },
    /// A message that is on its way, or was, arrives; again, if it did before.
    Deliver(prop::sample::Index),
    /// A message that is on its way, or was, arrives with one bit changed.
    Forge(prop::sample::Index, prop::sample::Index, u8),
    /// Both are stored and loaded.
    Reload,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => any::<bool>().prop_map(|bob| Event::Send { bob }),
        6 => any::<prop::sample::Index>().prop_map(Event::Deliver),
        2 => (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..8)
            .prop_map(|(message, at, bit)| Event::Forge(message, at, bit)),
        1 => Just(Event::Reload),
    ]
}

struct Sent {
    to_bob: bool,
    data: Vec<u8>,
    plaintext: Vec<u8>,
    read: bool,
}

/// `short`: both announce their chains one message too short, and have seen that of each other. An arm for each kind of event:
/// hence its length.
fn play(protocol: &'static dyn Protocol, short: bool, events: Vec<Event>) {
    let (mut alice, mut bob) = acquainted_speaking(protocol);
    (alice.counts_short, bob.counts_short) = (short, short);
    for _ in 0..2 {
        pass(&mut alice, &mut bob);
        pass(&mut bob, &mut alice);
    }
    let mut sent = Vec::<Sent>::new();
    for (number, event) in events.into_iter().enumerate() {
        match event {
            Event::Send { bob: from_bob } => {
                let from = if from_bob { &mut bob } else { &mut alice };
                let plaintext = number.to_be_bytes().to_vec();
                sent.push(Sent {
                    to_bob: !from_bob,
                    data: from.encrypt(&plaintext),
                    plaintext,
                    read: false,
                });
            }
            Event::Deliver(index) if !sent.is_empty() => {
                let message = index.get(&sent);
                let to = if message.to_bob { &mut bob } else { &mut alice };
                let result = to.decrypt(&message.data);
                if message.read {
                    let error = result.unwrap_err();
                    assert!(
                        matches!(error, DecryptError::AlreadyDecrypted | DecryptError::InvalidMac),
                        "{error}"
                    );
                } else {
                    assert_eq!(*result.unwrap(), *message.plaintext);
                }
                let at = index.index(sent.len());
                sent[at].read = true;
            }
            Event::Forge(index, at, bit) if !sent.is_empty() => {
                let message = index.get(&sent);
                let to = if message.to_bob { &mut bob } else { &mut alice };
                let mut data = message.data.clone();
                let at = at.index(data.len());
                data[at] ^= 1 << bit;
                if protocol
                    .parse(&data)
                    .is_ok_and(|incoming| incoming.key_exchange.is_none())
                {
                    assert!(to.decrypt(&data).is_err());
                }
            }
            Event::Reload => {
                for device in [&mut alice, &mut bob] {
                    let (session, skipped) = device.records();
                    device.session = Some(Session::decode(&session).unwrap());
                    device.skipped = SkippedKeys::decode(&skipped).unwrap();
                }
            }
            Event::Deliver(_) | Event::Forge(..) => {}
        }
    }
    pass(&mut alice, &mut bob);
    pass(&mut bob, &mut alice);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_message_is_read_once(events in prop::collection::vec(event(), 1..80)) {
        for protocol in PROTOCOLS {
            for short in [false, true] {
                play(protocol, short, events.clone());
            }
        }
    }
}
