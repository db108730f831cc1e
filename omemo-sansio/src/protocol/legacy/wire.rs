//! The messages of SignalProtocol, version 3: a version byte, Protocol Buffers, and, of a message of the ratchet, a MAC of
//! 8 bytes.

use alloc::vec::Vec;

use super::public_key;
use crate::PreKeyId;
use crate::keys::{IdentityKey, PublicKey};
use crate::protocol::{Header, Incoming, KeyExchange, MAX_KEY_ELEMENT, Message, WireError};

/// The bytes of a MAC that are sent.
const MAC: usize = 8;

/// What is sent: version 3, by somebody who speaks no later one.
const VERSION: u8 = 0x33;

/// Every field is required; they are optional here so that one that is missing is told from one that is zero.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SignalMessage {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) ratchet_key: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) counter: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) previous_counter: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) ciphertext: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PreKeySignalMessage {
    #[prost(uint32, optional, tag = "1")]
    pub(super) pre_key_id: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) base_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) identity_key: Option<Vec<u8>>,
    /// A whole `SignalMessage`, version byte and MAC included.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) message: Option<Vec<u8>>,
    // 5 is the registration id, which some senders leave out and which says nothing here.
    #[prost(uint32, optional, tag = "6")]
    pub(super) signed_pre_key_id: Option<u32>,
}

/// Reads a key element: a `SignalMessage`, alone or within a `PreKeySignalMessage`. Fields 1 to 3 are of other types in the
/// one than in the other, so that the first tag tells them apart; field 4 is bytes in both.
pub(super) fn parse(data: &[u8]) -> Result<Incoming, WireError> {
    const RATCHET_KEY: u8 = 0x0a;
    const COUNTER: u8 = 0x10;
    const PREVIOUS_COUNTER: u8 = 0x18;
    const FIELD_4: u8 = 0x22;
    if data.len() > MAX_KEY_ELEMENT {
        return Err(WireError::TooLong(data.len()));
    }
    match body(data)?.first() {
        Some(&(RATCHET_KEY | COUNTER | PREVIOUS_COUNTER)) => parse_alone(data),
        Some(&FIELD_4) => parse_key_exchange(data).or_else(|_| parse_alone(data)),
        _ => parse_key_exchange(data),
    }
}

fn parse_alone(data: &[u8]) -> Result<Incoming, WireError> {
    Ok(Incoming {
        key_exchange: None,
        message: parse_message(data)?,
    })
}

fn parse_key_exchange(data: &[u8]) -> Result<Incoming, WireError> {
    let PreKeySignalMessage {
        pre_key_id,
        base_key,
        identity_key,
        message,
        signed_pre_key_id,
    } = decode(body(data)?)?;
    let message = parse_message(&required("message", message)?)?;
    // The sign is not known.
    let identity_key = IdentityKey::from_curve25519(key("identityKey", identity_key)?, false)?;
    let key_exchange = KeyExchange {
        pre_key: PreKeyId::new(required("preKeyId", pre_key_id)?),
        signed_pre_key: PreKeyId::new(required("signedPreKeyId", signed_pre_key_id)?),
        identity_key,
        base_key: key("baseKey", base_key)?,
    };
    Ok(Incoming {
        key_exchange: Some(key_exchange),
        message,
    })
}

fn parse_message(data: &[u8]) -> Result<Message, WireError> {
    let (authenticated, mac) = data.split_last_chunk::<MAC>().ok_or(WireError::Missing("mac"))?;
    let SignalMessage {
        ratchet_key,
        counter,
        previous_counter,
        ciphertext,
    } = decode(body(authenticated)?)?;
    let header = Header {
        ratchet_key: key("ratchetKey", ratchet_key)?,
        n: required("counter", counter)?,
        pn: required("previousCounter", previous_counter)?,
    };
    let ciphertext = required("ciphertext", ciphertext)?;
    Ok(Message::new(
        header,
        authenticated.to_vec(),
        ciphertext,
        mac.to_vec(),
    ))
}

/// What follows the version byte. Its high half is the version of the message, its low half the highest that the sender
/// speaks: newer ones write 0x34.
fn body(data: &[u8]) -> Result<&[u8], WireError> {
    let (version, body) = data.split_first().ok_or(WireError::Missing("version"))?;
    if version >> 4 == VERSION >> 4 {
        Ok(body)
    } else {
        Err(WireError::Version(*version))
    }
}

pub(super) fn encode_message(header: &Header, ciphertext: &[u8]) -> Vec<u8> {
    versioned(&SignalMessage {
        ratchet_key: Some(public_key::encode(&header.ratchet_key).to_vec()),
        counter: Some(header.n),
        previous_counter: Some(header.pn),
        ciphertext: Some(ciphertext.to_vec()),
    })
}

pub(super) fn seal(mut message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
    message.extend(mac.iter().take(MAC));
    message
}

pub(super) fn encode_key_exchange(key_exchange: &KeyExchange, sealed: Vec<u8>) -> Vec<u8> {
    let KeyExchange {
        pre_key,
        signed_pre_key,
        identity_key,
        base_key,
    } = key_exchange;
    versioned(&PreKeySignalMessage {
        pre_key_id: Some(pre_key.get()),
        base_key: Some(public_key::encode(base_key).to_vec()),
        identity_key: Some(public_key::encode(&identity_key.curve25519()).to_vec()),
        message: Some(sealed),
        signed_pre_key_id: Some(signed_pre_key.get()),
    })
}

fn versioned(message: &impl prost::Message) -> Vec<u8> {
    let mut bytes = Vec::from([VERSION]);
    bytes.extend(message.encode_to_vec());
    bytes
}

fn decode<M: prost::Message + Default>(data: &[u8]) -> Result<M, WireError> {
    M::decode(data).map_err(|_| WireError::Malformed)
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing(field))
}

fn key(field: &'static str, value: Option<Vec<u8>>) -> Result<PublicKey, WireError> {
    public_key::decode(field, &required(field, value)?)
}
