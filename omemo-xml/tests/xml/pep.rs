//! Nodes and items.

use omemo_sansio::DeviceId;
use omemo_xml::{CURRENT, Format};

use crate::element;

const DEVICE: DeviceId = DeviceId::new(7);

/// The ids of the devices in what was found.
fn listed(format: Format, items: &str) -> Option<Vec<u32>> {
    let items = element(&format!(
        "<items xmlns='http://jabber.org/protocol/pubsub'>{items}</items>"
    ));
    let list = format.device_list_from_xml(format.devices_in(&items)?).unwrap();
    Some(list.devices.keys().map(|id| id.get()).collect())
}

#[test]
fn wire_note_24_nodes_and_items_have_these_names() {
    assert_eq!(Format::Omemo2.devices_node(), "urn:xmpp:omemo:2:devices");
    assert_eq!(Format::Omemo2.bundle_node(DEVICE), "urn:xmpp:omemo:2:bundles");
    assert_eq!(Format::Omemo2.bundle_item(DEVICE), "7");
    assert_eq!(
        Format::Legacy.devices_node(),
        "eu.siacs.conversations.axolotl.devicelist"
    );
    assert_eq!(
        Format::Legacy.bundle_node(DEVICE),
        "eu.siacs.conversations.axolotl.bundles:7"
    );
    assert_eq!(Format::Legacy.bundle_item(DEVICE), "current");
    assert_eq!(CURRENT, "current");
}

/// Of many items the one called `current` is read, or else the last: they are in the order in which they were published (XEP-0060,
/// section 12.1). Some servers begin with the newest all the same, and no item says when it was published. So a list is asked
/// for with `max_items='1'`, which servers answer with the newest item alone.
#[test]
fn wire_note_24_of_many_items_one_is_read() {
    for (format, list) in [
        (Format::Omemo2, "devices xmlns='urn:xmpp:omemo:2'"),
        (Format::Legacy, "list xmlns='eu.siacs.conversations.axolotl'"),
    ] {
        let item = |attributes: &str, device: u32| {
            let end = list.split(' ').next().unwrap();
            format!("<item {attributes}><{list}><device id='{device}'/></{end}></item>")
        };
        let old: String = (100..287).map(|id| item(&format!("id='{id}'"), id)).collect();
        let current = item("id='current'", 1);
        assert_eq!(listed(format, &(old.clone() + &current)), Some(vec![1]));
        assert_eq!(listed(format, &(current + &old)), Some(vec![1]));
        assert_eq!(listed(format, &old), Some(vec![286]));
        assert_eq!(listed(format, &item("", 1)), Some(vec![1]));
        assert_eq!(listed(format, ""), None);
        // Items may be empty, and hold what they should not.
        assert_eq!(listed(format, "<item id='current'/>"), None);
        assert_eq!(
            listed(format, "<item id='current'><x xmlns='urn:x'/></item>"),
            None
        );
    }
}

#[test]
fn wire_note_24_a_bundle_is_that_of_the_device() {
    let items = element(
        "<items xmlns='http://jabber.org/protocol/pubsub#event' node='urn:xmpp:omemo:2:bundles'>
           <item id='6'><bundle xmlns='urn:xmpp:omemo:2' of='6'/></item>
           <item id='7'><bundle xmlns='urn:xmpp:omemo:2' of='7'/></item>
         </items>",
    );
    let of = |device| {
        Format::Omemo2
            .bundle_in(&items, DeviceId::new(device))?
            .attr("of")
    };
    assert_eq!(of(7), Some("7"));
    assert_eq!(of(6), Some("6"));
    assert_eq!(of(5), None);

    let items = element(
        "<items xmlns='http://jabber.org/protocol/pubsub' node='eu.siacs.conversations.axolotl.bundles:7'>
           <item id='1'><bundle xmlns='eu.siacs.conversations.axolotl' of='1'/></item>
           <item id='current'><bundle xmlns='eu.siacs.conversations.axolotl' of='current'/></item>
         </items>",
    );
    assert_eq!(
        Format::Legacy.bundle_in(&items, DEVICE).unwrap().attr("of"),
        Some("current")
    );
    assert_eq!(Format::Omemo2.bundle_in(&items, DEVICE), None);

    let items = element(
        "<items xmlns='http://jabber.org/protocol/pubsub' node='eu.siacs.conversations.axolotl.bundles:7'>
           <item id='1'><bundle xmlns='eu.siacs.conversations.axolotl' of='1'/></item>
           <item id='2'><bundle xmlns='eu.siacs.conversations.axolotl' of='2'/></item>
         </items>",
    );
    let bundle = Format::Legacy.bundle_in(&items, DEVICE).unwrap();
    assert_eq!(bundle.attr("of"), Some("2"));
}
