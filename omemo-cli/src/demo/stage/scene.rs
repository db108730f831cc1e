//! How scenes begin and end.

use omemo::local::{Seen, Weather};

use super::Stage;
use crate::demo::wire::shows;
use crate::failure::Failure;
use crate::text::{counted, grouped};

impl Stage<'_> {
    /// Begins a scene.
    pub(in crate::demo) fn scene(&mut self, title: &str) -> Result<(), Failure> {
        self.scenes += 1;
        self.before = self.server.seen();
        writeln!(self.out, "{}  {title}\n", self.scenes)?;
        Ok(())
    }

    /// Ends a scene: everybody must have read everything. Tells what the server saw of it.
    pub(in crate::demo) fn end_scene(&mut self) -> Result<(), Failure> {
        self.all_hear()?;
        self.server.set_weather(Weather::default(), 0);
        self.require_all_read()?;
        let seen = since(self.before, self.server.seen());
        let rows = [
            list(&[
                (seen.messages - seen.empty_messages, "text message"),
                (seen.empty_messages, "empty answer"),
                (seen.key_exchanges, "key exchange"),
            ]),
            list(&[
                (seen.bundles, "new key bundle"),
                (seen.device_lists, "new device list"),
            ]),
        ];
        let mut who = ("the server", "saw");
        for row in rows.iter().filter(|row| !row.is_empty()) {
            self.tell(who.0, who.1, row)?;
            who = ("", "");
        }
        if seen.messages > 0 {
            self.tell_what_is_readable(seen.bytes)?;
        }
        writeln!(self.out)?;
        Ok(())
    }

    fn require_all_read(&self) -> Result<(), Failure> {
        let unread = (1..).zip(&self.lines).find_map(|(number, line)| {
            let role = line.unread.first()?;
            Some(format!("{role} could not read #{number}: {}", line.text))
        });
        unread.map_or(Ok(()), |unread| Err(Failure::new(unread)))
    }

    /// Looks for each text in everything that the server has carried so far.
    fn tell_what_is_readable(&mut self, bytes: u64) -> Result<(), Failure> {
        let carried = self.wire.carried();
        if carried.len() as u64 != self.server.seen().messages {
            return Err(Failure::new(
                "not everything that the server carried was looked at",
            ));
        }
        let readable = self
            .lines
            .iter()
            .filter(|line| {
                carried
                    .iter()
                    .any(|incoming| shows(&incoming.message, &line.text))
            })
            .count();
        let texts = counted(self.lines.len() as u64, "text");
        let bytes = grouped(bytes);
        self.tell_more(&format!(
            "{bytes} encrypted bytes; of {texts} so far it can read {readable}"
        ))?;
        if readable > 0 {
            return Err(Failure::new("the server could read a text"));
        }
        Ok(())
    }
}

/// What a server has seen since `before`.
fn since(before: Seen, now: Seen) -> Seen {
    Seen {
        messages: now.messages - before.messages,
        empty_messages: now.empty_messages - before.empty_messages,
        key_exchanges: now.key_exchanges - before.key_exchanges,
        bytes: now.bytes - before.bytes,
        bundles: now.bundles - before.bundles,
        bundle_downloads: now.bundle_downloads - before.bundle_downloads,
        device_lists: now.device_lists - before.device_lists,
    }
}

/// Things of which there are some.
fn list(things: &[(u64, &str)]) -> String {
    let some = things.iter().filter(|(number, _)| *number > 0);
    let some: Vec<_> = some.map(|(number, thing)| counted(*number, thing)).collect();
    some.join(", ")
}
