//! A component that does whatever the prompt says: a verb and its words. It is built against the contract alone,
//! without the SDK, so that the host is tested against the contract and not against our own way of using it.

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod flood;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
mod hostile;
#[cfg(target_family = "wasm")]
mod http;
#[cfg(target_family = "wasm")]
mod process;
#[cfg(target_family = "wasm")]
mod verbs;
