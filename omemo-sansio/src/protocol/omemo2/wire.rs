//! The Protocol Buffers of OMEMO 2 (XEP-0384 0.9.1, section 4.5).

use alloc::vec::Vec;

use prost::{Message as _, encoding};

use crate::PreKeyId;
use crate::keys::{IdentityKey, PublicKey};
use crate::protocol::{Header, Incoming, KeyExchange, MAX_KEY_ELEMENT, Message, WireError};

/// The bytes of a MAC that are sent.
const MAC: usize = 16;

/// The most bytes that a field which is a number has, and the most that are in front of one of bytes.
const FIELD: usize = 6;

/// Every field is required; they are optional here so that one that is missing is told from one that is zero.
#[derive(Clone, PartialEq, prost::Message)]
struct OmemoMessage {
    #[prost(uint32, optional, tag = "1")]
    n: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pn: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    dh_pub: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    ciphertext: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OmemoAuthenticatedMessage {
    #[prost(bytes = "vec", optional, tag = "1")]
    mac: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    message: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OmemoKeyExchange {
    #[prost(uint32, optional, tag = "1")]
    pk_id: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    spk_id: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    ik: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    ek: Option<Vec<u8>>,
    /// An `OmemoAuthenticatedMessage`, embedded.
    #[prost(bytes = "vec", optional, tag = "5")]
    message: Option<Vec<u8>>,
}

/// Reads a key element: an `OmemoAuthenticatedMessage`, alone or within an `OmemoKeyExchange`. The first two fields of
/// the former are bytes and those of the latter numbers, so that the first tag tells them apart.
pub(super) fn parse(data: &[u8]) -> Result<Incoming, WireError> {
    const MAC_TAG: u8 = 0x0a;
    const MESSAGE_TAG: u8 = 0x12;
    if data.len() > MAX_KEY_ELEMENT {
        return Err(WireError::TooLong(data.len()));
    }
    if let Some(&(MAC_TAG | MESSAGE_TAG)) = data.first() {
        return Ok(Incoming {
            key_exchange: None,
            message: parse_authenticated(data)?,
        });
    }
    let OmemoKeyExchange {
        pk_id,
        spk_id,
        ik,
        ek,
        message,
    } = decode(data)?;
    let message = parse_authenticated(&required("message", message)?)?;
    let key_exchange = KeyExchange {
        pre_key: PreKeyId::new(required("pk_id", pk_id)?),
        signed_pre_key: PreKeyId::new(required("spk_id", spk_id)?),
        base_key: PublicKey::from_bytes(key("ek", ek)?),
        identity_key: IdentityKey::from_ed25519(key("ik", ik)?)?,
    };
    Ok(Incoming {
        key_exchange: Some(key_exchange),
        message,
    })
}

fn parse_authenticated(data: &[u8]) -> Result<Message, WireError> {
    let OmemoAuthenticatedMessage { mac, message } = decode(data)?;
    let mac = required("mac", mac)?;
    if mac.len() != MAC {
        let length = mac.len();
        return Err(WireError::Length { field: "mac", length });
    }
    let authenticated = required("message", message)?;
    let OmemoMessage {
        n,
        pn,
        dh_pub,
        ciphertext,
    } = decode(&authenticated)?;
    let header = Header {
        ratchet_key: PublicKey::from_bytes(key("dh_pub", dh_pub)?),
        n: required("n", n)?,
        pn: required("pn", pn)?,
    };
    let ciphertext = required("ciphertext", ciphertext)?;
    Ok(Message::new(header, authenticated, ciphertext, mac))
}

pub(super) fn encode_message(header: &Header, ciphertext: &[u8]) -> Vec<u8> {
    let ratchet_key = header.ratchet_key.as_bytes();
    // With room for what `seal` puts before it: a MAC, and what is in front of that and of the message.
    let mut message = Vec::with_capacity(4 * FIELD + ratchet_key.len() + ciphertext.len() + 2 * FIELD + MAC);
    encoding::uint32::encode(1, &header.n, &mut message);
    encoding::uint32::encode(2, &header.pn, &mut message);
    bytes(3, ratchet_key, &mut message);
    bytes(4, ciphertext, &mut message);
    message
}

/// Puts MAC and message together, in the memory of the message: there is one for each device that is written to.
pub(super) fn seal(mut message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
    let (mac, _) = mac.split_at(MAC);
    let length = message.len();
    bytes(1, mac, &mut message);
    bytes_begin(2, length, &mut message);
    // What was written last comes first.
    let front = message.len() - length;
    message.rotate_right(front);
    message
}

/// A field of bytes, which the derived messages would have to own.
fn bytes(tag: u32, content: &[u8], message: &mut Vec<u8>) {
    bytes_begin(tag, content.len(), message);
    message.extend_from_slice(content);
}

/// What stands before the content of such a field.
fn bytes_begin(tag: u32, length: usize, message: &mut Vec<u8>) {
    encoding::encode_key(tag, encoding::WireType::LengthDelimited, message);
    encoding::encode_varint(length as u64, message);
}

pub(super) fn encode_key_exchange(key_exchange: &KeyExchange, sealed: &[u8]) -> Vec<u8> {
    let message = OmemoKeyExchange {
        pk_id: Some(key_exchange.pre_key.get()),
        spk_id: Some(key_exchange.signed_pre_key.get()),
        ik: Some(key_exchange.identity_key.ed25519().to_vec()),
        ek: Some(key_exchange.base_key.as_bytes().to_vec()),
        message: Some(sealed.to_vec()),
    };
    message.encode_to_vec()
}

fn decode<M: prost::Message + Default>(data: &[u8]) -> Result<M, WireError> {
    M::decode(data).map_err(|_| WireError::Malformed)
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing(field))
}

fn key(field: &'static str, value: Option<Vec<u8>>) -> Result<[u8; 32], WireError> {
    let value = required(field, value)?;
    let length = value.len();
    value.try_into().map_err(|_| WireError::Length { field, length })
}

#[cfg(test)]
mod tests {
    use std::format;

