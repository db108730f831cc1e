//! The outside part of a view: what the network and people have answered. It outlives a conflict, except for device
//! lists whose contact has changed meanwhile.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use omemo_storage::Revision;

use super::effect::{
    DeleteBundle, DownloadBundle, DownloadDeviceList, SendMessage, UploadBundle, UploadDeviceList,
};
use crate::records::Receiver;
use crate::trust::TrustDecision;
use crate::{Bundle, DeviceList, Namespace, NetworkError};

/// What was answered from outside.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) bundles: BTreeMap<DownloadBundle, Result<Option<Bundle>, NetworkError>>,
    pub(super) lists: BTreeMap<DownloadDeviceList, Listed>,
    /// The answer of the person, once one was asked.
    pub(super) decisions: Option<Result<Vec<TrustDecision>, NetworkError>>,
    pub(super) deleted_bundles: BTreeMap<DeleteBundle, Result<(), NetworkError>>,
    pub(super) uploaded_bundles: BTreeMap<Namespace, Uploaded<Bundle>>,
    pub(super) uploaded_lists: BTreeMap<Namespace, Uploaded<DeviceList>>,
    pub(super) sent: BTreeMap<Receiver, Result<(), NetworkError>>,
}

/// A downloaded device list.
pub(super) struct Listed {
    pub(super) answer: Result<Option<DeviceList>, NetworkError>,
    /// The contact's revision when the list was asked for.
    pub(super) basis: Option<Revision>,
}

/// Something that was published, or could not be.
pub(super) struct Uploaded<T> {
    pub(super) content: T,
    pub(super) answer: Result<(), NetworkError>,
}

impl Outside {
    pub(super) fn bundle_uploaded(&mut self, request: UploadBundle, answer: Result<(), NetworkError>) {
        self.uploaded_bundles.insert(
            request.namespace,
            Uploaded {
                content: request.bundle,
                answer,
            },
        );
    }

    pub(super) fn list_uploaded(&mut self, request: UploadDeviceList, answer: Result<(), NetworkError>) {
        self.uploaded_lists.insert(
            request.namespace,
            Uploaded {
                content: request.list,
                answer,
            },
        );
    }

    /// Messages that the core sends itself are each for one device.
    pub(super) fn message_sent(&mut self, request: SendMessage, answer: Result<(), NetworkError>) {
        let SendMessage { to, message } = request;
        let device = message
            .recipients
            .first()
            .and_then(|recipient| recipient.keys.first());
        if let Some(key) = device {
            let receiver = Receiver {
                namespace: message.namespace,
                jid: to,
                device: key.device,
            };
            self.sent.insert(receiver, answer);
        }
    }
}
