//! One simulated run: its steps, and how it is shown.

use serde_json::{Map, Value, json};

use super::script::{LogEntry, PullRequest, Push, RunScript, Step};
use crate::clock::Calendar;

/// The statuses, in capitals, of runs that have ended.
const ENDED: [&str; 9] = [
    "CANCELLED",
    "COMPLETE",
    "COMPLETED",
    "ERROR",
    "FAILED",
    "MAX_ITERATIONS_REACHED",
    "OUT_OF_TOKENS",
    "STOPPED",
    "TIMEOUT",
];

/// A run as the simulator holds it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: u64,
    /// The organisation it belongs to.
    pub organization: u64,
    /// The repository it works on.
    pub repository: u64,
    /// The prompt it was created with.
    pub prompt: String,
    /// The prompts it was resumed with.
    pub resumed: Vec<String>,
    /// What the caller attached, unchanged; `null` when nothing.
    pub metadata: Value,
    /// The status as answered.
    pub status: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// The branches it really pushed.
    pub pushed: Vec<String>,
    pub(super) result: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) pull_requests: Vec<Value>,
    pub(super) logs: Vec<Value>,
    script: RunScript,
    /// The steps in force, the one we are in, and the polls it has left.
    steps: Vec<Step>,
    step: usize,
    polls_left: u64,
}

/// What the beginning of a step wants done outside the simulator.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) push: Option<Push>,
    pub(super) pull_request: Option<PullRequest>,
}

/// What a run is created from.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) organization: u64,
    pub(super) repository: u64,
    pub(super) prompt: String,
    pub(super) metadata: Value,
}

impl Run {
    /// A run that has entered no step yet: call `enter` next.
    pub(super) fn new(order: Order, script: RunScript, calendar: &mut Calendar) -> Self {
        let Order { id, organization, repository, prompt, metadata } = order;
        let steps = script.steps.clone();
        Self {
            id,
            organization,
            repository,
            prompt,
            resumed: Vec::new(),
            metadata,
            status: None,
            created_at: calendar.next(),
            pushed: Vec::new(),
            result: None,
            summary: None,
            pull_requests: Vec::new(),
            logs: Vec::new(),
            script,
            steps,
            step: 0,
            polls_left: 0,
        }
    }

    /// Begins the step we are in and says what it wants done.
    pub(super) fn enter(&mut self, calendar: &mut Calendar) -> Work {
        let Some(step) = self.steps.get(self.step).cloned() else {
            return Work { push: None, pull_request: None };
        };
        self.status = step.status;
        self.polls_left = step.polls;
        self.result = step.result.or(self.result.take());
        self.summary = step.summary.or(self.summary.take());
        self.logs.extend(step.logs.iter().map(|entry| log_entry(self.id, entry, &calendar.next())));
        Work { push: step.push, pull_request: step.pull_request }
    }

    /// Counts one poll. `Some` when it begins the next step.
    pub(super) fn poll(&mut self, calendar: &mut Calendar) -> Option<Work> {
        if self.polls_left > 0 {
            self.polls_left -= 1;
            return None;
        }
        if self.step + 1 >= self.steps.len() {
            return None;
        }
        self.step += 1;
        let work = self.enter(calendar);
        self.polls_left = self.polls_left.saturating_sub(1);
        Some(work)
    }

    /// Begins the steps after a resume.
    pub(super) fn resume(&mut self, prompt: String, calendar: &mut Calendar) -> Work {
        self.resumed.push(prompt);
        self.steps.clone_from(&self.script.resume);
        self.step = 0;
        self.enter(calendar)
    }

    /// Ends the run as a ban does, unless it cannot be stopped or has ended anyway.
    pub(super) fn stop(&mut self) {
        let ended = self
            .status
            .as_ref()
            .is_some_and(|status| ENDED.contains(&status.to_uppercase().as_str()));
        if self.script.stoppable && !ended {
            self.steps = vec![Step::of("CANCELLED")];
            self.step = 0;
            self.status = Some("CANCELLED".into());
        }
    }