    use proptest::prelude::*;

    use super::*;
    use crate::keys::{IdentityKeyPair, InvalidKey};

    const HEADER: Header = Header {
        ratchet_key: PublicKey::from_bytes([7; 32]),
        n: 0,
        pn: 300,
    };

    fn sealed() -> Vec<u8> {
        seal(encode_message(&HEADER, &[0xc1; 64]), &[0xac; 32])
    }

    fn key_exchange() -> KeyExchange {
        KeyExchange {
            pre_key: PreKeyId::new(0),
            signed_pre_key: PreKeyId::new(u32::MAX),
            identity_key: *IdentityKeyPair::from_seed([1; 32]).public(),
            base_key: PublicKey::from_bytes([9; 32]),
        }
    }

    #[test]
    fn fields_are_written_in_order_even_if_zero() {
        let message = encode_message(&HEADER, &[0xc1; 2]);
        let expected = [
            [0x08, 0, 0x10, 0xac, 0x02, 0x1a, 32].as_slice(),
            &[7; 32],
            &[0x22, 2, 0xc1, 0xc1],
        ]
        .concat();
        assert_eq!(message, expected);
        let expected = [[0x0a, 16].as_slice(), &[0xac; 16], &[0x12, 43], &expected].concat();
        assert_eq!(seal(message, &[0xac; 32]), expected);
    }

    #[test]
    fn what_was_written_is_read() {
        let incoming = parse(&sealed()).unwrap();
        assert_eq!(incoming.key_exchange, None);
        assert_eq!(incoming.message.header(), &HEADER);
        assert_eq!(incoming.message.ciphertext(), [0xc1; 64]);
        assert_eq!(incoming.message.mac(), [0xac; 16]);
        assert_eq!(
            incoming.message.authenticated(),
            encode_message(&HEADER, &[0xc1; 64])
        );

        let wrapped = parse(&encode_key_exchange(&key_exchange(), &sealed())).unwrap();
        assert_eq!(wrapped.key_exchange, Some(key_exchange()));
        assert_eq!(wrapped.message, incoming.message);
    }

    #[test]
    fn wire_note_14_the_bytes_tell_a_key_exchange_whatever_their_order() {
        let mut swapped = OmemoAuthenticatedMessage {
            mac: None,
            message: Some(encode_message(&HEADER, b"")),
        };
        let mut data = swapped.encode_to_vec();
        swapped = OmemoAuthenticatedMessage {
            mac: Some([1; 16].into()),
            message: None,
        };
        data.extend(swapped.encode_to_vec());
        assert!(parse(&data).unwrap().key_exchange.is_none());

        let data = encode_key_exchange(&key_exchange(), &sealed());
        let (ids, keys) = data.split_at(2 + 6);
        let data = [keys, ids].concat();
        assert_eq!(parse(&data).unwrap().key_exchange, Some(key_exchange()));
    }

