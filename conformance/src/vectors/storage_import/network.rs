//! What stands on the server at the time of a dump.

use std::collections::BTreeMap;

use omemo_sansio::{BareJid, Bundle, DeviceId, DeviceList, EncryptedMessage, Namespace};
use omemo_xml::Format;
use serde::Deserialize;

use super::namespace;
use crate::vectors::checks::{Context, Verdict};

#[derive(Deserialize)]
pub(super) struct Recorded {
    device_lists: Vec<RecordedList>,
    bundles: Vec<RecordedBundle>,
}

#[derive(Deserialize)]
struct RecordedList {
    namespace: String,
    jid: String,
    xml: String,
}

#[derive(Deserialize)]
struct RecordedBundle {
    namespace: String,
    jid: String,
    device_id: u32,
    xml: String,
}

/// Device lists and bundles.
pub(super) struct Network {
    pub(super) lists: BTreeMap<(Namespace, BareJid), DeviceList>,
    pub(super) bundles: BTreeMap<(Namespace, BareJid, DeviceId), Bundle>,
}

impl Network {
    pub(super) fn read(recorded: &Recorded) -> Verdict<Self> {
        let mut network = Self {
            lists: BTreeMap::new(),
            bundles: BTreeMap::new(),
        };
        for RecordedList {
            namespace: name,
            jid,
            xml,
        } in &recorded.device_lists
        {
            let list = format(name)?.device_list_from_xml(&omemo_xml::parse(xml).context("xml")?);
            let at = (namespace(name)?, BareJid::new(jid).context(jid)?);
            network.lists.insert(at, list.context("a device list")?);
        }
        for RecordedBundle {
            namespace: name,
            jid,
            device_id,
            xml,
        } in &recorded.bundles
        {
            let bundle = format(name)?.bundle_from_xml(&omemo_xml::parse(xml).context("xml")?);
            let jid = BareJid::new(jid).context(jid)?;
            let at = (namespace(name)?, jid, DeviceId::new(*device_id));
            network.bundles.insert(at, bundle.context("a bundle")?);
        }
        Ok(network)
    }
}

/// Reads a message.
pub(super) fn message(name: &str, xml: &str) -> Verdict<EncryptedMessage> {
    format(name)?
        .encrypted_from_xml(&omemo_xml::parse(xml).context("xml")?)
        .context("a message")
}

fn format(name: &str) -> Verdict<Format> {
    Format::for_namespace(&namespace(name)?).context(format_args!("{name} has no XML"))
}
