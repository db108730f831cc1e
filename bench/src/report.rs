//! What was measured, and whether it is good enough.

use std::fmt;

use crate::measure::{Bars, Detail};

/// The nanoseconds of all rounds.
#[derive(Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn push(&mut self, ns: f64) {
        self.0.push(ns);
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::MAX, f64::min)
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::MAX)
    }
}

/// An item that was measured. Its ratios compare the least times of all rounds.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) ours: Times,
    pub(crate) floor: Times,
    pub(crate) peer: Option<Times>,
    pub(crate) bars: Bars,
    pub(crate) details: Vec<Detail>,
}

impl Measured {
    fn ratio(&self) -> f64 {
        self.ours.least() / self.floor.least()
    }

    fn peer_ratio(&self) -> Option<f64> {
        Some(self.peer.as_ref()?.least() / self.ours.least())
    }

    pub(crate) fn json(&self) -> String {
        let Self {
            name, ours, floor, ..
        } = self;
        let mut fields = vec![
            format!(r#""name":"{name}""#),
            format!(r#""ns":{:.0}"#, ours.least()),
            format!(r#""floor_ns":{:.0}"#, floor.least()),
            format!(r#""ratio":{:.3}"#, self.ratio()),
        ];
        match &self.peer {
            None => fields.push(r#""peer_ns":null,"peer_ratio":null"#.to_owned()),
            Some(peer) => fields.extend([
                format!(r#""peer_ns":{:.0}"#, peer.least()),
                format!(r#""peer_ratio":{:.3}"#, peer.least() / ours.least()),
            ]),
        }
        fields.push(format!(r#""median_ns":{:.0}"#, ours.median()));
        fields.push(format!(r#""floor_median_ns":{:.0}"#, floor.median()));
        if let Some(peer) = &self.peer {
            fields.push(format!(r#""peer_median_ns":{:.0}"#, peer.median()));
        }
        fields.extend(
            self.details
                .iter()
                .map(|(name, count)| format!(r#""{name}":{count}"#)),
        );
        format!("{{{}}}", fields.join(","))
    }

    /// The bars that are missed, in words.
    pub(crate) fn missed(&self) -> Vec<String> {
        let Self { name, bars, .. } = self;
        let mut missed = Vec::new();
        let ratio = self.ratio();
        if ratio > bars.ratio {
            missed.push(format!(
                "{name}: {ratio:.3} x floor, at most {} wanted",
                bars.ratio
            ));
        }
        if let (Some(ratio), Some(bar)) = (self.peer_ratio(), bars.peer_ratio)
            && ratio < bar
        {
            missed.push(format!(
                "{name}: peer takes {ratio:.3} x ours, at least {bar} wanted"
            ));
        }
        missed
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ns, floor_ns) = (self.ours.least(), self.floor.least());
        let (name, ratio) = (self.name, self.ratio());
        write!(
            f,
            "{name:<28} {ns:>10.0} ns {ratio:>6.2} x floor ({floor_ns:.0} ns)"
        )?;
        if let Some(peer) = &self.peer {
            let peer_ns = peer.least();
            write!(f, " {:>8.4} x peer ({peer_ns:.0} ns)", ns / peer_ns)?;
        }
        for (name, count) in &self.details {
            write!(f, ", {name} {count}")?;
        }
        Ok(())
    }
}
