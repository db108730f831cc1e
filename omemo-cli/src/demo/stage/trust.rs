//! What happens on the stage about trust.

use omemo::{DeviceAddress, EncryptFailure, Error};

use super::Stage;
use crate::demo::cast::Role;
use crate::demo::wire::{is_for, is_from};
use crate::failure::Failure;
use crate::text::counted;

impl Stage<'_> {
    /// Someone compares the fingerprint of a device on both screens, and marks its key as verified.
    pub(in crate::demo) fn verify(&mut self, by: Role, other: Role) -> Result<(), Failure> {
        self.device(by)?.verify(self.device(other)?)?;
        self.tell(
            by,
            "verifies",
            &format!("{other}: the same fingerprint on both screens"),
        )
    }

    /// Someone looks at the fingerprint on the screen of a device, and will know it again.
    pub(in crate::demo) fn look_at(&mut self, by: Role, other: Role) -> Result<(), Failure> {
        let fingerprint = self.device(other)?.fingerprint()?;
        self.device(by)?.owner().look_at(fingerprint);
        self.tell(by, "sees", &format!("the fingerprint on the screen of {other}"))
    }

    /// Someone wants to say something, is asked about the key of a device, leaves it open; and nothing is sent.
    pub(in crate::demo) fn is_refused(
        &mut self,
        by: Role,
        text: &str,
        because_of: Role,
    ) -> Result<(), Failure> {
        let (before, _) = self.traffic(by, because_of)?;
        self.tell(by, "tries", &format!("    {text}"))?;
        match self.device(by)?.encrypt(text)? {
            Err(Error::Encrypt(EncryptFailure::StillUndecided(_))) => {}
            Err(error) => return Err(Failure::because(format!("{by} was refused"), error)),
            Ok(_) => return Err(Failure::new(format!("{by} did not wait for a decision"))),
        }
        self.tell_decisions(by)?;
        let (sent, to_it) = self.traffic(by, because_of)?;
        if sent > before || to_it > 0 {
            return Err(Failure::new(format!("{by} has encrypted to {because_of}")));
        }
        let sent = counted(sent as u64, "message");
        self.tell(
            by,
            "sends",
            &format!("nothing; of its {sent} so far {to_it} are for {because_of}"),
        )
    }

    /// Tells what someone was asked, and what they have decided.
    pub(super) fn tell_decisions(&mut self, by: Role) -> Result<(), Failure> {
        for key in self.device(by)?.owner().take_asked() {
            for device in key.devices {
                let jid = key.jid.clone();
                let address = DeviceAddress { jid, device };
                let (name, known) = (self.name(&address)?, self.device(by)?.knows(&address)?);
                self.tell(by, "is asked", &format!("whether to trust {name}"))?;
                match known.level {
                    Some(level) => self.tell(by, "decides", &format!("{name} is {}", level.as_str()))?,
                    None => self.tell(by, "waits", &format!("{name} stays undecided"))?,
                }
            }
        }
        Ok(())
    }

    /// How many messages a device has sent so far, empty ones too, and how many of them another one can read.
    fn traffic(&mut self, by: Role, to: Role) -> Result<(usize, usize), Failure> {
        let (by, to) = (self.device(by)?.address(), self.device(to)?.address());
        let sent: Vec<_> = self
            .wire
            .carried()
            .iter()
            .filter(|incoming| is_from(incoming, &by))
            .collect();
        let readable = sent.iter().filter(|incoming| is_for(incoming, &to)).count();
        Ok((sent.len(), readable))
    }
}
