//! Addresses of git remotes: what may be shown of one, and what may be fetched from.

use std::path::Path;

/// How an address is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Https,
    Ssh,
    /// A directory of this machine.
    Local,
}

impl Transport {
    /// The transport of an address, or what is wrong with it. Everything else that git understands is refused:
    /// `ext::` runs a command, `http:` and `git:` can be changed on the way, and the rest is not needed.
    pub(crate) fn of(address: &str) -> Result<Self, String> {
        if address.starts_with('-') {
            return Err(format!("{address:?} would be read as an option"));
        }
        if address.contains(|c: char| c.is_control()) {
            return Err("the address has control characters in it".to_owned());
        }
        if let Some((scheme, rest)) = address.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            return match scheme.to_ascii_lowercase().as_str() {
                "file" => Ok(Self::Local),
                _ if host.is_empty() || host.starts_with('-') => {
                    Err(format!("{address:?} has no host"))
                }
                "https" => Ok(Self::Https),
                "ssh" => Ok(Self::Ssh),
                other => {
                    Err(format!("{other}: is neither fetched from nor pushed to; use https or ssh"))
                }
            };
        }
        if address.starts_with('/') {
            return Ok(Self::Local);
        }
        match address.split_once(':') {
            Some((_, rest)) if rest.starts_with(':') => {
                Err(format!("{address:?} names a remote helper, which could run a command"))
            }
            Some((host, _)) if scp_host(host) => Ok(Self::Ssh),
            _ => Err(format!("{address:?} is neither an https nor an ssh address")),
        }
    }

    /// What `GIT_ALLOW_PROTOCOL` has to be for it.
    pub(crate) fn protocol(&self) -> &'static str {
        match self {
            // The user's `url.*.insteadOf` may turn one into the other.
            Self::Https | Self::Ssh => "https:ssh",
            Self::Local => "file",
        }
    }
}

/// Whether this is the part before the colon of `user@host:path`.
fn scp_host(text: &str) -> bool {
    let host = text.rsplit('@').next().unwrap_or_default();
    !host.is_empty() && !host.starts_with('-') && !text.contains('/')
}

/// The part of an address that names user and host, and its path. A password may have a slash in it, written as it is:
/// then what stands before the slash is no host with a port.
fn parts_of(rest: &str) -> (&str, &str) {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_port = |text: &str| text.ends_with(']') || text.bytes().all(|b| b.is_ascii_digit());
    let is_host = authority.rsplit_once(':').is_none_or(|(_, port)| is_port(port));
    match path.rfind('@').filter(|_| !is_host && !authority.contains('@')) {
        Some(at) => {
            let end = path[at..].find('/').map_or(rest.len(), |slash| authority.len() + at + slash);
            rest.split_at(end)
        }
        None => (authority, path),
    }
}

/// Where a push to an address goes, by what `url.<base>.pushInsteadOf` and `url.<base>.insteadOf` say: of those that it
/// begins with the longest counts, and the first kind only where no address is for pushes alone.
pub(crate) fn pushed_to(
    address: &str,
    is_for_pushes: bool,
    settings: &[(String, String)],
) -> String {
    let by = |kind: &str| {
        // Of those that are as long, the first.
        let matching = settings.iter().rev().filter_map(|(key, begins)| {
            let base = key.strip_prefix("url.")?.strip_suffix(kind)?.strip_suffix('.')?;
            address.strip_prefix(begins.as_str()).map(|rest| (begins.len(), base, rest))
        });
        matching.max_by_key(|(length, ..)| *length).map(|(_, base, rest)| format!("{base}{rest}"))
    };
    let for_pushes = if is_for_pushes { None } else { by("pushinsteadof") };
    for_pushes.or_else(|| by("insteadof")).unwrap_or_else(|| address.to_owned())
}

/// Whether a setting says that an address is written anew.
pub(crate) fn writes_anew(key: &str) -> bool {
    key.starts_with("url.")
}

/// The address without user names, passwords, parameters and fragments of URLs, which often hold tokens. The user of an
/// ssh address is part of the address and stays.
pub(crate) fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let is_file = scheme.eq_ignore_ascii_case("file");
    let rest = if is_file { rest } else { rest.split(['?', '#']).next().unwrap_or(rest) };
    let (authority, path) = parts_of(rest);
    let Some((user, host)) = authority.rsplit_once('@') else {
        return format!("{scheme}://{rest}");
    };
    if scheme.eq_ignore_ascii_case("ssh") {
        let user = user.split(':').next().unwrap_or_default();
        format!("{scheme}://{user}@{host}{path}")
    } else {
        format!("{scheme}://{host}{path}")
    }
}

