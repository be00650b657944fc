//! The built-in rules. Each is documented in `docs/analysis.md` and has a test by its name.

use super::rules::{Need, Rule, When};
use cyrus_core::{Complexity, Urgency};
use cyrus_executor::TaskKind;

/// A rule's name, what it looks for and what follows.
type Row<T> = (&'static str, When, T);

fn table<T, const N: usize>(rows: [Row<T>; N]) -> Vec<Rule<T>> {
    rows.into_iter().map(|(name, when, then)| Rule { name: name.into(), when, then }).collect()
}

fn label(any: &[&'static str]) -> When {
    When::Label(any.iter().map(|label| (*label).into()).collect())
}

/// What kind of work an issue is.
pub(super) fn kinds() -> Vec<Rule<TaskKind>> {
    use TaskKind as Kind;
    table([
        ("label-bug", label(&["bug"]), Kind::DEBUGGER),
        ("label-feature", label(&["feature", "improvement"]), Kind::BUILDER),
        ("label-prd", label(&["prd"]), Kind::SCOPER),
        ("label-orchestrator", label(&["orchestrator"]), Kind::ORCHESTRATOR),
        ("sub-issues", When::SubIssues, Kind::ORCHESTRATOR),
        ("opens-debugger", When::Opens(OPENS_DEBUGGER), Kind::DEBUGGER),
        ("opens-scoper", When::Opens(OPENS_SCOPER), Kind::SCOPER),
        ("opens-orchestrator", When::Opens(OPENS_ORCHESTRATOR), Kind::ORCHESTRATOR),
        ("opens-builder", When::Opens(OPENS_BUILDER), Kind::BUILDER),
        ("title-debugger", When::TitleHas(TITLE_DEBUGGER), Kind::DEBUGGER),
        ("says-debugger", When::Says(SAYS_DEBUGGER), Kind::DEBUGGER),
    ])
}

const OPENS_DEBUGGER: &[&str] =
    &["bug", "crash", "debug", "diagnose", "fix", "fixes", "hotfix", "regression", "repair"];

const OPENS_SCOPER: &[&str] = &[
    "analyse",
    "analyze",
    "assess",
    "evaluate",
    "explore",
    "investigate",
    "plan",
    "prd",
    "propose",
    "research",
    "rfc",
    "scope",
    "specify",
    "spike",
];

const OPENS_ORCHESTRATOR: &[&str] = &["coordinate", "epic", "orchestrate"];

const OPENS_BUILDER: &[&str] = &[
    "add",
    "allow",
    "build",
    "bump",
    "change",
    "chore",
    "clean",
    "create",
    "delete",
    "docs",
    "document",
    "enable",
    "extend",
    "extract",
    "feat",
    "feature",
    "implement",
    "improve",
    "introduce",
    "make",
    "migrate",
    "move",
    "refactor",
    "remove",
    "rename",
    "replace",
    "rewrite",
    "support",
    "test",
    "update",
    "upgrade",
    "use",
    "write",
];

const TITLE_DEBUGGER: &[&str] = &[
    "broken",
    "bug",
    "crash",
    "crashed",
    "crashes",
    "deadlock",
    "exception",
    "fail",
    "failing",
    "fails",
    "flaky",
    "hang",
    "hangs",
    "incorrect",
    "leak",
    "leaks",
    "panic",
    "panics",
    "regression",
    "segfault",
    "wrong",
];

const SAYS_DEBUGGER: &[&str] = &[
    "actual behavior",
    "actual behaviour",
    "actual result",
    "stack trace",
    "steps to reproduce",
    "to reproduce",
    "traceback",
];

/// How much there is to an issue.
pub(super) fn complexities() -> Vec<Rule<Complexity>> {
    use Complexity::{High, Low};
    table([
        (
            "label-small",
            label(&["easy", "good first issue", "size/s", "size/xs", "small", "trivial"]),
            Low,
        ),
        ("label-large", label(&["complex", "epic", "large", "size/l", "size/xl"]), High),
        ("kind-orchestrator", When::Kind(TaskKind::ORCHESTRATOR), High),
        ("many-parts", When::Parts(8), High),
        ("title-large", When::TitleHas(TITLE_LARGE), High),
        ("long-text", When::Long(6_000), High),
        ("title-small", When::TitleHas(TITLE_SMALL), Low),
    ])
}

const TITLE_LARGE: &[&str] =
    &["architecture", "everywhere", "migrate", "migration", "overhaul", "redesign", "rewrite"];

const TITLE_SMALL: &[&str] = &[
    "bump",
    "comment",
    "comments",
    "docs",
    "formatting",
    "lint",
    "readme",
    "rename",
    "spelling",
    "typo",
    "typos",
    "wording",
];

/// What an issue asks of the place it is done in.
pub(super) fn needs() -> Vec<Rule<Need>> {
    table([
        ("label-local", label(&["local", "local-context", "needs-local"]), Need::LocalContext),
        ("says-local", When::Says(SAYS_LOCAL), Need::LocalContext),
        ("label-isolated", label(&["isolated", "isolation", "untrusted"]), Need::Isolation),
        ("says-isolated", When::Says(SAYS_ISOLATED), Need::Isolation),
        ("label-parallel", label(&["parallel"]), Need::Parallelism),
        ("says-parallel", When::Says(SAYS_PARALLEL), Need::Parallelism),
    ])
}

const SAYS_LOCAL: &[&str] = &[
    "local changes",
    "local database",
    "local service",
    "my machine",
    "on this machine",
    "running locally",
    "uncommitted",
];

const SAYS_ISOLATED: &[&str] = &[
    "away from this machine",
    "clean environment",
    "isolated environment",
    "throwaway environment",
    "untrusted code",
];

const SAYS_PARALLEL: &[&str] = &[
    "can be done in parallel",
    "do these in parallel",
    "independently of each other",
    "work on these in parallel",
];

/// How soon an issue is wanted, where its tracker does not say.
pub(super) fn urgencies() -> Vec<Rule<Urgency>> {
    table([
        ("label-urgent", label(&["critical", "p0", "urgent"]), Urgency::Urgent),
        ("label-high", label(&["high priority", "p1", "priority: high"]), Urgency::High),
        ("label-low", label(&["low priority", "p3", "priority: low"]), Urgency::Low),
    ])
}
