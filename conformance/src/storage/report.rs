//! What a run of the suite has shown.

use std::collections::BTreeMap;
use std::fmt;

use super::factory::Capability;

/// How one behaviour went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The storage behaved.
    Passed,
    /// It did not; what was found.
    Failed(String),
    /// The factory lacks a capability that the behaviour needs.
    NotApplicable(Capability),
}

/// One line of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The name of the behaviour.
    pub behaviour: &'static str,
    /// How it went.
    pub verdict: Verdict,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let behaviour = self.behaviour;
        match &self.verdict {
            Verdict::Passed => write!(f, "{behaviour}: passed"),
            Verdict::Failed(why) => write!(f, "{behaviour}: FAILED: {}", why.replace('\n', "\n    ")),
            Verdict::NotApplicable(lacking) => {
                write!(f, "{behaviour}: not applicable: capability {lacking} absent")
            }
        }
    }
}

/// How every behaviour of the suite went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In the order they were run.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many passed.
    pub fn passed(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Passed)
    }

    /// Those that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_)))
    }

    /// How many could not be tried, for each capability that was lacking.
    pub fn not_applicable(&self) -> BTreeMap<Capability, usize> {
        let mut counts = BTreeMap::new();
        for outcome in &self.outcomes {
            if let Verdict::NotApplicable(lacking) = outcome.verdict {
                *counts.entry(lacking).or_default() += 1;
            }
        }
        counts
    }

    /// Whether the storage can be trusted: some passed and none failed. Those that were not applicable have shown nothing.
    pub fn is_success(&self) -> bool {
        self.passed() > 0 && self.failed().next().is_none()
    }

    /// The last line: how many passed, failed and were not applicable, and why those were not.
    pub fn total(&self) -> String {
        let (passed, failed) = (self.passed(), self.failed().count());
        let all = self.outcomes.len();
        let not_applicable = all - passed - failed;
        let mut total =
            format!("{all} behaviours: {passed} passed, {failed} failed, {not_applicable} not applicable");
        let absent = self.not_applicable().into_iter();
        let absent: Vec<String> = absent
            .map(|(lacking, count)| format!("{lacking} absent: {count}"))
            .collect();
        if !absent.is_empty() {
            total.push_str(&format!(" ({})", absent.join(", ")));
        }
        total
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.outcomes
            .iter()
            .filter(|outcome| is(&outcome.verdict))
            .count()
    }
}

/// A line for each behaviour, and the total.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            writeln!(f, "{outcome}")?;
        }
        f.write_str(&self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_no_success() {
        let absent = Verdict::NotApplicable(Capability::Cut);
        let failed = Verdict::Failed("lost".to_owned());
        for (verdicts, is_success) in [
            (vec![], false),
            (vec![absent.clone()], false),
            (vec![Verdict::Passed], true),
            (vec![absent, Verdict::Passed], true),
            (vec![Verdict::Passed, failed], false),
        ] {
            let outcomes = verdicts.into_iter().map(|verdict| Outcome {
                behaviour: "behaviour",
                verdict,
            });
            let report = Report {
                outcomes: outcomes.collect(),
            };
            assert_eq!(report.is_success(), is_success, "{report}");
        }
    }
}
