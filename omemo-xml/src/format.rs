//! Which module reads and writes which namespace.

use minidom::Element;
use omemo_sansio::{Bundle, DeviceList, EncryptedMessage, Namespace};

use crate::{XmlError, legacy, omemo2};

/// A protocol version by the form of its XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `urn:xmpp:omemo:2`: the functions of [`omemo2`].
    Omemo2,
    /// `eu.siacs.conversations.axolotl`: the functions of [`legacy`].
    Legacy,
}

impl Format {
    /// All there are, the newest first.
    pub const ALL: &'static [Self] = &[Self::Omemo2, Self::Legacy];

    /// The format of a namespace, if it is known.
    ///
    /// ```
    /// use omemo_sansio::Namespace;
    /// use omemo_xml::Format;
    ///
    /// assert_eq!(Format::for_namespace(&Namespace::OMEMO_2), Some(Format::Omemo2));
    /// ```
    pub fn for_namespace(namespace: &Namespace) -> Option<Self> {
        Self::named(namespace.as_str())
    }

    /// The format of an `<encrypted>` element, if it is one of a known namespace.
    pub fn of_element(element: &Element) -> Option<Self> {
        Self::named(&element.ns()).filter(|_| element.name() == "encrypted")
    }

    /// The `<encrypted>` elements of a stanza, one a format at most, the newest format first. A stanza may hold both, each
    /// for the devices that the sender knows to read it, so that ours may be in either: try them in turn until one is for
    /// this device. The hint of explicit message encryption (XEP-0380) must not choose, since it names only one.
    ///
    /// ```
    /// use omemo_xml::Format;
    ///
    /// let stanza = omemo_xml::parse(
    ///     "<message xmlns='jabber:client'>
    ///        <encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/>
    ///        <encrypted xmlns='eu.siacs.conversations.axolotl'/>
    ///        <encrypted xmlns='urn:xmpp:omemo:2'/>
    ///      </message>",
    /// )?;
    /// let formats: Vec<_> = Format::encrypted_in(&stanza).map(|(format, _)| format).collect();
    /// assert_eq!(formats, [Format::Omemo2, Format::Legacy]);
    /// # Ok::<(), omemo_xml::XmlError>(())
    /// ```
    pub fn encrypted_in(stanza: &Element) -> impl Iterator<Item = (Self, &Element)> {
        Self::ALL.iter().filter_map(|format| {
            let element = stanza.get_child("encrypted", format.namespace().as_str())?;
            Some((*format, element))
        })
    }

    pub(crate) fn named(namespace: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.namespace().as_str() == namespace)
    }

    /// The namespace.
    pub const fn namespace(self) -> Namespace {
        match self {
            Self::Omemo2 => Namespace::OMEMO_2,
            Self::Legacy => Namespace::LEGACY,
        }
    }

    /// Reads a device list.
    ///
    /// # Errors
    ///
    /// As the function of the same name in the module of the format.
    pub fn device_list_from_xml(self, element: &Element) -> Result<DeviceList, XmlError> {
        match self {
            Self::Omemo2 => omemo2::device_list_from_xml(element),
            Self::Legacy => legacy::device_list_from_xml(element),
        }
    }

    /// Writes a device list.
    pub fn device_list_to_xml(self, list: &DeviceList) -> Element {
        match self {
            Self::Omemo2 => omemo2::device_list_to_xml(list),
            Self::Legacy => legacy::device_list_to_xml(list),
        }
    }

    /// Reads a bundle.
    ///
    /// # Errors
    ///
    /// As the function of the same name in the module of the format.
    pub fn bundle_from_xml(self, element: &Element) -> Result<Bundle, XmlError> {
        match self {
            Self::Omemo2 => omemo2::bundle_from_xml(element),
            Self::Legacy => legacy::bundle_from_xml(element),
        }
    }

    /// Writes a bundle.
    pub fn bundle_to_xml(self, bundle: &Bundle) -> Element {
        match self {
            Self::Omemo2 => omemo2::bundle_to_xml(bundle),
            Self::Legacy => legacy::bundle_to_xml(bundle),
        }
    }

    /// Reads an encrypted message.
    ///
    /// # Errors
    ///
    /// As the function of the same name in the module of the format.
    pub fn encrypted_from_xml(self, element: &Element) -> Result<EncryptedMessage, XmlError> {
        match self {
            Self::Omemo2 => omemo2::encrypted_from_xml(element),
            Self::Legacy => legacy::encrypted_from_xml(element),
        }
    }

    /// Writes an encrypted message.
    ///
    /// # Errors
    ///
    /// As the function of the same name in the module of the format.
    pub fn encrypted_to_xml(self, message: &EncryptedMessage) -> Result<Element, XmlError> {
        match self {
            Self::Omemo2 => omemo2::encrypted_to_xml(message),
            Self::Legacy => legacy::encrypted_to_xml(message),
        }
    }
}
