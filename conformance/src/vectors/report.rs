//! What came of a replay.

use core::fmt;

/// What came of replaying several sets. Shown as a line a set, with what failed below it, and a last line with the sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The sets, in the order of their files.
    pub sets: Vec<SetReport>,
}

/// What came of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetReport {
    /// Its name; that of its file where it says none.
    pub name: String,
    /// How many cases passed.
    pub passed: usize,
    /// The cases that failed, with the first thing wrong in each, and whatever is wrong with the set as such.
    pub failed: Vec<Failure>,
    /// Whether the set is of a kind that can be replayed. If not, all its cases count as failed, and one at least.
    pub supported: bool,
}

/// What is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case, by its id where it has one.
    pub case: String,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// How many cases passed, over all sets.
    pub fn passed(&self) -> usize {
        self.sets.iter().map(|set| set.passed).sum()
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.sets.iter().map(|set| set.failed.len()).sum()
    }

    /// Whether anything was replayed, and nothing failed.
    pub fn is_success(&self) -> bool {
        !self.sets.is_empty() && self.passed() > 0 && self.failed() == 0
    }
}

impl SetReport {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            passed: 0,
            failed: Vec::new(),
            supported: true,
        }
    }

    pub(super) fn fail(&mut self, case: impl Into<String>, what: impl Into<String>) {
        self.failed.push(Failure {
            case: case.into(),
            what: what.into(),
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sets.iter().try_for_each(|set| set.fmt(f))?;
        writeln!(f, "total: {} passed, {} failed", self.passed(), self.failed())
    }
}

impl fmt::Display for SetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            passed,
            failed,
            supported,
        } = self;
        write!(f, "{name}: {passed} passed, {} failed", failed.len())?;
        if !supported {
            return writeln!(f, " (not supported)");
        }
        writeln!(f)?;
        failed
            .iter()
            .try_for_each(|Failure { case, what }| writeln!(f, "  {case}: {what}"))
    }
}
