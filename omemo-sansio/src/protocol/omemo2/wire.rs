//! The Protocol Buffers of OMEMO 2 (XEP-0384 0.9.1, section 4.5).

use alloc::vec::Vec;

use prost::Message as _;

use crate::PreKeyId;
use crate::keys::{IdentityKey, PublicKey};
use crate::protocol::{Header, Incoming, KeyExchange, MAX_KEY_ELEMENT, Message, WireError};

/// The bytes of a MAC that are sent.
const MAC: usize = 16;

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
    let message = OmemoMessage {
        n: Some(header.n),
        pn: Some(header.pn),
        dh_pub: Some(header.ratchet_key.as_bytes().to_vec()),
        ciphertext: Some(ciphertext.to_vec()),
    };
    message.encode_to_vec()
}

pub(super) fn seal(message: Vec<u8>, mac: &[u8; 32]) -> Vec<u8> {
    let authenticated = OmemoAuthenticatedMessage {
        mac: Some(mac.iter().take(MAC).copied().collect()),
        message: Some(message),
    };
    authenticated.encode_to_vec()
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
