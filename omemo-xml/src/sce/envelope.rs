//! `<envelope>`.

use core::fmt;

use minidom::{Element, Node};
use omemo_sansio::{BareJid, Timestamp};
use rand_core::CryptoRng;

use super::{NAMESPACE, datetime, padding};
use crate::read::{attribute, child, expect, set};
use crate::{XmlError, parse, write};

/// What an OMEMO 2 message says once it is decrypted (XEP-0420, section 4).
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The extension elements that take the place of the encrypted one in the stanza.
    pub content: Vec<Element>,
    /// `<from/>`: who wrote it, by the writer's own account.
    pub from: Option<String>,
    /// `<to/>`: to whom.
    pub to: Option<String>,
    /// `<time/>`: when it was encrypted, in whole seconds.
    pub time: Option<Timestamp>,
    /// Whether it came with an `<rpad/>`. [`Envelope::to_bytes`] adds one in any case.
    pub padded: bool,
}

impl Envelope {
    /// An envelope around content. Each element needs its own namespace; for a `<body>` that is `jabber:client`
    /// (XEP-0420, section 10).
    pub fn new(content: Vec<Element>) -> Self {
        Self {
            content,
            from: None,
            to: None,
            time: None,
            padded: true,
        }
    }

    /// Says who writes. OMEMO recommends it always (XEP-0384, section 5.5.1).
    #[must_use]
    pub fn with_from(mut self, sender: &BareJid) -> Self {
        self.from = Some(sender.as_str().to_owned());
        self
    }

    /// Says to whom. OMEMO demands it in group chats, where it is the room (XEP-0384, section 5.5.1).
    #[must_use]
    pub fn with_to(mut self, recipient: &BareJid) -> Self {
        self.to = Some(recipient.as_str().to_owned());
        self
    }

    /// Says when it is encrypted.
    #[must_use]
    pub fn with_time(mut self, now: Timestamp) -> Self {
        self.time = Some(now);
        self
    }

    /// Writes the plaintext of a message, with new padding of at most [`super::MAX_PADDING`] characters: up to the next
    /// multiple of 64 bytes, and a random number more, so that neither one message nor many tell how long the content
    /// is.
    ///
    /// # Errors
    ///
    /// [`XmlError::NoPlace`] if the content holds what a server has to see ([`is_server_processed`]); otherwise as
    /// [`write()`].
    pub fn to_bytes(&self, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, XmlError> {
        if self.content.iter().any(is_server_processed) {
            return Err(XmlError::NoPlace {
                element: "content",
                what: "an element that servers process",
            });
        }
        let bare = write(&self.to_xml(String::new()))?;
        Ok(write(&self.to_xml(padding::draw(bare.len(), rng)))?.into_bytes())
    }

    fn to_xml(&self, padding: String) -> Element {
        let affix = |name, attribute, value: &str| {
            let mut element = Element::bare(name, NAMESPACE);
            set(&mut element, attribute, value);
            element
        };
        let content = Element::builder("content", NAMESPACE).append_all(self.content.iter().cloned());
        let stamp = self.time.map(datetime::format);
        Element::builder("envelope", NAMESPACE)
            .append(content)
            .append(Element::builder("rpad", NAMESPACE).append(Node::Text(padding)))
            .append_all(stamp.map(|stamp| affix("time", "stamp", &stamp)))
            .append_all(self.to.iter().map(|jid| affix("to", "jid", jid)))
            .append_all(self.from.iter().map(|jid| affix("from", "jid", jid)))
            .build()
    }

    /// Reads the plaintext of a message. Elements of the content that only a server may act upon are dropped, and so
    /// is text between the elements (XEP-0420, section 9). Nothing is checked yet: see [`Envelope::check`].
    ///
    /// # Errors
    ///
    /// [`XmlError::NotUtf8`]; those of [`parse`]; [`XmlError::WrongElement`] if it is no `<envelope>`;
    /// [`XmlError::MissingElement`] without a `<content>`; [`XmlError::MissingAttribute`] and
    /// [`XmlError::InvalidAttribute`] for an affix without its attribute and for a time that is none.
    pub fn from_bytes(plaintext: &[u8]) -> Result<Self, XmlError> {
        let text = core::str::from_utf8(plaintext).map_err(|_| XmlError::NotUtf8)?;
        let mut envelope = parse(text)?;
        expect(&envelope, "envelope", NAMESPACE)?;
        child(&envelope, "envelope", "content", NAMESPACE)?;
        let content = envelope
            .remove_child("content", NAMESPACE)
            .map(|mut content| content.take_nodes())
            .unwrap_or_default();
        Ok(Self {
            content: content
                .into_iter()
                .filter_map(Node::into_element)
                .filter(|element| !is_server_processed(element))
                .collect(),
            from: affix(&envelope, "from", "jid")?.map(str::to_owned),
            to: affix(&envelope, "to", "jid")?.map(str::to_owned),
            time: affix(&envelope, "time", "stamp")?.map(time).transpose()?,
            padded: envelope.has_child("rpad", NAMESPACE),
        })
    }
}

/// The one attribute of an affix, if there is one.
fn affix<'a>(
    envelope: &'a Element,
    name: &'static str,
    attribute: &'static str,
) -> Result<Option<&'a str>, XmlError> {
    envelope
        .get_child(name, NAMESPACE)
        .map(|affix| self::attribute(affix, name, attribute))
        .transpose()
}

fn time(stamp: &str) -> Result<Timestamp, XmlError> {
    datetime::parse(stamp).ok_or(XmlError::InvalidAttribute {
        element: "time",
        attribute: "stamp",
        expected: "a date and time (XEP-0082)",
    })
}

/// Whether an element is one that servers process, so that it must neither be encrypted nor be read from what was
/// encrypted (XEP-0420, section 9): message processing hints, stanza ids, extended stanza addresses and the name of the
/// encryption.
pub fn is_server_processed(element: &Element) -> bool {
    element.has_ns("urn:xmpp:hints")
        || element.has_ns("urn:xmpp:eme:0")
        || element.has_ns("http://jabber.org/protocol/address")
        || element.is("stanza-id", "urn:xmpp:sid:0")
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            content,
            from,
            to,
            time,
            padded,
        } = self;
        write!(
            f,
            "Envelope({} elements, from: {}, to: {}, time: {}, padded: {padded})",
            content.len(),
            from.is_some(),
            to.is_some(),
            time.is_some(),
        )
    }
}
