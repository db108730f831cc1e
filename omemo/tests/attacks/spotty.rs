//! A network on which the servers of attackers answer no question for a bundle.

use std::sync::{Arc, Mutex};

use omemo::local::Connection;
use omemo::{
    BareJid, Bundle, DeleteBundle, DeviceList, DownloadBundle, DownloadDeviceList, Network, NetworkError,
    SendMessage, UploadBundle, UploadDeviceList,
};

/// Where the attackers have their accounts.
pub(super) const EVIL: &str = "evil.example";

/// What was done to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Asked(BareJid),
    Sent(BareJid),
}

/// A connection that lets questions for bundles of attackers fail, and keeps a record.
#[derive(Clone)]
pub(super) struct Spotty {
    pub(super) connection: Connection,
    pub(super) deeds: Arc<Mutex<Vec<Deed>>>,
}

impl Spotty {
    pub(super) fn new(connection: Connection) -> Self {
        let deeds = Arc::default();
        Self { connection, deeds }
    }

    /// What was done since this was last asked.
    pub(super) fn take_deeds(&self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds.lock().unwrap())
    }
}

impl Network for Spotty {
    async fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>> {
        let asked = wanted.iter().map(|wanted| Deed::Asked(wanted.jid.clone()));
        self.deeds.lock().unwrap().extend(asked);
        let answers = Network::download_bundles(&self.connection, wanted).await;
        let answers = answers.into_iter().zip(wanted);
        let answer = |(answer, wanted): (_, &DownloadBundle)| match wanted.jid.as_str().ends_with(EVIL) {
            true => Err(NetworkError::new("remote-server-timeout")),
            false => answer,
        };
        answers.map(answer).collect()
    }

    async fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError> {
        Network::upload_bundle(&self.connection, upload).await
    }

    async fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError> {
        Network::delete_bundle(&self.connection, deletion).await
    }

    async fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> Result<Option<DeviceList>, NetworkError> {
        Network::download_device_list(&self.connection, wanted).await
    }

    async fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError> {
        Network::upload_device_list(&self.connection, upload).await
    }

    async fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError> {
        let sent = Deed::Sent(message.to.clone());
        self.deeds.lock().unwrap().push(sent);
        Network::send_message(&self.connection, message).await
    }
}
