//! Sessions, executions and checkpoints, durable.
