//! A value of a source, with the place it stands at.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use omemo_sansio::BareJid;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{ImportError, Problem};

/// A value, with the place it stands at.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    place: String,
    value: &'a Value,
}

/// Parses the whole source.
pub(crate) fn parse(json: &[u8]) -> Result<Value, ImportError> {
    serde_json::from_slice(json).map_err(|error| ImportError {
        place: "the source".to_owned(),
        problem: Problem::Json {
            line: error.line(),
            column: error.column(),
        },
    })
}

pub(crate) fn missing(place: impl Into<String>) -> ImportError {
    ImportError {
        place: place.into(),
        problem: Problem::Missing,
    }
}

impl<'a> Node<'a> {
    /// The whole source.
    pub(crate) fn root(value: &'a Value) -> Self {
        Self {
            place: String::new(),
            value,
        }
    }

    pub(crate) fn fails(&self, problem: Problem) -> ImportError {
        let place = match self.place.as_str() {
            "" => "the source".to_owned(),
            place => place.to_owned(),
        };
        ImportError { place, problem }
    }

    fn is_not(&self, what: &'static str) -> ImportError {
        self.fails(Problem::Not(what))
    }

    fn below(&self, name: &str) -> String {
        match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}: {name}"),
        }
    }

    /// A field that must be there; null is there.
    pub(crate) fn field(&self, name: &str) -> Result<Node<'a>, ImportError> {
        let value = self.object()?.get(name);
        let value = value.ok_or_else(|| missing(self.below(name)))?;
        Ok(Node {
            place: self.below(name),
            value,
        })
    }

    /// A field that may be missing or null.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<Node<'a>>, ImportError> {
        let value = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| Node {
            place: self.below(name),
            value,
        }))
    }

    /// The fields of an object.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, ImportError> {
        let entries = self.object()?.iter().map(|(name, value)| {
            let place = self.below(name);
            (name.as_str(), Node { place, value })
        });
        Ok(entries.collect())
    }

    /// The elements of a list.
    pub(crate) fn elements(&self) -> Result<Vec<Node<'a>>, ImportError> {
        let list = self.value.as_array().ok_or_else(|| self.is_not("a list"))?;
        let elements = list.iter().enumerate().map(|(index, value)| Node {
            place: self.below(&format!("element {index}")),
            value,
        });
        Ok(elements.collect())
    }

    pub(crate) fn text(&self) -> Result<&'a str, ImportError> {
        self.value.as_str().ok_or_else(|| self.is_not("a text"))
    }

    pub(crate) fn flag(&self) -> Result<bool, ImportError> {
        self.value.as_bool().ok_or_else(|| self.is_not("true or false"))
    }

    /// A number from 0 to 2^32 - 1.
    pub(crate) fn u32(&self) -> Result<u32, ImportError> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.is_not("a number from 0 to 4294967295"))
    }

    /// Seconds since 1970, whole or not.
    pub(crate) fn seconds(&self) -> Result<u64, ImportError> {
        match (self.value.as_u64(), self.value.as_f64()) {
            (Some(seconds), _) => Ok(seconds),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the cast saturates, and the number is not negative"
            )]
            (None, Some(seconds)) if seconds >= 0.0 => Ok(seconds as u64),
            _ => Err(self.is_not("a time")),
        }
    }

    pub(crate) fn jid(&self) -> Result<BareJid, ImportError> {
        BareJid::new(self.text()?).map_err(|error| self.fails(Problem::Jid(error)))
    }

    /// Bytes, each as the code point of the same number.
    pub(crate) fn code_points<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, ImportError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(N));
        for code_point in self.text()?.chars() {
            let byte = u8::try_from(code_point).map_err(|_| self.is_not("bytes as code points"))?;
            bytes.push(byte);
        }
        self.array(&bytes)
    }

    /// Bytes in Base64, of either alphabet.
    pub(crate) fn base64<const N: usize>(&self) -> Result<Zeroizing<[u8; N]>, ImportError> {
        self.array(&self.base64_bytes()?)
    }

    pub(crate) fn base64_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let bytes = decode(self.text()?).ok_or_else(|| self.is_not("Base64"))?;
        Ok(bytes)
    }

    fn array<const N: usize>(&self, bytes: &[u8]) -> Result<Zeroizing<[u8; N]>, ImportError> {
        let array = <[u8; N]>::try_from(bytes).map_err(|_| {
            self.fails(Problem::Length {
                expected: N,
                found: bytes.len(),
            })
        })?;
        Ok(Zeroizing::new(array))
    }

    fn object(&self) -> Result<&'a Map<String, Value>, ImportError> {
        self.value.as_object().ok_or_else(|| self.is_not("an object"))
    }
}

/// Base64 of either alphabet, padded.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?;
    Some(Zeroizing::new(bytes))
}
