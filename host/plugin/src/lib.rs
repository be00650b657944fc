//! Plugins as policy: what a plugin says it is and asks for, what the operator allows it, and what of it
//! holds. Pure: no WebAssembly engine, no network, no process. The only I/O is reading plugin directories and keeping
//! the file of approvals.
//!
//! Authority is the intersection of three things, worked out when it is used:
//! what the manifest requests ([`Requests`]) ∩ what the operator grants ([`Grants`]) ∩ what the host permits
//! at most ([`HostMaximum`]). Omitted is empty is denied. Nothing is granted by installing.
//!
//! # Layout
//!
//! * [`Manifest`], [`Requests`]: what `plugin.toml` says.
//! * [`discover`], [`DiscoveredPlugin`]: which plugins there are.
//! * [`PluginDigest`], [`Approvals`], [`Difference`]: which state of a plugin grants are bound to, and what changed.
//! * [`ExecutorConfig`], [`Grants`], [`ExecutorLimits`]: what the operator says.
//! * [`Policy`], [`PolicyHandle`], [`Denied`]: what holds, and the line that would change it.
//! * [`HostPattern`], [`ArgsPattern`]: the two pattern languages.

mod approvals;
mod args;
mod authority;
mod denied;
mod destination;
mod difference;
mod digest;
mod discovery;
mod executor_config;
mod explain;
#[cfg(test)]
mod fuzz;
mod git_grant;
mod grants;
mod host_pattern;
mod limits;
mod lock;
mod manifest;
mod mcp_grant;
mod model;
mod policy;
mod process_grant;
mod program;
mod program_kind;
mod secret;

pub use approvals::{
    Approval, Approvals, ApprovalsError, Binding, DigestMismatch, NotApproved, Purpose,
};
pub use args::{ArgsPattern, Arguments, FlagPattern, ValuePattern};
pub use authority::{Authority, ProgramAuthority, SecretAuthority};
pub use denied::{Capability, Denied};
pub use destination::{Destination, Scheme};
pub use difference::Difference;
pub use digest::{Digest, ParseDigestError, PluginDigest};
pub use discovery::{
    BrokenPlugin, BundledPlugin, ComponentSource, DiscoveredPlugin, Discovery, MAX_COMPONENT_BYTES,
    PluginError, PluginOrigin, discover,
};
pub use executor_config::ExecutorConfig;
pub use explain::{Explanation, explain};
pub use git_grant::{GitGrant, GitHost};
pub use grants::{Grants, HostMaximum};
pub use host_pattern::{HostPattern, ParseHostPatternError};
pub use limits::ExecutorLimits;
pub use manifest::{
    ContractVersion, HttpRequest, MAX_MANIFEST_BYTES, Manifest, ManifestError, PluginName,
    ProcessRequest, Requests,
};
pub use mcp_grant::McpGrant;
pub use model::{GatewayConfig, ModelCredential, ModelFormat, ModelRequest, PriceConfig};
pub use policy::{Policy, PolicyHandle};
pub use process_grant::{HostEnvironment, ProcessGrant};
pub use program::GrantedProgram;
pub use program_kind::ProgramKind;
pub use secret::{Injection, SecretGrant, SecretRef, SecretRequest};
