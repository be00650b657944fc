//! The file system that a sandboxed program sees: a small one in memory, into which the paths of its plan are mounted,
//! put in the place of the host's.
//!
//! Everything is done through descriptors: a source is opened without following a link, so that a path that became one
//! since the plan was made is an error; a target is looked up in the new root only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::umask;
use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat, openat2, symlinkat,
};
use rustix::io::Errno;

use super::identity::Identity;
use super::sys::{self, attr};
use crate::policy::{Bind, Plan, Step};

/// The most memory that the root itself takes: directories and links, nothing else.
const ROOT_BYTES: u64 = 16 << 20;

/// The most memory that a program shares with its children in `/dev/shm`.
const SHM_BYTES: u64 = 1 << 30;

/// The most files and directories of a file system in memory.
const INODES: u64 = 200_000;

/// Directories for temporary files, which are one.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Devices that every program gets.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Where the root has the directories that hidden ones are covered with.
const HIDDEN: &str = ".hidden";

/// Links of every view, and where they lead.
const LINKS: [(&str, &str); 5] = [
    ("var/run", "/run"),
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// What could not be done, and what the system said.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: String,
    pub(super) error: io::Error,
}

fn at(step: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    let step = step.into();
    move |error| Failed { step, error }
}

/// What is mounted, and what is made read-only at the end.
struct View {
    root: OwnedFd,
    /// Made read-only when everything is in place.
    sealed: Vec<OwnedFd>,
}

/// Builds the view of a plan and makes it this process's root.
pub(super) fn enter(plan: &Plan, identity: &Identity) -> Result<(), Failed> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|error| at("keep mounts from the host")(error.into()))?;
    // The directories of the root are for all to enter, whatever the host keeps its own files from.
    let mask = umask(nix::sys::stat::Mode::empty());
    let built = build(plan, identity);
    umask(mask);
    built
}

fn build(plan: &Plan, identity: &Identity) -> Result<(), Failed> {
    // Before anything is mounted, so that nothing of the new root is in the way.
    let sources = sources(plan, identity)?;
    let mut view = View::new()?;
    view.skeleton(plan)?;
    view.devices()?;
    view.users(plan, identity)?;
    for (step, source) in sources {
        match (step, source) {
            (Step::Bind(bind), Some(source)) => {
                view.put(&source.tree, &bind.target, source.directory)?;
                if source.directory && plan.tmp.as_ref() == Some(&bind.target) {
                    view.temporary(&source.tree, plan)?;
                }
            }
            (Step::Hide(path), _) => view.hide(path)?,
            (Step::Bind(_), None) => {}
        }
    }
    for (place, target) in &plan.links {
        view.link(place, target)?;
    }
    view.become_root()
}

/// A copy of a mount, attached nowhere.
struct Source {
    tree: OwnedFd,
    directory: bool,
}

fn sources<'a>(
    plan: &'a Plan,
    identity: &Identity,
) -> Result<Vec<(Step<'a>, Option<Source>)>, Failed> {
    let open = |step: Step<'a>| match step {
        Step::Hide(_) => Ok((step, None)),
        Step::Bind(bind) => Ok((step, source(bind, identity)?)),
    };
    plan.steps().into_iter().map(open).collect()
}

fn source(bind: &Bind, identity: &Identity) -> Result<Option<Source>, Failed> {
    let what = || format!("open {} without following a link", bind.source.display());
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = match openat2(CWD, &bind.source, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::ACCESS) if !bind.writable => return Ok(None),
        Err(error) => return Err(at(what())(error.into())),
    };
    let stat = fstat(&opened).map_err(|error| at(what())(error.into()))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let directory = kind.is_dir();
    if !directory && !kind.is_file() && !bind.writable {
        // A socket or a device is a way to somewhere else, which reading is not.
        return Ok(None);
    }
    let idmap = identity.map().filter(|_| bind.given);
    if idmap.is_some() && bind.writable {
        Identity::take_back(&bind.source, stat.st_uid)
            .map_err(at(format!("change the owner of {}", bind.source.display())))?;
    }
    let mut attributes = attr::NOSUID | attr::NODEV;
    if !bind.writable {
        attributes |= attr::RDONLY;
    }
    // An id map is not to be had on everything that may be mounted below.
    let copy = |recursive, users: Option<BorrowedFd<'_>>| {
        let tree = sys::clone_tree(opened.as_fd(), recursive)?;
        sys::set_attributes(tree.as_fd(), attributes, recursive, users)?;
        io::Result::Ok(tree)
    };
    if let Some(Ok(tree)) = idmap.map(|users| copy(false, Some(users))) {
        return Ok(Some(Source { tree, directory }));
    }
    if bind.writable {
        // Its file system knows no id maps: its files change their owner instead.
        identity
            .give(&bind.source)
            .map_err(at(format!("change the owner of {}", bind.source.display())))?;
    }
    let tree = copy(true, None).map_err(at(format!("mount {}", bind.source.display())))?;
    Ok(Some(Source { tree, directory }))
}

