//! Codegen as a Cyrus executor.
