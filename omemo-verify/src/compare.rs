//! What a URI says about the devices that are known.

use std::collections::BTreeMap;

use omemo_sansio::keys::{Fingerprint, IdentityKey};
use omemo_sansio::{DeviceId, Devices};

use crate::VerificationUri;

/// What a URI says about one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The URI has the fingerprint of the device's key: the key is authentic, as far as the URI is. To be recorded by
    /// [`set_trust`](omemo_sansio::Account::set_trust).
    Matches(IdentityKey),
    /// The URI has another fingerprint for the device: one of both keys is false. Somebody may be listening, or the device
    /// may have been set up anew with its former id. The person should be warned, and the key not be trusted.
    Differs {
        /// The key that is known.
        known: IdentityKey,
        /// The fingerprint in the URI.
        expected: Fingerprint,
    },
    /// The URI does not mention the device, or the device's key is not known yet: nothing can be said.
    NotCompared(Option<IdentityKey>),
    /// The URI mentions a device that is not known. If it appears later, this is the fingerprint of its key.
    Unknown(Fingerprint),
}

/// Compares what a URI says with the devices that are known of its account, one finding a device. Pure: what follows from
/// it is the application's to ask and to do.
///
/// The caller makes sure that `known` are the devices of the URI's [`jid`](VerificationUri::jid), and that the URI came
/// from somebody who is who he says: scanned from a screen, not received in a message.
pub fn compare(uri: &VerificationUri, known: &Devices) -> BTreeMap<DeviceId, Finding> {
    let mut findings: BTreeMap<_, _> = uri
        .fingerprints
        .iter()
        .map(|(device, fingerprint)| (*device, Finding::Unknown(*fingerprint)))
        .collect();
    for device in &known.devices {
        let finding = match (device.identity_key, uri.fingerprints.get(&device.device)) {
            (Some(key), Some(expected)) if key.fingerprint() == *expected => Finding::Matches(key),
            (Some(known), Some(expected)) => Finding::Differs {
                known,
                expected: *expected,
            },
            (key, _) => Finding::NotCompared(key),
        };
        findings.insert(device.device, finding);
    }
    findings
}
