//! Master keys of sealed storages, from files and from the environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use clap::Args;
use omemo_storage::{AnyStorage, Keyring, MasterKey, Sealed};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Holds the master key where no file is given.
const VARIABLE: &str = "OMEMO_MASTER_KEY";

/// How to open what is sealed.
#[derive(Args, Debug)]
pub(crate) struct Unsealing {
    /// The file with the master key of a sealed storage, 32 bytes in hex or base64 [default: $OMEMO_MASTER_KEY, if set]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Unsealing {
    /// The master key, if one was given.
    pub(crate) fn key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, Failure> {
        match &self.key_file {
            Some(path) => read(path).map(Some),
            None => from_environment(),
        }
    }

    /// The storage as it looks unsealed, if a master key was given.
    pub(crate) fn unseal(&self, storage: AnyStorage) -> Result<AnyStorage, Failure> {
        Ok(match self.keyring()? {
            Some(keyring) => AnyStorage::new(Sealed::new(storage, keyring)),
            None => storage,
        })
    }

    /// Gives another process of this program the same key. The environment it has anyway.
    pub(crate) fn pass_on(&self, command: &mut Command) {
        if let Some(path) = &self.key_file {
            command.arg("--key-file").arg(path);
        }
    }

    pub(crate) fn keyring(&self) -> Result<Option<Keyring>, Failure> {
        let key = self.key()?;
        Ok(key.map(|key| Keyring::new(MasterKey::from_bytes(*key))))
    }
}

fn from_environment() -> Result<Option<Zeroizing<[u8; 32]>>, Failure> {
    let Some(text) = env::var_os(VARIABLE) else {
        return Ok(None);
    };
    let text = Zeroizing::new(text.into_encoded_bytes());
    match decode(&text) {
        Some(key) => Ok(Some(key)),
        None => Err(no_key(&format!("${VARIABLE}"))),
    }
}

/// Reads a master key from a file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let shown = path.display();
    let text = fs::read(path).map_err(|error| Failure::because(format!("{shown} cannot be read"), error))?;
    decode(&Zeroizing::new(text)).ok_or_else(|| no_key(&shown.to_string()))
}

fn no_key(place: &str) -> Failure {
    Failure::new(format!(
        "{place} does not hold a master key: 32 bytes in hex or base64"
    ))
}

/// 32 bytes in hex or in base64, with white space around.
fn decode(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = text.trim_ascii();
    from_hex(text).or_else(|| {
        let engine: &GeneralPurpose = if text.ends_with(b"=") {
            &STANDARD
        } else {
            &STANDARD_NO_PAD
        };
        let bytes = Zeroizing::new(engine.decode(text).ok()?);
        Some(Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?))
    })
}

fn from_hex(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, [high, low]) in key.iter_mut().zip(pairs) {
        let digits = [high, low].map(|digit| char::from(*digit).to_digit(16));
        let [Some(high), Some(low)] = digits else {
            return None;
        };
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_hex_and_base64() {
        let key: [u8; 32] = std::array::from_fn(|n| n as u8 * 8 + 7);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            hex.clone(),
            hex.to_uppercase(),
            format!("  {hex}\n"),
            STANDARD.encode(key),
            format!("{}\n", STANDARD_NO_PAD.encode(key)),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&key), "{text}");
        }
        for text in [
            "",
            "00",
            &hex[1..],
            &format!("{hex}00"),
            &STANDARD.encode([7; 33]),
            &"g".repeat(64),
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
