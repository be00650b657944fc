//! A plan that a user wrote: `plan.yaml`. `docs/analysis.md` describes it.

use super::validate::{PlanLimits, PlanProblem, validate};
use crate::analyse::{self, AnalysisRules, Facts};
use cyrus_core::{CommandOrigin, Complexity, Needs, Plan, PlanSource, PlannedCommand, PlannedTask};
use cyrus_executor::{InvalidTaskId, Task, TaskId, TaskKind};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// The longest plan file, in bytes.
const MAX_FILE_BYTES: usize = 4 << 20;

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// Longer than is read.
    #[error("the plan is longer than {} KiB", MAX_FILE_BYTES >> 10)]
    TooLong,
    /// Not the YAML or JSON of a plan: misspelled, or with a key that does not exist.
    #[error("{0}")]
    Text(String),
    /// A name that cannot be one.
    #[error("line {line}: {problem}")]
    Name {
        /// Where.
        line: u64,
        /// Why not.
        problem: InvalidTaskId,
    },
    /// A plan that cannot be followed.
    #[error("the plan cannot be followed: {0}")]
    Problem(#[from] PlanProblem),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tasks: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    title: Option<String>,
    kind: Option<String>,
    prompt: String,
    #[serde(default)]
    after: Vec<Spanned<String>>,
    executor: Option<String>,
    model: Option<String>,
    complexity: Option<Complexity>,
    #[serde(default)]
    needs: Option<Vec<NeedWord>>,
    #[serde(default)]
    acceptance: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum NeedWord {
    LocalContext,
    Isolation,
    Parallelism,
}

/// The plan in a file's text: YAML, or JSON, which is YAML too. It is validated, and in order. What a task does not
/// say of itself is found out from its words, as for an issue.
pub fn parse_file(text: &str, limits: &PlanLimits) -> Result<Plan, PlanFileError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(PlanFileError::TooLong);
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| unreadable(&error))?;
    let rules = AnalysisRules::default();
    let tasks = file.tasks.into_iter().map(|entry| entry.planned(&rules));
    let plan =
        Plan { source: PlanSource::File, note: None, tasks: tasks.collect::<Result<_, _>>()? };
    Ok(validate(&plan, limits)?)
}

/// What is wrong and where, in one line.
fn unreadable(error: &serde_saphyr::Error) -> PlanFileError {
    PlanFileError::Text(match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key, location } => format!(
            "the key {} is written twice at line {}, column {}",
            key.as_deref().unwrap_or("here"),
            location.line(),
            location.column()
        ),
        other => other.to_string(),
    })
}

impl Entry {
    fn planned(self, rules: &AnalysisRules) -> Result<PlannedTask, PlanFileError> {
        let id = name(&self.id)?;
        let after = self.after.iter().map(name).collect::<Result<_, _>>()?;
        let title = self.title.unwrap_or_else(|| id.to_string());
        let mut facts = Facts::of_text(&title, &self.prompt, &[]);
        let kind = match self.kind {
            Some(kind) => TaskKind::new(&kind),
            None => analyse::kind(rules, &facts, &TaskKind::BUILDER).0,
        };
        facts.kind = Some(kind.clone());
        let needs = match self.needs {
            Some(words) => stated(&words),
            None => analyse::needs(rules, &facts),
        };
        let complexity = self.complexity.unwrap_or_else(|| analyse::complexity(rules, &facts));
        let mut task = PlannedTask::new(Task { id, kind, title, prompt: self.prompt });
        task.after = after;
        task.complexity = complexity;
        task.needs = needs;
        task.executor = self.executor;
        task.model = self.model;
        let origin = CommandOrigin::PlanFile;
        let command = |command| PlannedCommand { command, origin: origin.clone() };
        task.acceptance = self.acceptance.into_iter().map(command).collect();
        Ok(task)
    }
}

fn name(text: &Spanned<String>) -> Result<TaskId, PlanFileError> {
    let line = text.referenced.line();
    text.value.parse().map_err(|problem| PlanFileError::Name { line, problem })
}

