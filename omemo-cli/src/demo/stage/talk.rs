//! Saying and hearing.

use omemo::Outgoing;
use omemo::local::Delivery;

use super::{Line, Stage};
use crate::demo::cast::Role;
use crate::demo::device::Heard;
use crate::demo::wire::key_exchanges;
use crate::failure::Failure;
use crate::text::counted;

/// How often everybody listens before it must be silent.
const ROUNDS: usize = 8;

impl Stage<'_> {
    /// Someone says something, to the partner and to their own other devices.
    pub(in crate::demo) fn say(&mut self, by: Role, text: &str) -> Result<(), Failure> {
        let encrypted = self
            .device(by)?
            .encrypt(text)?
            .map_err(|error| Failure::because(format!("{by} could not say: {text}"), error))?;
        let outgoing = encrypted.complete().map_err(|partly| {
            Failure::because(format!("{by} could not write to every device: {text}"), partly)
        })?;
        self.tell_decisions(by)?;
        self.tell_line(by, text, &outgoing)?;
        let device = self.device(by)?;
        outgoing.messages.iter().for_each(|message| device.send(message));
        let unread = outgoing.encrypted_to.iter().map(|address| self.name(address));
        let unread = unread.collect::<Result<_, _>>()?;
        let tally = self.ledger.of(by);
        tally.sent += 1;
        tally.key_exchanges += outgoing.messages.iter().map(key_exchanges).sum::<u64>();
        self.lines.push(Line {
            by,
            text: text.to_owned(),
            audience: outgoing.encrypted_to.len(),
            unread,
            messages: outgoing.messages,
        });
        Ok(())
    }

    /// Tells a text, and to how many devices it goes where that is new.
    fn tell_line(&mut self, by: Role, text: &str, outgoing: &Outgoing) -> Result<(), Failure> {
        let number = self.lines.len() + 1;
        self.tell(by, "says", &numbered(number, text))?;
        let audience = outgoing.encrypted_to.len();
        let devices = counted(audience as u64, "device");
        let before = self.lines.iter().rfind(|line| line.by == by);
        match outgoing.messages.iter().map(key_exchanges).sum() {
            0 if before.is_some_and(|line| line.audience == audience) => Ok(()),
            0 => self.tell_more(&format!("    to {devices}")),
            new => self.tell_more(&format!(
                "    to {devices}, with {}",
                counted(new, "key exchange")
            )),
        }
    }

    /// Everybody hears what has arrived and sends what is owed, until it is silent.
    pub(in crate::demo) fn all_hear(&mut self) -> Result<(), Failure> {
        for _ in 0..ROUNDS {
            let mut silent = true;
            for role in self.devices.keys().copied().collect::<Vec<_>>() {
                while self.hear(role)? {
                    silent = false;
                }
                self.device_mut(role)?.settle()?;
            }
            if silent {
                return Ok(());
            }
        }
        Err(Failure::new("the devices do not stop answering each other"))
    }

    /// A device hears the next thing that has arrived; tells whether there was one.
    pub(in crate::demo) fn hear(&mut self, role: Role) -> Result<bool, Failure> {
        let Some(delivery) = self.device(role)?.receive() else {
            return Ok(false);
        };
        let line = match &delivery {
            Delivery::Message(incoming) => self
                .lines
                .iter()
                .position(|line| line.messages.contains(&incoming.message)),
            Delivery::DeviceList { .. } => None,
        };
        let heard = self.device_mut(role)?.take_in(delivery);
        match heard.map_err(|failure| self.unreadable(role, line, failure))? {
            Heard::Nothing => {}
            Heard::Text(text) => self.reads(role, line, &text)?,
            Heard::Again => {
                if let Some(line) = line {
                    self.tell(role, "drops", &numbered(line + 1, "which came a second time"))?;
                }
            }
        }
        Ok(true)
    }

    /// A device has read a text, which must be the one that was said, and said to it.
    fn reads(&mut self, role: Role, line: Option<usize>, text: &str) -> Result<(), Failure> {
        let said = line.and_then(|line| self.lines.get_mut(line));
        if !said.is_some_and(|said| said.text == text && said.unread.remove(&role)) {
            return Err(Failure::new(format!(
                "{role} read what nobody said to it: {text}"
            )));
        }
        self.ledger.of(role).read += 1;
        self.tell(role, "reads", &numbered(line.map_or(0, |line| line + 1), text))
    }

    /// Why something that arrived could not be taken in.
    fn unreadable(&self, role: Role, line: Option<usize>, failure: Failure) -> Failure {
        match line.and_then(|line| Some((line + 1, self.lines.get(line)?))) {
            Some((number, line)) => failure.about(format!("{role} could not read #{number} ({})", line.text)),
            None => failure.about(role),
        }
    }
}

/// A text with its number.
fn numbered(number: usize, text: &str) -> String {
    let number = format!("#{number}");
    format!("{number:<3} {text}")
}
