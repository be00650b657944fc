//! Reads and checks the operator's configuration.
