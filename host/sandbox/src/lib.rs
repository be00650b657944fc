//! Launches a native program confined, and kills all of it.
//!
//! A [`Launcher`] starts what a [`Launch`] describes and gives a [`Child`] for it. Everything the program starts
//! ends when the program does, when it is killed, when the last hold on it is dropped, and when the host itself is
//! killed, as far as the [`Containment`] in force reaches; [`Confinement::limits`] says how far that is.
//!
//! The work is done by a supervisor, which is the host's own executable, started once more and forked for each program:
//! `main` calls [`supervise_if_asked`] before anything else.

mod beneath;
mod capture;
#[cfg(target_os = "linux")]
mod cgroup;
mod child;
mod containment;
#[cfg(target_os = "linux")]
mod descriptors;
mod direct;
mod error;
mod home;
mod launch;
mod launcher;
mod path;
mod policy;
mod program;
mod remove;
mod resources;
mod run;
mod search;
mod session;
mod signals;
mod stdio;
#[cfg(target_os = "linux")]
mod stem;
#[cfg(target_os = "linux")]
mod supervised;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod wire;

pub use capture::Captured;
pub use child::{Child, ChildOutput, ChildStdin, Exit, Handle, Signal};
pub use containment::{Confinement, Containment, Layer, Layers, MemoryLimit};
pub use error::{Lost, RunError, SpawnError};
pub use home::{
    Departure, GIT_CONFIGURATION, HomeError, HomeFile, HomePlace, HomeSeed, NotAHomeFile,
    PrivateHome, Returned,
};
pub use launch::{Input, Launch, Output};
pub use launcher::{Launcher, Supervisor, supervise_if_asked};
pub use path::{AbsolutePath, NotAbsolute, find_program};
pub use policy::{
    Access, Mount, Network, Outlets, Profile, Sandbox, SandboxPolicy, Toolchain, UnknownLayer,
    UnknownProfile, WayOut, Withheld,
};
pub use program::{Identity, Programs};
pub use remove::remove_tree;
pub use resources::{Exceeded, Resources};
pub use run::{Finished, Limits, Stream};
pub use search::{PassedOver, SearchPath};
pub use session::leave_behind;
