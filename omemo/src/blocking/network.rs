//! The network of a blocking client.

use std::future::ready;

use omemo_sansio::engine::{
    DeleteBundle, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
use omemo_sansio::{Bundle, DeviceList, NetworkError};

/// [`crate::Network`] for blocking code.
pub trait Network: Send + Sync {
    /// Downloads bundles: one answer for each, in the same order.
    fn download_bundles(&self, wanted: &[DownloadBundle]) -> Vec<Result<Option<Bundle>, NetworkError>>;

    /// Publishes the own bundle.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be published.
    fn upload_bundle(&self, upload: &UploadBundle) -> Result<(), NetworkError>;

    /// Takes back the bundle of this device. That there is none is no failure.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be taken back.
    fn delete_bundle(&self, deletion: &DeleteBundle) -> Result<(), NetworkError>;

    /// Downloads the device list of an account; `Ok(None)` if there is none.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be found out whether there is one.
    fn download_device_list(&self, wanted: &DownloadDeviceList) -> Result<Option<DeviceList>, NetworkError>;

    /// Publishes the own device list.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be published.
    fn upload_device_list(&self, upload: &UploadDeviceList) -> Result<(), NetworkError>;

    /// Sends a message without content to an account.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if it cannot be sent.
    fn send_message(&self, message: &SendMessage) -> Result<(), NetworkError>;
}

/// A blocking network where an async one is asked for: each call runs to its end at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline<N>(pub N);

impl<N: Network> crate::Network for Inline<N> {
    fn download_bundles(
        &self,
        wanted: &[DownloadBundle],
    ) -> impl Future<Output = Vec<Result<Option<Bundle>, NetworkError>>> + Send {
        ready(self.0.download_bundles(wanted))
    }

    fn upload_bundle(&self, upload: &UploadBundle) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.upload_bundle(upload))
    }

    fn delete_bundle(
        &self,
        deletion: &DeleteBundle,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.delete_bundle(deletion))
    }

    fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> impl Future<Output = Result<Option<DeviceList>, NetworkError>> + Send {
        ready(self.0.download_device_list(wanted))
    }

    fn upload_device_list(
        &self,
        upload: &UploadDeviceList,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.upload_device_list(upload))
    }

    fn send_message(&self, message: &SendMessage) -> impl Future<Output = Result<(), NetworkError>> + Send {
        ready(self.0.send_message(message))
    }
}
