//! What an application implements.

use std::future::Future;
use std::pin::Pin;

use omemo_sansio::engine::{
    AskTrust, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
use omemo_sansio::trust::TrustDecision;
use omemo_sansio::{Bundle, DeviceList, NetworkError};

/// How a client reaches others: personal eventing (XEP-0163) for bundles and device lists, and messages.
///
/// That something does not exist is not an error: it is `Ok(None)`. Futures may be dropped at any await.
pub trait Network: Send + Sync {
    /// Downloads bundles: one answer for each, in the same order. Several at a time, so that they can be fetched side by
    /// side.
    fn download_bundles(
        &self,
        wanted: &[DownloadBundle],
    ) -> impl Future<Output = Vec<Result<Option<Bundle>, NetworkError>>> + Send;

    /// Publishes the own bundle.
    fn upload_bundle(&self, upload: &UploadBundle) -> impl Future<Output = Result<(), NetworkError>> + Send;

    /// Downloads the device list of an account.
    fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> impl Future<Output = Result<Option<DeviceList>, NetworkError>> + Send;

    /// Publishes the own device list.
    fn upload_device_list(
        &self,
        upload: &UploadDeviceList,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send;

    /// Sends a message without content, with a storage hint (XEP-0334), to an account.
    fn send_message(&self, message: &SendMessage) -> impl Future<Output = Result<(), NetworkError>> + Send;
}

/// Someone who can be asked whom to trust. The question may stay open for minutes; nothing is locked meanwhile.
pub trait TrustPrompt: Send + Sync {
    /// Asks about every open key of an operation at once. Keys that the answer leaves out stay undecided.
    fn ask<'a>(
        &'a self,
        question: &'a AskTrust,
    ) -> Pin<Box<dyn Future<Output = Vec<TrustDecision>> + Send + 'a>>;
}

/// Nobody to ask: what is undecided stays so.
pub(crate) struct Nobody;

impl TrustPrompt for Nobody {
    fn ask<'a>(&'a self, _: &'a AskTrust) -> Pin<Box<dyn Future<Output = Vec<TrustDecision>> + Send + 'a>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
