//! Where device lists and bundles are published: nodes and items of personal eventing (XEP-0163).

use std::borrow::Cow;

use minidom::Element;
use omemo_sansio::DeviceId;

use crate::{Format, legacy, omemo2};

/// The id of an item that is alone in its node (XEP-0060, section 12.20): each publication takes the place of the one
/// before.
pub const CURRENT: &str = "current";

/// Nodes and items. Lists and legacy bundles are fetched with `max_items='1'`: some accounts have hundreds of old items
/// in such a node.
impl Format {
    /// The node of the device list; its item is [`CURRENT`].
    pub const fn devices_node(self) -> &'static str {
        match self {
            Self::Omemo2 => omemo2::DEVICES_NODE,
            Self::Legacy => legacy::DEVICES_NODE,
        }
    }

    /// The node of a device's bundle: one node for all devices in OMEMO 2, one node a device in legacy OMEMO.
    ///
    /// ```
    /// use omemo_sansio::DeviceId;
    /// use omemo_xml::Format;
    ///
    /// let device = DeviceId::new(31415);
    /// assert_eq!(Format::Omemo2.bundle_node(device), "urn:xmpp:omemo:2:bundles");
    /// assert_eq!(Format::Omemo2.bundle_item(device), "31415");
    /// assert_eq!(Format::Legacy.bundle_node(device), "eu.siacs.conversations.axolotl.bundles:31415");
    /// assert_eq!(Format::Legacy.bundle_item(device), "current");
    /// ```
    pub fn bundle_node(self, device: DeviceId) -> Cow<'static, str> {
        match self {
            Self::Omemo2 => Cow::Borrowed(omemo2::BUNDLES_NODE),
            Self::Legacy => Cow::Owned(format!("{}{device}", legacy::BUNDLES_NODE_PREFIX)),
        }
    }

    /// The id of the item of a device's bundle in its [node](Self::bundle_node): the device id in OMEMO 2, [`CURRENT`] in
    /// legacy OMEMO.
    pub fn bundle_item(self, device: DeviceId) -> Cow<'static, str> {
        match self {
            Self::Omemo2 => Cow::Owned(device.to_string()),
            Self::Legacy => Cow::Borrowed(CURRENT),
        }
    }

    /// The element of the device list in the `<items>` of its node, as they stand in a result and in an event: that of
    /// the item [`CURRENT`], or else of the last, since some clients name their item otherwise, and items are in the order
    /// in which they were published (XEP-0060, section 12.1). Nothing of the other items is read.
    pub fn devices_in(self, items: &Element) -> Option<&Element> {
        let name = match self {
            Self::Omemo2 => "devices",
            Self::Legacy => "list",
        };
        self.payload(single_item(items)?, name)
    }

    /// The element of a device's bundle in the `<items>` of its node. In OMEMO 2 it is that of the item with the device's
    /// id; in legacy OMEMO that of the item [`CURRENT`], or else of the last, as for a [list](Self::devices_in).
    pub fn bundle_in(self, items: &Element, device: DeviceId) -> Option<&Element> {
        let item = match self {
            Self::Omemo2 => named_item(items, &self.bundle_item(device)),
            Self::Legacy => single_item(items),
        };
        self.payload(item?, "bundle")
    }

    fn payload<'a>(self, item: &'a Element, name: &str) -> Option<&'a Element> {
        item.get_child(name, self.namespace().as_str())
    }
}

/// The items, whether they came in a result or in an event: their namespaces differ.
fn items(items: &Element) -> impl Iterator<Item = &Element> {
    items.children().filter(|child| child.name() == "item")
}

fn named_item<'a>(items: &'a Element, id: &str) -> Option<&'a Element> {
    self::items(items).find(|item| item.attr("id") == Some(id))
}

/// What was published last, as far as one can tell. Items do not say when that was; but in the examples of XEP-0060 (section
/// 6.5) the newest is the last, and so it is with ejabberd and Prosody. Some servers begin with it, and then it has to be
/// asked for alone.
fn single_item(items: &Element) -> Option<&Element> {
    named_item(items, CURRENT).or_else(|| self::items(items).last())
}