fn memory(bytes: u64, mode: &str, attributes: u64) -> io::Result<OwnedFd> {
    let options =
        [(c"size", bytes.to_string()), (c"nr_inodes", INODES.to_string()), (c"mode", mode.into())];
    sys::new_filesystem(c"tmpfs", &options, attributes | attr::NOSUID | attr::NODEV)
}

impl View {
    fn new() -> Result<Self, Failed> {
        let root = memory(ROOT_BYTES, "0755", 0).map_err(at("make a root in memory"))?;
        let stage = openat(CWD, "/proc", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| at("open /proc")(error.into()))?;
        // It has to be attached somewhere before anything is attached in it.
        sys::attach(root.as_fd(), stage.as_fd()).map_err(at("attach a root in memory"))?;
        file(&root, Path::new(".empty"), b"").map_err(at("make an empty file"))?;
        mkdirat(&root, HIDDEN, Mode::from_raw_mode(0o755))
            .map_err(|error| at("make an empty directory")(error.into()))?;
        Ok(Self { root, sealed: Vec::new() })
    }

    /// What is there besides the mounts of the plan.
    fn skeleton(&mut self, plan: &Plan) -> Result<(), Failed> {
        let failed = |path: &Path| at(format!("make {}", path.display()));
        // Nothing is mounted yet, and there are no links: a path leads where it says.
        for path in ["dev", "run", "var", "home", "root", "mnt", "srv", "media"].map(Path::new) {
            mkdirat(&self.root, path, Mode::from_raw_mode(0o755))
                .map_err(|error| failed(path)(error.into()))?;
        }
        for (place, target) in LINKS {
            symlinkat(target, &self.root, place)
                .map_err(|error| failed(Path::new(place))(error.into()))?;
        }
        let proc = sys::new_filesystem(c"proc", &[], attr::NOSUID | attr::NODEV | attr::NOEXEC)
            .map_err(at("make a /proc of its own"))?;
        self.put(&proc, Path::new("/proc"), true)?;
        let tmp = memory(plan.tmp_bytes, "1777", 0).map_err(at("make a /tmp of its own"))?;
        let mut attached = false;
        for path in TEMPORARY.map(Path::new).into_iter().filter(|path| !plan.has_tmp_at(path)) {
            self.put_again(&tmp, path, attached)?;
            attached = true;
        }
        Ok(())
    }

    /// Shows the directory for temporary files, which is attached by now, where programs look for one.
    fn temporary(&mut self, tree: &OwnedFd, plan: &Plan) -> Result<(), Failed> {
        let places = TEMPORARY.map(Path::new).into_iter().filter(|path| plan.has_tmp_at(path));
        places.into_iter().try_for_each(|path| self.put_again(tree, path, true))
    }

    /// Attaches a mount of a directory, or a copy of it where it is attached already.
    fn put_again(&mut self, tree: &OwnedFd, at_path: &Path, attached: bool) -> Result<(), Failed> {
        if !attached {
            return self.put(tree, at_path, true);
        }
        let copy = sys::clone_tree(tree.as_fd(), false)
            .map_err(at(format!("copy the mount for {}", at_path.display())))?;
        self.put(&copy, at_path, true)
    }

    fn devices(&mut self) -> Result<(), Failed> {
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            let failed = || format!("mount {}", path.display());
            let device = openat(CWD, &path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                .map_err(|error| at(failed())(error.into()))?;
            // A device is no program, whatever its mount allows.
            let tree = sys::clone_tree(device.as_fd(), false).map_err(at(failed()))?;
            let place = file(&self.root, &below(&path), b"").map_err(at(failed()))?;
            sys::attach(tree.as_fd(), place.as_fd()).map_err(at(failed()))?;
        }
        let shm = memory(SHM_BYTES, "1777", attr::NOEXEC).map_err(at("make a /dev/shm"))?;
        self.put(&shm, Path::new("/dev/shm"), true)?;
        let options = [(c"ptmxmode", "0666".to_owned()), (c"mode", "0620".to_owned())];
        // Some kernels give no terminals to a user namespace without a root of its own; few programs need any.
        if let Ok(terminals) = sys::new_filesystem(c"devpts", &options, attr::NOSUID | attr::NOEXEC)
        {
            self.put(&terminals, Path::new("/dev/pts"), true)?;
            self.link(Path::new("/dev/ptmx"), Path::new("pts/ptmx"))?;
        }
        Ok(())
    }

