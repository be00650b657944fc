//! Claude Code as a Cyrus executor.
