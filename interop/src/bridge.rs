//! Our devices' way to the server.

use omemo::{
    BareJid, Bundle, DeviceList, DownloadBundle, DownloadDeviceList, EncryptedMessage, NetworkError,
    SendMessage, UploadBundle, UploadDeviceList, blocking,
};
use omemo_xml::{XmlError, omemo2};

use crate::message::Address;
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
    omemo_xml::write(&omemo2::encrypted_to_xml(message)?)
}

/// Reads a `<devices>` element.
pub(crate) fn device_list(xml: &str) -> Result<DeviceList, XmlError> {
    omemo2::device_list_from_xml(&omemo_xml::parse(xml)?)
}

impl blocking::Network for Bridge {
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        let download = |wanted: &DownloadBundle| {
            let Some(xml) = self.server.bundle(&wanted.jid, wanted.device) else {
                return Ok(None);
            };
            let element = omemo_xml::parse(&xml).map_err(NetworkError::new)?;
            omemo2::bundle_from_xml(&element)
                .map(Some)
                .map_err(NetworkError::new)
        };
        wanted.iter().map(download).collect()
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        let xml = omemo_xml::write(&omemo2::bundle_to_xml(&upload.bundle)).map_err(NetworkError::new)?;
        self.server
            .set_bundle(&self.address.jid, upload.device, Some(xml));
        Ok(())
    }

    fn download_device_list(&self, wanted: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError> {
        let xml = self.server.device_list(&wanted.jid);
        xml.map(|xml| device_list(&xml))
            .transpose()
            .map_err(NetworkError::new)
    }

    fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        let xml = omemo_xml::write(&omemo2::device_list_to_xml(&upload.list)).map_err(NetworkError::new)?;
        self.server.set_device_list(&self.address.jid, &xml);
        Ok(())
    }

    fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        let xml = encrypted_xml(&message.message).map_err(NetworkError::new)?;
        let to: &[BareJid] = std::slice::from_ref(&message.to);
        self.server.send(&self.address, to, xml);
        Ok(())
    }
}
