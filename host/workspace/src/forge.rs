use crate::{
    confinement::Confinement,
    environment::ForgeEnvironment,
    remote::{Transport, without_credentials},
};
use async_trait::async_trait;
use cyrus_core::{Base, Forge, PullRequest, WorkspaceError};
use cyrus_sandbox::{AbsolutePath, Exit, Input, Launch, Launcher, Limits};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// How long `gh` may take.
const TIME: Duration = Duration::from_mins(2);

/// The port [`Forge`] with GitHub's own program, `gh` 2.0 or newer, as the user is logged in to it.
///
/// It is told which repository is meant, by the address of `origin`, and runs outside of it: it runs no git, and
/// nothing of a working tree counts. An address in which ssh knows the host by another name is not understood.
#[derive(Clone, Debug)]
pub struct GhForge {
    launcher: Launcher,
    program: AbsolutePath,
    environment: ForgeEnvironment,
}

impl GhForge {
    /// Runs `program` through `launcher`, as a trusted tool.
    pub fn new(launcher: Launcher, program: AbsolutePath, environment: ForgeEnvironment) -> Self {
        Self { launcher, program, environment }
    }

    /// What `gh` prints, when it succeeds.
    async fn run(
        &self,
        doing: &str,
        args: Vec<String>,
        stdin: &str,
    ) -> Result<String, WorkspaceError> {
        let failed = |cause: String| WorkspaceError::Io {
            what: format!("cannot {doing} with {}", self.program),
            cause,
        };
        let ForgeEnvironment { path, home, variables } = &self.environment;
        let root = AbsolutePath::parse("/").map_err(|error| failed(error.to_string()))?;
        let home = home.as_ref().map(|home| home.as_path().as_os_str());
        let launch = Launch::trusted(self.program.clone(), root, Some(path), home)
            .envs(variables.iter().cloned())
            .envs([("GH_PROMPT_DISABLED", "1"), ("GH_NO_UPDATE_NOTIFIER", "1"), ("NO_COLOR", "1")])
            .args(args)
            .stdin(Input::Bytes(stdin.as_bytes().to_vec()));
        let limited = Confinement::only_limits().apply(&self.launcher, &self.program, launch);
        let launch = limited.map_err(failed)?;
        let ended = self.launcher.run_to_end(launch, &Limits::within(TIME)).await;
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        let said = ended.stderr.text().trim().to_owned();
        match ended.exit {
            _ if ended.timed_out => {
                Err(failed(format!("it took longer than {} s", TIME.as_secs())))
            }
            Exit::Code(0) => Ok(ended.stdout.text()),
            Exit::Code(code) if said.is_empty() => Err(failed(format!("exit code {code}"))),
            Exit::Code(_) => Err(failed(said)),
            Exit::Signal(signal) => Err(failed(format!("signal {signal} ended it"))),
        }
    }
}

#[async_trait]
impl Forge for GhForge {
    async fn find(&self, base: &Base, head: &str) -> Result<Option<String>, WorkspaceError> {
        let args = vec![
            "pr".to_owned(),
            "list".to_owned(),
            format!("--repo={}", repository(base)?),
            format!("--head={head}"),
            "--state=open".to_owned(),
            "--limit=100".to_owned(),
            "--json=url,headRefName,isCrossRepository".to_owned(),
        ];
        let list = self.run("look for a pull request", args, "").await?;
        let list = listed(&list).ok_or_else(|| WorkspaceError::Io {
            what: format!("cannot read what {} printed", self.program),
            cause: "it is no list of pull requests; gh 2.0 or newer is needed".to_owned(),
        })?;
        Ok(list.into_iter().find(|(branch, _)| branch == head).map(|(_, url)| url))
    }

