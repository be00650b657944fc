//! Wire-faithful stand-ins for the outside systems, with their failures.
//!
//! [`codegen`] speaks the Codegen REST API, [`anthropic`] the streaming Messages API, [`openai`] Responses and Chat
//! Completions, [`claude`] the line protocol of the `claude` program. Each follows a script, does the same every time,
//! and goes wrong exactly where the script says. Servers listen on loopback only.

pub mod anthropic;
pub mod claude;
pub mod codegen;
pub mod openai;

mod clock;
mod conversation;
mod failure;
mod git;
mod message;
mod script;
mod server;

pub use anthropic::Anthropic;
pub use clock::{Clock, SystemClock};
pub use codegen::Codegen;
pub use conversation::{Conversation, ToolUse, Turn, Usage};
pub use failure::{All, Calls, Failure, Injection};
pub use openai::OpenAi;
pub use script::ScriptError;
pub use server::{RecordedRequest, Server, StartError, any_port};
