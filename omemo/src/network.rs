//! What an application implements.

use std::future::Future;
use std::pin::Pin;

use omemo_sansio::engine::{
    AskTrust, DeleteBundle, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
use omemo_sansio::trust::TrustDecision;
use omemo_sansio::{Bundle, DeviceList, NetworkError};

/// How one account reaches others: personal eventing (XEP-0163) for bundles and device lists, and messages. What is
/// uploaded is the own account's.
///
/// That something does not exist (`item-not-found`) is not an error: it is `Ok(None)`. Futures may be dropped at any
/// await. For OMEMO 2 (XEP-0384, section 5.3), whose XML and node names are in the crate `omemo-xml`:
///
/// * Bundles are items of the node `urn:xmpp:omemo:2:bundles`, one for each device, whose id is the device's. Publish with
///   the options `pubsub#access_model` = `open` and `pubsub#max_items` = `max`.
/// * The device list is the item `current` of the node `urn:xmpp:omemo:2:devices`, with `pubsub#access_model` = `open`.
///   Ask to be notified of it (`urn:xmpp:omemo:2:devices+notify`) and hand what comes to
///   [`Client::update_device_list`](crate::Client::update_device_list).
/// * If a publication fails for its options (`precondition-not-met`), configure the node so and publish again.
///
/// Legacy OMEMO (XEP-0384 0.3) has a node for the bundle of each device, `eu.siacs.conversations.axolotl.bundles:` and the
/// device's id, with one item; and the device list in the node `eu.siacs.conversations.axolotl.devicelist`. The item of both
/// has the id `current`, `pubsub#max_items` is 1, and the access model is the same.
pub trait Network: Send + Sync {
    /// Downloads bundles: one answer for each, in the same order. Several at a time, so that they can be fetched side by
    /// side. Of a node with several items of the same id, the newest counts.
    fn download_bundles(
        &self,
        wanted: &[DownloadBundle],
    ) -> impl Future<Output = Vec<Result<Option<Bundle>, NetworkError>>> + Send;

    /// Publishes the own bundle, as the item of this device.
    fn upload_bundle(&self, upload: &UploadBundle) -> impl Future<Output = Result<(), NetworkError>> + Send;

    /// Takes back the bundle of this device: retracts the item, or where there is a node for each device, deletes it. That
    /// there is none is no failure. The protocol may be one that is not spoken any more.
    fn delete_bundle(&self, deletion: &DeleteBundle)
    -> impl Future<Output = Result<(), NetworkError>> + Send;

    /// Downloads the device list of an account, the own one too.
    fn download_device_list(
        &self,
        wanted: &DownloadDeviceList,
    ) -> impl Future<Output = Result<Option<DeviceList>, NetworkError>> + Send;

    /// Publishes the own device list.
    fn upload_device_list(
        &self,
        upload: &UploadDeviceList,
    ) -> impl Future<Output = Result<(), NetworkError>> + Send;

    /// Sends a message without content to an account, with a `<store/>` hint (XEP-0334) so that devices that are offline
    /// get it too. Done when it is on its way.
    fn send_message(&self, message: &SendMessage) -> impl Future<Output = Result<(), NetworkError>> + Send;
}

/// Someone who can be asked whom to trust. The question may stay open for minutes; nothing is locked meanwhile.
pub trait TrustPrompt: Send + Sync {
    /// Asks about every open key of an operation at once. Keys that the answer leaves out stay undecided.
    fn ask<'a>(&'a self, question: &'a AskTrust) -> Answer<'a>;
}

/// The decisions that were made; an error if nobody could be asked.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<TrustDecision>, NetworkError>> + Send + 'a>>;

/// Nobody to ask: what is undecided stays so.
pub(crate) struct Nobody;

impl TrustPrompt for Nobody {
    fn ask<'a>(&'a self, _: &'a AskTrust) -> Answer<'a> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