    /// `AgentRunResponse`.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.organization,
            "status": self.status,
            "created_at": self.created_at,
            "web_url": format!("https://codegen.com/agent/trace/{}", self.id),
            "result": self.result,
            "summary": self.summary,
            "source_type": "API",
            "github_pull_requests": self.pull_requests,
            "metadata": self.metadata,
        })
    }

    /// `AgentRunWithLogsResponse` without its page.
    pub(super) fn json_for_logs(&self) -> Map<String, Value> {
        let mut all = self.json();
        let fields =
            ["id", "organization_id", "status", "created_at", "web_url", "result", "metadata"];
        fields.into_iter().map(|field| (field.to_owned(), all[field].take())).collect()
    }
}

fn log_entry(run: u64, entry: &LogEntry, created_at: &str) -> Value {
    json!({
        "agent_run_id": run,
        "created_at": created_at,
        "tool_name": entry.tool_name,
        "message_type": entry.message_type,
        "thought": entry.thought,
        "observation": entry.observation,
        "tool_input": entry.tool_input,
        "tool_output": entry.tool_output,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: Vec<Step>) -> (Run, Calendar) {
        let mut calendar = Calendar::from(jiff::Timestamp::UNIX_EPOCH);
        let order = Order {
            id: 1,
            organization: 2,
            repository: 3,
            prompt: String::new(),
            metadata: json!({"key": "k"}),
        };
        let mut run = Run::new(order, RunScript { steps, ..RunScript::default() }, &mut calendar);
        run.enter(&mut calendar);
        (run, calendar)
    }

    fn polled(run: &mut Run, calendar: &mut Calendar, times: usize) -> Vec<Option<String>> {
        let poll = |_| {
            run.poll(calendar);
            run.status.clone()
        };
        (0..times).map(poll).collect()
    }

    #[test]
    fn each_step_lasts_its_polls_and_the_last_stays() {
        let steps = vec![
            Step::of("PENDING"),
            Step { polls: 2, ..Step::of("ACTIVE") },
            Step { polls: 0, ..Step::of("DONE") },
        ];
        let (mut run, mut calendar) = run(steps);
        assert_eq!(run.status.as_deref(), Some("PENDING"));
        let seen = polled(&mut run, &mut calendar, 5);
        let seen: Vec<_> = seen.iter().map(|status| status.as_deref().unwrap()).collect();
        assert_eq!(seen, ["PENDING", "ACTIVE", "ACTIVE", "DONE", "DONE"]);
    }

    #[test]
    fn a_stopped_run_stays_stopped_and_an_ended_one_stays_ended() {
        let (mut going, mut calendar) = run(vec![Step::of("ACTIVE"), Step::of("COMPLETE")]);
        going.stop();
        assert_eq!(
            polled(&mut going, &mut calendar, 2),
            [Some("CANCELLED".into()), Some("CANCELLED".into())]
        );
        let (mut endless, mut calendar) = run(vec![Step::of("ACTIVE")]);
        endless.stop();
        assert_eq!(polled(&mut endless, &mut calendar, 1), [Some("CANCELLED".into())]);
        let (mut ended, mut calendar) = run(vec![Step::of("COMPLETE")]);
        ended.stop();
        assert_eq!(polled(&mut ended, &mut calendar, 1), [Some("COMPLETE".into())]);
    }

    #[test]
    fn a_run_that_cannot_be_stopped_goes_on() {
        let (mut run, mut calendar) = run(vec![Step::of("ACTIVE"), Step::of("COMPLETE")]);
        run.script.stoppable = false;
        run.stop();
        assert_eq!(polled(&mut run, &mut calendar, 2)[1], Some("COMPLETE".into()));
    }

    #[test]
    fn the_metadata_comes_back_unchanged() {
        let (run, _) = run(vec![Step::of("ACTIVE")]);
        assert_eq!(run.json()["metadata"], json!({"key": "k"}));
    }
}
