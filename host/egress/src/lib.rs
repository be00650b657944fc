//! The way out of this machine: the one place that decides which addresses are connected to.
//!
//! Two users: the runtime, which sends the requests of components and of the model gateway, resolves through [`resolve`]
//! and connects to the addresses that it returns; and programs (agents, set-up scripts, checks, git on a foreign remote), which have no
//! network of their own and reach hosts through a [`Proxy`].
//!
//! # The proxy
//!
//! HTTP `CONNECT` by name. In order: a head of bounded size and time → the host grammar of [`HostPattern`] →
//! [`Rules`] → resolve → the addresses → connect to a checked address → bytes, counted and timed. The proxy never
//! looks into what it tunnels. `GET` and `HEAD` of an `http://` address are forwarded where a rule names that host
//! with `http://`; everything else is refused with a reason.
//!
//! What a rule permits: a name at one port. A private, loopback, link-local, metadata, carrier or documentation
//! address is refused after resolution, however it is dressed (mapped, NAT64, 6to4), unless a rule spells out the
//! address itself. Each connection leaves an [`Access`] record.
//!
//! # Layout
//!
//! * [`resolve`], [`CheckedAddresses`], [`Resolver`]: from a name to addresses that were checked.
//! * [`OperatorDestination`]: what the operator wrote, and may therefore be on this machine or in a private network.
//! * [`Rules`]: which hosts, and the preset of public registries.
//! * [`Proxy`], [`Serving`], [`Limits`]: serves listeners.
//! * [`forward`]: a loopback port of this machine, for programs that have a loopback interface of their own.
//! * [`Access`], [`Verdict`]: what is recorded of a connection.
//!
//! [`HostPattern`]: cyrus_plugin::HostPattern

mod access;
mod address;
mod connection;
mod forward;
#[cfg(test)]
mod fuzz;
mod limits;
mod operator;
mod proxy;
mod registries;
mod relay;
mod request;
mod resolve;
mod rules;

pub use access::{Access, Verdict};
pub use forward::forward;
pub use limits::Limits;
pub use operator::{ForbiddenAddress, OperatorDestination};
pub use proxy::{Proxy, Serving};
pub use resolve::{CheckedAddresses, Resolver, SystemResolver, Unresolved, resolve};
pub use rules::Rules;
