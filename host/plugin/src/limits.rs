use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What one execution of an executor may use of the host. Each has a default that suits a plugin that talks to
/// one service or drives one program; an operator raises what a plugin needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecutorLimits {
    /// Linear memory of the component, all of it together, in MiB.
    pub memory_mib: u32,
    /// Elements of the component's tables, all of them together.
    pub table_elements: u32,
    /// Wall-clock time of an execution, in seconds, suspensions included. The execution's own deadline counts
    /// if it is nearer.
    pub deadline_seconds: Option<u64>,
    /// How long a component may take to stop, in seconds, before it is dropped.
    pub stop_grace_seconds: u64,
    /// How long `describe` and `probe` may take, in seconds.
    pub probe_seconds: u64,
    /// Body of one HTTP request, in KiB.
    pub request_kib: u32,
    /// Body of one HTTP response, in KiB.
    pub response_kib: u32,
    /// HTTP requests under way at once.
    pub concurrent_requests: u32,
    /// Programs alive at once.
    pub live_processes: u32,
    /// Output of one program, standard output and standard error together, in MiB.
    pub process_output_mib: u32,
    /// Lines of log.
    pub log_lines: u32,
    /// The outcome, by what it takes of the host's memory, in KiB.
    pub outcome_kib: u32,
    /// Events in one execution, by what they take of the host's memory, in MiB.
    pub events_mib: u32,
}

impl Default for ExecutorLimits {
    fn default() -> Self {
        Self {
            memory_mib: 64,
            table_elements: 20_000,
            deadline_seconds: None,
            stop_grace_seconds: 5,
            probe_seconds: 15,
            request_kib: 1024,
            response_kib: 8 * 1024,
            concurrent_requests: 8,
            live_processes: 4,
            process_output_mib: 64,
            log_lines: 1000,
            outcome_kib: 1024,
            events_mib: 256,
        }
    }
}

impl ExecutorLimits {
    /// The nearer of the executor's deadline and this one.
    pub fn deadline(&self, other: Option<Duration>) -> Option<Duration> {
        let own = self.deadline_seconds.map(Duration::from_secs);
        own.into_iter().chain(other).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_has_its_default() {
        let limits: ExecutorLimits = serde_json::from_str(r#"{"memoryMib": 128}"#).unwrap();
        assert_eq!(limits, ExecutorLimits { memory_mib: 128, ..ExecutorLimits::default() });
        assert!(serde_json::from_str::<ExecutorLimits>(r#"{"memory": 128}"#).is_err());
    }

    #[test]
    fn the_nearer_deadline_counts() {
        let limits = ExecutorLimits { deadline_seconds: Some(60), ..ExecutorLimits::default() };
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(limits.deadline(seconds(30)), seconds(30));
        assert_eq!(limits.deadline(seconds(90)), seconds(60));
        assert_eq!(limits.deadline(None), seconds(60));
        assert_eq!(ExecutorLimits::default().deadline(None), None);
    }
}
