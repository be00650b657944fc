//! The user's own list of ignored files: the one that `core.excludesFile` names, by whatever configuration and through
//! whatever `include` and `includeIf`, else git's default for it. Git itself says which; reading configuration runs
//! nothing.

use crate::git::Git;
use cyrus_core::WorkspaceError;
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// The most that is read of the list, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What the list says for this repository; nothing when there is none.
pub(crate) async fn read(git: &Git, repository: &Path) -> Result<Vec<u8>, WorkspaceError> {
    let Some(list) = list(git, repository).await? else { return Ok(Vec::new()) };
    let mut content = Vec::new();
    let read = File::open(&list).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut content));
    if let Err(error) = read {
        tracing::debug!(list = %list.display(), %error, "no list of ignored files of the user's");
        return Ok(Vec::new());
    }
    if content.last().is_some_and(|last| *last != b'\n') {
        content.push(b'\n');
    }
    Ok(content)
}

/// Where the list for this repository is, or would be.
async fn list(git: &Git, repository: &Path) -> Result<Option<PathBuf>, WorkspaceError> {
    let Some(home) = git.environment().home.clone() else { return Ok(None) };
    if let Some(known) = git.known().lists_of_ignored.get(&repository.to_owned()) {
        return Ok(Some(known));
    }
    let home = home.as_path();
    let safe = git.in_main(repository, &["config", "--list", "-z", "--show-scope"]).await?;
    let chosen = git.environment().config_home.clone();
    let config_home = chosen.unwrap_or_else(|| home.join(".config"));
    let call = safe
        .arg("--includes")
        .reading_user_config(git.environment())
        .env("XDG_CONFIG_HOME", &config_home);
    let answer = git.run(call).await?;
    if answer.code != 0 {
        tracing::debug!(error = %answer.stderr, "the user's list of ignored files is not known");
        return Ok(None);
    }
    let list = match configured(&answer.stdout) {
        Some(named) => place(&named, home, repository),
        None => config_home.join("git/ignore"),
    };
    git.known().lists_of_ignored.keep(repository.to_owned(), list.clone());
    Ok(Some(list))
}

/// Whether anything is in the repository's working tree that git neither knows nor ignores, as its user's git sees it.
pub(crate) async fn has_others(git: &Git, repository: &Path) -> Result<bool, WorkspaceError> {
    let args = ["ls-files", "-z", "--others", "--directory", "--no-empty-directory"];
    let mut call = git.in_main(repository, &args).await?.arg("--exclude-standard");
    if let Some(list) = list(git, repository).await?.filter(|list| list.is_file()) {
        call = call.arg("--exclude-from").arg(list);
    }
    Ok(!git.output(call).await?.is_empty())
}

/// Reads `--list -z --show-scope`: `<scope>\0<key>\n<value>\0`. What the host itself sets has the scope `command`.
fn configured(output: &[u8]) -> Option<String> {
    let mut fields = output.split(|b| *b == 0);
    let mut named = None;
    while let (Some(scope), Some(entry)) = (fields.next(), fields.next()) {
        let entry = String::from_utf8_lossy(entry);
        if scope != b"command"
            && let Some(("core.excludesfile", value)) = entry.split_once('\n')
        {
            named = Some(value.to_owned());
        }
    }
    named
}

/// Where a list is that is named like this.
fn place(named: &str, home: &Path, repository: &Path) -> PathBuf {
    match named.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => repository.join(named),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_counts_and_not_the_hosts_own() {
        let output = b"system\0core.excludesfile\n/etc/ignore\0global\0core.excludesfile\n~/mine\0local\0core.bare\nfalse\0command\0core.excludesfile\n/dev/null\0";
        assert_eq!(configured(output).as_deref(), Some("~/mine"));
        assert_eq!(configured(b"command\0core.excludesfile\n/dev/null\0"), None);
        assert_eq!(configured(b""), None);
    }

    #[test]
    fn lists_are_named_as_in_git() {
        let at = |named| place(named, Path::new("/home/u"), Path::new("/r"));
        assert_eq!(at("~/x/y"), Path::new("/home/u/x/y"));
        assert_eq!(at("/etc/z"), Path::new("/etc/z"));
        assert_eq!(at("own"), Path::new("/r/own"));
    }
}
