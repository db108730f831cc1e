//! Device lists.

use std::collections::BTreeMap;

use omemo_sansio::keys::Signature;
use omemo_sansio::{DeviceEntry, DeviceId, DeviceList, Label};
use serde::Deserialize;

use super::device::Device;
use crate::vectors::checks::{Checks, Context, Verdict};
use crate::vectors::format::{Bytes, nullable};
use crate::vectors::script::Script;
use crate::vectors::version::Version;

/// The device list of an account.
#[derive(Deserialize)]
pub(super) struct Recorded {
    pub(super) jid: String,
    xml: String,
    devices: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    device: String,
    id: u32,
    #[serde(deserialize_with = "nullable")]
    label: Option<String>,
    #[serde(deserialize_with = "nullable")]
    labelsig: Option<Bytes<64>>,
    labelsig_nonce: Option<Bytes<64>>,
}

impl Recorded {
    pub(super) fn check(
        &self,
        version: Version,
        checks: &mut Checks,
        devices: &BTreeMap<String, Device>,
    ) -> Verdict {
        let format = version.format()?;
        let element = omemo_xml::parse(&self.xml).context("xml")?;
        let list = format.device_list_from_xml(&element).context("xml")?;
        let recorded = self
            .devices
            .iter()
            .map(|entry| (DeviceId::new(entry.id), entry.entry()))
            .collect();
        checks.equal("devices", &list, &DeviceList { devices: recorded })?;
        let written = format
            .device_list_from_xml(&format.device_list_to_xml(&list))
            .context("written")?;
        checks.equal("written and read", &written, &list)?;
        for entry in &self.devices {
            let name = &entry.device;
            let device = devices
                .get(name)
                .context(format_args!("there is no device {name}"))?;
            checks.equal("jid", device.jid.as_str(), self.jid.as_str())?;
            checks.equal("id", device.id.get(), entry.id)?;
            entry.check_label(checks, device).context(name)?;
        }
        Ok(())
    }
}

impl Entry {
    fn entry(&self) -> DeviceEntry {
        let label = self.label.as_ref().zip(self.labelsig);
        DeviceEntry {
            label: label.map(|(text, signature)| Label {
                text: text.clone(),
                signature: Signature::from_bytes(signature.0),
            }),
        }
    }

    fn check_label(&self, checks: &mut Checks, device: &Device) -> Verdict {
        let Some(Label { text, signature }) = self.entry().label else {
            return Ok(());
        };
        let identity = &device.secret.identity;
        let verified = identity.public().verify(text.as_bytes(), &signature);
        checks.that("labelsig is refused", verified.is_ok())?;
        let nonce = self.labelsig_nonce.context("missing field `labelsig_nonce`")?;
        let mut script = Script::new([nonce]);
        let signed = identity.sign(text.as_bytes(), &mut script);
        script.finish()?;
        checks.bytes("labelsig", signed.as_bytes(), signature.as_bytes())
    }
}
