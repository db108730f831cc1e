//! Counts of what the library tells by `tracing`: how many operations of each kind have ended, how many of them badly,
//! how many conflicts they met, and how many warnings there were. No event has a key, a plaintext or a full JID.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// A layer of a subscriber. Cloning shares the counts.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    operations: BTreeMap<String, u64>,
    failed: u64,
    conflicts: u64,
    warnings: u64,
}

/// The fields of the event that ends an operation.
#[derive(Default)]
struct Ended {
    kind: Option<String>,
    succeeded: bool,
    conflicts: u64,
}

impl Visit for Ended {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "kind" {
            self.kind = Some(value.to_owned());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "succeeded" {
            self.succeeded = value;
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "conflicts" {
            self.conflicts = value;
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_u64(field, value.unsigned_abs());
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Metrics {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if !metadata.target().starts_with("omemo") {
            return;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *metadata.level() == Level::WARN {
            counts.warnings += 1;
        }
        if metadata.fields().field("succeeded").is_some() {
            let mut ended = Ended::default();
            event.record(&mut ended);
            *counts
                .operations
                .entry(ended.kind.unwrap_or_default())
                .or_default() += 1;
            counts.failed += u64::from(!ended.succeeded);
            counts.conflicts += ended.conflicts;
        }
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "operations:")?;
        for (kind, count) in &counts.operations {
            write!(f, " {count} {kind},")?;
        }
        let Counts {
            failed,
            conflicts,
            warnings,
            ..
        } = &*counts;
        write!(f, " {failed} failed, {conflicts} conflicts, {warnings} warnings")
    }
}
