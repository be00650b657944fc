use crate::PATIENCE;
use nix::{sys::stat::Mode, unistd::mkfifo};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    thread,
};

/// A named pipe that processes hold open, and so a way to see that none of them is left: the last one's end is the
/// pipe's end, whatever process it was, and whatever it did to hide.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    taken: Receiver<()>,
    released: Receiver<()>,
}

impl Held {
    /// Makes the pipe, in a directory that those processes can reach.
    pub fn make(directory: &Path) -> Self {
        let path = directory.join("held");
        mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
        let (take, taken) = channel();
        let (release, released) = channel();
        let read = path.clone();
        // Opening blocks until somebody holds it, so nothing may wait for this thread.
        thread::spawn(move || {
            let mut pipe = File::open(read).expect("the pipe");
            pipe.read_exact(&mut [0]).expect("a sign of life");
            let _ = take.send(());
            pipe.read_to_end(&mut Vec::new()).expect("the end");
            let _ = release.send(());
        });
        Self { path, taken, released }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that holds the pipe for ever, with a child in a session of its own that ignores every signal that
    /// can be ignored.
    pub fn command(&self) -> String {
        let path = self.path.display();
        let child = "trap \"\" HUP INT TERM QUIT; echo >&9; while :; do sleep 1000; done";
        format!("exec 9>'{path}'; setsid sh -c '{child}' & exec sleep 1000")
    }

    /// Returns when the pipe is held.
    #[track_caller]
    pub fn wait(&self) {
        self.taken.recv_timeout(PATIENCE).expect("somebody holds it");
    }

    /// Returns when nobody holds it any more.
    #[track_caller]
    pub fn wait_released(&self) {
        self.released.recv_timeout(PATIENCE).expect("nobody is left");
    }
}
