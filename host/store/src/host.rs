//! Which machine this is, and which start of it.

use crate::holder::create_private;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};
use uuid::Uuid;

/// Where a holder is. Two with the same identity and the same boot see each other's locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// The machine's id and the id of the directory with the locks: containers on one machine may share the former
    /// and not the latter, machines that mount one home the other way round.
    pub(crate) identity: String,
    /// The machine's name, for people.
    pub(crate) name: String,
    /// Another one each time the machine starts; empty where the system has none.
    pub(crate) boot: String,
}

impl Host {
    /// This machine, with an id of its own that is kept in this directory.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        Ok(Self::with(&kept_id(directory)?))
    }

    /// This machine, as nobody else sees it.
    pub(crate) fn unseen() -> Self {
        Self::with(&Uuid::now_v7().to_string())
    }

    fn with(id: &str) -> Self {
        let machine = said_by(&["/etc/machine-id", "/var/lib/dbus/machine-id"]);
        let name = said_by(&["/proc/sys/kernel/hostname", "/etc/hostname"]);
        Self {
            identity: format!("{machine}/{id}"),
            name: if name.is_empty() { "this machine".to_owned() } else { name },
            boot: said_by(&["/proc/sys/kernel/random/boot_id"]),
        }
    }
}

/// What the first of these files says that says anything.
fn said_by(files: &[&str]) -> String {
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let mut lines = texts.map(|text| text.trim().to_owned());
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// The id in this directory, made by whoever comes first.
fn kept_id(directory: &Path) -> io::Result<String> {
    let file = directory.join("host-id");
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map(|id| id.trim().to_owned()),
    }
    let id = Uuid::now_v7().to_string();
    let unnamed = directory.join(format!(".host-{id}"));
    create_private(&unnamed)?.write_all(id.as_bytes())?;
    // It gets its name whole, or not at all when another was faster.
    let named = fs::hard_link(&unnamed, &file);
    fs::remove_file(&unnamed)?;
    match named {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(&file).map(|id| id.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_id_and_no_two_have_the_same() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let host = |directory: &tempfile::TempDir| Host::of(directory.path()).unwrap();
        assert_eq!(host(&one), host(&one));
        assert_ne!(host(&one).identity, host(&other).identity);
        assert_eq!(fs::read_dir(one.path()).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn of_many_that_make_the_id_at_once_all_have_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let ids: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| kept_id(directory.path()).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
