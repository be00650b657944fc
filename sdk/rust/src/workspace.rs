use crate::contract::Access;
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The working tree of an execution: a directory that the host opened for it. Nothing else of the machine's
/// files is within reach, whatever path is asked for.
///
/// The helpers take paths relative to it; for anything more, use [`std::fs`] under [`Workspace::path`].
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// Where the component finds it.
    pub path: PathBuf,
    /// Where a launched program finds it: its working directory, absolute.
    pub process_path: String,
    /// What may be done to it.
    pub access: Access,
}

impl Workspace {
    /// Reads a text file.
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let path = path.as_ref();
        fs::read_to_string(self.resolve(path)?).map_err(|error| named(path, &error))
    }

    /// Writes a file, and makes the directories it needs.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        let path = path.as_ref();
        let place = self.resolve(path)?;
        let write = || {
            fs::create_dir_all(place.parent().unwrap_or(&self.path))?;
            fs::write(&place, contents)
        };
        write().map_err(|error| named(path, &error))
    }

    /// Where the component finds the file at `path`. A path that leads out of the workspace is an error here, not
    /// only at the host's boundary: a model may have made it up.
    pub fn resolve(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let path = path.as_ref();
        let inside =
            path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside || path.as_os_str().is_empty() {
            let reason = format!("{}: not a path inside the workspace", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        Ok(self.path.join(path))
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(path: &Path) -> Workspace {
        Workspace {
            path: path.to_owned(),
            process_path: "/workspace".to_owned(),
            access: Access::ReadWrite,
        }
    }

    #[test]
    fn writes_what_it_reads_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let workspace = workspace(dir.path());
        workspace.write("src/deep/a.txt", "hello").expect("a fresh file");
        assert_eq!(workspace.read_to_string("./src/deep/a.txt").expect("is there"), "hello");
        let error = workspace.read_to_string("src/none.txt").expect_err("is not there");
        assert!(error.to_string().starts_with("src/none.txt: "), "{error}");
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        let workspace = workspace(Path::new("/nowhere"));
        for path in ["../x", "a/../../x", "/etc/passwd", ""] {
            let error = workspace.resolve(path).expect_err(path);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }
}
