//! `<bundle>`.

use std::collections::BTreeMap;

use minidom::Element;
use omemo_sansio::keys::{IdentityKey, PublicKey, Signature};
use omemo_sansio::{Bundle, MAX_BUNDLE_PRE_KEYS, PreKeyId, PublicSignedPreKey};

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{array, child, children, expect, holding, id, required_id, set};

/// Reads a `<bundle>` element (XEP-0384, section 5.3.2). Pre keys without an id from 0 to 2^32 - 1 or without exactly
/// 32 bytes are skipped, of two with the same id the first counts, and after [`MAX_BUNDLE_PRE_KEYS`] the rest is cut.
/// The signature is not checked here.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<bundle>`; [`XmlError::MissingElement`] without an `<ik>`, an `<spk>`, an
/// `<spks>` or `<prekeys>`; [`XmlError::MissingAttribute`] and [`XmlError::InvalidAttribute`] for the id of the signed
/// pre key; [`XmlError::InvalidBase64`], [`XmlError::WrongLength`] and [`XmlError::InvalidKey`] for its bytes, those of
/// the signature and of the identity key; [`XmlError::NoPreKeys`] if no pre key is left.
///
/// ```
/// use omemo_xml::{XmlError, omemo2};
///
/// let element = omemo_xml::parse("<bundle xmlns='urn:xmpp:omemo:2'><prekeys/></bundle>")?;
/// assert_eq!(
///     omemo2::bundle_from_xml(&element),
///     Err(XmlError::MissingElement { parent: "bundle", element: "ik" }),
/// );
/// # Ok::<(), XmlError>(())
/// ```
pub fn bundle_from_xml(element: &Element) -> Result<Bundle, XmlError> {
    expect(element, "bundle", NAMESPACE)?;
    let part = |name| child(element, "bundle", name, NAMESPACE);

    let identity_key =
        IdentityKey::from_ed25519(array(part("ik")?, "ik")?).map_err(|source| XmlError::InvalidKey {
            element: "ik",
            source,
        })?;
    let key = part("spk")?;
    let signed_pre_key = PublicSignedPreKey {
        id: PreKeyId::new(required_id(key, "spk", "id")?),
        key: PublicKey::from_bytes(array(key, "spk")?),
        signature: Signature::from_bytes(array(part("spks")?, "spks")?),
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

fn pre_keys(element: &Element) -> BTreeMap<PreKeyId, PublicKey> {
    let mut pre_keys = BTreeMap::new();
    for pre_key in children(element, "pk", NAMESPACE) {
        if pre_keys.len() >= MAX_BUNDLE_PRE_KEYS {
            break;
        }
        if let Some(id) = pre_key.attr("id").and_then(id)
            && let Ok(key) = array(pre_key, "pk")
        {
            pre_keys
                .entry(PreKeyId::new(id))
                .or_insert(PublicKey::from_bytes(key));
        }
    }
    pre_keys
}

/// Writes a `<bundle>` element (XEP-0384, section 5.3.2).
pub fn bundle_to_xml(bundle: &Bundle) -> Element {
    let Bundle {
        identity_key,
        signed_pre_key,
        pre_keys,
    } = bundle;
    let pre_keys = pre_keys.iter().map(|(id, key)| with_id("pk", *id, key));
    Element::builder("bundle", NAMESPACE)
        .append(with_id("spk", signed_pre_key.id, &signed_pre_key.key))
        .append(holding("spks", NAMESPACE, signed_pre_key.signature.as_bytes()))
        .append(holding("ik", NAMESPACE, identity_key.ed25519()))
        .append(Element::builder("prekeys", NAMESPACE).append_all(pre_keys))
        .build()
}

fn with_id(name: &'static str, id: PreKeyId, key: &PublicKey) -> Element {
    let mut element = holding(name, NAMESPACE, key.as_bytes());
    set(&mut element, "id", id);
    element
}