    #[test]
    fn every_field_is_required_at_its_length() {
        let parse_error = |mac: Option<usize>, message| {
            let message = OmemoAuthenticatedMessage {
                mac: mac.map(|length| [0; 64][..length].into()),
                message,
            };
            parse(&message.encode_to_vec()).unwrap_err()
        };
        let good = || OmemoMessage {
            n: Some(0),
            pn: Some(0),
            dh_pub: Some([1; 32].into()),
            ciphertext: Some([1; 16].into()),
        };
        let body = |message: OmemoMessage| Some(message.encode_to_vec());
        assert_eq!(parse_error(None, body(good())), WireError::Missing("mac"));
        assert_eq!(parse_error(Some(16), None), WireError::Missing("message"));
        for length in [0, 8, 15, 17, 32] {
            assert_eq!(
                parse_error(Some(length), body(good())),
                WireError::Length { field: "mac", length }
            );
        }
        for (changed, error) in [
            (OmemoMessage { n: None, ..good() }, WireError::Missing("n")),
            (OmemoMessage { pn: None, ..good() }, WireError::Missing("pn")),
            (
                OmemoMessage {
                    dh_pub: None,
                    ..good()
                },
                WireError::Missing("dh_pub"),
            ),
            (
                OmemoMessage {
                    ciphertext: None,
                    ..good()
                },
                WireError::Missing("ciphertext"),
            ),
            (
                OmemoMessage {
                    dh_pub: Some([5; 33].into()),
                    ..good()
                },
                WireError::Length {
                    field: "dh_pub",
                    length: 33,
                },
            ),
        ] {
            assert_eq!(parse_error(Some(16), body(changed)), error);
        }
    }

    #[test]
    fn a_key_exchange_needs_its_pre_key_and_valid_keys() {
        let good = || OmemoKeyExchange::decode(&*encode_key_exchange(&key_exchange(), &sealed())).unwrap();
        for (changed, error) in [
            (
                OmemoKeyExchange {
                    pk_id: None,
                    ..good()
                },
                WireError::Missing("pk_id"),
            ),
            (
                OmemoKeyExchange {
                    spk_id: None,
                    ..good()
                },
                WireError::Missing("spk_id"),
            ),
            (
                OmemoKeyExchange {
                    ik: Some([0; 31].into()),
                    ..good()
                },
                WireError::Length {
                    field: "ik",
                    length: 31,
                },
            ),
            (
                OmemoKeyExchange {
                    ik: Some([0; 32].into()),
                    ..good()
                },
                WireError::IdentityKey(InvalidKey::SmallOrder),
            ),
            (OmemoKeyExchange { ek: None, ..good() }, WireError::Missing("ek")),
            (
                OmemoKeyExchange {
                    message: None,
                    ..good()
                },
                WireError::Missing("message"),
            ),
            (
                OmemoKeyExchange {
                    message: Some([1].into()),
                    ..good()
                },
                WireError::Malformed,
            ),
        ] {
            assert_eq!(parse(&changed.encode_to_vec()).unwrap_err(), error);
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let of_length = |length: usize| {
            let sealed = |ciphertext| {
                seal(
                    encode_message(&HEADER, &[0; MAX_KEY_ELEMENT][..ciphertext]),
                    &[0; 32],
                )
            };
            let added = sealed(length - 100).len() - (length - 100);
            sealed(length - added)
        };
        let (most, more) = (of_length(MAX_KEY_ELEMENT), of_length(MAX_KEY_ELEMENT + 1));
        assert_eq!((most.len(), more.len()), (MAX_KEY_ELEMENT, MAX_KEY_ELEMENT + 1));
        assert!(parse(&most).is_ok());
        assert_eq!(parse(&more).unwrap_err(), WireError::TooLong(more.len()));
        assert!(parse(&[]).is_err());
    }

    #[test]
    fn a_message_shows_no_content() {
        let shown = format!("{:?}", parse(&sealed()).unwrap().message);
        assert!(
            shown.starts_with("Message(Header { ratchet_key: PublicKey(0707"),
            "{shown}"
        );
        assert!(shown.ends_with("n: 0, pn: 300 }, 105 bytes)"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&data);
        }

        #[test]
        fn cut_and_changed_bytes_are_read_or_refused(cut in 0_usize..230, at in 0_usize..230, bit in 0_u8..8) {
            let whole = encode_key_exchange(&key_exchange(), &sealed());
            for data in [&whole, &sealed()] {
                prop_assert!(cut >= data.len() || parse(&data[..cut]).is_err());
                let mut changed = data.clone();
                let at = at % changed.len();
                changed[at] ^= 1 << bit;
                let _ = parse(&changed);
            }
        }
    }
}
