//! A device's connection to the server: its [`Network`].

use std::future::ready;

use omemo_sansio::engine::{
    DeleteBundle, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
use omemo_sansio::{BareJid, Bundle, DeviceList, EncryptedMessage, NetworkError};

use super::{Address, Delivery, Server};
use crate::{Network, blocking};

/// A device's connection to the server.
#[derive(Clone, Debug)]
pub struct Connection {
    server: Server,
    address: Address,
}

impl Connection {
    pub(super) fn new(server: Server, address: Address) -> Self {
        Self { server, address }
    }

    /// Sends a message of the application to accounts, and to the own account's other devices.
    pub fn send(&self, to: &[BareJid], message: &EncryptedMessage) {
        let (jid, name) = &self.address;
        self.server.route(jid, Some(name), to, message);
    }

    /// The next thing that has arrived.
    pub fn receive(&self) -> Option<Delivery> {
        self.server
            .state()
            .mailboxes
            .get_mut(&self.address)
            .and_then(super::Mailbox::pop)
    }

    fn fail(&self, of: impl FnOnce(&mut super::State) -> &mut u32) -> Result<(), NetworkError> {
        let mut state = self.server.state();
        let failing = of(&mut state);
        if *failing == 0 {
            return Ok(());
        }
        *failing -= 1;
        Err(NetworkError::new("the server was told to fail"))
    }
}

impl blocking::Network for Connection {
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        let download = |wanted: &DownloadBundle| {
            self.fail(|state| &mut state.failing_downloads)?;
            self.server.state().seen.bundle_downloads += 1;
            Ok(self.server.bundle(&wanted.jid, &wanted.namespace, wanted.device))
        };
        wanted.iter().map(download).collect()
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        self.fail(|state| &mut state.failing_uploads)?;
        self.server.publish_bundle(
            &self.address.0,
            &upload.namespace,
            upload.device,
            upload.bundle.clone(),
        );
        Ok(())
    }

    fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        self.fail(|state| &mut state.failing_uploads)?;
        self.server
            .delete_bundle(&self.address.0, &deletion.namespace, deletion.device);
        Ok(())
    }

    fn download_device_list(&self, wanted: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError> {
        self.fail(|state| &mut state.failing_downloads)?;
        Ok(self.server.device_list(&wanted.jid, &wanted.namespace))
    }

    fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        self.fail(|state| &mut state.failing_uploads)?;
        self.server
            .publish_device_list(&self.address.0, &upload.namespace, upload.list.clone());
        Ok(())
    }

    fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        self.fail(|state| &mut state.failing_messages)?;
        self.send(std::slice::from_ref(&message.to), &message.message);
        Ok(())
    }
}

impl Network for Connection {
    fn download_bundles(
        &self,
        wanted: &[DownloadBundle],
    ) -> impl Future<Output = Vec<Result<Option<Bundle>, NetworkError>>> + Send {
        ready(blocking::Network::download_bundles(self, wanted))
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(blocking::Network::upload_bundle(self, upload))
    }

    fn delete_bundle(
        &self,
        deletion: &DeleteBundle,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(blocking::Network::delete_bundle(self, deletion))
    }

    fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> impl Future<Output = Result<Option<DeviceList>, NetworkError>> + Send {
        ready(blocking::Network::download_device_list(self, wanted))
    }

    fn upload_device_list(
        &self,
        upload: &UploadDeviceList,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(blocking::Network::upload_device_list(self, upload))
    }

    fn send_message(&self, message: &SendMessage) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(blocking::Network::send_message(self, message))
    }
}
