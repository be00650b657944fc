use cyrus_core::WorkspaceError;
use std::path::Path;

/// Says what was being done with which path when the system said no.
pub(crate) fn io<'a>(
    doing: &'a str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> WorkspaceError + 'a {
    move |error| WorkspaceError::Io {
        what: format!("{doing} {}", path.display()),
        cause: with_advice(error.to_string()),
    }
}

/// What a system or git says when something of the surroundings is in the way, and what to do about it.
const ADVICE: [(&str, &str); 11] = [
    ("Out of diskspace", "the disk is full: make room on it, then resume the session"),
    ("unable to write file", "the disk may be full: make room on it, then resume the session"),
    (
        "unable to read sha1 file",
        "an object is missing: of a partial clone nothing is fetched for a session, so bring all of it with `git fetch --refetch --no-filter`",
    ),
    (
        "from promisor remote",
        "it is a partial clone, and nothing is fetched for a session: bring all of it with `git fetch --refetch --no-filter`",
    ),
    (
        "lazy fetching disabled",
        "it is a partial clone, and nothing is fetched for a session: bring all of it with `git fetch --refetch --no-filter`",
    ),
    (
        ".lock': File exists",
        "another git is at work there, or one that was cut off left the lock behind: remove the file when no git runs there",
    ),
    ("No space left on device", "make room on that disk, and go on with the session"),
    ("Disk quota exceeded", "make room below that quota, and go on with the session"),
    (
        "Read-only file system",
        "mount it so that it can be written, or choose another `workDir` in config.json",
    ),
    (
        "File too large",
        "the file system, or a limit of this process (`ulimit -f`), allows no larger file",
    ),
    ("Too many open files", "raise the limit of open files (`ulimit -n`)"),
];

/// A message with what to do about it, where that is known.
pub(crate) fn with_advice(message: String) -> String {
    match ADVICE.iter().find(|(said, _)| message.contains(said)) {
        Some((_, advice)) => format!("{message} ({advice})"),
        None => message,
    }
}

/// Git printed something that is not in the format it documents.
pub(crate) fn unreadable(command: &str) -> WorkspaceError {
    WorkspaceError::Io {
        what: format!("cannot read what `git {command}` printed"),
        cause: "it is not in the documented format; git 2.33 or newer is needed".to_owned(),
    }
}

/// The same, of lists of objects: what git says instead of an object that is not there.
pub(crate) fn unreadable_objects(command: &str, output: &[u8]) -> WorkspaceError {
    let mut lines = output.split(|b| *b == b'\n');
    match lines.find_map(|line| line.strip_suffix(b" missing")) {
        Some(object) => WorkspaceError::Io {
            what: format!("cannot read the object {}", String::from_utf8_lossy(object)),
            cause: with_advice("unable to read sha1 file".to_owned()),
        },
        None => unreadable(command),
    }
}

/// Does what keeps a thread busy where that disturbs nobody.
pub(crate) async fn in_background<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
) -> Result<T, WorkspaceError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(WorkspaceError::Io { what: format!("cannot {doing}"), cause: error.to_string() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn an_object_that_is_not_there_is_named() {
        let error = unreadable_objects("cat-file", b"12\nabc missing\n7\n").to_string();
        assert!(error.contains("the object abc") && error.contains("--refetch"), "{error}");
        let error = unreadable_objects("cat-file", b"12\nx\n").to_string();
        assert!(error.contains("git 2.33"), "{error}");
    }

    #[test]
    fn what_is_in_the_way_comes_with_what_to_do() {
        let full = io("cannot write", Path::new("/x"))(Error::from_raw_os_error(28)).to_string();
        assert!(
            full.starts_with("cannot write /x: No space left") && full.contains("make room"),
            "{full}"
        );
        let lock =
            with_advice("fatal: Unable to create '/r/.git/packed-refs.lock': File exists.".into());
        assert!(lock.contains("remove the file when no git runs there"), "{lock}");
        for (said, advice) in [
            ("error: unable to read sha1 file of d/1 (ec6351)", "--refetch"),
            ("fatal: could not fetch 0cfb from promisor remote", "--refetch"),
            ("fatal: sha1 file 'x' write error. Out of diskspace", "the disk is full"),
        ] {
            let text = with_advice(said.to_owned());
            assert!(text.starts_with(said) && text.contains(advice), "{text}");
        }
        assert_eq!(with_advice("fatal: bad object".into()), "fatal: bad object");
    }
}
