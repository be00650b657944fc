//! The work of a run, really committed and pushed.

use std::path::{Component, Path};

use cyrus_sandbox::Launcher;

use super::script::Push;
use crate::git::{Git, GitError};

/// Why nothing was pushed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PushError {
    #[error("{0}")]
    Git(#[from] GitError),
    #[error("`{0}` is not a path inside the repository")]
    Outside(String),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
}

/// Clones `remote`, makes the commit and pushes it. Gives the name of the branch.
pub(super) async fn push(
    push: &Push,
    remote: &str,
    run: u64,
    date: &str,
    launcher: &Launcher,
) -> Result<String, PushError> {
    let placed = |text: &str| text.replace("{run_id}", &run.to_string());
    let file = |path: &Path| {
        let path = path.display().to_string();
        |source| PushError::File { path, source }
    };
    let home = tempfile::tempdir().map_err(file(Path::new("the temporary directory")))?;
    let git = Git { launcher, home: home.path() };
    let (branch, message) = (placed(&push.branch), placed(&push.message));
    let mut clone = vec!["clone", "--quiet", "--no-hardlinks"];
    if let Some(base) = &push.base {
        clone.extend(["--branch", base]);
    }
    clone.extend(["--", remote, "work"]);
    git.run(home.path(), &clone).await?;
    let work = home.path().join("work");
    git.run(&work, &["switch", "--quiet", "--create", &branch]).await?;
    for (path, content) in &push.files {
        let target = inside(&work, path)?;
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(file(parent))?;
        }
        std::fs::write(&target, placed(content)).map_err(file(&target))?;
    }
    for path in &push.delete {
        let target = inside(&work, path)?;
        std::fs::remove_file(&target).map_err(file(&target))?;
    }
    git.run(&work, &["add", "--all"]).await?;
    let date = format!("--date={date}");
    let identity =
        ["-c", "user.name=Codegen (simulated)", "-c", "user.email=codegen@example.invalid"];
    let commit = ["commit", "--quiet", "--no-gpg-sign", "--allow-empty", &date, "-m", &message];
    git.run(&work, &[&identity[..], &commit[..]].concat()).await?;
    git.run(&work, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]).await?;
    Ok(branch)
}

/// A path of the script inside the clone; one that leads out of it is refused.
fn inside(work: &Path, path: &str) -> Result<std::path::PathBuf, PushError> {
    let relative = Path::new(path);
    let plain =
        relative.components().all(|part| matches!(part, Component::Normal(name) if name != ".git"));
    if path.is_empty() || !plain {
        return Err(PushError::Outside(path.to_owned()));
    }
    Ok(work.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", ".git/config", "a/.git/hooks/x"] {
            assert!(
                matches!(inside(Path::new("/work"), path), Err(PushError::Outside(_))),
                "{path}"
            );
        }
        assert_eq!(
            inside(Path::new("/work"), "src/lib.rs").unwrap(),
            Path::new("/work/src/lib.rs")
        );
    }
}
