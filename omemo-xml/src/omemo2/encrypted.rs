//! `<encrypted>`.

use minidom::Element;
use omemo_sansio::{
    BareJid, DeviceId, EncryptedMessage, KeyElement, MAX_KEY_ELEMENTS, Namespace, Payload, RecipientKeys,
};

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{bytes, child, children, expect, holding, id, is_xml_text, required_id, set};

/// Reads an `<encrypted>` element (XEP-0384, section 5.5.3). Without a `<payload>` the message is empty. Groups whose
/// `jid` is missing or no bare JID are skipped, and so are keys without a `rid` from 0 to 2^32 - 1 or with malformed
/// base64: another device's key must not cost us ours. `kex` is a hint; what is neither `true` nor `1` counts as false.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<encrypted>`; [`XmlError::MissingElement`] without a `<header>`;
/// [`XmlError::MissingAttribute`] and [`XmlError::InvalidAttribute`] for `sid`; [`XmlError::TooManyKeys`] past
/// [`MAX_KEY_ELEMENTS`], skipped ones included; [`XmlError::InvalidBase64`] for the payload.
///
/// ```
/// use omemo_xml::omemo2::{encrypted_from_xml, encrypted_to_xml};
///
/// let element = omemo_xml::parse(
///     "<encrypted xmlns='urn:xmpp:omemo:2'>
///        <header sid='27183'>
///          <keys jid='juliet@capulet.lit'><key kex='true' rid='31415'>AQID</key></keys>
///        </header>
///        <payload>BAUG</payload>
///      </encrypted>",
/// )?;
/// let message = encrypted_from_xml(&element)?;
/// assert_eq!(message.recipients[0].keys[0].data, [1, 2, 3]);
/// assert!(message.recipients[0].keys[0].key_exchange);
/// assert_eq!(encrypted_from_xml(&encrypted_to_xml(&message)?)?, message);
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn encrypted_from_xml(element: &Element) -> Result<EncryptedMessage, XmlError> {
    expect(element, "encrypted", NAMESPACE)?;
    let header = child(element, "encrypted", "header", NAMESPACE)?;
    let sender_device = DeviceId::new(required_id(header, "header", "sid")?);

    let groups = || children(header, "keys", NAMESPACE);
    let keys = groups().flat_map(|group| children(group, "key", NAMESPACE));
    if keys.take(MAX_KEY_ELEMENTS + 1).count() > MAX_KEY_ELEMENTS {
        return Err(XmlError::TooManyKeys { element: "header" });
    }
    let payload = element
        .get_child("payload", NAMESPACE)
        .map(|payload| bytes(payload, "payload"))
        .transpose()?;
    Ok(EncryptedMessage {
        namespace: Namespace::OMEMO_2,
        sender_device,
        recipients: groups().filter_map(recipient).collect(),
        payload: payload.map(|ciphertext| Payload { ciphertext, iv: None }),
    })
}

/// A group of keys, unless it names no bare JID or holds no key.
fn recipient(group: &Element) -> Option<RecipientKeys> {
    let keys: Vec<KeyElement> = children(group, "key", NAMESPACE).filter_map(key).collect();
    if keys.is_empty() {
        return None;
    }
    let jid = BareJid::new(group.attr("jid")?).ok()?;
    Some(RecipientKeys { jid: Some(jid), keys })
}

fn key(element: &Element) -> Option<KeyElement> {
    Some(KeyElement {
        device: DeviceId::new(id(element.attr("rid")?)?),
        key_exchange: matches!(element.attr("kex").map(str::trim_ascii), Some("true" | "1")),
        data: bytes(element, "key").ok()?,
    })
}

/// Writes an `<encrypted>` element (XEP-0384, section 5.5.3).
///
/// # Errors
///
/// [`XmlError::NoPlace`] if the message is of another namespace or its payload has an initialisation vector;
/// [`XmlError::MissingAttribute`] if recipients have no JID, [`XmlError::InvalidAttribute`] if XML cannot carry it.
pub fn encrypted_to_xml(message: &EncryptedMessage) -> Result<Element, XmlError> {
    let no_place = |what| XmlError::NoPlace {
        element: "encrypted",
        what,
    };
    let EncryptedMessage {
        namespace,
        sender_device,
        recipients,
        payload,
    } = message;
    if *namespace != Namespace::OMEMO_2 {
        return Err(no_place("a message of another namespace"));
    }
    let mut header = Element::bare("header", NAMESPACE);
    set(&mut header, "sid", sender_device);
    for recipient in recipients {
        header.append_child(recipient_to_xml(recipient)?);
    }
    let mut encrypted = Element::builder("encrypted", NAMESPACE).append(header).build();
    if let Some(Payload { ciphertext, iv }) = payload {
        if iv.is_some() {
            return Err(no_place("an initialisation vector"));
        }
        encrypted.append_child(holding("payload", NAMESPACE, ciphertext));
    }
    Ok(encrypted)
}

fn recipient_to_xml(recipient: &RecipientKeys) -> Result<Element, XmlError> {
    let jid = recipient.jid.as_ref().ok_or(XmlError::MissingAttribute {
        element: "keys",
        attribute: "jid",
    })?;
    if !is_xml_text(jid.as_str()) {
        return Err(XmlError::InvalidAttribute {
            element: "keys",
            attribute: "jid",
            expected: "text that XML can carry",
        });
    }
    let keys = recipient.keys.iter().map(|key| {
        let mut element = holding("key", NAMESPACE, &key.data);
        set(&mut element, "rid", key.device);
        if key.key_exchange {
            set(&mut element, "kex", "true");
        }
        element
    });
    let mut group = Element::builder("keys", NAMESPACE).append_all(keys).build();
    set(&mut group, "jid", jid);
    Ok(group)
}