    async fn open(&self, base: &Base, request: &PullRequest) -> Result<String, WorkspaceError> {
        let PullRequest { head, into, title, body } = request;
        let mut args = vec![
            "pr".to_owned(),
            "create".to_owned(),
            format!("--repo={}", repository(base)?),
            format!("--head={head}"),
            // As one argument each, so that no text is taken for an option.
            format!("--title={}", title.replace('\0', "")),
            "--body-file=-".to_owned(),
        ];
        args.extend(into.iter().map(|into| format!("--base={into}")));
        let opened = self.run("open a pull request", args, body).await;
        let address = |said: &str| {
            said.lines()
                .rev()
                .map(str::trim)
                .find(|line| line.starts_with("https://"))
                .map(str::to_owned)
        };
        match opened.as_deref().map(address) {
            Ok(Some(address)) => Ok(address),
            // Somebody else opened it meanwhile; or it was opened and its address not shown.
            _ => match (self.find(base, head).await, opened) {
                (Ok(Some(address)), _) => Ok(address),
                (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
                (Ok(None), Ok(said)) => Err(WorkspaceError::Io {
                    what: format!("cannot tell whether {} opened a pull request", self.program),
                    cause: format!("it printed {said:?} and lists none"),
                }),
            },
        }
    }
}

/// The pull requests of a list, each with its branch, that are for branches of the repository itself: one of the
/// same name in somebody's fork is another. `None`: it is no such list.
fn listed(text: &str) -> Option<Vec<(String, String)>> {
    let list: Value = serde_json::from_str(text).ok()?;
    let own = |entry: &&Value| entry["isCrossRepository"].as_bool() == Some(false);
    let read = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().map(str::to_owned);
        Some((text("headRefName")?, text("url")?))
    };
    list.as_array()?.iter().filter(own).map(read).collect()
}

/// The repository as `gh` takes it: `<host>/<owner>/<name>`.
fn repository(base: &Base) -> Result<String, WorkspaceError> {
    let unusable = |why: &str| WorkspaceError::NotUsable {
        path: base.path.clone(),
        reason: format!("no pull request can be opened for it: {why}"),
    };
    let remote = base.repository.remote.as_deref();
    let remote = remote.ok_or_else(|| {
        unusable("it has no `origin`; add one with `git remote add origin ADDRESS`")
    })?;
    named(remote).ok_or_else(|| {
        unusable(&format!(
            "its `origin`, {}, is no repository of a forge",
            without_credentials(remote)
        ))
    })
}

fn named(remote: &str) -> Option<String> {
    if Transport::of(remote).ok()? == Transport::Local {
        return None;
    }
    let (authority, path) = match remote.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => remote.split_once(':')?,
    };
    let host = authority.rsplit('@').next()?.split(':').next()?;
    let path = path.trim_matches('/');
    let path = Path::new(path.strip_suffix(".git").unwrap_or(path));
    let parts: Option<Vec<_>> = path.iter().map(|part| part.to_str()).collect();
    let [owner, name] = parts?[..] else { return None };
    (!host.is_empty()).then(|| format!("{host}/{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_address() {
        for (remote, expected) in [
            ("https://github.com/a/b.git", Some("github.com/a/b")),
            ("https://me:t@github.com/a/b/", Some("github.com/a/b")),
            ("git@github.com:a/b.git", Some("github.com/a/b")),
            ("ssh://git@ghe.example:22/a/b", Some("ghe.example/a/b")),
            ("https://github.com/a", None),
            ("https://github.com/a/b/c", None),
            ("/srv/a/b.git", None),
            ("file:///srv/b.git", None),
            ("ext::sh -c id", None),
        ] {
            assert_eq!(named(remote).as_deref(), expected, "{remote}");
        }
    }

    #[test]
    fn a_branch_of_a_fork_is_another() {
        let entry = |url: &str, head: &str, fork: bool| {
            format!(r#"{{"url":"{url}","headRefName":"{head}","isCrossRepository":{fork}}}"#)
        };
        let list = format!("[{},{}]", entry("u1", "x", true), entry("u2", "x", false));
        assert_eq!(listed(&list), Some(vec![("x".into(), "u2".into())]));
        assert_eq!(listed("[]"), Some(vec![]));
        for broken in ["", "{}", "no pull requests"] {
            assert_eq!(listed(broken), None);
        }
    }
}