/// A text in which this address may stand, without what [`without_credentials`] takes out of it.
pub(crate) fn redact(text: &str, address: &str) -> String {
    let authority = address.split_once("://").map_or("", |(_, rest)| parts_of(rest).0);
    let mut text = text.replace(address, &without_credentials(address));
    let parameters = address.split(['?', '#', '&']).skip(1);
    for parameter in parameters.filter(|_| address.contains("://")) {
        let value = parameter.split_once('=').map_or(parameter, |(_, value)| value);
        if value.len() >= 6 {
            text = text.replace(value, "…");
        }
    }
    match authority.rsplit_once('@') {
        Some((user, _)) if !user.is_empty() => {
            let secret = user.split_once(':').map_or(user, |(_, password)| password);
            if secret.is_empty() { text } else { text.replace(secret, "…") }
        }
        _ => text,
    }
}

/// A configured address as it has to be when it is used from elsewhere: a path relative to the repository becomes
/// absolute.
pub(crate) fn absolute(address: &str, repository: &Path) -> String {
    let relative = !address.contains("://") && !address.starts_with('/') && {
        let before_colon = address.split(':').next().unwrap_or_default();
        before_colon == address || before_colon.contains('/')
    };
    if !relative {
        return address.to_owned();
    }
    let joined = repository.join(address);
    joined.canonicalize().unwrap_or(joined).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_go_where_git_would_push() {
        let settings = [
            ("url.ssh://git@h/.pushinsteadof", "https://h/"),
            ("url.ssh://git@h/team/.pushinsteadof", "https://h/t/"),
            ("url.https://h/.insteadof", "h:"),
            ("url.https://second/.insteadof", "h:"),
            ("url./srv/a.b/.insteadof", "hub:"),
            ("http.proxy", "https://h/"),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        for (address, is_for_pushes, expected) in [
            ("https://h/a", false, "ssh://git@h/a"),
            ("https://h/t/a", false, "ssh://git@h/team/a"),
            ("https://h/a", true, "https://h/a"),
            ("h:a", false, "https://h/a"),
            ("hub:a", true, "/srv/a.b/a"),
            ("/srv/x", false, "/srv/x"),
        ] {
            assert_eq!(pushed_to(address, is_for_pushes, &settings), expected, "{address}");
        }
    }

    #[test]
    fn only_transports_that_cannot_run_a_command_are_used() {
        for (address, transport) in [
            ("https://github.com/a/b.git", Transport::Https),
            ("ssh://git@github.com:22/a/b", Transport::Ssh),
            ("git@github.com:a/b.git", Transport::Ssh),
            ("github.com:a/b.git", Transport::Ssh),
            ("/srv/a b.git", Transport::Local),
            ("file:///srv/b.git", Transport::Local),
        ] {
            assert_eq!(Transport::of(address), Ok(transport), "{address}");
        }
        for bad in [
            "ext::sh -c touch% /tmp/x",
            "fd::17",
            "--upload-pack=touch /tmp/x",
            "-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "git@-oProxyCommand=x:y",
            "https://user@-x/y",
            "https:///etc",
            "http://github.com/a/b",
            "git://github.com/a/b",
            "../elsewhere.git",
            "a/b:c",
            "https://github.com/a\n/b",
            "",
        ] {
            assert!(Transport::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_are_taken_out() {
        for (address, shown) in [
            ("https://x-token:s3cret@github.com/a/b", "https://github.com/a/b"),
            ("https://s3cret@github.com/a/b@c", "https://github.com/a/b@c"),
            ("ssh://git:pw@host:22/a", "ssh://git@host:22/a"),
            ("git@github.com:a/b.git", "git@github.com:a/b.git"),
            ("/srv/a@b.git", "/srv/a@b.git"),
            ("https://github.com/a/b", "https://github.com/a/b"),
            ("https://h/a.git?private_token=s3cret", "https://h/a.git"),
            ("https://me:pw@h/a.git?private_token=s3cret#x", "https://h/a.git"),
            ("https://h?s3cret@x", "https://h"),
            ("https://ada:tok/s3cret@h:1/a.git", "https://h:1/a.git"),
            ("https://h:80/a@b/c", "https://h:80/a@b/c"),
            ("file:///srv/a?b#c.git", "file:///srv/a?b#c.git"),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
    }

    #[test]
    fn messages_hold_no_credentials() {
        let said = |address| format!("fatal: cannot read {address}/: 'hunter22' is wrong");
        for address in ["https://me:hunter22@h/a", "https://hunter22@h/a"] {
            let shown = redact(&said(address), address);
            assert_eq!(shown, "fatal: cannot read https://h/a/: '…' is wrong");
        }
        let address = "https://h/a?private_token=hunter22";
        let shown = redact(&said(address), address);
        assert_eq!(shown, "fatal: cannot read https://h/a/: '…' is wrong");
        for address in ["/srv/a", "git@h:a", "https://h/a@b"] {
            assert_eq!(redact(&said(address), address), said(address));
        }
    }

    #[test]
    fn a_relative_path_becomes_absolute_and_nothing_else_changes() {
        let here = Path::new("/no/such/repo");
        assert_eq!(absolute("../up.git", here), "/no/such/repo/../up.git");
        assert_eq!(absolute("sub/a:b", here), "/no/such/repo/sub/a:b");
        for same in ["git@github.com:a/b", "https://h/x", "/srv/x.git", "file:///srv/x"] {
            assert_eq!(absolute(same, here), same);
        }
    }
}
