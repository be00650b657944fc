use cyrus_tests::PATIENCE;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{fs, os::fd::OwnedFd};

/// A process of somebody else's, held by what tells its end for certain.
#[derive(Debug)]
pub(crate) struct Process(OwnedFd);

impl Process {
    /// Every process whose command line has this in it. One that has ended has none.
    pub(crate) fn all_with(words: &str) -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("a Linux");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.filter(|id| command_line(*id).contains(words)).filter_map(Self::of).collect()
    }

    /// `None`: it has gone.
    fn of(id: i32) -> Option<Self> {
        pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok().map(Self)
    }

    /// Returns when it has ended.
    #[track_caller]
    pub(crate) fn wait_gone(&self) {
        let mut ends = [PollFd::new(&self.0, PollFlags::IN)];
        let patience = Timespec::try_from(PATIENCE).expect("it is short");
        let ended = poll(&mut ends, Some(&patience)).expect("it can be waited for");
        assert_eq!(ended, 1, "it goes on");
    }
}

fn command_line(id: i32) -> String {
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}
