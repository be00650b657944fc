/// What a git remote calls a repository: `owner/name`, in lower case, because hosts do not tell case apart. `None`
/// when the address has no such part.
///
/// Understands `https://host/owner/name.git`, `ssh://git@host:22/owner/name` and `git@host:owner/name.git`.
pub(crate) fn full_name(remote: &str) -> Option<String> {
    let path = match remote.split_once("://") {
        Some(("file", _)) => return None,
        Some((_, rest)) => rest.split_once('/')?.1,
        // scp's way of writing it. What begins like a path is one.
        None => remote.split_once(':').filter(|(host, _)| !host.contains('/'))?.1,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.rsplit_once('/')?;
    let owner = owner.rsplit('/').next().unwrap_or(owner);
    (!owner.is_empty() && !name.is_empty()).then(|| format!("{owner}/{name}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_in_every_way_of_writing_a_remote() {
        for remote in [
            "https://github.com/Acme/Widgets.git",
            "https://github.com/acme/widgets/",
            "https://user@github.com:443/acme/widgets",
            "ssh://git@github.com:22/acme/widgets.git",
            "git@github.com:acme/widgets.git",
            "github.com:acme/widgets",
        ] {
            assert_eq!(full_name(remote).as_deref(), Some("acme/widgets"), "{remote}");
        }
        assert_eq!(
            full_name("https://gitlab.example/group/sub/widgets.git").as_deref(),
            Some("sub/widgets")
        );
    }

    #[test]
    fn a_directory_has_no_name() {
        for remote in [
            "/srv/git/widgets.git",
            "./x:y/z",
            "file:///srv/git/widgets",
            "https://github.com/",
            "x",
            "",
        ] {
            assert_eq!(full_name(remote), None, "{remote}");
        }
    }
}
