//! The simulators over real sockets and pipes.

mod anthropic;
mod client;
mod codegen;
