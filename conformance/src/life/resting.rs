//! What must be so when everything has come to rest.

use omemo_sansio::Bundle;
use omemo_storage::Storage;

use super::world::World;

const WEEK: u64 = 7 * 86_400;

impl<S: Storage> World<'_, S> {
    /// Nobody owes anybody an answer.
    pub(super) fn nothing_is_owed(&mut self) {
        for device in self.present() {
            for (peer, namespace) in self.model.of(device).duties.owed() {
                if !self.devices[peer].gone {
                    let (name, peer) = (self.name(device).to_owned(), self.name(peer).to_owned());
                    self.finds(|| format!("{name} owes {peer} an answer in {namespace}, and sends none"));
                }
            }
        }
    }

    /// What everybody offers to open sessions with is there, and young.
    pub(super) fn what_is_offered_is_good(&mut self) {
        for device in self.present() {
            for namespace in self.devices[device].namespaces.clone() {
                let (jid, id) = (self.devices[device].jid.clone(), self.devices[device].id);
                let published = (namespace.clone(), jid, id);
                let Some(bundle) = self.server.bundles.get(&published).cloned() else {
                    let name = self.name(device).to_owned();
                    self.finds(|| format!("{name} offers nothing in {namespace}"));
                    continue;
                };
                self.is_to_be_offered(device, &namespace, &bundle);
                let signed = bundle.signed_pre_key.id;
                let since = self.model.of(device).offers.signed_since(&namespace, signed);
                if since.is_some_and(|since| self.now - since >= WEEK) {
                    let name = self.name(device).to_owned();
                    self.finds(|| format!("{name} offers a signed pre key in {namespace} for too long"));
                }
            }
        }
    }

    /// A device offers this bundle: nothing in it was used, or dropped in a restore.
    pub(super) fn is_to_be_offered(
        &mut self,
        device: usize,
        namespace: &omemo_sansio::Namespace,
        bundle: &Bundle,
    ) {
        let holdings = self.model.of(device);
        let was_used = |id: &omemo_sansio::PreKeyId| holdings.used.contains_key(&(namespace.clone(), *id));
        let what = if holdings.offers.are_dropped(bundle) {
            "that were dropped in a restore"
        } else if bundle.pre_keys.keys().any(was_used) {
            "that were used"
        } else {
            return;
        };
        if !self.devices[device].adrift {
            let name = self.name(device).to_owned();
            self.finds(|| format!("{name} offers pre keys {what}"));
        }
    }
}
