//! The host's side of a stem: our own executable, started once, from which the supervisor of each program is forked.
//! A fork takes a tenth of the time that starting a large executable takes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use tokio::net::UnixStream;

use crate::cgroup::Group;
use crate::descriptors;
use crate::session;
use crate::supervisor::{ASKED, Part};

/// An executable that supervises when it is asked to, and its stem once there was need of one. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Supervisors {
    executable: PathBuf,
    stem: Arc<Mutex<Option<Stem>>>,
}

#[derive(Debug)]
struct Stem {
    process: Child,
    /// The only end of the host's: when it closes, the stem ends.
    requests: Arc<OwnedFd>,
}

impl Supervisors {
    pub(crate) fn of(executable: PathBuf) -> Self {
        Self { executable, stem: Arc::default() }
    }

    pub(crate) fn executable(&self) -> &Path {
        &self.executable
    }

    /// Has a supervisor forked, and returns the socket to it. When it cannot begin, that ends without a word.
    pub(crate) async fn fork(&self, part: Part, group: Option<&Group>) -> io::Result<UnixStream> {
        // Both ends are closed on exec from their first moment, so no other child can hold the host's end open.
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut request = part.argument().as_bytes().to_vec();
        if let Some(group) = group {
            request.push(0);
            request.extend_from_slice(group.directory().as_os_str().as_bytes());
        }
        let theirs = Arc::new(OwnedFd::from(theirs));
        let requests = self.requests(None)?;
        if let Err(error) = send(requests.clone(), request.clone(), theirs.clone()).await {
            tracing::debug!(%error, "the stem of the supervisors is gone: another one is started");
            send(self.requests(Some(&requests))?, request, theirs).await?;
        }
        UnixStream::from_std(ours)
    }

    /// The socket to the stem. `gone`: the one of a stem that is gone; another task may have replaced it by now.
    fn requests(&self, gone: Option<&Arc<OwnedFd>>) -> io::Result<Arc<OwnedFd>> {
        let mut stem = self.stem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stem) = &*stem
            && gone.is_none_or(|gone| !Arc::ptr_eq(gone, &stem.requests))
        {
            return Ok(stem.requests.clone());
        }
        *stem = None;
        let started = Stem::start(&self.executable)?;
        Ok(stem.insert(started).requests.clone())
    }
}

impl Stem {
    fn start(executable: &Path) -> io::Result<Self> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new(executable);
        command
            .arg0("cyrus-supervisor")
            .args([ASKED, Part::Stem.argument()])
            // The host's variables may be secrets, and others can read a process's environment.
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // The terminal's signals are for the host.
        let process = session::own_session(&mut command, None).spawn()?;
        Ok(Self { process, requests: Arc::new(ours) })
    }
}

/// What was forked from it does not need it.
impl Drop for Stem {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a request, and the socket of the supervisor with it.
async fn send(to: Arc<OwnedFd>, request: Vec<u8>, socket: Arc<OwnedFd>) -> io::Result<()> {
    let send = |flags| descriptors::send(&*to, &request, &[socket.as_fd()], flags).map(drop);
    match send(SendFlags::DONTWAIT) {
        // More are requested than are read: the kernel holds some hundred.
        Err(Errno::AGAIN) => {}
        done => return Ok(done?),
    }
    let wait =
        move || descriptors::send(&*to, &request, &[socket.as_fd()], SendFlags::empty()).map(drop);
    Ok(tokio::task::spawn_blocking(wait).await??)
}
