//! The stage: the server, the devices, and what is told of them. Nothing is told that was not seen to happen.

mod scene;
mod talk;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use omemo::local::{Seen, Server, Weather};
use omemo::{DeviceAddress, EncryptedMessage};

use super::cast::Role;
use super::counts::Ledger;
use super::device::{Device, Moment};
use super::wire::Wire;
use crate::failure::Failure;

/// Where the demo happens.
pub(super) struct Stage<'a> {
    out: &'a mut dyn Write,
    directory: &'a Path,
    server: Server,
    wire: Wire,
    moment: Moment,
    devices: BTreeMap<Role, Device>,
    names: BTreeMap<DeviceAddress, Role>,
    lines: Vec<Line>,
    ledger: Ledger,
    scenes: usize,
    /// What the server had seen when the scene began.
    before: Seen,
}

/// A text that was said.
struct Line {
    by: Role,
    text: String,
    /// How many devices it was encrypted to.
    audience: usize,
    /// Those that have not read it yet.
    unread: BTreeSet<Role>,
    messages: Vec<EncryptedMessage>,
}

impl<'a> Stage<'a> {
    /// An empty stage.
    pub(super) fn new(directory: &'a Path, out: &'a mut dyn Write) -> Result<Self, Failure> {
        let server = Server::new();
        Ok(Self {
            out,
            directory,
            wire: Wire::tap(&server)?,
            moment: Moment::now(),
            server,
            devices: BTreeMap::new(),
            names: BTreeMap::new(),
            lines: Vec::new(),
            ledger: Ledger::default(),
            scenes: 0,
            before: Seen::default(),
        })
    }

    /// Tells what happens.
    fn tell(&mut self, who: impl ToString, does: &str, what: &str) -> Result<(), Failure> {
        writeln!(self.out, "   {:<15}  {does:<9}  {what}", who.to_string())?;
        Ok(())
    }

    /// Tells more of it.
    fn tell_more(&mut self, what: &str) -> Result<(), Failure> {
        self.tell("", "", what)
    }

    /// A device that runs.
    fn device(&self, role: Role) -> Result<&Device, Failure> {
        self.devices.get(&role).ok_or_else(|| is_off(role))
    }

    fn device_mut(&mut self, role: Role) -> Result<&mut Device, Failure> {
        self.devices.get_mut(&role).ok_or_else(|| is_off(role))
    }

    /// Who a device is.
    fn name(&self, address: &DeviceAddress) -> Result<Role, Failure> {
        let name = self.names.get(address).copied();
        name.ok_or_else(|| Failure::new(format!("nobody here has device {}", address.device)))
    }

    /// A device is started for the first time.
    pub(super) fn enter(&mut self, role: Role) -> Result<(), Failure> {
        let device = Device::start(role, self.directory, &self.server, self.moment)?;
        let (address, fingerprint) = (device.address(), device.fingerprint()?);
        let what = format!("{} as device {}", address.jid, address.device);
        self.tell(role, "joins", &what)?;
        writeln!(self.out, "      {fingerprint}")?;
        self.names.insert(address, role);
        self.devices.insert(role, device);
        self.all_hear()
    }

    /// A device is killed: its client is gone without a farewell.
    pub(super) fn kill(&mut self, role: Role) -> Result<(), Failure> {
        let device = self.devices.remove(&role).ok_or_else(|| is_off(role))?;
        self.ledger.of(role).add_storage(device.take_counts());
        drop(device);
        let unread: Vec<_> = (1..)
            .zip(&self.lines)
            .filter(|(_, line)| line.unread.contains(&role))
            .map(|(number, _)| format!("#{number}"))
            .collect();
        let what = format!("without a farewell; unread: {}", unread.join(", "));
        self.tell(role, "is killed", &what)
    }

    /// A device that was killed is started again.
    pub(super) fn restart(&mut self, role: Role) -> Result<(), Failure> {
        let device = Device::start(role, self.directory, &self.server, self.moment)?;
        let address = device.address();
        if self.name(&address)? != role {
            return Err(Failure::new(format!("{role} is another device now")));
        }
        self.devices.insert(role, device);
        let what = format!("from {}, still as device {}", role.file(), address.device);
        self.tell(role, "restarts", &what)
    }

    /// Changes what the server does with messages, until the end of the scene.
    pub(super) fn weather(&mut self, weather: Weather, what: &str) -> Result<(), Failure> {
        self.server.set_weather(weather, 0);
        self.tell("the server", "is told", what)
    }

    /// The server lets go what it has held back.
    pub(super) fn clear_up(&mut self) -> Result<(), Failure> {
        self.server.clear_up();
        self.tell("the server", "is told", "to let go what it has held back")
    }

    /// The end: the table of what was counted.
    pub(super) fn curtain(mut self) -> Result<(), Failure> {
        for (role, device) in std::mem::take(&mut self.devices) {
            self.ledger.of(role).add_storage(device.take_counts());
            device.stop();
        }
        self.ledger.compare(&self.server.seen())?;
        let caption = "Counted: texts sent and read, key exchanges sent, and of the storage of each device\n\
            its loads, commits, conflicts, and records and bytes written.";
        writeln!(self.out, "{caption}\n")?;
        Ok(self.ledger.write(self.out)?)
    }
}

fn is_off(role: Role) -> Failure {
    Failure::new(format!("{role} does not run"))
}
