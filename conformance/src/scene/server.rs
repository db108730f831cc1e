//! What the server keeps.

use std::collections::BTreeMap;

use omemo_sansio::engine::{
    DeleteBundle, DownloadBundle, DownloadDeviceList, UploadBundle, UploadDeviceList,
};
use omemo_sansio::{BareJid, Bundle, DeviceId, DeviceList, Namespace};

/// Bundles and device lists, by protocol and account.
#[derive(Clone, Default)]
pub(crate) struct Server {
    pub(crate) bundles: BTreeMap<(Namespace, BareJid, DeviceId), Bundle>,
    pub(crate) lists: BTreeMap<(Namespace, BareJid), DeviceList>,
    /// How many pre keys of a bundle are handed out, if not all: the fewer, the more often several choose the same.
    pub(crate) offered: Option<usize>,
}

impl Server {
    pub(crate) fn bundle(&self, wanted: DownloadBundle) -> Option<Bundle> {
        let DownloadBundle {
            namespace,
            jid,
            device,
        } = wanted;
        let mut bundle = self.bundles.get(&(namespace, jid, device))?.clone();
        if let Some(offered) = self.offered {
            bundle.pre_keys = bundle.pre_keys.into_iter().take(offered).collect();
        }
        Some(bundle)
    }

    pub(crate) fn publish_bundle(&mut self, jid: &BareJid, upload: UploadBundle) {
        let UploadBundle {
            namespace,
            device,
            bundle,
        } = upload;
        self.bundles.insert((namespace, jid.clone(), device), bundle);
    }

    pub(crate) fn delete_bundle(&mut self, jid: &BareJid, deletion: DeleteBundle) {
        let DeleteBundle { namespace, device } = deletion;
        self.bundles.remove(&(namespace, jid.clone(), device));
    }

    pub(crate) fn list(&self, wanted: DownloadDeviceList) -> Option<DeviceList> {
        self.lists.get(&(wanted.namespace, wanted.jid)).cloned()
    }

    pub(crate) fn publish_list(&mut self, jid: &BareJid, upload: UploadDeviceList) {
        self.lists.insert((upload.namespace, jid.clone()), upload.list);
    }
}
