use cyrus_core::WorkspaceError;
use std::path::Path;

/// Says what was being done with which path when the system said no.
pub(crate) fn io<'a>(
    doing: &'a str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> WorkspaceError + 'a {
    move |error| WorkspaceError::Io {
        what: format!("{doing} {}", path.display()),
        cause: error.to_string(),
    }
}

/// Git printed something that is not in the format it documents.
pub(crate) fn unreadable(command: &str) -> WorkspaceError {
    WorkspaceError::Io {
        what: format!("cannot read what `git {command}` printed"),
        cause: "it is not in the documented format; git 2.33 or newer is needed".to_owned(),
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
