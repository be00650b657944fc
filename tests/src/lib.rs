//! Behaviour of the real binary and real components.
