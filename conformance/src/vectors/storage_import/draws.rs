//! Recorded randomness, where operations draw the ids of their commits too.

use core::convert::Infallible;
use std::collections::VecDeque;

use rand_core::{TryCryptoRng, TryRng};

use crate::vectors::checks::Verdict;

/// What is drawn next.
pub(super) enum Draw {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The one of several with this index.
    Choice(u64),
}

/// How many bytes the id of a commit has.
const COMMIT_ID: usize = 16;

/// Hands out what was recorded in its order, and after that the ids of commits.
#[derive(Default)]
pub(super) struct Draws {
    recorded: VecDeque<Draw>,
    commits: u64,
    fault: Option<String>,
}

impl Draws {
    /// Before an operation: what it is to draw.
    pub(super) fn record(&mut self, draws: impl IntoIterator<Item = Draw>) {
        self.recorded = draws.into_iter().collect();
        self.fault = None;
    }

    /// After it: everything recorded was drawn, and nothing else.
    pub(super) fn finish(&mut self) -> Verdict {
        match (self.fault.take(), self.recorded.len()) {
            (Some(fault), _) => Err(fault),
            (None, 0) => Ok(()),
            (None, left) => Err(format!("{left} recorded secrets were not drawn")),
        }
    }

    fn fault(&mut self, what: &str) -> u64 {
        self.fault.get_or_insert_with(|| what.to_owned());
        0
    }
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.fault("a random number was drawn that is not recorded");
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(match self.recorded.pop_front() {
            Some(Draw::Choice(index)) => index,
            _ => self.fault("a choice was made that is not recorded"),
        })
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self.recorded.pop_front() {
            Some(Draw::Bytes(recorded)) if recorded.len() == bytes.len() => bytes.copy_from_slice(&recorded),
            None if bytes.len() == COMMIT_ID => {
                self.commits += 1;
                bytes.fill(0xc0);
                let number = self.commits.to_be_bytes();
                bytes.iter_mut().zip(number).for_each(|(to, from)| *to = from);
            }
            _ => {
                bytes.fill(0);
                self.fault("secret bytes were drawn that are not recorded");
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
