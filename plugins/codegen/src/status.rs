/// Where a run is, as far as its status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Succeeded,
    Failed(Failure),
    /// A word we do not know, or none. Only time tells.
    Unknown,
}

/// How a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It tried and did not succeed.
    Error,
    /// Somebody stopped it.
    Stopped,
    /// The service's own time limit.
    Timeout,
    /// The service's own limit on turns.
    TurnLimit,
    /// No tokens left to go on with.
    OutOfTokens,
}

/// Reads a status. The API says only that it is a text; letter case and separators differ between its documents and
/// its clients.
pub(crate) fn state(status: Option<&str>) -> State {
    let Some(status) = status else { return State::Unknown };
    let word = status.trim().replace(['-', ' '], "_").to_ascii_uppercase();
    match word.as_str() {
        "PENDING" | "QUEUED" | "ACTIVE" | "RUNNING" | "IN_PROGRESS" | "EVALUATION" => {
            State::Running
        }
        "COMPLETE" | "COMPLETED" => State::Succeeded,
        "ERROR" | "FAILED" => State::Failed(Failure::Error),
        "CANCELLED" | "CANCELED" | "STOPPED" => State::Failed(Failure::Stopped),
        "TIMEOUT" | "TIMED_OUT" => State::Failed(Failure::Timeout),
        "MAX_ITERATIONS_REACHED" => State::Failed(Failure::TurnLimit),
        "OUT_OF_TOKENS" => State::Failed(Failure::OutOfTokens),
        _ => State::Unknown,
    }
}

impl State {
    /// Whether nothing more will come.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_word_has_a_state_in_any_case() {
        let cases = [
            ("PENDING", State::Running),
            ("active", State::Running),
            ("Running", State::Running),
            ("EVALUATION", State::Running),
            ("COMPLETE", State::Succeeded),
            ("completed", State::Succeeded),
            (" Complete ", State::Succeeded),
            ("ERROR", State::Failed(Failure::Error)),
            ("failed", State::Failed(Failure::Error)),
            ("CANCELLED", State::Failed(Failure::Stopped)),
            ("Stopped", State::Failed(Failure::Stopped)),
            ("TIMEOUT", State::Failed(Failure::Timeout)),
            ("max-iterations-reached", State::Failed(Failure::TurnLimit)),
            ("OUT_OF_TOKENS", State::Failed(Failure::OutOfTokens)),
            ("", State::Unknown),
            ("HIBERNATING", State::Unknown),
        ];
        for (word, expected) in cases {
            assert_eq!(state(Some(word)), expected, "{word:?}");
        }
        assert_eq!(state(None), State::Unknown);
    }

    #[test]
    fn what_is_not_understood_is_not_over() {
        assert!(!State::Unknown.is_over());
        assert!(!State::Running.is_over());
        assert!(State::Succeeded.is_over());
        assert!(State::Failed(Failure::Stopped).is_over());
    }
}
