//! What happened, for people to read.

use std::fmt;

/// A line for each thing that happened; nothing unless somebody wants to read it.
#[derive(Debug, Default)]
pub(super) struct Story {
    lines: Option<Vec<String>>,
    is_over: bool,
}

impl Story {
    pub(super) fn to_be_read() -> Self {
        Self {
            lines: Some(Vec::new()),
            is_over: false,
        }
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines
            && !self.is_over
        {
            lines.push(line());
        }
    }

    /// What follows need not be told.
    pub(super) fn ends(&mut self) {
        self.is_over = true;
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines.iter().flatten();
        lines.into_iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
