//! Clones as they were laid out up to 0.1: below `$CYRUS_HOME/sessions`, with what the host keeps of them beside them.
//! Programs could write all of it, so of what is found there only the programs' own part is taken over.

use crate::{
    error::io,
    layout::{Roots, TaskDir, directories},
    remove::remove_tree,
};
use cyrus_core::{SessionId, WorkspaceError};
use std::{fs, path::Path};

/// The sessions that have clones there.
pub(crate) fn sessions(former: &Path) -> Result<Vec<SessionId>, WorkspaceError> {
    let names = directories(former)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Moves the clones of a session, with their homes, to where clones are now, and removes what is left. One that is on
/// another file system stays where it is, which is an error.
pub(crate) fn take_over(
    former: &Path,
    roots: &Roots,
    session: &SessionId,
) -> Result<(), WorkspaceError> {
    let old = former.join(session.as_str());
    for task in directories(&old)? {
        for token in directories(&old.join(&task))? {
            let (Ok(id), Ok(number)) = (task.parse(), token.parse()) else { continue };
            let (old, new) =
                (old.join(&task).join(&token), TaskDir::new(roots, session, &id, number));
            new.create()?;
            if new.is_made() {
                continue;
            }
            for (from, to) in
                [(old.join("home"), new.home()), (old.join("workspace"), new.workspace())]
            {
                let is_plain = from.symlink_metadata().is_ok_and(|found| found.is_dir());
                if is_plain {
                    remove_tree(&to)?;
                    fs::rename(&from, &to).map_err(io("cannot move", &from))?;
                }
            }
        }
    }
    remove_tree(&old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trash;
    use cyrus_sandbox::AbsolutePath;

    #[test]
    fn of_an_old_layout_what_programs_wrote_is_taken_over_and_nothing_that_the_host_would_trust() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| AbsolutePath::parse(place.path().join(name)).unwrap();
        let roots = Roots::new(at("state"), at("work"), Trash::default()).unwrap();
        let former = place.path().join("sessions");
        for file in ["workspace/f", "home/.login", "about", "index", "set-up"] {
            let path = former.join("s-one/t1/3").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(sessions(&former).unwrap(), ["s-one".parse().unwrap()]);
        let session = "s-one".parse().unwrap();
        take_over(&former, &roots, &session).unwrap();
        take_over(&former, &roots, &session).unwrap();
        let dir = TaskDir::new(&roots, &session, &"t1".parse().unwrap(), 3);
        assert!(dir.workspace().join("f").exists() && dir.home().join(".login").exists());
        assert!(!dir.about().exists() && !dir.index().exists() && !dir.set_up().exists());
        assert_eq!(sessions(&former).unwrap(), []);
    }
}
