//! Turns a plugin into an executor: engine, linker, store, actor, limits and capabilities.
