//! What a device has offered others to open sessions with.

use std::collections::{BTreeMap, BTreeSet};

use omemo_sansio::keys::PublicKey;
use omemo_sansio::{Bundle, Namespace, PreKeyId, Timestamp};

/// What one device has offered, through all restores.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Offers {
    keys: BTreeSet<PublicKey>,
    /// Those that a restore has dropped.
    dropped: BTreeSet<PublicKey>,
    /// Since when each signed pre key is offered.
    signed: BTreeMap<(Namespace, PreKeyId), Timestamp>,
}

impl Offers {
    pub(in super::super) fn publishes(&mut self, namespace: &Namespace, bundle: &Bundle, latest: Timestamp) {
        self.keys.extend(bundle.pre_keys.values());
        self.keys.insert(bundle.signed_pre_key.key);
        let signed = (namespace.clone(), bundle.signed_pre_key.id);
        self.signed.entry(signed).or_insert(latest);
    }

    /// A restore drops all there are.
    pub(super) fn drops_all(&mut self) {
        self.dropped.append(&mut self.keys);
        self.signed.clear();
    }

    /// Whether any of these keys was dropped.
    pub(in super::super) fn are_dropped(&self, bundle: &Bundle) -> bool {
        let mut keys = bundle.pre_keys.values().chain([&bundle.signed_pre_key.key]);
        !self.dropped.is_empty() && keys.any(|key| self.dropped.contains(key))
    }

    /// Since when a signed pre key is offered.
    pub(in super::super) fn signed_since(&self, namespace: &Namespace, id: PreKeyId) -> Option<Timestamp> {
        self.signed.get(&(namespace.clone(), id)).copied()
    }
}
