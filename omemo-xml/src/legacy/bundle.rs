//! `<bundle>`.

use std::collections::BTreeMap;

use minidom::Element;
use omemo_sansio::keys::{IdentityKey, PublicKey, Signature};
use omemo_sansio::{Bundle, MAX_BUNDLE_PRE_KEYS, PreKeyId, PublicSignedPreKey};

use super::NAMESPACE;
use super::key::{holding_key, key};
use crate::XmlError;
use crate::read::{array, attribute, child, children, expect, holding, id, set};

/// Where a signature carries the sign of the Ed25519 form of its key: in its last byte, which is below 32 otherwise.
const SIGN: u8 = 0x80;

/// Reads a `<bundle>` element (XEP-0384 0.3.0, section 4.2). The sign bit goes from the signature to the identity key, as
/// the module's documentation describes. The signature is not checked here.
///
/// The ids of keys go back to their owner as 32 bits, so any number of 32 bits is taken, negative ones as the unsigned
/// number with the same bits: -1 is 2^32 - 1. Pre keys with another id or without exactly 33 bytes are skipped, of two
/// with the same id the first counts, and after [`MAX_BUNDLE_PRE_KEYS`] the rest is cut.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<bundle>`; [`XmlError::MissingElement`] without an `<identityKey>`, a
/// `<signedPreKeyPublic>`, a `<signedPreKeySignature>` or `<prekeys>`; [`XmlError::MissingAttribute`] and
/// [`XmlError::InvalidAttribute`] for the id of the signed pre key; [`XmlError::InvalidBase64`],
/// [`XmlError::WrongLength`], [`XmlError::WrongKeyType`] and [`XmlError::InvalidKey`] for its bytes, those of the signature
/// and of the identity key; [`XmlError::NoPreKeys`] if no pre key is left.
///
/// ```
/// use omemo_xml::{XmlError, legacy};
///
/// let element = omemo_xml::parse("<bundle xmlns='eu.siacs.conversations.axolotl'><prekeys/></bundle>")?;
/// assert_eq!(
///     legacy::bundle_from_xml(&element),
///     Err(XmlError::MissingElement { parent: "bundle", element: "signedPreKeySignature" }),
/// );
/// # Ok::<(), XmlError>(())
/// ```
pub fn bundle_from_xml(element: &Element) -> Result<Bundle, XmlError> {
    expect(element, "bundle", NAMESPACE)?;
    let part = |name| child(element, "bundle", name, NAMESPACE);

    let (signature, sign) = signature(part("signedPreKeySignature")?)?;
    let identity_key = key(part("identityKey")?, "identityKey")?;
    let identity_key =
        IdentityKey::from_curve25519(identity_key, sign).map_err(|source| XmlError::InvalidKey {
            element: "identityKey",
            source,
        })?;
    let signed = part("signedPreKeyPublic")?;
    let signed_pre_key = PublicSignedPreKey {
        id: signed_pre_key_id(signed)?,
        key: key(signed, "signedPreKeyPublic")?,
        signature,
    };
    let pre_keys = pre_keys(part("prekeys")?);
    if pre_keys.is_empty() {
        return Err(XmlError::NoPreKeys { element: "prekeys" });
    }
    Ok(Bundle {
        identity_key,
        signed_pre_key,
        pre_keys,
    })
}

/// The signature without the sign bit, and the sign bit.
fn signature(element: &Element) -> Result<(Signature, bool), XmlError> {
    let mut bytes: [u8; 64] = array(element, "signedPreKeySignature")?;
    let [.., last] = &mut bytes;
    let sign = *last & SIGN != 0;
    *last &= !SIGN;
    Ok((Signature::from_bytes(bytes), sign))
}

fn signed_pre_key_id(element: &Element) -> Result<PreKeyId, XmlError> {
    let text = attribute(element, "signedPreKeyPublic", "signedPreKeyId")?;
    pre_key_id(text).ok_or(XmlError::InvalidAttribute {
        element: "signedPreKeyPublic",
        attribute: "signedPreKeyId",
        expected: "an integer of 32 bits",
    })
}

fn pre_key_id(text: &str) -> Option<PreKeyId> {
    let negative = || text.trim_ascii().parse().ok().map(i32::cast_unsigned);
    id(text).or_else(negative).map(PreKeyId::new)
}

fn pre_keys(element: &Element) -> BTreeMap<PreKeyId, PublicKey> {
    let mut pre_keys = BTreeMap::new();
    for pre_key in children(element, "preKeyPublic", NAMESPACE) {
        if pre_keys.len() >= MAX_BUNDLE_PRE_KEYS {
            break;
        }
        if let Some(id) = pre_key.attr("preKeyId").and_then(pre_key_id)
            && let Ok(key) = key(pre_key, "preKeyPublic")
        {
            pre_keys.entry(id).or_insert(key);
        }
    }
    pre_keys
}

/// Writes a `<bundle>` element (XEP-0384 0.3.0, section 4.2), the sign of the identity key in the signature.
pub fn bundle_to_xml(bundle: &Bundle) -> Element {
    let Bundle {
        identity_key,
        signed_pre_key,
        pre_keys,
    } = bundle;
    let mut signed = holding_key("signedPreKeyPublic", &signed_pre_key.key);
    set(&mut signed, "signedPreKeyId", signed_pre_key.id);

    let [.., highest] = identity_key.ed25519();
    let mut signature = *signed_pre_key.signature.as_bytes();
    let [.., last] = &mut signature;
    *last = (*last & !SIGN) | (highest & SIGN);

    let pre_keys = pre_keys.iter().map(|(id, key)| {
        let mut pre_key = holding_key("preKeyPublic", key);
        set(&mut pre_key, "preKeyId", id);
        pre_key
    });
    Element::builder("bundle", NAMESPACE)
        .append(signed)
        .append(holding("signedPreKeySignature", NAMESPACE, &signature))
        .append(holding_key("identityKey", &identity_key.curve25519()))
        .append(Element::builder("prekeys", NAMESPACE).append_all(pre_keys))
        .build()
}
