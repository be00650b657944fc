//! What a launched program may see and reach: pure policy, applied by the supervisor.

mod host;
mod installation;
mod plan;
mod profile;
mod sandbox;
mod system;
mod toolchain;
mod way_out;
mod withheld;

pub use host::SandboxPolicy;
pub(crate) use plan::Step;
pub(crate) use plan::{Bind, Plan};
pub use profile::{Profile, UnknownProfile};
pub(crate) use sandbox::MOST_OUTLETS;
pub use sandbox::{Access, Mount, Network, Outlets, Sandbox};
pub(crate) use system::system;
pub use toolchain::Toolchain;
pub use way_out::WayOut;
pub(crate) use way_out::proxy_variables;
pub use withheld::{UnknownLayer, Withheld};
