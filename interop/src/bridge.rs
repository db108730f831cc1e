//! Our devices' way to the server.

use omemo::{
    BareJid, Bundle, DeleteBundle, DeviceId, DeviceList, DownloadBundle, DownloadDeviceList,
    EncryptedMessage, Namespace, NetworkError, SendMessage, UploadBundle, UploadDeviceList, blocking,
};
use omemo_xml::XmlError;

use crate::message::{Address, format};
use crate::server::Server;

/// The network of one of our devices: between the client's types and the server's XML.
#[derive(Clone, Debug)]
pub struct Bridge {
    server: Server,
    address: Address,
}

impl Bridge {
    /// Connects a device.
    pub fn new(server: &Server, address: &Address) -> Self {
        server.connect(address);
        Self {
            server: server.clone(),
            address: address.clone(),
        }
    }
}

/// Writes an `<encrypted>` element.
pub(crate) fn encrypted_xml(message: &EncryptedMessage) -> Result<String, XmlError> {
    omemo_xml::write(&format(&message.namespace).encrypted_to_xml(message)?)
}

/// Reads a `<devices>` element.
pub(crate) fn device_list(namespace: &Namespace, xml: &str) -> Result<DeviceList, XmlError> {
    format(namespace).device_list_from_xml(&omemo_xml::parse(xml)?)
}

/// Among how many devices the pre keys of a bundle are dealt out.
const SHARES: u32 = 8;

/// Downloads a bundle, with this device's share of the pre keys. Two devices that open sessions with a third at the same
/// time pick the same pre key once in a hundred times, and the second of them is lost, whoever implements it; a test must
/// not end in that way.
pub(crate) fn bundle(
    server: &Server,
    address: &Address,
    namespace: &Namespace,
    jid: &BareJid,
    device: DeviceId,
) -> Result<Option<Bundle>, XmlError> {
    let Some(xml) = server.bundle(namespace, jid, device) else {
        return Ok(None);
    };
    let mut bundle = format(namespace).bundle_from_xml(&omemo_xml::parse(&xml)?)?;
    let place = server.place_of(address);
    assert!(place < SHARES, "too many devices to deal out pre keys to");
    bundle.pre_keys.retain(|id, _| id.get() % SHARES == place);
    Ok(Some(bundle))
}

impl blocking::Network for Bridge {
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        let download = |wanted: &DownloadBundle| {
            let DownloadBundle {
                namespace,
                jid,
                device,
            } = wanted;
            bundle(&self.server, &self.address, namespace, jid, *device).map_err(NetworkError::new)
        };
        wanted.iter().map(download).collect()
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        let xml = format(&upload.namespace).bundle_to_xml(&upload.bundle);
        let xml = omemo_xml::write(&xml).map_err(NetworkError::new)?;
        self.server
            .set_bundle(&upload.namespace, &self.address.jid, upload.device, Some(xml));
        Ok(())
    }

    fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        self.server
            .set_bundle(&deletion.namespace, &self.address.jid, deletion.device, None);
        Ok(())
    }

    fn download_device_list(&self, wanted: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError> {
        let xml = self.server.device_list(&wanted.namespace, &wanted.jid);
        xml.map(|xml| device_list(&wanted.namespace, &xml))
            .transpose()
            .map_err(NetworkError::new)
    }

    fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        let xml = format(&upload.namespace).device_list_to_xml(&upload.list);
        let xml = omemo_xml::write(&xml).map_err(NetworkError::new)?;
        self.server
            .set_device_list(&upload.namespace, &self.address.jid, &xml);
        Ok(())
    }

    fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        let xml = encrypted_xml(&message.message).map_err(NetworkError::new)?;
        let to: &[BareJid] = std::slice::from_ref(&message.to);
        self.server.send(&self.address, to, xml);
        Ok(())
    }
}
