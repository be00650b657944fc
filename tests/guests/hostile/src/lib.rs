//! A component that attacks its host. The prompt names the attack: a verb and its words. What each attack has to
//! end with is in `tests/tests/hostile`. It is built against the contract alone, without the SDK: an attacker does
//! not use it.

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod crash;
#[cfg(target_family = "wasm")]
mod events;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod guest;
#[cfg(target_family = "wasm")]
mod http;
#[cfg(target_family = "wasm")]
mod outcome;
#[cfg(target_family = "wasm")]
mod process;
#[cfg(target_family = "wasm")]
mod session;
#[cfg(target_family = "wasm")]
mod text;
#[cfg(target_family = "wasm")]
mod verbs;
