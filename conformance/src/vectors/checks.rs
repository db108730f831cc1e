//! How a case is found right or wrong.

use core::fmt::Display;

/// What a step of a replay has: a value, or what is wrong.
pub(super) type Verdict<T = ()> = Result<T, String>;

/// Counts what was checked, so that a case in which nothing was is told from one that passed.
#[derive(Default)]
pub(super) struct Checks {
    done: usize,
}

impl Checks {
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Something has to hold.
    pub(super) fn that(&mut self, what: impl Display, holds: bool) -> Verdict {
        self.done += 1;
        if holds { Ok(()) } else { Err(what.to_string()) }
    }

    /// Bytes have to be the recorded ones.
    pub(super) fn bytes(
        &mut self,
        what: impl Display,
        actual: impl AsRef<[u8]>,
        recorded: impl AsRef<[u8]>,
    ) -> Verdict {
        let (actual, recorded) = (actual.as_ref(), recorded.as_ref());
        self.done += 1;
        if actual == recorded {
            Ok(())
        } else {
            Err(format!("{what}: {} instead of {}", hex(actual), hex(recorded)))
        }
    }

    /// A number, or whatever else can be shown, has to be the recorded one.
    pub(super) fn equal<T: PartialEq + core::fmt::Debug>(
        &mut self,
        what: impl Display,
        actual: T,
        recorded: T,
    ) -> Verdict {
        self.that(
            format_args!("{what}: {actual:?} instead of {recorded:?}"),
            actual == recorded,
        )
    }
}

/// Says where something is wrong.
pub(super) trait Context<T> {
    fn context(self, place: impl Display) -> Verdict<T>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, place: impl Display) -> Verdict<T> {
        self.map_err(|error| format!("{place}: {error}"))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, place: impl Display) -> Verdict<T> {
        self.ok_or_else(|| place.to_string())
    }
}

/// As hexadecimal digits, cut after 48 bytes.
fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 48;
    let mut text: String = bytes
        .iter()
        .take(SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes.len() > SHOWN {
        text.push_str(&format!(".. ({} bytes)", bytes.len()));
    }
    text
}
