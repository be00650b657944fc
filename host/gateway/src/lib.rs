//! The model gateway: the endpoint that a launched agent uses in place of its model's service.
//!
//! A [`Gateway`] serves a listener for one execution and no other. The agent holds a [`Lease`]'s token, which is worth
//! nothing anywhere else and nothing after the lease; the gateway takes the token away and puts the operator's key in
//! its place. Bytes pass as they are in both directions. On the way the gateway reads what the service says it used,
//! works out the money, and ends a response in the middle when the execution's [`Account`] is empty.
//!
//! The crate opens no connection: requests leave through an [`Upstream`], which the host's egress provides.

mod access;
mod account;
mod content;
mod count;
mod exchange;
mod facts;
mod format;
#[cfg(test)]
mod fuzz;
mod headers;
mod price;
mod route;
mod server;
mod sse;
mod tee;
mod token;
mod tokens;
mod upstream;

pub use access::{
    Access, BaseUrl, BaseUrlError, Credential, CredentialError, CredentialSource, ModelPattern,
};
pub use account::{Account, Tally};
pub use format::Format;
pub use price::{ModelPrice, PriceError, PriceTable, Rates};
pub use server::{Gateway, Lease, Limits, Ticket};
pub use tokens::Tokens;
pub use upstream::{Upstream, UpstreamBody, UpstreamError};
