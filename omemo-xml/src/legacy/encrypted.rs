//! `<encrypted>`.

use minidom::Element;
use omemo_sansio::{
    DeviceId, EncryptedMessage, KeyElement, MAX_KEY_ELEMENTS, Namespace, Payload, RecipientKeys,
};

use super::NAMESPACE;
use crate::XmlError;
use crate::read::{bytes, child, children, expect, holding, id, required_id, set};

/// Reads an `<encrypted>` element (XEP-0384 0.3.0, sections 4.4 and 4.5). Its children, and those of its header, may come
/// in any order.
///
/// Key elements do not say whose device they are for: two accounts may have the same device id, so that all with the same
/// `rid` are kept, and all stand in one group without JID. Keys without a `rid` from 0 to 2^32 - 1 or with malformed base64
/// are skipped: another device's key must not cost us ours. `prekey` is a hint; what is neither `true` nor `1` counts as
/// false, and so does its absence.
///
/// Without a `<payload>` the message is a KeyTransportElement. Its `<iv>`, which belongs to the key and may be missing, is
/// then that of a payload without bytes.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<encrypted>`; [`XmlError::MissingElement`] without a `<header>`, or with a
/// `<payload>` but no `<iv>`; [`XmlError::MissingAttribute`] and [`XmlError::InvalidAttribute`] for `sid`;
/// [`XmlError::TooManyKeys`] past [`MAX_KEY_ELEMENTS`], skipped ones included; [`XmlError::InvalidBase64`] for the payload
/// and its initialisation vector.
///
/// ```
/// use omemo_xml::legacy::{encrypted_from_xml, encrypted_to_xml};
///
/// let element = omemo_xml::parse(
///     "<encrypted xmlns='eu.siacs.conversations.axolotl'>
///        <header sid='27183'>
///          <iv>BAUGBAUGBAUGBAUG</iv>
///          <key prekey='true' rid='31415'>AQID</key>
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

    let keys = || children(header, "key", NAMESPACE);
    if keys().take(MAX_KEY_ELEMENTS + 1).count() > MAX_KEY_ELEMENTS {
        return Err(XmlError::TooManyKeys { element: "header" });
    }
    let keys: Vec<KeyElement> = keys().filter_map(key).collect();
    let recipients = match keys.is_empty() {
        true => Vec::new(),
        false => vec![RecipientKeys { jid: None, keys }],
    };
    Ok(EncryptedMessage {
        namespace: Namespace::LEGACY,
        sender_device,
        recipients,
        payload: payload(element, header)?,
    })
}

fn key(element: &Element) -> Option<KeyElement> {
    Some(KeyElement {
        device: DeviceId::new(id(element.attr("rid")?)?),
        key_exchange: matches!(element.attr("prekey").map(str::trim_ascii), Some("true" | "1")),
        data: bytes(element, "key").ok()?,
    })
}

fn payload(encrypted: &Element, header: &Element) -> Result<Option<Payload>, XmlError> {
    let iv = || bytes(child(header, "header", "iv", NAMESPACE)?, "iv");
    let Some(payload) = encrypted.get_child("payload", NAMESPACE) else {
        return Ok(iv().ok().map(|iv| Payload {
            ciphertext: Vec::new(),
            iv: Some(iv),
        }));
    };
    Ok(Some(Payload {
        ciphertext: bytes(payload, "payload")?,
        iv: Some(iv()?),
    }))
}

/// Writes an `<encrypted>` element (XEP-0384 0.3.0, sections 4.4 and 4.5). Of a payload without bytes the `<iv>` alone is
/// written: some clients drop a message that has none, and others take an empty `<payload>` for one they have to decrypt.
///
/// # Errors
///
/// [`XmlError::NoPlace`] if the message is of another namespace or recipients have a JID; [`XmlError::MissingElement`] if
/// there is a payload without initialisation vector.
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
    if *namespace != Namespace::LEGACY {
        return Err(no_place("a message of another namespace"));
    }
    if recipients.iter().any(|recipient| recipient.jid.is_some()) {
        return Err(no_place("the JID of recipients"));
    }
    let mut header = Element::bare("header", NAMESPACE);
    set(&mut header, "sid", sender_device);
    for key in recipients.iter().flat_map(|recipient| &recipient.keys) {
        header.append_child(key_to_xml(key));
    }
    if let Some(Payload { iv, .. }) = payload {
        let iv = iv.as_deref().ok_or(XmlError::MissingElement {
            parent: "header",
            element: "iv",
        })?;
        header.append_child(holding("iv", NAMESPACE, iv));
    }
    let payload = message
        .content()
        .map(|payload| holding("payload", NAMESPACE, &payload.ciphertext));
    Ok(Element::builder("encrypted", NAMESPACE)
        .append(header)
        .append_all(payload)
        .build())
}

fn key_to_xml(key: &KeyElement) -> Element {
    let mut element = holding("key", NAMESPACE, &key.data);
    set(&mut element, "rid", key.device);
    if key.key_exchange {
        set(&mut element, "prekey", "true");
    }
    element
}
