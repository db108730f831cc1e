//! What can happen, as data: as bytes for proptest and the fuzzer, as text for people.

use std::fmt;
use std::str::FromStr;

/// How many bytes an event is decoded from.
pub(super) const EVENT_BYTES: usize = 4;

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidEvent(pub String);

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an event: {:?}", self.0)
    }
}

impl std::error::Error for InvalidEvent {}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident $word:literal { $($field:ident),* } of $weight:literal;)*) => {
        /// Something that happens. Who it happens to is a number, counted round among those there are, so that every
        /// number means somebody.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the events say what their numbers are")]
        pub enum Event {
            $($(#[$doc])* $name { $($field: u8),* },)*
        }

        impl Event {
            /// How many of the 256 first bytes, counted round, mean each event.
            const TOTAL: u8 = 0 $(+ $weight)*;

            /// Every four bytes mean an event.
            pub fn decode([kind, first, second, third]: [u8; EVENT_BYTES]) -> Self {
                let mut kind = kind % Self::TOTAL;
                let mut numbers = [first, second, third].into_iter();
                $(
                    if kind < $weight {
                        return Self::$name { $($field: numbers.next().unwrap_or_default()),* };
                    }
                    kind -= $weight;
                )*
                unreachable!("{kind} is less than the sum of all weights, and each was subtracted")
            }

            /// Bytes that mean this event.
            pub fn encode(self) -> [u8; EVENT_BYTES] {
                let mut kind = 0;
                $(
                    if let Self::$name { $($field),* } = self {
                        let mut bytes = [kind, 0, 0, 0];
                        for (to, number) in bytes[1..].iter_mut().zip([$($field),*] as [u8; events!(@count $($field)*)]) {
                            *to = number;
                        }
                        return bytes;
                    }
                    kind += $weight;
                )*
                unreachable!("every event is among these, and {kind} is none")
            }
        }

        impl fmt::Display for Event {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name { $($field),* } => {
                        f.write_str($word)?;
                        $(write!(f, " {}", $field)?;)*
                    })*
                }
                Ok(())
            }
        }

        impl FromStr for Event {
            type Err = InvalidEvent;

            fn from_str(line: &str) -> Result<Self, InvalidEvent> {
                let invalid = || InvalidEvent(line.to_owned());
                let mut words = line.split_whitespace();
                let event = match words.next() {
                    $(Some($word) => Self::$name {
                        $($field: words.next().and_then(|word| word.parse().ok()).ok_or_else(invalid)?),*
                    },)*
                    _ => return Err(invalid()),
                };
                if words.next().is_some() { Err(invalid()) } else { Ok(event) }
            }
        }
    };
    (@count) => { 0 };
    (@count $first:ident $($rest:ident)*) => { 1 + events!(@count $($rest)*) };
}

events! {
    /// A device writes to an account.
    Send "send" { from, to } of 6;
    /// A device reads the first of its mail.
    Deliver "deliver" { device } of 6;
    /// A device reads all of its mail.
    DeliverAll "deliver-all" { device } of 4;
    /// A device writes to every other account at once.
    SendAll "send-all" { from } of 1;
    /// The first of the mail is lost on its way.
    Drop "drop" { device } of 1;
    /// The first of the mail will come again.
    Duplicate "duplicate" { device } of 1;
    /// The first of the mail is overtaken by so many.
    Reorder "reorder" { device, by } of 2;
    /// The process of a device ends between two operations, and another takes its place.
    Restart "restart" { device } of 1;
    /// After so many effects of the device, this fault strikes: it dies before or after the effect, the effect fails, a
    /// commit meets a conflict with another process of the device, or its answer is lost. What the other process does is in
    /// `fault` too.
    Strike "strike" { device, effect, fault } of 4;
    /// The next uploads of a device fail.
    UploadFails "upload-fails" { device, times } of 1;
    /// An account gets another device.
    AddDevice "add-device" { account } of 1;
    /// A device is taken off its account's list, and is gone.
    RemoveDevice "remove-device" { device } of 1;
    /// A week passes, and the device rotates its signed pre key.
    Rotate "rotate" { device } of 1;
    /// A device begins to catch up with its archive, or has caught up.
    CatchUp "catch-up" { device } of 2;
    /// Two devices write to each other's accounts at the same time.
    StartBoth "start-both" { one, other } of 2;
    /// A copy is made of what a device has stored.
    Backup "backup" { device } of 1;
    /// The copy of a device is put back behind the library's back, or what the device had at the beginning.
    Restore "restore" { device } of 1;
    /// The clock jumps.
    ClockJump "clock-jump" { by } of 1;
    /// A device does what has to be done from time to time.
    Maintain "maintain" { device } of 3;
    /// A device is told of all device lists there are, as when it connects.
    Hear "hear" { device } of 1;
    /// A device reads so many of its mail as one page.
    ReadPage "read-page" { device, count } of 3;
    /// The copy of a device is put back, and the library is told: it drops sessions and pre keys.
    RestoreTold "restore-told" { device } of 1;
    /// A device opens new sessions with another in place of those there are.
    ReplaceSessions "replace-sessions" { device, other } of 1;
    /// A device forgets all it knows of an account.
    Forget "forget" { device, account } of 1;
    /// A device looks at what waits in its inbox, and acknowledges so many.
    Acknowledge "acknowledge" { device, count } of 2;
    /// A person distrusts another device's key, or trusts it again.
    Decide "decide" { device, other, trusts } of 1;
    /// A device gets another name.
    Rename "rename" { device, name } of 1;
    /// The first of the mail comes damaged before it comes as it was.
    Damage "damage" { device, part } of 2;
    /// A device writes to an account until that must answer, however little it says. `arrives`: whether all of it arrives,
    /// or the last alone.
    WriteALot "write-a-lot" { from, to, arrives } of 1;
    /// The first of the mail is overtaken by a whole conversation with who has written it.
    Lag "lag" { device } of 2;
}
