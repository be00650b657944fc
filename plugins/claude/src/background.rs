//! Work that Claude Code does in the background: subagents and commands. Its turn ends, and a `result` line comes, while
//! they go on; when one ends, Claude has another turn.

use crate::line::{BackgroundTask, Line, ToolOutput};
use std::collections::BTreeMap;

/// The state of a task that has just begun.
pub(crate) const STARTED: &str = "started";
/// The most tasks that are kept track of.
const MAX_TASKS: usize = 1_000;

/// What goes on in the background, and whether Claude itself is at work.
#[derive(Debug, Default)]
pub(crate) struct Background {
    running: BTreeMap<String, BackgroundTask>,
    phase: Phase,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Claude is at work.
    #[default]
    Turn,
    /// Claude waits for agents that it started.
    Agents,
    /// Claude waits for commands only. Some of them never end.
    Commands,
    /// What Claude waited for has ended: another turn says so.
    Settling,
    /// There is a result, and nothing goes on.
    Done,
}

impl Background {
    /// Takes note of a line.
    pub(crate) fn take(&mut self, line: &Line) {
        match line {
            Line::Task(task) => self.task(task),
            Line::Tasks(tasks) => {
                let running = tasks.iter().filter(|task| task.is_running());
                self.running = running.map(|task| (task.id.clone(), task.clone())).collect();
            }
            Line::User(outputs) => {
                self.running
                    .retain(|_, task| !outputs.iter().any(|output| task.is_ended_by(output)));
            }
            _ => {}
        }
        self.phase = match (line, self.phase) {
            (Line::Result(_), _) => self.waits(),
            (line, phase) if phase == Phase::Turn || is_of_a_turn(line) => Phase::Turn,
            (Line::State(state), _) if state == "idle" => self.waits(),
            (_, Phase::Agents | Phase::Commands) if self.running.is_empty() => Phase::Settling,
            (_, phase) if self.running.is_empty() => phase,
            _ => self.waits(),
        };
    }

    /// Where the run stands.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// What goes on, for people.
    pub(crate) fn descriptions(&self) -> String {
        let names = self.running.values().map(|task| match task.description.as_str() {
            "" => task.id.as_str(),
            description => description,
        });
        names.take(3).collect::<Vec<_>>().join(", ")
    }

    /// What a run waits for that has a result.
    fn waits(&self) -> Phase {
        if self.running.is_empty() {
            Phase::Done
        } else if self.running.values().all(BackgroundTask::is_command) {
            Phase::Commands
        } else {
            Phase::Agents
        }
    }

    fn task(&mut self, task: &BackgroundTask) {
        if !task.is_running() {
            self.running.remove(&task.id);
        } else if task.state == STARTED && self.running.len() < MAX_TASKS {
            self.running.entry(task.id.clone()).or_insert_with(|| task.clone());
        }
    }
}

impl BackgroundTask {
    /// Whether it goes on.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state.as_str(), STARTED | "running" | "pending" | "queued" | "")
    }

    /// Whether it is a command, not an agent.
    fn is_command(&self) -> bool {
        ["bash", "shell", "monitor"].iter().any(|word| self.kind.contains(word))
    }

    /// Whether the result of the call that began it is its end. The result of one that goes on says that it does.
    fn is_ended_by(&self, output: &ToolOutput) -> bool {
        let mine = !self.call.is_empty() && self.call == output.tool_use_id;
        let goes_on = || output.text.to_lowercase().contains("background");
        mine && (self.foreground || (self.is_command() && !goes_on()))
    }
}

/// Whether a line is of a turn of the main session.
fn is_of_a_turn(line: &Line) -> bool {
    match line {
        Line::Assistant(line) => !line.subagent,
        Line::State(state) => state == "running",
        Line::Retry(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Phase::{Agents, Done, Settling, Turn};

    fn phases(lines: &[&str]) -> Vec<Phase> {
        let mut background = Background::default();
        let phase = |line: &&str| {
            background.take(&Line::parse(line));
            background.phase()
        };
        lines.iter().map(phase).collect()
    }

    const RESULT: &str = r#"{"type":"result","subtype":"success","is_error":false}"#;
    const SAID: &str = r#"{"type":"assistant","message":{"id":"m","content":[]}}"#;

    fn started(id: &str, kind: &str) -> String {
        format!(
            r#"{{"type":"system","subtype":"task_started","task_id":"{id}","tool_use_id":"u-{id}","task_type":"{kind}"}}"#
        )
    }

    fn ended(id: &str) -> String {
        format!(
            r#"{{"type":"system","subtype":"task_notification","task_id":"{id}","status":"completed"}}"#
        )
    }

    #[test]
    fn a_result_is_the_end_where_nothing_goes_on() {
        assert_eq!(phases(&[SAID, RESULT]), [Turn, Done]);
    }

    #[test]
    fn an_agent_in_the_background_is_waited_for_and_then_its_turn() {
        let (started, ended) = (started("a", "local_agent"), ended("a"));
        let lines = [&*started, RESULT, &*ended, &*ended, SAID, RESULT];
        assert_eq!(phases(&lines), [Turn, Agents, Settling, Settling, Turn, Done]);
    }

    #[test]
    fn commands_are_told_from_agents() {
        let (agent, command, ended) =
            (started("a", "local_agent"), started("c", "local_bash"), ended("a"));
        let lines = [&*agent, &*command, RESULT, &*ended];
        assert_eq!(phases(&lines)[2..], [Agents, Phase::Commands]);
    }

    #[test]
    fn what_ends_before_the_result_is_not_waited_for() {
        let (started, ended) = (started("a", "local_agent"), ended("a"));
        assert_eq!(phases(&[&started, &ended, SAID, RESULT]).last(), Some(&Done));
        let updated = r#"{"type":"system","subtype":"task_updated","task_id":"a","patch":{"status":"killed"}}"#;
        assert_eq!(phases(&[&started, updated, RESULT]).last(), Some(&Done));
    }

    #[test]
    fn a_list_of_what_goes_on_replaces_what_was_known() {
        let started = started("a", "local_agent");
        let none = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[]}"#;
        let other = r#"{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b","task_type":"local_agent","status":"running"}]}"#;
        assert_eq!(phases(&[&started, none, RESULT]).last(), Some(&Done));
        assert_eq!(phases(&[&started, none, other, RESULT, none])[3..], [Agents, Settling]);
    }

    #[test]
    fn a_call_that_has_its_result_is_over() {
        let started = r#"{"type":"system","subtype":"task_started","task_id":"a","tool_use_id":"u","task_type":"local_bash","is_backgrounded":false}"#;
        let over = r#"{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"u","content":"x"}]}}"#;
        assert_eq!(phases(&[started, over, RESULT]).last(), Some(&Done));
    }

    #[test]
    fn the_state_of_a_session_says_whether_claude_is_at_work() {
        let state = |state: &str| {
            format!(r#"{{"type":"system","subtype":"session_state_changed","state":"{state}"}}"#)
        };
        let (running, idle) = (state("running"), state("idle"));
        let (started, ended) = (started("a", "local_agent"), ended("a"));
        let lines = [&*started, RESULT, &*idle, &*ended, &*idle];
        assert_eq!(phases(&lines)[1..], [Agents, Agents, Settling, Done]);
        assert_eq!(phases(&[RESULT, &running, RESULT, &idle]), [Done, Turn, Done, Done]);
    }
}
