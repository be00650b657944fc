//! Analyses an issue, selects an executor, runs it, validates and reports.
