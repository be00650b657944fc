//! The simulators over real sockets and pipes.

mod anthropic;
mod client;
mod codegen;
mod codegen_failures;
mod documentation;
mod openapi;
mod stand_in;