    /// The lists of users and groups: root, and the program's own. Other users of the machine are no business of its.
    fn users(&mut self, plan: &Plan, identity: &Identity) -> Result<(), Failed> {
        let ((user, group), home) = (identity.as_shown(), plan.home.display());
        let passwd = format!(
            "root:x:0:0:root:/root:/sbin/nologin\ncyrus:x:{user}:{group}:cyrus:{home}:/bin/sh\n\
             nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
        );
        let groups = format!("root:x:0:\ncyrus:x:{group}:\nnogroup:x:65534:\n");
        for (name, text) in [("passwd", passwd), ("group", groups)] {
            let failed = || format!("make /etc/{name}");
            let place = format!(".{name}");
            file(&self.root, Path::new(&place), text.as_bytes()).map_err(at(failed()))?;
        }
        Ok(())
    }

    /// Mounts a file of the root itself over another.
    fn cover(&self, name: &str, place: &OwnedFd) -> io::Result<()> {
        let made = openat(&self.root, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let tree = sys::clone_tree(made.as_fd(), false)?;
        let attributes = attr::RDONLY | attr::NOSUID | attr::NODEV;
        sys::set_attributes(tree.as_fd(), attributes, false, None)?;
        sys::attach(tree.as_fd(), place.as_fd())
    }

    fn find(&self, path: &Path) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match openat2(&self.root, below(path), flags, Mode::empty(), ResolveFlags::IN_ROOT) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a directory of the new root, and makes it, and those above it, when it is not there.
    fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        if let Some(found) = self.find(path)? {
            return Ok(found);
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        mkdirat(self.directory(above)?, name, Mode::from_raw_mode(0o755))?;
        self.find(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Attaches a mount in the new root.
    fn put(&mut self, tree: &OwnedFd, target: &Path, directory: bool) -> Result<(), Failed> {
        let place = || -> io::Result<OwnedFd> {
            if directory {
                return self.directory(target);
            }
            if let Some(found) = self.find(target)? {
                return Ok(found);
            }
            let (Some(above), Some(name)) = (target.parent(), target.file_name()) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            openat(self.directory(above)?, name, flags, Mode::from_raw_mode(0o444))?;
            self.find(target)?.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        place()
            .and_then(|place| sys::attach(tree.as_fd(), place.as_fd()))
            .map_err(at(format!("mount {}", target.display())))
    }

    /// Puts an empty directory or file over what is at a path, when anything is.
    fn hide(&mut self, path: &Path) -> Result<(), Failed> {
        let mut hide = || -> io::Result<()> {
            let Some(place) = self.find(path)? else { return Ok(()) };
            if !FileType::from_raw_mode(fstat(&place)?.st_mode).is_dir() {
                return self.cover(".empty", &place);
            }
            // One for each: what is mounted below it gets its directory there.
            let name = format!("{HIDDEN}/{}", self.sealed.len());
            mkdirat(&self.root, &name, Mode::from_raw_mode(0o755))?;
            let nothing = openat(&self.root, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            let nothing = sys::clone_tree(nothing.as_fd(), false)?;
            sys::attach(nothing.as_fd(), place.as_fd())?;
            self.sealed.push(nothing);
            Ok(())
        };
        hide().map_err(at(format!("hide {}", path.display())))
    }

    /// Makes a link, where nothing is.
    fn link(&mut self, place: &Path, target: &Path) -> Result<(), Failed> {
        let make = || -> io::Result<()> {
            let (Some(above), Some(name)) = (place.parent(), place.file_name()) else {
                return Ok(());
            };
            match symlinkat(target, self.directory(above)?, name) {
                Ok(()) | Err(Errno::EXIST | Errno::ROFS | Errno::ACCESS) => Ok(()),
                Err(error) => Err(error.into()),
            }
        };
        make().map_err(at(format!("make the link {}", place.display())))
    }

    fn become_root(mut self) -> Result<(), Failed> {
        for name in ["passwd", "group"] {
            let path = Path::new("/etc").join(name);
            let found = self.find(&path);
            found
                .and_then(|found| {
                    found.map_or(Ok(()), |found| self.cover(&format!(".{name}"), &found))
                })
                .map_err(at(format!("cover {}", path.display())))?;
        }
        let enter = || -> io::Result<()> {
            rustix::process::fchdir(&self.root)?;
            nix::unistd::pivot_root(".", ".")?;
            umount2(".", MntFlags::MNT_DETACH)?;
            std::env::set_current_dir("/")
        };
        enter().map_err(at("change to the new root"))?;
        self.sealed.push(self.root);
        for sealed in &self.sealed {
            sys::set_attributes(sealed.as_fd(), attr::RDONLY, false, None)
                .map_err(at("make the root read-only"))?;
        }
        Ok(())
    }
}

/// A path from the root, from there.
fn below(path: &Path) -> PathBuf {
    let plain = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let below: PathBuf = plain.collect();
    if below.as_os_str().is_empty() { PathBuf::from(".") } else { below }
}

/// Makes a file for all to read.
fn file(directory: &OwnedFd, name: &Path, content: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, name, flags, Mode::from_raw_mode(0o444))?);
    file.write_all(content)?;
    Ok(file.into())
}
