//! How a measurement is printed.

use serde_json::Value;

/// What was measured, in the order it is to be read.
pub(crate) struct Line {
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    pub(crate) fn new(storage: &'static str, measure: &'static str) -> Self {
        let fields = vec![("storage", storage.into()), ("measure", measure.into())];
        Self { fields }
    }

    /// A number: whole, unless it is small.
    pub(crate) fn with(self, name: &'static str, number: f64) -> Self {
        const PRECISE_BELOW: f64 = 100.0;
        let whole = number.fract() == 0.0 || number.abs() >= PRECISE_BELOW;
        let value = if whole {
            Value::from(number.round() as i64)
        } else {
            Value::from((number * 1e3).round() / 1e3)
        };
        self.field(name, value)
    }

    pub(crate) fn text(self, name: &'static str, text: &'static str) -> Self {
        self.field(name, text.into())
    }

    fn field(mut self, name: &'static str, value: Value) -> Self {
        self.fields.push((name, value));
        self
    }

    /// As JSON, or as words.
    pub(crate) fn print(&self, json: bool) {
        let fields = self.fields.iter();
        if json {
            let fields: Vec<_> = fields
                .map(|(name, value)| format!(r#""{name}":{value}"#))
                .collect();
            println!("{{{}}}", fields.join(","));
        } else {
            let words: Vec<_> = fields
                .map(|(name, value)| match value.as_str() {
                    Some(text) => format!("{text:<10}"),
                    None => format!("{name} {value}"),
                })
                .collect();
            println!("{}", words.join("  "));
        }
    }
}
