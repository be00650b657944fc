//! What was measured: a table for people, and a line of JSON for machines.

use serde_json::{Value, json};
use std::process::ExitCode;

/// How often everything is measured; the median is what counts.
pub(crate) const ROUNDS: usize = 5;

/// The name of a part of a bench, and what measures it.
pub(crate) type Part = (&'static str, fn(&mut Report));

/// Measures the parts that were chosen, or all of them. Fails when a target is missed.
pub(crate) fn measure(parts: &[Part], chosen: &[&str]) -> ExitCode {
    let known: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = chosen.iter().find(|word| !known.contains(word)) {
        eprintln!("there is no part {unknown:?}; the parts are {}", known.join(", "));
        return ExitCode::from(2);
    }
    let mut report = Report::default();
    for (name, part) in parts {
        if chosen.is_empty() || chosen.contains(name) {
            part(&mut report);
        }
    }
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything that was measured in one run.
#[derive(Default)]
pub(crate) struct Report {
    tables: Vec<Table>,
}

/// Things of one kind, measured side by side.
pub(crate) struct Table {
    name: String,
    unit: &'static str,
    rows: Vec<(String, Vec<f64>)>,
    targets: Vec<Target>,
    notes: Vec<String>,
}

/// What a figure has to be.
pub(crate) struct Target {
    what: String,
    value: f64,
    bound: Bound,
}

/// The limit of a target.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Table {
    pub(crate) fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self { name: name.into(), unit, rows: Vec::new(), targets: Vec::new(), notes: Vec::new() }
    }

    /// Adds one round's figure to a row, which it makes if there is none.
    pub(crate) fn add(&mut self, row: &str, figure: f64) {
        if let Some((_, figures)) = self.rows.iter_mut().find(|(name, _)| name == row) {
            figures.push(figure);
        } else {
            self.rows.push((row.to_owned(), vec![figure]));
        }
    }

    /// The median of a row.
    pub(crate) fn median(&self, row: &str) -> f64 {
        let found = self.rows.iter().find(|(name, _)| name == row);
        median(&found.unwrap_or_else(|| panic!("{row} was not measured")).1)
    }

    /// Judges a figure.
    pub(crate) fn judge(&mut self, what: impl Into<String>, value: f64, bound: Bound) {
        self.targets.push(Target { what: what.into(), value, bound });
    }

    /// Adds what one has to know to read it.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn print(&self) {
        println!("\n{} [{}]", self.name, self.unit);
        println!("  {:<40} {:>12} {:>12} {:>12}", "", "median", "least", "most");
        for (name, figures) in &self.rows {
            let (least, most) = (fold(figures, f64::min), fold(figures, f64::max));
            let [median, least, most] = [median(figures), least, most].map(figure);
            println!("  {name:<40} {median:>12} {least:>12} {most:>12}");
        }
        for Target { what, value, bound } in &self.targets {
            let met = if bound.holds(*value) { "met" } else { "MISSED" };
            println!("  {what}: {} ({}: {met})", figure(*value), bound.told());
        }
        for note in &self.notes {
            println!("  {note}");
        }
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(
            |(name, figures)| json!({"name": name, "median": median(figures), "figures": figures}),
        );
        let targets = self.targets.iter().map(|Target { what, value, bound }| {
            json!({"what": what, "value": value, "target": bound.told(), "met": bound.holds(*value)})
        });
        let (rows, targets): (Vec<_>, Vec<_>) = (rows.collect(), targets.collect());
        let (name, unit, notes) = (&self.name, self.unit, &self.notes);
        json!({"name": name, "unit": unit, "rows": rows, "targets": targets, "notes": notes})
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn told(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", figure(most)),
            Self::AtLeast(least) => format!("at least {}", figure(least)),
        }
    }
}

impl Report {
    /// Shows a table, and keeps it.
    pub(crate) fn add(&mut self, table: Table) {
        table.print();
        self.tables.push(table);
    }

    /// Prints the JSON, and says whether every target was met.
    fn finish(self) -> bool {
        let tables: Vec<_> = self.tables.iter().map(Table::json).collect();
        println!("\n{}", json!({"rounds": ROUNDS, "tables": tables}));
        self.tables.iter().flat_map(|table| &table.targets).all(|t| t.bound.holds(t.value))
    }
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn fold(figures: &[f64], by: fn(f64, f64) -> f64) -> f64 {
    figures.iter().copied().reduce(by).unwrap_or(f64::NAN)
}

fn figure(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{value:.0}")
    } else if value >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}
