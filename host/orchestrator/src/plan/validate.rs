use super::id::reserved;
use cyrus_core::{Plan, PlannedTask};
use cyrus_executor::TaskId;
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
};

/// How large a plan may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Tasks.
    pub max_tasks: usize,
    /// Tasks that have to be done one after the other.
    pub max_depth: usize,
    /// Bytes of one task's prompt.
    pub max_prompt_bytes: usize,
    /// Bytes of all prompts together.
    pub max_total_bytes: usize,
}

impl Default for PlanLimits {
    /// 100 tasks, 25 one after the other, 2 MiB for a prompt and 16 MiB for all.
    fn default() -> Self {
        Self { max_tasks: 100, max_depth: 25, max_prompt_bytes: 2 << 20, max_total_bytes: 16 << 20 }
    }
}

/// Why a plan cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// There is nothing to do.
    #[error("it has no tasks: write at least one")]
    Empty,
    /// More tasks than allowed.
    #[error("it has {count} tasks, and {max} are allowed: make fewer of them, or several issues")]
    TooManyTasks {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// More tasks one after the other than allowed.
    #[error(
        "{depth} of its tasks have to be done one after the other, up to {last}, and {max} are allowed: let some of them be done side by side"
    )]
    TooDeep {
        /// How many there are.
        depth: usize,
        /// How many there may be.
        max: usize,
        /// The task at the end.
        last: TaskId,
    },
    /// Two tasks of one name. Capitals and small letters are the same, because file systems may think so.
    #[error("two tasks are called {0}: give each a name of its own")]
    Duplicate(TaskId),
    /// A name that is needed for tasks that are added later.
    #[error("a task cannot be called {0}: {because}", because = .1)]
    Reserved(TaskId, &'static str),
    /// A task waits for one that is not there.
    #[error("{task} comes after {after}, and there is no such task")]
    UnknownDependency {
        /// Who waits.
        task: TaskId,
        /// For whom.
        after: String,
    },
    /// Tasks that wait for each other.
    #[error("its tasks wait for each other: {}", cycle(.0))]
    Cycle(Vec<TaskId>),
    /// A task that does not say what to do.
    #[error("{0} does not say what is to be done: it needs a prompt")]
    NoPrompt(TaskId),
    /// A task without a kind.
    #[error("{0} has no kind: write builder, debugger, scoper, orchestrator or another word")]
    NoKind(TaskId),
    /// A prompt that is too long.
    #[error("the prompt of {task} has {bytes} bytes, and {max} are allowed: shorten it")]
    PromptTooLong {
        /// Whose.
        task: TaskId,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// Prompts that are too long together.
    #[error("its prompts have {bytes} bytes together, and {max} are allowed: shorten them")]
    TooLong {
        /// How long they are.
        bytes: usize,
        /// How long they may be.
        max: usize,
    },
}

fn cycle(tasks: &[TaskId]) -> String {
    let names: Vec<_> = tasks.iter().chain(tasks.first()).map(TaskId::as_str).collect();
    names.join(" → ")
}

/// The plan with each task behind those it comes after, and otherwise in the order it was given; each dependency
/// once. An error says why it cannot be followed.
pub fn validate(plan: &Plan, limits: &PlanLimits) -> Result<Plan, PlanProblem> {
    let tasks = &plan.tasks;
    if tasks.is_empty() {
        return Err(PlanProblem::Empty);
    }
    if tasks.len() > limits.max_tasks {
        return Err(PlanProblem::TooManyTasks { count: tasks.len(), max: limits.max_tasks });
    }
    check_each(tasks, limits)?;
    let before = dependencies(tasks)?;
    let order = order(&before).map_err(|cycle| {
        PlanProblem::Cycle(cycle.into_iter().map(|at| tasks[at].id().clone()).collect())
    })?;
    check_depth(tasks, &before, &order, limits)?;
    let sorted = order.into_iter().map(|at| {
        let after = before[at].iter().map(|dependency| tasks[*dependency].id().clone()).collect();
        PlannedTask { after, ..tasks[at].clone() }
    });
    Ok(Plan { source: plan.source, note: plan.note.clone(), tasks: sorted.collect() })
}

/// What can be said of each task by itself.
fn check_each(tasks: &[PlannedTask], limits: &PlanLimits) -> Result<(), PlanProblem> {
    let mut names = BTreeSet::new();
    let mut total = 0;
    for task in tasks {
        let id = task.id().clone();
        if !names.insert(id.as_str().to_ascii_lowercase()) {
            return Err(PlanProblem::Duplicate(id));
        }
        if let Some(because) = reserved(&id) {
            return Err(PlanProblem::Reserved(id, because));
        }
        if task.task.prompt.trim().is_empty() {
            return Err(PlanProblem::NoPrompt(id));
        }
        if task.kind().as_str().trim().is_empty() {
            return Err(PlanProblem::NoKind(id));
        }
        let bytes = task.task.prompt.len();
        if bytes > limits.max_prompt_bytes {
            return Err(PlanProblem::PromptTooLong {
                task: id,
                bytes,
                max: limits.max_prompt_bytes,
            });
        }
        total += bytes;
    }
    if total > limits.max_total_bytes {
        return Err(PlanProblem::TooLong { bytes: total, max: limits.max_total_bytes });
    }
    Ok(())
}

/// The places of the tasks that each task comes after, each once, in the order given.
fn dependencies(tasks: &[PlannedTask]) -> Result<Vec<Vec<usize>>, PlanProblem> {
    let places: HashMap<&TaskId, usize> =
        tasks.iter().enumerate().map(|(at, task)| (task.id(), at)).collect();
    let of_task = |task: &PlannedTask| {
        let mut seen = BTreeSet::new();
        let mut before = Vec::new();
        for id in &task.after {
            let Some(at) = places.get(id) else {
                let after = id.to_string();
                return Err(PlanProblem::UnknownDependency { task: task.id().clone(), after });
            };
            if seen.insert(*at) {
                before.push(*at);
            }
        }
        Ok(before)
    };
    tasks.iter().map(of_task).collect()
}

/// The places in an order in which each comes behind those before it, and otherwise as given; else a cycle.
fn order(before: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut behind = vec![Vec::new(); before.len()];
    let mut open: Vec<usize> = before.iter().map(Vec::len).collect();
    for (at, dependencies) in before.iter().enumerate() {
        for dependency in dependencies {
            behind[*dependency].push(at);
        }
    }
    let free = open.iter().enumerate().filter(|(_, open)| **open == 0);
    let mut free: BinaryHeap<_> = free.map(|(at, _)| Reverse(at)).collect();
    let mut order = Vec::with_capacity(before.len());
    while let Some(Reverse(at)) = free.pop() {
        order.push(at);
        for next in &behind[at] {
            open[*next] -= 1;
            if open[*next] == 0 {
                free.push(Reverse(*next));
            }
        }
    }
    if order.len() == before.len() { Ok(order) } else { Err(find_cycle(before, &open)) }
}

/// A cycle, from a task that is still open: each of those waits for another, so following that leads into one.
fn find_cycle(before: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let mut path = Vec::new();
    let mut place = vec![None; before.len()];
    let mut at = open.iter().position(|open| *open > 0);
    while let Some(here) = at {
        if let Some(begin) = place[here] {
            path.drain(..begin);
            break;
        }
        place[here] = Some(path.len());
        path.push(here);
        at = before[here].iter().copied().find(|next| open[*next] > 0);
    }
    path
}

fn check_depth(
    tasks: &[PlannedTask],
    before: &[Vec<usize>],
    order: &[usize],
    limits: &PlanLimits,
) -> Result<(), PlanProblem> {
    let mut depth = vec![0_usize; tasks.len()];
    for at in order {
        depth[*at] = 1 + before[*at].iter().map(|d| depth[*d]).max().unwrap_or(0);
    }
    let deepest = order.iter().copied().max_by_key(|at| (depth[*at], Reverse(*at)));
    match deepest {
        Some(at) if depth[at] > limits.max_depth => Err(PlanProblem::TooDeep {
            depth: depth[at],
            max: limits.max_depth,
            last: tasks[at].id().clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::test_plan::{plan as plan_of, task},
        *,
    };
    use cyrus_executor::TaskKind;
    use proptest::prelude::*;

    #[test]
    fn validation_names_what_is_wrong() {
        let limits =
            PlanLimits { max_tasks: 3, max_depth: 2, max_prompt_bytes: 10, max_total_bytes: 12 };
        let with = |change: fn(&mut PlannedTask)| {
            let mut task = task("a", &[]);
            change(&mut task);
            vec![task]
        };
        for (tasks, why) in [
            (vec![], "no tasks"),
            (vec![task("a", &[]), task("A", &[])], "two tasks are called A"),
            (vec![task("a", &["b"])], "a comes after b"),
            (vec![task("x.review", &[])], "cannot be called x.review"),
            (vec![task("c", &["a"]), task("a", &["b"]), task("b", &["a"])], "a → b → a"),
            (vec![task("a", &["b"]), task("b", &["c"]), task("c", &[])], "up to a"),
            (["a", "b", "c", "d"].map(|id| task(id, &[])).to_vec(), "4 tasks, and 3"),
            (with(|task| task.task.prompt = "\n ".to_owned()), "a does not say"),
            (with(|task| task.task.kind = TaskKind::new(" ")), "a has no kind"),
            (with(|task| task.task.prompt = "x".repeat(11)), "11 bytes, and 10"),
            (["a", "b", "c"].map(|id| task(id, &[])).to_vec(), "12 bytes together"),
        ] {
            let limits = match why {
                "12 bytes together" => PlanLimits { max_total_bytes: 11, ..limits },
                _ => limits,
            };
            let said = validate(&plan_of(tasks), &limits).unwrap_err().to_string();
            assert!(said.contains(why), "{why}: {said}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_dependencies_and_else_as_given() {
        let given = plan_of(vec![
            task("d", &["b", "c", "b"]),
            task("c", &[]),
            task("e", &[]),
            task("b", &["a"]),
            task("a", &[]),
        ]);
        let sorted = validate(&given, &PlanLimits::default()).unwrap();
        let ids: Vec<_> = sorted.tasks.iter().map(|task| task.id().as_str()).collect();
        assert_eq!(ids, ["c", "e", "a", "b", "d"]);
        assert_eq!(sorted.tasks[4], task("d", &["b", "c"]));
        assert_eq!(validate(&sorted, &PlanLimits::default()), Ok(sorted.clone()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever the edges, a plan is refused or in order, and a refused one names a real cycle.
        #[test]
        fn an_order_is_an_order(edges in proptest::collection::vec((0..12_usize, 0..12_usize), 0..30)) {
            let tasks = (0..12).map(|n| {
                let after: Vec<_> = edges.iter().filter(|(to, _)| *to == n).map(|(_, from)| format!("t{from}")).collect();
                task(&format!("t{n}"), &after.iter().map(String::as_str).collect::<Vec<_>>())
            });
            let given = plan_of(tasks.collect());
            match validate(&given, &PlanLimits::default()) {
                Ok(sorted) => {
                    prop_assert_eq!(sorted.tasks.len(), 12);
                    for (at, task) in sorted.tasks.iter().enumerate() {
                        prop_assert!(task.after.iter().all(|id| sorted.tasks[..at].iter().any(|before| before.id() == id)));
                    }
                }
                Err(PlanProblem::Cycle(cycle)) => {
                    for (at, id) in cycle.iter().enumerate() {
                        let next = &cycle[(at + 1) % cycle.len()];
                        let task = given.tasks.iter().find(|task| task.id() == id).unwrap();
                        prop_assert!(task.after.contains(next));
                    }
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
