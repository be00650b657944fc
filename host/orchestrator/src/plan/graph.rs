use cyrus_core::{Plan, PlannedTask};
use cyrus_executor::TaskId;
use std::{collections::HashMap, fmt::Write as _, time::Duration};

/// The longest label that is drawn, in characters.
const LABEL_CHARS: usize = 300;

/// The tasks that decide how long the plan takes when everything that can be is done at once, and how long that
/// is. The plan is one that was validated: each task stands behind those it comes after.
pub fn critical_path(
    plan: &Plan,
    duration: impl Fn(&PlannedTask) -> Duration,
) -> (Vec<TaskId>, Duration) {
    let mut ends: Vec<(Duration, Option<usize>)> = Vec::with_capacity(plan.tasks.len());
    let mut places: HashMap<&TaskId, usize> = HashMap::new();
    let mut last: Option<usize> = None;
    for (at, task) in plan.tasks.iter().enumerate() {
        let before = task.after.iter().filter_map(|id| places.get(id).copied());
        let latest = before.fold(None, |latest: Option<usize>, at| match latest {
            Some(other) if ends[other].0 >= ends[at].0 => latest,
            _ => Some(at),
        });
        let begins = latest.map_or(Duration::ZERO, |at| ends[at].0);
        ends.push((begins.saturating_add(duration(task)), latest));
        places.insert(task.id(), at);
        if last.is_none_or(|last| ends[at].0 > ends[last].0) {
            last = Some(at);
        }
    }
    let total = last.map_or(Duration::ZERO, |at| ends[at].0);
    let mut path = Vec::new();
    while let Some(at) = last {
        path.push(plan.tasks[at].id().clone());
        last = ends[at].1;
    }
    path.reverse();
    (path, total)
}

/// The plan as a Mermaid flowchart. A label may be anything: what Mermaid would understand is written as numbers;
/// lines stay lines.
pub fn mermaid(plan: &Plan, label: impl Fn(&PlannedTask) -> String) -> String {
    let mut drawn = String::from("flowchart LR\n");
    draw(plan, |line| match line {
        Line::Task(at, task) => {
            let _ = writeln!(drawn, "  n{at}[\"{}\"]", escape(&label(task), mermaid_char));
        }
        Line::After(from, to) => {
            let _ = writeln!(drawn, "  n{from} --> n{to}");
        }
    });
    drawn
}

/// The plan as a graph for Graphviz. A label may be anything; lines stay lines.
pub fn dot(plan: &Plan, label: impl Fn(&PlannedTask) -> String) -> String {
    let mut drawn = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
    draw(plan, |line| match line {
        Line::Task(at, task) => {
            let _ = writeln!(drawn, "  n{at} [label=\"{}\"];", escape(&label(task), dot_char));
        }
        Line::After(from, to) => {
            let _ = writeln!(drawn, "  n{from} -> n{to};");
        }
    });
    drawn.push_str("}\n");
    drawn
}

enum Line<'a> {
    Task(usize, &'a PlannedTask),
    After(usize, usize),
}

/// Every task, then every dependency that is a task. Tasks are numbered from 1: their names could be words of the
/// language.
fn draw<'a>(plan: &'a Plan, mut line: impl FnMut(Line<'a>)) {
    let numbers: HashMap<&TaskId, usize> =
        plan.tasks.iter().map(PlannedTask::id).zip(1..).collect();
    for (task, number) in plan.tasks.iter().zip(1..) {
        line(Line::Task(number, task));
    }
    for (task, number) in plan.tasks.iter().zip(1..) {
        for before in task.after.iter().filter_map(|id| numbers.get(id)) {
            line(Line::After(*before, number));
        }
    }
}

/// A label in another language, cut, without what changes the direction of text or controls a terminal.
fn escape(label: &str, char: impl Fn(char, &mut String)) -> String {
    let mut escaped = String::new();
    let unseen = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    for c in label.trim().chars().filter(|c| !unseen(*c)).take(LABEL_CHARS) {
        char(c, &mut escaped);
    }
    escaped
}

fn mermaid_char(c: char, into: &mut String) {
    match c {
        '\n' => into.push_str("<br/>"),
        c if c.is_alphanumeric() || " .,:-_/()+=!?'…→·".contains(c) => into.push(c),
        c => {
            let _ = write!(into, "#{};", u32::from(c));
        }
    }
}

fn dot_char(c: char, into: &mut String) {
    match c {
        '\n' => into.push_str("\\n"),
        '"' | '\\' => into.extend(['\\', c]),
        c => into.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_plan::{plan, task},
        *,
    };

    #[test]
    fn the_critical_path_is_the_longest() {
        let plan = plan(vec![
            task("a", &[]),
            task("b", &["a"]),
            task("c", &["a"]),
            task("d", &["b", "c"]),
            task("e", &[]),
        ]);
        let seconds = |task: &PlannedTask| {
            Duration::from_secs(match task.id().as_str() {
                "c" => 10,
                "e" => 11,
                _ => 1,
            })
        };
        let (path, total) = critical_path(&plan, seconds);
        let path: Vec<_> = path.iter().map(TaskId::as_str).collect();
        assert_eq!((path, total), (vec!["a", "c", "d"], Duration::from_secs(12)));
        let (path, _) = critical_path(&plan, |_| Duration::MAX);
        assert_eq!(path.len(), 1, "nothing is longer than the first that is as long as can be");
        let empty = super::super::test_plan::plan(vec![]);
        assert_eq!(critical_path(&empty, seconds), (vec![], Duration::ZERO));
    }

    #[test]
    fn a_hostile_label_stays_a_label() {
        let hostile = "a\"] --> x[\"b`\n<script>{|}\\n#quot; \u{202e}\u{1b}[31m";
        let plan = plan(vec![task("end", &[]), task("b", &["end"])]);
        let drawn = mermaid(&plan, |_| hostile.to_owned());
        let lines: Vec<_> = drawn.lines().collect();
        let node = "[\"a#34;#93; --#62; x#91;#34;b#96;<br/>#60;script#62;#123;#124;#125;#92;n#35;quot#59; #91;31m\"]";
        assert_eq!(
            lines,
            ["flowchart LR", &format!("  n1{node}"), &format!("  n2{node}"), "  n1 --> n2"]
        );
        let drawn = dot(&plan, |_| hostile.to_owned());
        assert!(
            drawn.contains(r#"n1 [label="a\"] --> x[\"b`\n<script>{|}\\n#quot; [31m"];"#),
            "{drawn}"
        );
        assert!(drawn.contains("  n1 -> n2;\n}\n"));
        assert_eq!(drawn.lines().count(), 7);
    }
}
