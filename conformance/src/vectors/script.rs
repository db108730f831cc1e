//! Recorded randomness.

use core::convert::Infallible;
use std::collections::VecDeque;

use rand_core::{TryCryptoRng, TryRng};

use super::checks::Verdict;

/// Hands out recorded secrets in their order. Whoever asks for others gets zeros, and the case has failed.
pub(super) struct Script {
    secrets: VecDeque<Vec<u8>>,
    /// What was asked for that is not recorded.
    fault: Option<String>,
}

impl Script {
    pub(super) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        Self {
            secrets: secrets
                .into_iter()
                .map(|secret| secret.as_ref().to_vec())
                .collect(),
            fault: None,
        }
    }

    /// Everything recorded was drawn, and nothing else.
    pub(super) fn finish(self) -> Verdict {
        let left = self.secrets.len();
        self.finish_early()?;
        if left == 0 {
            Ok(())
        } else {
            Err(format!("{left} recorded secrets were not drawn"))
        }
    }

    /// Nothing but what was recorded was drawn.
    pub(super) fn finish_early(self) -> Verdict {
        self.fault.map_or(Ok(()), Err)
    }

    fn fault(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.fault("a random number was drawn".to_owned());
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.fault("a random number was drawn".to_owned());
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0);
        match self.secrets.pop_front() {
            Some(secret) if secret.len() == bytes.len() => bytes.copy_from_slice(&secret),
            Some(secret) => self.fault(format!(
                "{} secret bytes were drawn where {} are recorded",
                bytes.len(),
                secret.len(),
            )),
            None => self.fault(format!(
                "{} secret bytes were drawn that are not recorded",
                bytes.len()
            )),
        }
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// For what is going to be thrown away: always the same bytes.
pub(super) struct Filler;

impl TryRng for Filler {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(1);
        Ok(())
    }
}

impl TryCryptoRng for Filler {}
