//! The plugin host, with a real component that does whatever its prompt says.

mod context;
mod floods;
mod harness;
mod hostile;
mod http;
mod model;
mod process;
mod server;
mod stopping;
mod workspace;
