use serde::{Deserialize, Serialize};

/// From where an execution goes on.
///
/// It is written before each effect (the intent) and after it (the acknowledgement), so a crash between the two is
/// noticed and looked into, never repeated blindly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum Checkpoint {
    /// A run is about to be made; look for the key before making one.
    #[serde(rename_all = "camelCase")]
    Creating { key: String },
    /// A run is under way, or has ended without our having told.
    Following(Follow),
    /// A run that had ended is about to go on; look whether it does before asking again.
    Resuming(Follow),
    /// A run that has ended, and was told. A later execution may have it go on.
    Ended(Follow),
}

/// A run, and how much of it has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Follow {
    pub(crate) run: u64,
    /// When we began to watch it, in seconds since 1970.
    pub(crate) since: u64,
    /// How many log entries were told.
    #[serde(default)]
    pub(crate) logs: u64,
    /// Which pull requests were told.
    #[serde(default)]
    pub(crate) pull_requests: Vec<u64>,
    /// The last status that was told.
    #[serde(default)]
    pub(crate) status: Option<String>,
    /// How many looks in a row there was no news.
    #[serde(default)]
    pub(crate) quiet: u32,
    /// How many looks in a row failed.
    #[serde(default)]
    pub(crate) failures: u32,
    /// The run was told to go on and has not been seen to do so yet: an ended status is still the old one.
    #[serde(default)]
    pub(crate) waking: bool,
}

impl Follow {
    pub(crate) fn new(run: u64, since: u64) -> Self {
        Self {
            run,
            since,
            logs: 0,
            pull_requests: Vec::new(),
            status: None,
            quiet: 0,
            failures: 0,
            waking: false,
        }
    }

    /// There was news, or there was none.
    pub(crate) fn seen(&mut self, news: bool) {
        self.failures = 0;
        self.quiet = if news { 0 } else { self.quiet.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_what_an_older_version_wrote() {
        let mut follow = Follow::new(4242, 1_767_225_600);
        follow.pull_requests = vec![7];
        follow.status = Some("ACTIVE".to_owned());
        for checkpoint in [
            Checkpoint::Creating { key: "k".to_owned() },
            Checkpoint::Following(follow.clone()),
            Checkpoint::Resuming(follow.clone()),
            Checkpoint::Ended(follow),
        ] {
            let text = serde_json::to_string(&checkpoint).expect("plain data");
            assert_eq!(serde_json::from_str::<Checkpoint>(&text).expect("the same"), checkpoint);
        }
        let short = r#"{"state": "following", "run": 1, "since": 2}"#;
        let read: Checkpoint = serde_json::from_str(short).expect("the rest has defaults");
        assert_eq!(read, Checkpoint::Following(Follow::new(1, 2)));
    }
}
