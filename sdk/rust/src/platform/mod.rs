//! What differs between a component and a native test: the same names, made of the contract's imports in the
//! one and of a scripted host in the other.
//!
//! It is a choice at compile time, not a trait object: what a plugin does not call is then not imported by its
//! component, so its imports show what it can do.

use crate::http::HttpError;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
pub(crate) use component::*;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::platform::*;

/// The beginning of an answer, and where the rest of it comes from.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ByteStream,
}

/// What sending a request comes to.
pub(crate) type Sent = Result<Answer, HttpError>;
