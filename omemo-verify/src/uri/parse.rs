//! Reading URIs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use omemo_sansio::keys::Fingerprint;
use omemo_sansio::{BareJid, DeviceId, MAX_DEVICES};

use super::percent::{decode, nibble};
use super::{MAX_URI, PARAMETER, UriError, VerificationUri};

const SCHEME: &str = "xmpp:";

/// What a Curve25519 key of legacy OMEMO begins with.
const CURVE25519: u8 = 5;

pub(super) fn parse(text: &str) -> Result<VerificationUri, UriError> {
    let (jid, query) = parts(text)?;
    Ok(VerificationUri {
        jid,
        fingerprints: fingerprints(query)?,
    })
}

/// The account that a URI names, and its query.
pub(super) fn parts(text: &str) -> Result<(BareJid, &str), UriError> {
    if text.len() > MAX_URI {
        return Err(UriError::TooLong(text.len()));
    }
    let text = text.trim();
    let (scheme, rest) = text.split_at_checked(SCHEME.len()).ok_or(UriError::NotXmpp)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(UriError::NotXmpp);
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Ok((account(path)?, query))
}

/// The account that a path names, after the authority (who should act on the URI) and before the resource.
fn account(path: &str) -> Result<BareJid, UriError> {
    let path = match path.strip_prefix("//") {
        None => path,
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
    };
    let jid = decode(path)?;
    let bare = jid.split('/').next().unwrap_or_default();
    BareJid::new(&bare.to_lowercase()).map_err(UriError::Jid)
}

fn fingerprints(query: &str) -> Result<BTreeMap<DeviceId, Fingerprint>, UriError> {
    let mut fingerprints = BTreeMap::new();
    for parameter in query.split([';', '&']) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = decode(name)?.to_ascii_lowercase();
        let Some(id) = name.trim().strip_prefix(PARAMETER) else {
            continue;
        };
        let device = DeviceId::new(id.parse().map_err(|_| UriError::Device)?);
        let fingerprint = key(&decode(value)?).ok_or(UriError::Fingerprint(device))?;
        let fingerprint = Fingerprint::from_bytes(fingerprint);
        match fingerprints.entry(device) {
            Entry::Vacant(entry) => {
                entry.insert(fingerprint);
            }
            Entry::Occupied(entry) if *entry.get() == fingerprint => {}
            Entry::Occupied(_) => return Err(UriError::Contradiction(device)),
        }
        if fingerprints.len() > MAX_DEVICES {
            return Err(UriError::TooManyDevices);
        }
    }
    Ok(fingerprints)
}

/// 32 bytes in hexadecimal.
pub(super) fn key(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(nibble)
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let key = match bytes.as_slice() {
        [CURVE25519, key @ ..] if key.len() == 32 => key,
        key => key,
    };
    key.try_into().ok()
}
