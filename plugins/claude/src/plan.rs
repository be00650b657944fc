//! Claude's own plan. It writes it with tools: all of it at once, or step by step, as the version goes.

use crate::line::ToolOutput;
use cyrus_sdk::contract::{PlanStep, StepState};
use serde_json::Value;

/// The most steps that are kept.
const MAX_STEPS: usize = 200;

/// The plan as it stands.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    /// Of a step that was made by `TaskCreate`: first the tool call, then the number it was given.
    id: String,
    text: String,
    state: StepState,
}

impl Plan {
    /// Takes note of a tool call. `true`: the plan changed.
    pub(crate) fn tool_use(&mut self, id: &str, tool: &str, input: &Value) -> bool {
        match tool {
            "TodoWrite" => self.replace(input),
            "TaskCreate" => self.create(id, input),
            "TaskUpdate" => self.update(input),
            _ => false,
        }
    }

    /// Takes note of what a tool call gave. A step that was made gets its number there.
    pub(crate) fn tool_output(&mut self, output: &ToolOutput) {
        let Some(at) = self.steps.iter().position(|step| step.id == output.tool_use_id) else {
            return;
        };
        match &output.step {
            Some(number) if !output.is_error => self.steps[at].id.clone_from(number),
            _ => drop(self.steps.remove(at)),
        }
    }

    /// The steps for the event.
    pub(crate) fn steps(&self) -> Vec<PlanStep> {
        self.steps
            .iter()
            .map(|step| PlanStep { text: step.text.clone(), state: step.state })
            .collect()
    }

    fn replace(&mut self, input: &Value) -> bool {
        let Some(todos) = input["todos"].as_array() else { return false };
        let steps = todos.iter().take(MAX_STEPS).map(|todo| Step {
            id: String::new(),
            text: text(&todo["content"]),
            state: state(&todo["status"]).unwrap_or(StepState::Pending),
        });
        self.steps = steps.filter(|step| !step.text.is_empty()).collect();
        true
    }

    fn create(&mut self, id: &str, input: &Value) -> bool {
        let text = text(&input["subject"]);
        let fits = !text.is_empty() && self.steps.len() < MAX_STEPS;
        if fits {
            self.steps.push(Step { id: id.to_owned(), text, state: StepState::Pending });
        }
        fits
    }

    fn update(&mut self, input: &Value) -> bool {
        let id = text(&input["taskId"]);
        let Some(at) = self.steps.iter().position(|step| !id.is_empty() && step.id == id) else {
            return false;
        };
        if input["status"] == "deleted" {
            self.steps.remove(at);
            return true;
        }
        let step = &mut self.steps[at];
        if let Some(state) = state(&input["status"]) {
            step.state = state;
        }
        if let Some(subject) = input["subject"].as_str().filter(|subject| !subject.is_empty()) {
            subject.clone_into(&mut step.text);
        }
        true
    }
}

/// A text, or a number as one.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn state(value: &Value) -> Option<StepState> {
    match value.as_str()? {
        "pending" => Some(StepState::Pending),
        "in_progress" => Some(StepState::InProgress),
        "completed" => Some(StepState::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;
    use serde_json::json;

    fn shown(plan: &Plan) -> Vec<(String, StepState)> {
        plan.steps().into_iter().map(|step| (step.text, step.state)).collect()
    }

    /// What comes back when a step was made, or refused.
    fn made(plan: &mut Plan, tool_use_id: &str, number: &Value, is_error: bool) {
        let line = json!({"type": "user", "tool_use_result": {"task": {"id": number}}, "message":
            {"content": [{"type": "tool_result", "tool_use_id": tool_use_id, "is_error": is_error}]}});
        let Line::User(outputs) = Line::parse(&line.to_string()) else { panic!("{line}") };
        plan.tool_output(&outputs[0]);
    }

    #[test]
    fn a_whole_plan_replaces_the_last() {
        let mut plan = Plan::default();
        let todos = json!({"todos": [
            {"content": "First", "status": "in_progress"}, {"content": "Second", "status": "odd"},
            {"status": "pending"}, 7
        ]});
        assert!(plan.tool_use("t", "TodoWrite", &todos));
        assert_eq!(
            shown(&plan),
            [
                ("First".to_owned(), StepState::InProgress),
                ("Second".to_owned(), StepState::Pending)
            ]
        );
        assert!(plan.tool_use("t", "TodoWrite", &json!({"todos": []})));
        assert!(shown(&plan).is_empty());
        assert!(!plan.tool_use("t", "TodoWrite", &json!({"todos": "none"})));
    }

    #[test]
    fn steps_are_made_changed_and_deleted_by_their_number() {
        let mut plan = Plan::default();
        assert!(plan.tool_use("t1", "TaskCreate", &json!({"subject": "Look"})));
        assert!(plan.tool_use("t2", "TaskCreate", &json!({"subject": "Mend"})));
        assert!(plan.tool_use("t3", "TaskCreate", &json!({"subject": "Refused"})));
        made(&mut plan, "t1", &json!("1"), false);
        made(&mut plan, "t2", &json!(2), false);
        made(&mut plan, "t3", &json!(3), true);
        assert!(plan.tool_use("t4", "TaskUpdate", &json!({"taskId": "2", "status": "completed"})));
        assert!(plan.tool_use("t5", "TaskUpdate", &json!({"taskId": 1, "status": "deleted"})));
        assert!(!plan.tool_use("t6", "TaskUpdate", &json!({"taskId": "9", "status": "completed"})));
        assert!(!plan.tool_use("t7", "Read", &json!({})));
        assert_eq!(shown(&plan), [("Mend".to_owned(), StepState::Completed)]);
    }
}