fn stated(words: &[NeedWord]) -> Needs {
    let mut needs = Needs::default();
    for word in words {
        match word {
            NeedWord::LocalContext => needs.local_context = true,
            NeedWord::Isolation => needs.isolation = true,
            NeedWord::Parallelism => needs.parallelism = true,
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Plan, PlanFileError> {
        parse_file(text, &PlanLimits::default())
    }

    #[test]
    fn reads_what_is_documented() {
        let documented = include_str!("../../../../docs/analysis.md");
        let text = documented.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        let plan = parse(text).unwrap();
        let ids: Vec<_> = plan.tasks.iter().map(|task| task.id().as_str()).collect();
        assert_eq!((plan.source, ids), (PlanSource::File, vec!["parser", "crash", "docs"]));
        let [parser, crash, docs] = &plan.tasks[..] else { panic!() };
        assert_eq!(parser.task.title, "Write the parser");
        assert_eq!(parser.complexity, Complexity::High);
        assert_eq!(parser.needs, Needs { local_context: true, ..Needs::default() });
        assert_eq!(
            (parser.executor.as_deref(), parser.model.as_deref()),
            (Some("claude"), Some("opus"))
        );
        let [acceptance] = &parser.acceptance[..] else { panic!() };
        assert_eq!(acceptance.command, "cargo test -p parser");
        assert_eq!(acceptance.origin, CommandOrigin::PlanFile);
        assert_eq!((crash.kind(), crash.task.title.as_str()), (&TaskKind::DEBUGGER, "crash"));
        assert_eq!(docs.after.len(), 2);
    }

    #[test]
    fn json_is_yaml_and_a_number_is_a_name() {
        let plan = parse(
            r#"{"tasks": [{"id": "1", "prompt": "a"}, {"id": "b", "prompt": "c", "after": ["1"]}]}"#,
        );
        assert_eq!(plan.unwrap().tasks[1].after[0].as_str(), "1");
        let plan = parse("tasks:\n- {id: 1, prompt: a}\n- {id: 2, prompt: b, after: [1]}").unwrap();
        assert_eq!(plan.tasks[1].after[0].as_str(), "1");
    }

    #[test]
    fn an_error_says_where_and_what() {
        for (text, said) in [
            ("tasks:\n  - id: a\n    prompt: x\n    promt: y", &["line 4", "promt"][..]),
            ("task: []", &["line 1", "`task`", "expected one of tasks"]),
            ("tasks:\n  - prompt: x", &["id"]),
            ("tasks:\n  - id: a", &["prompt"]),
            ("tasks:\n  - id: a b\n    prompt: x", &["line 2", "\"a b\""]),
            ("tasks:\n  - id: a\n    prompt: x\n    after: ['../b']", &["line 4", "../b"]),
            (
                "tasks:\n  - id: a\n    prompt: x\n    complexity: huge",
                &["line 4", "huge", "medium"],
            ),
            ("tasks:\n  - id: a\n    prompt: x\n    id: b", &["line 4", "key id is written twice"]),
            ("tasks: [", &["line 1"]),
            ("tasks: []", &["no tasks"]),
            ("", &["line 1", "unexpected end"]),
            ("tasks:\n- {id: a, prompt: x, after: [a]}", &["a → a"]),
            ("tasks:\n- {id: plan, prompt: x}", &["cannot be called plan"]),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(said.iter().all(|part| error.contains(part)), "{text}\n{error}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (this, last) in ('b'..='j').zip('a'..) {
            let nine = vec![format!("*{last}"); 9].join(", ");
            bomb = format!("{bomb}{this}: &{this} [{nine}]\n");
        }
        assert!(parse(&format!("{bomb}tasks: *j\n")).is_err());
        assert!(parse(&"[".repeat(1 << 20)).is_err());
        assert_eq!(parse(&" ".repeat(MAX_FILE_BYTES + 1)), Err(PlanFileError::TooLong));
    }
}
