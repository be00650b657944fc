//! The documented rate limits, in sliding windows.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::Endpoint;

/// A number of calls in a time.
#[derive(Debug)]
struct Window {
    calls: usize,
    per: Duration,
    made: VecDeque<Duration>,
}

impl Window {
    fn new(calls: usize, seconds: u64) -> Self {
        Self { calls, per: Duration::from_secs(seconds), made: VecDeque::new() }
    }

    /// Takes one call, or says how long until one fits.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        while self.made.front().is_some_and(|made| now.saturating_sub(*made) >= self.per) {
            self.made.pop_front();
        }
        match self.made.front() {
            Some(oldest) if self.made.len() >= self.calls => {
                Err((*oldest + self.per).saturating_sub(now))
            }
            _ => {
                self.made.push_back(now);
                Ok(())
            }
        }
    }
}

/// The three budgets of the API. Resuming and banning have no documented limit.
#[derive(Debug)]
pub(crate) struct Limits {
    creations: Window,
    reads: Window,
    logs: Window,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            creations: Window::new(10, 60),
            reads: Window::new(60, 30),
            logs: Window::new(60, 60),
        }
    }
}

impl Limits {
    /// Takes one call of `endpoint`, or says how long until one fits.
    pub(crate) fn take(&mut self, endpoint: Endpoint, now: Duration) -> Result<(), Duration> {
        match endpoint {
            Endpoint::CreateRun => self.creations.take(now),
            Endpoint::Logs => self.logs.take(now),
            Endpoint::GetRun
            | Endpoint::ListRuns
            | Endpoint::Organizations
            | Endpoint::Me
            | Endpoint::Repositories => self.reads.take(now),
            Endpoint::ResumeRun
            | Endpoint::BanRun
            | Endpoint::UnbanRun
            | Endpoint::RemoveFromPr => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_run_in_a_minute_waits_for_the_first_to_leave_the_window() {
        let mut limits = Limits::default();
        for second in 0..10 {
            assert_eq!(limits.take(Endpoint::CreateRun, Duration::from_secs(second)), Ok(()));
        }
        assert_eq!(
            limits.take(Endpoint::CreateRun, Duration::from_secs(10)),
            Err(Duration::from_secs(50))
        );
        assert_eq!(limits.take(Endpoint::CreateRun, Duration::from_mins(1)), Ok(()));
        assert_eq!(
            limits.take(Endpoint::CreateRun, Duration::from_mins(1)),
            Err(Duration::from_secs(1))
        );
    }

    #[test]
    fn reads_share_a_budget_and_logs_have_their_own() {
        let mut limits = Limits::default();
        for _ in 0..30 {
            assert!(limits.take(Endpoint::GetRun, Duration::ZERO).is_ok());
            assert!(limits.take(Endpoint::ListRuns, Duration::ZERO).is_ok());
        }
        assert!(limits.take(Endpoint::Me, Duration::ZERO).is_err());
        assert!(limits.take(Endpoint::Logs, Duration::ZERO).is_ok());
        assert!(limits.take(Endpoint::BanRun, Duration::ZERO).is_ok());
    }
}
