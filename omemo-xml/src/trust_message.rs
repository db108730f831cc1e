//! `<trust-message>` of XEP-0434, as automatic trust management (XEP-0450) uses it.

use minidom::Element;
use omemo_sansio::BareJid;
use omemo_sansio::trust::{KeyIdentifier, KeyOwner, MAX_TRUST_STATEMENTS, TrustMessage};

use crate::read::{array, attribute, children, expect, holding, is_xml_text, set};
use crate::{Format, XmlError};

/// The namespace of trust messages.
pub const TRUST_MESSAGE: &str = "urn:xmpp:tm:1";

const NAME: &str = "trust-message";

/// Reads a `<trust-message>` element (XEP-0434, section 4), which stands in the content of an SCE envelope. Owners whose
/// `jid` is missing or no bare JID are skipped, and so are identifiers without exactly 32 bytes: no key of OMEMO has such.
///
/// # Errors
///
/// [`XmlError::WrongElement`] if it is no `<trust-message>`; [`XmlError::MissingAttribute`] without `usage` or `encryption`;
/// [`XmlError::InvalidAttribute`] if the usage is another than [`TrustMessage::USAGE`], or the encryption no
/// [`Format`]; [`XmlError::TooManyKeys`] past [`MAX_TRUST_STATEMENTS`], skipped ones included;
/// [`XmlError::MissingElement`] if nothing is left.
///
/// ```
/// use omemo_xml::{trust_message_from_xml, trust_message_to_xml};
///
/// let element = omemo_xml::parse(
///     "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='urn:xmpp:omemo:2'>
///        <key-owner jid='alice@example.org'>
///          <trust>aFABnX7Q/rbTgjBySYzrT2FsYCVYb49mbca5yB734KQ=</trust>
///        </key-owner>
///      </trust-message>",
/// )?;
/// let message = trust_message_from_xml(&element)?;
/// assert_eq!(message.owners[0].trust.len(), 1);
/// assert_eq!(trust_message_from_xml(&trust_message_to_xml(&message)?)?, message);
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn trust_message_from_xml(element: &Element) -> Result<TrustMessage, XmlError> {
    expect(element, NAME, TRUST_MESSAGE)?;
    if attribute(element, NAME, "usage")? != TrustMessage::USAGE {
        return Err(XmlError::InvalidAttribute {
            element: NAME,
            attribute: "usage",
            expected: TrustMessage::USAGE,
        });
    }
    let encryption = Format::named(attribute(element, NAME, "encryption")?)
        .ok_or(XmlError::InvalidAttribute {
            element: NAME,
            attribute: "encryption",
            expected: "a known namespace",
        })?
        .namespace();
    let owners = || children(element, "key-owner", TRUST_MESSAGE);
    let statements = owners().flat_map(Element::children);
    if statements.take(MAX_TRUST_STATEMENTS + 1).count() > MAX_TRUST_STATEMENTS {
        return Err(XmlError::TooManyKeys { element: NAME });
    }
    let owners: Vec<KeyOwner> = owners().filter_map(owner).collect();
    if owners.is_empty() {
        return Err(XmlError::MissingElement {
            parent: NAME,
            element: "key-owner",
        });
    }
    Ok(TrustMessage { encryption, owners })
}

/// What is said about an account's keys, unless it names no bare JID or no key.
fn owner(element: &Element) -> Option<KeyOwner> {
    let identifiers = |name| {
        children(element, name, TRUST_MESSAGE)
            .filter_map(move |child| array(child, name).ok().map(KeyIdentifier::from_bytes))
            .collect::<Vec<_>>()
    };
    let (trust, distrust) = (identifiers("trust"), identifiers("distrust"));
    if trust.is_empty() && distrust.is_empty() {
        return None;
    }
    Some(KeyOwner {
        jid: BareJid::new(element.attr("jid")?).ok()?,
        trust,
        distrust,
    })
}

/// Writes a `<trust-message>` element (XEP-0434, section 4).
///
/// # Errors
///
/// [`XmlError::InvalidAttribute`] if XML cannot carry a JID.
pub fn trust_message_to_xml(message: &TrustMessage) -> Result<Element, XmlError> {
    let TrustMessage { encryption, owners } = message;
    let mut element = Element::bare(NAME, TRUST_MESSAGE);
    set(&mut element, "usage", TrustMessage::USAGE);
    set(&mut element, "encryption", encryption);
    for owner in owners {
        element.append_child(owner_to_xml(owner)?);
    }
    Ok(element)
}

fn owner_to_xml(owner: &KeyOwner) -> Result<Element, XmlError> {
    let KeyOwner { jid, trust, distrust } = owner;
    if !is_xml_text(jid.as_str()) {
        return Err(XmlError::InvalidAttribute {
            element: "key-owner",
            attribute: "jid",
            expected: "text that XML can carry",
        });
    }
    let write = |name: &'static str| move |key: &KeyIdentifier| holding(name, TRUST_MESSAGE, key.as_bytes());
    let mut element = Element::builder("key-owner", TRUST_MESSAGE)
        .append_all(trust.iter().map(write("trust")))
        .append_all(distrust.iter().map(write("distrust")))
        .build();
    set(&mut element, "jid", jid);
    Ok(element)
}
