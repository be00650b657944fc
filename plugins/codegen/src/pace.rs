use std::time::Duration;

/// How many polls may fail in a row before the execution does.
pub(crate) const FAILURES_ALLOWED: u32 = 5;

/// When to look again: soon while there is news, later and later while there is none.
///
/// One look is two requests. The service allows 60 log reads a minute, so at the shortest interval of five seconds
/// five runs can be watched, and at a minute sixty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

impl Pace {
    /// After `quiet` looks in a row without news: half as long again for each.
    pub(crate) fn after_quiet(self, quiet: u32) -> Duration {
        let mut wait = self.shortest;
        for _ in 0..quiet {
            if wait >= self.longest {
                return self.longest;
            }
            wait = wait * 3 / 2;
        }
        wait.min(self.longest)
    }

    /// After `failures` looks in a row that failed: twice as long for each, and not before the service wants it.
    pub(crate) fn after_failure(self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let backoff = self.shortest.saturating_mul(1 << failures.min(16)).min(self.longest);
        backoff.max(retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { shortest: Duration::from_secs(4), longest: Duration::from_mins(1) };

    #[test]
    fn quiet_runs_are_asked_less_and_less() {
        let waits: Vec<_> = [0, 1, 2, 3, 7, u32::MAX].map(|n| PACE.after_quiet(n).as_secs()).into();
        assert_eq!(waits, [4, 6, 9, 13, 60, 60]);
    }

    #[test]
    fn a_failing_service_is_left_alone_for_as_long_as_it_asks() {
        assert_eq!(PACE.after_failure(1, None), Duration::from_secs(8));
        assert_eq!(PACE.after_failure(9, None), Duration::from_mins(1));
        assert_eq!(PACE.after_failure(u32::MAX, None), Duration::from_mins(1));
        let asked = Some(Duration::from_mins(5));
        assert_eq!(PACE.after_failure(1, asked), Duration::from_mins(5));
    }

    #[test]
    fn the_longest_may_be_the_shortest() {
        let pace = Pace { shortest: Duration::from_millis(10), longest: Duration::from_millis(10) };
        assert_eq!(pace.after_quiet(5), Duration::from_millis(10));
    }
}
