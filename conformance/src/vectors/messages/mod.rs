//! The sets `messages_twomemo` and `messages_oldmemo`: whole messages between devices, with their XML.

mod deliver;
mod device;
mod device_list;
mod recorded;
mod send;

use std::collections::BTreeMap;

use omemo_sansio::hazmat::SessionState;
use serde::Deserialize;
use serde_json::Value;

use self::deliver::Deliver;
use self::device::Device;
use self::recorded::RecordedSession;
use self::send::Message;
use super::checks::{Checks, Context, Verdict};
use super::responder::NOW;
use super::session::Stored;
use super::version::Version;

#[derive(Deserialize)]
struct Case {
    devices: Vec<device::Recorded>,
    device_lists: Vec<device_list::Recorded>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Step {
    Message(Message),
    Deliver(Box<Deliver>),
    DropSession { device: String, peer: String },
}

/// Replays a case.
pub(super) fn case(version: Version, value: &Value, checks: &mut Checks) -> Verdict {
    let case = Case::deserialize(value).map_err(|error| error.to_string())?;
    let mut world = World {
        version,
        devices: BTreeMap::new(),
        sessions: BTreeMap::new(),
        messages: BTreeMap::new(),
    };
    for recorded in &case.devices {
        let name = recorded.name.clone();
        let device = Device::new(version, recorded, checks).context(format_args!("device {name}"))?;
        world.devices.insert(name, device);
    }
    for list in &case.device_lists {
        list.check(version, checks, &world.devices)
            .context(format_args!("device list of {}", list.jid))?;
    }
    checks.that("there is no step", !case.steps.is_empty())?;
    for (index, step) in case.steps.iter().enumerate() {
        match step {
            Step::Message(message) => world
                .send(checks, message)
                .context(format_args!("step {index}, message {}", message.msg)),
            Step::Deliver(deliver) => world
                .deliver(checks, deliver)
                .context(format_args!("step {index}, deliver {}", deliver.msg)),
            Step::DropSession { device, peer } => {
                let dropped = world.sessions.remove(&(device.as_str(), peer.as_str()));
                checks.that(
                    format_args!("step {index}: there is no session to drop"),
                    dropped.is_some(),
                )
            }
        }?;
    }
    Ok(())
}

/// All devices of a case.
struct World<'a> {
    version: Version,
    devices: BTreeMap<String, Device>,
    /// The session of a device with a peer, both by name, as the last step with it left it.
    sessions: BTreeMap<(&'a str, &'a str), Stored>,
    messages: BTreeMap<u64, &'a Message>,
}

impl<'a> World<'a> {
    fn device(&self, name: &str) -> Verdict<&Device> {
        self.devices
            .get(name)
            .context(format_args!("there is no device {name}"))
    }

    /// The recorded session of a device with a peer before a step. The steps before must have led to it.
    fn session_before(
        &self,
        checks: &mut Checks,
        (device, peer): (&'a str, &'a str),
        recorded: Option<&RecordedSession>,
    ) -> Verdict<Option<Stored>> {
        let left = self.sessions.get(&(device, peer));
        let Some(recorded) = recorded else {
            checks.that("a session is recorded nowhere", left.is_none())?;
            return Ok(None);
        };
        checks.equal("peer", recorded.peer.as_str(), peer)?;
        let (own, peer) = (self.device(device)?, self.device(peer)?);
        let version = self.version;
        let state = recorded
            .state(version, checks, own, peer)
            .context("session before")?;
        if let Some(Stored { session, skipped }) = left {
            recorded
                .check(
                    version,
                    checks,
                    own,
                    peer,
                    &SessionState::export(session, skipped),
                )
                .context("session before, as steps left it")?;
        }
        let (session, skipped) = state.import(NOW);
        Ok(Some(Stored { session, skipped }))
    }
}
