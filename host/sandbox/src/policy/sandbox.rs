//! The sandbox of one launch.

use std::net::{Ipv4Addr, TcpListener};

use super::profile::Profile;
use crate::path::AbsolutePath;

/// What a program may do with a mounted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Read, list and execute.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

/// A file or directory of the host in the program's view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mount {
    /// Where it is on the host. No component may be a symbolic link when the program starts.
    pub source: AbsolutePath,
    /// Where the program finds it.
    pub target: AbsolutePath,
    /// What the program may do with it.
    pub access: Access,
}

/// What a program reaches of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// A loopback interface of its own, and the launch's [`Outlets`].
    #[default]
    Isolated,
    /// The host's network.
    Shared,
}

/// Ports of a program's loopback interface that the host serves: a proxy, a gateway.
///
/// [`Launcher::outlets`](crate::Launcher::outlets) chooses the ports, so that a program's environment can name them;
/// [`Child::take_outlets`](crate::Child::take_outlets) gives the listeners of the program that runs.
#[derive(Debug, Default)]
pub struct Outlets {
    pub(crate) ports: Vec<u16>,
    /// Bound on the host's loopback interface, where programs have no network of their own.
    pub(crate) bound: Vec<TcpListener>,
}

impl Outlets {
    /// Ports of a network namespace, where nothing else listens.
    pub(crate) fn inside(count: u16) -> Self {
        Self { ports: (0..count).map(|number| FIRST_PORT + number).collect(), bound: Vec::new() }
    }

    /// Free ports of the host.
    pub(crate) fn on_host(count: u16) -> std::io::Result<Self> {
        let bound: Vec<_> = (0..count)
            .map(|_| {
                let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                bound.set_nonblocking(true)?;
                Ok(bound)
            })
            .collect::<std::io::Result<_>>()?;
        let ports = bound.iter().map(|bound| Ok(bound.local_addr()?.port()));
        Ok(Self { ports: ports.collect::<std::io::Result<_>>()?, bound })
    }

    /// The ports, all on 127.0.0.1.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }
}

/// The most ports that the host serves one program.
pub(crate) const MOST_OUTLETS: usize = 8;

/// The first port of a program's own network namespace that the host serves.
const FIRST_PORT: u16 = 3128;

/// The most memory that a program's `/tmp` takes, in bytes, unless the launch says otherwise.
const TMP_BYTES: u64 = 2 << 30;

/// The sandbox of one launch. The system's own directories are always read-only in it, and `/tmp` is always empty at
/// the start and the program's own; everything else is named here.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) profile: Profile,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) links: Vec<(AbsolutePath, AbsolutePath)>,
    pub(crate) hidden: Vec<AbsolutePath>,
    pub(crate) network: Network,
    pub(crate) outlets: Outlets,
    pub(crate) tmp_bytes: u64,
}

impl Sandbox {
    /// Only the system, and no network.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            mounts: Vec::new(),
            links: Vec::new(),
            hidden: Vec::new(),
            network: Network::default(),
            outlets: Outlets::default(),
            tmp_bytes: TMP_BYTES,
        }
    }

    /// Its profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// A path of the host, found where the host has it, to be read and executed.
    #[must_use]
    pub fn read_only(self, path: AbsolutePath) -> Self {
        self.mount(Mount { source: path.clone(), target: path, access: Access::ReadOnly })
    }

    /// A path of the host, found where the host has it, to be written.
    #[must_use]
    pub fn read_write(self, path: AbsolutePath) -> Self {
        self.mount(Mount { source: path.clone(), target: path, access: Access::ReadWrite })
    }

    /// A path of the host.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// The directories of an operator that programs may read: see [`Toolchain`](super::Toolchain).
    #[must_use]
    pub fn toolchain(mut self, toolchain: &super::Toolchain) -> Self {
        self.mounts.extend(toolchain.mounts().iter().cloned());
        self.hidden.extend(toolchain.hidden().iter().cloned());
        self
    }

    /// What a program needs of where it is installed: its file, the links on the way there, and the directory that
    /// it was installed into. Directories in `private`, and those above them, are never among it.
    #[must_use]
    pub fn program(mut self, program: &AbsolutePath, private: &[AbsolutePath]) -> Self {
        let (mounts, links) = super::toolchain::installation(program.as_path(), private);
        self.mounts.extend(mounts);
        self.links.extend(links);
        self
    }

    /// Hides a path that lies inside a mounted one: an empty directory or file is found there.
    #[must_use]
    pub fn hide(mut self, path: AbsolutePath) -> Self {
        self.hidden.push(path);
        self
    }

    /// What it reaches of the network. Isolated unless said.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// The ports that the host serves it. Together with [`Network::Isolated`].
    #[must_use]
    pub fn outlets(mut self, outlets: Outlets) -> Self {
        self.outlets = outlets;
        self
    }

    /// The most memory that its `/tmp` takes, in bytes.
    #[must_use]
    pub fn tmp_bytes(mut self, bytes: u64) -> Self {
        self.tmp_bytes = bytes;
        self
    }
}
