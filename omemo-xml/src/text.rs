//! Between text and elements, within bounds.

use minidom::rxml::bytes::BytesMut;
use minidom::rxml::error::EndOrError;
use minidom::rxml::{self, Encoder, Event, Item, NcNameStr, Parse, Parser};
use minidom::{Element, Node};

use crate::XmlError;

/// The most bytes of a document: 10 MiB, far over what servers let through. As many may its namespaces have, counted at
/// each element and attribute.
pub const MAX_DOCUMENT: usize = 10 * 1024 * 1024;

/// How deep elements may stand inside each other: 128. Whatever walks an [`Element`] calls itself for each level, even
/// its drop, so that a deeper one could overflow the stack.
pub const MAX_DEPTH: usize = 128;

/// The most elements and attributes of a document: 262,144. Four bytes of text are enough for an element, which takes
/// forty times as much in memory.
pub const MAX_NODES: usize = 1 << 18;

/// Parses a document: one element, which may follow an XML declaration. Comments, processing instructions, document
/// types and entities other than the five predefined ones are refused, as RFC 6120 (section 11.1) wants. An element
/// that declares no namespace, such as a stanza cut out of its stream, gets the empty one.
///
/// # Errors
///
/// [`XmlError::TooLong`], [`XmlError::TooDeep`] and [`XmlError::TooManyNodes`] past the bounds, and
/// [`XmlError::Malformed`] if it is not well-formed, namespaces included.
///
/// ```
/// let element = omemo_xml::parse("<a:devices xmlns:a='urn:xmpp:omemo:2'/>")?;
/// assert!(element.is("devices", "urn:xmpp:omemo:2"));
///
/// assert!(omemo_xml::parse("<devices>").is_err());
/// assert_eq!(omemo_xml::parse(&"<a>".repeat(1000)), Err(omemo_xml::XmlError::TooDeep));
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn parse(document: &str) -> Result<Element, XmlError> {
    if document.len() > MAX_DOCUMENT {
        return Err(XmlError::TooLong {
            bytes: document.len(),
        });
    }
    let mut rest = document.as_bytes();
    let mut parser = Parser::new();
    let mut tree = Tree::default();
    while let Some(event) = parser.parse(&mut rest, true).map_err(malformed)? {
        match event {
            Event::XmlDeclaration(..) => {}
            Event::StartElement(_, (namespace, name), attributes) => {
                let mut element = Element::bare(name.as_str(), namespace);
                *element.attrs_mut() = attributes;
                tree.open(element)?;
            }
            Event::Text(_, text) => tree.text(text),
            Event::EndElement(_) => tree.close(),
        }
    }
    tree.root
        .ok_or(XmlError::Malformed(rxml::Error::InvalidEof(None)))
}

fn malformed(error: EndOrError) -> XmlError {
    XmlError::Malformed(match error {
        EndOrError::NeedMoreData => rxml::Error::InvalidEof(None),
        EndOrError::Error(error) => error,
    })
}

/// The elements that are open, the outermost first, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    nodes: usize,
    namespaces: usize,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), XmlError> {
        self.nodes += 1 + element.attrs().len();
        if self.nodes > MAX_NODES {
            return Err(XmlError::TooManyNodes);
        }
        // Text declares a namespace once, but each element and attribute holds a copy of it.
        let attributes = element.attrs().iter().map(|((namespace, _), _)| namespace.len());
        self.namespaces += element.ns().len() + attributes.sum::<usize>();
        if self.namespaces > MAX_DOCUMENT {
            return Err(XmlError::TooLong {
                bytes: self.namespaces,
            });
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: String) {
        if let Some(element) = self.open.last_mut() {
            element.append_text(text);
        }
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => {
                parent.append_child(element);
            }
            None => self.root = Some(element),
        }
    }
}

/// Writes an element as a document that [`parse`] reads: without an XML declaration, each namespace declared where it
/// begins. Unlike minidom's own writer it gives an error where that panics.
///
/// # Errors
///
/// [`XmlError::Unwritable`] if a text holds a control character that XML forbids or a name is none,
/// [`XmlError::TooLong`] and [`XmlError::TooDeep`] past the bounds.
///
/// ```
/// use minidom::Element;
///
/// let body = Element::builder("body", "jabber:client").append("<3").build();
/// assert_eq!(omemo_xml::write(&body)?, "<body xmlns='jabber:client'>&lt;3</body>");
/// # Ok::<(), omemo_xml::XmlError>(())
/// ```
pub fn write(element: &Element) -> Result<String, XmlError> {
    let mut writer = Writer {
        encoder: Encoder::new(),
        out: BytesMut::new(),
    };
    writer.element(element, MAX_DEPTH)?;
    String::from_utf8(writer.out.into()).map_err(|_| XmlError::NotUtf8)
}

struct Writer {
    encoder: Encoder<rxml::writer::SimpleNamespaces>,
    out: BytesMut,
}

impl Writer {
    /// Writes an element that may be `depth` levels deep.
    fn element(&mut self, element: &Element, depth: usize) -> Result<(), XmlError> {
        let depth = depth.checked_sub(1).ok_or(XmlError::TooDeep)?;
        let name =
            <&NcNameStr>::try_from(element.name()).map_err(|error| XmlError::Unwritable(error.into()))?;
        self.item(Item::ElementHeadStart(element.ns().into(), name))?;
        for ((namespace, name), value) in element.attrs() {
            self.item(Item::Attribute(namespace.clone(), name, value))?;
        }
        if element.nodes().len() > 0 {
            self.item(Item::ElementHeadEnd)?;
        }
        for node in element.nodes() {
            match node {
                Node::Element(child) => self.element(child, depth)?,
                Node::Text(text) => self.item(Item::Text(text))?,
            }
        }
        self.item(Item::ElementFoot)
    }

    fn item(&mut self, item: Item<'_>) -> Result<(), XmlError> {
        self.encoder
            .encode_into_bytes(item, &mut self.out)
            .map_err(XmlError::Unwritable)?;
        match self.out.len() {
            bytes if bytes > MAX_DOCUMENT => Err(XmlError::TooLong { bytes }),
            _ => Ok(()),
        }
    }
}
