//! The sandbox of one launch.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

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
    /// Ports of a network namespace, where nothing else listens: so many, and these.
    pub(crate) fn inside(count: u16, named: &[u16]) -> Self {
        let free = (FIRST_PORT..).filter(|port| !named.contains(port)).take(count.into());
        Self { ports: free.chain(named.iter().copied()).collect(), bound: Vec::new() }
    }

    /// Free ports of the host; and these, which others serve there.
    pub(crate) fn on_host(count: u16, named: &[u16]) -> std::io::Result<Self> {
        let bound: Vec<_> = (0..count)
            .map(|_| {
                let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                bound.set_nonblocking(true)?;
                Ok(bound)
            })
            .collect::<std::io::Result<_>>()?;
        let ports = bound.iter().map(|bound| Ok(bound.local_addr()?.port()));
        let mut ports = ports.collect::<std::io::Result<Vec<_>>>()?;
        ports.extend(named);
        Ok(Self { ports, bound })
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

/// The sandbox of one launch. The system's own directories are always read-only in it, and `/tmp` is the program's own:
/// empty at the start, unless [`Sandbox::tmp`] names a directory. Everything else is named here.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) profile: Profile,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) links: Vec<(AbsolutePath, AbsolutePath)>,
    pub(crate) hidden: Vec<AbsolutePath>,
    /// What is written there is the operator's to limit.
    pub(crate) operators: Vec<AbsolutePath>,
    pub(crate) network: Network,
    pub(crate) outlets: Outlets,
    pub(crate) host_ports: Vec<u16>,
    pub(crate) tmp_bytes: u64,
    pub(crate) tmp: Option<AbsolutePath>,
}

impl Sandbox {
    /// Only the system, and no network.
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            mounts: Vec::new(),
            links: Vec::new(),
            hidden: Vec::new(),
            operators: Vec::new(),
            network: Network::default(),
            outlets: Outlets::default(),
            host_ports: Vec::new(),
            tmp_bytes: TMP_BYTES,
            tmp: None,
        }
    }

    /// Its profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The same, with another profile.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// A path of the host's or the operator's own, found where the host has it, to be read and executed. Links on the
    /// way are followed: no program may have written there.
    #[must_use]
    pub fn read_only(self, path: AbsolutePath) -> Self {
        let real = fs::canonicalize(path.as_path()).ok();
        let source = real.and_then(|real| AbsolutePath::parse(real).ok());
        self.found(source.unwrap_or_else(|| path.clone()), path, Access::ReadOnly)
    }

    /// A path of the host, found where the host has it, to be written. The directory that it is in is the host's own
    /// or the operator's; it is itself no link.
    #[must_use]
    pub fn read_write(self, path: AbsolutePath) -> Self {
        self.found(really(&path), path, Access::ReadWrite)
    }

    /// As [`Sandbox::read_write_at`], to be read.
    #[must_use]
    pub fn read_only_at(self, path: &AbsolutePath, target: AbsolutePath) -> Self {
        let source = really(path);
        self.mount(Mount { source, target, access: Access::ReadOnly })
    }

    /// As [`Sandbox::read_write`], found at another path: only where the program has a view of files of its own, see
    /// [`Launcher::has_views`](crate::Launcher::has_views).
    #[must_use]
    pub fn read_write_at(self, path: &AbsolutePath, target: AbsolutePath) -> Self {
        let source = really(path);
        self.mount(Mount { source, target, access: Access::ReadWrite })
    }

    /// A directory of the host for the program's temporary files: written as with [`Sandbox::read_write`], and found at
    /// `/tmp` and `/var/tmp`, too, where the program has a view. There a `TMPDIR` that names the directory becomes `/tmp`:
    /// the path of a socket has at most 107 bytes.
    #[must_use]
    pub fn tmp(mut self, path: AbsolutePath) -> Self {
        self.tmp = Some(path.clone());
        self.read_write(path)
    }

    /// As [`Sandbox::read_write`], for a path that outlasts the program, and whose size is no business of its limits.
    #[must_use]
    pub(crate) fn read_write_of_operator(mut self, path: AbsolutePath) -> Self {
        let before = self.mounts.len();
        self = self.read_write(path);
        let added = self.mounts[before..].iter().map(|mount| mount.target.clone());
        self.operators.extend(added);
        self
    }

    /// Programs find a path where it was named, and where it really is.
    fn found(mut self, source: AbsolutePath, target: AbsolutePath, access: Access) -> Self {
        if source != target {
            self = self.mount(Mount { source: source.clone(), target: source.clone(), access });
        }
        self.mount(Mount { source, target, access })
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
        self.links.extend(toolchain.links().iter().cloned());
        self.hidden.extend(toolchain.hidden().iter().cloned());
        self
    }

    /// What a program needs of where it is installed: its file, the links on the way there, and the directory that
    /// it was installed into. Directories in `private`, and those above them, are never among it.
    #[must_use]
    pub fn program(mut self, program: &AbsolutePath, private: &[AbsolutePath]) -> Self {
        let (mounts, links) = super::installation::installation(program.as_path(), private);
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
    pub fn reaching(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// The ports that the host serves it. Together with [`Network::Isolated`].
    #[must_use]
    pub fn outlets(mut self, outlets: Outlets) -> Self {
        self.outlets = outlets;
        self
    }

    /// A port of the host's own loopback interface that the program reaches under the same number, through the way
    /// out of the launcher's policy.
    #[must_use]
    pub fn host_port(mut self, port: u16) -> Self {
        self.host_ports.push(port);
        self
    }

    /// The most memory that its `/tmp` takes, in bytes, where that is in memory.
    #[must_use]
    pub fn tmp_bytes(mut self, bytes: u64) -> Self {
        self.tmp_bytes = bytes;
        self
    }
}

/// Where a path is without links on the way to it. It is itself no link.
fn really(path: &AbsolutePath) -> AbsolutePath {
    let within = |path: &Path| {
        let above = fs::canonicalize(path.parent()?).ok()?;
        AbsolutePath::parse(above.join(path.file_name()?)).ok()
    };
    within(path.as_path()).unwrap_or_else(|| path.clone())
}
