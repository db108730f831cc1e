//! What is left when everything has come to rest: it must be sound, and the same whatever has struck.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::{BareJid, DeviceId, contact_of, examine_contact, examine_own};
use omemo_storage::{Key, Record, Storage};

use super::world::{Device, World};
use crate::scene::stored;

/// Which records there are, and what is published: by names, since keys and ids differ from telling to telling.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome(BTreeSet<String>);

impl Outcome {
    /// Fails unless it is the same as without a fault.
    pub(super) fn check(&self, without_fault: &Self) {
        let more: Vec<_> = self.0.difference(&without_fault.0).collect();
        let less: Vec<_> = without_fault.0.difference(&self.0).collect();
        assert!(
            more.is_empty() && less.is_empty(),
            "in the end there is more: {more:?}, and less: {less:?}"
        );
    }
}

impl<S: Storage> World<'_, S> {
    pub(super) fn outcome(&self) -> Outcome {
        let names: BTreeMap<String, &str> = self
            .devices
            .iter()
            .filter_map(|device| Some((device.id?.to_string(), device.name)))
            .collect();
        let name = |id: &str| {
            names
                .get(id)
                .map_or_else(|| id.to_owned(), |name| (*name).to_owned())
        };
        let mut there = BTreeSet::new();
        for device in &self.devices {
            let records = stored(&device.storage, device.account.id());
            self.examine(device, &records);
            let lasting = records.keys().filter(|key| !comes_and_goes(key));
            there.extend(lasting.map(|key| {
                let (item, id) = split(key.item.as_str());
                format!("{}: {} {item}{}", device.name, key.partition.as_str(), name(id))
            }));
        }
        let published = self.server.lists.iter().map(|((namespace, jid), list)| {
            let devices: BTreeSet<_> = list.devices.keys().map(|id| name(&id.to_string())).collect();
            format!("list {namespace} of {jid}: {devices:?}")
        });
        there.extend(published);
        let named = |id: &DeviceId| name(&id.to_string());
        let bundles = self.server.bundles.keys();
        there.extend(
            bundles.map(|(namespace, jid, id)| format!("bundle {namespace} of {jid}: {}", named(id))),
        );
        Outcome(there)
    }

    /// What is stored must fit together.
    fn examine(&self, device: &Device<S>, records: &BTreeMap<Key, Record>) {
        if records.is_empty() {
            return;
        }
        // The own contact says which device this is.
        let own = ["own", "inbox", &format!("contact/{}", device.jid)].map(str::to_owned);
        let mut findings = examine_own(&device.jid, &part(records, &own), self.now);
        let contacts: BTreeSet<BareJid> = records.keys().filter_map(contact_of).collect();
        for jid in &contacts {
            let partitions = [format!("contact/{jid}"), format!("cold/{jid}")];
            findings.extend(examine_contact(jid, &part(records, &partitions)));
        }
        assert!(findings.is_empty(), "{}: {findings:?}", device.name);
    }
}

/// The records of these partitions.
fn part(records: &BTreeMap<Key, Record>, partitions: &[String]) -> BTreeMap<Key, Record> {
    let of_part = |key: &Key| partitions.iter().any(|name| name == key.partition.as_str());
    records
        .iter()
        .filter(|(key, _)| of_part(key))
        .map(|(key, record)| (key.clone(), record.clone()))
        .collect()
}

/// Skipped message keys are those of messages that never left, since the process died with them.
fn comes_and_goes(key: &Key) -> bool {
    key.item.as_str().starts_with("skipped/")
}

/// The name of a record, and the id that it ends with.
fn split(item: &str) -> (&str, &str) {
    item.rfind('/').map_or((item, ""), |at| item.split_at(at + 1))
}
