use crate::{RepositoryConfig, reader::At};

/// What becomes of a session's branch when it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publishing {
    /// Whether it is pushed.
    pub push: bool,
    /// Whether a pull request is opened for it. Then it is pushed too.
    pub pull_request: bool,
    /// Whether what tasks in the cloud build on is put on branches of the origin, until the session ends.
    pub share: bool,
}

/// The section `integration`.
#[derive(Clone, Debug, Default)]
pub(crate) struct IntegrationSection {
    push: Option<bool>,
    pull_request: Option<bool>,
    share: Option<bool>,
}

impl IntegrationSection {
    pub(crate) fn read(at: &At<'_>) -> Self {
        at.object();
        let flag = |key| at.get(key).flag();
        let section =
            Self { push: flag("push"), pull_request: flag("pullRequest"), share: flag("share") };
        if section.push == Some(false) && section.pull_request == Some(true) {
            at.get("pullRequest").wrong("needs the branch to be pushed: leave out \"push\": false");
        }
        section
    }
}

impl RepositoryConfig<'_> {
    /// What becomes of a session's branch when it is done.
    pub fn integration(&self) -> Publishing {
        let said = |of: fn(&IntegrationSection) -> Option<&bool>| {
            self.find(|section| of(&section.integration)).copied()
        };
        let pull_request = said(|s| s.pull_request.as_ref()).unwrap_or_default();
        let push = said(|s| s.push.as_ref()).unwrap_or(pull_request);
        let share = said(|s| s.share.as_ref()).unwrap_or_default();
        // The section of one place may say no to what that of another needs.
        Publishing { push, pull_request: push && pull_request, share }
    }
}
