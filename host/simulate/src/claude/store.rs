//! Sessions that can be resumed, kept under the home directory as the real program keeps them.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::conversation::Prompt;

/// What a session remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) prompts: Vec<Prompt>,
    /// How often the model has answered.
    pub(super) answers: usize,
    /// Files that were read or written, and may be changed.
    pub(super) known_files: BTreeSet<PathBuf>,
}

/// The sessions of a home directory: one file each, whose last line is the state in force.
#[derive(Debug)]
pub(super) struct Store {
    projects: PathBuf,
    /// The folder for sessions of this working directory.
    project: PathBuf,
}

impl Store {
    pub(super) fn new(home: &Path, directory: &Path) -> Self {
        let projects = home.join(".claude/projects");
        let name = directory.to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        Self { project: projects.join(name), projects }
    }

    pub(super) fn project(&self) -> &Path {
        &self.project
    }

    /// Finds a session, whatever directory it was begun in.
    pub(super) fn load(&self, id: &str) -> Option<History> {
        let projects = std::fs::read_dir(&self.projects).ok()?;
        let name = file_name(id);
        let file = projects
            .flatten()
            .map(|project| project.path().join(&name))
            .find(|file| file.is_file())?;
        let text = std::fs::read_to_string(file).ok()?;
        text.lines()
            .next_back()
            .and_then(|line| serde_json::from_str(line).ok())
            .or(Some(History::default()))
    }

    /// Takes an id for a new session: the one asked for, or the next free number.
    pub(super) fn claim(&self, wanted: Option<&str>) -> Result<String, String> {
        let unusable = |error: std::io::Error| {
            format!("Error: cannot write to {}: {error}", self.project.display())
        };
        std::fs::create_dir_all(&self.project).map_err(unusable)?;
        let create = |id: &str| OpenOptions::new().write(true).create_new(true).open(self.file(id));
        if let Some(id) = wanted {
            return match create(id) {
                _ if self
                    .load(id)
                    .is_some_and(|history| history.answers > 0 || !history.prompts.is_empty()) =>
                {
                    Err(format!("Error: Session ID {id} is already in use."))
                }
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(error)),
                _ => Ok(id.to_owned()),
            };
        }
        for number in 1_u64.. {
            let id = format!("00000000-0000-4000-8000-{number:012}");
            match create(&id) {
                Ok(_) => return Ok(id),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        Err("Error: every session id is in use.".into())
    }

    /// Writes down where a session is.
    pub(super) fn save(&self, id: &str, history: &History) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.project)?;
        let mut line = serde_json::to_string(history)?;
        line.push('\n');
        OpenOptions::new().append(true).create(true).open(self.file(id))?.write_all(line.as_bytes())
    }

    fn file(&self, id: &str) -> PathBuf {
        self.project.join(file_name(id))
    }
}

/// An id is a file's name, and never a path.
fn file_name(id: &str) -> String {
    format!("{}.jsonl", id.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_from_another_directory_in_its_last_state() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path(), Path::new("/a/b"));
        let id = store.claim(None).unwrap();
        assert_ne!(id, store.claim(None).unwrap());
        for answers in 1..3 {
            store.save(&id, &History { answers, ..History::default() }).unwrap();
        }
        let elsewhere = Store::new(home.path(), Path::new("/c"));
        assert_eq!(elsewhere.load(&id).unwrap().answers, 2);
        assert!(elsewhere.load("no-such").is_none());
    }

    #[test]
    fn an_id_in_use_is_refused_and_no_id_leaves_the_folder() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::new(home.path(), Path::new("/a"));
        let id = "11111111-1111-4111-8111-111111111111";
        assert_eq!(store.claim(Some(id)).unwrap(), id);
        store.save(id, &History { answers: 1, ..History::default() }).unwrap();
        assert!(store.claim(Some(id)).unwrap_err().contains("already in use"));
        store.save("../../evil", &History::default()).unwrap();
        assert!(!home.path().join(".claude/evil.jsonl").exists());
    }
}
