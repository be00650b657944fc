//! Attacks that nothing stops yet. They are not tried with the rest; `--ignored` tries them.

/// Their names.
pub(crate) const OPEN: &[&str] = &["repositories::trees::directories_twenty_thousand_deep"];
