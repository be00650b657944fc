use crate::{
    error::unreadable,
    git::{Call, Git},
    object::ObjectId,
    user::Identity,
};
use cyrus_core::WorkspaceError;

/// A commit that is to be made.
pub(crate) struct NewCommit<'a> {
    pub(crate) tree: &'a ObjectId,
    pub(crate) parents: &'a [&'a ObjectId],
    pub(crate) message: &'a str,
    pub(crate) identity: &'a Identity,
    /// In seconds since 1970; `None` is now. With a date, the same commit has the same name whenever it is made.
    pub(crate) date: Option<u64>,
}

impl NewCommit<'_> {
    /// Makes it. The call says in which repository.
    pub(crate) async fn make(&self, git: &Git, call: Call) -> Result<ObjectId, WorkspaceError> {
        let Identity { name, email, .. } = self.identity;
        let (committer, address) = self.identity.committer();
        let parents = self.parents.iter().flat_map(|parent| ["-p", parent.as_str()]);
        let mut call = call
            .args(["commit-tree", self.tree.as_str()])
            .args(parents)
            .args(["-F", "-"])
            .stdin(self.message.replace('\0', "").into_bytes())
            .env("GIT_AUTHOR_NAME", name)
            .env("GIT_AUTHOR_EMAIL", email)
            .env("GIT_COMMITTER_NAME", committer)
            .env("GIT_COMMITTER_EMAIL", address);
        if let Some(seconds) = self.date {
            let date = format!("@{seconds} +0000");
            call = call.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", date);
        }
        ObjectId::parse(&git.text(call).await?).ok_or_else(|| unreadable("commit-tree"))
    }
}
