use super::{rules::first, *};
use cyrus_core::SubIssue;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn issue(title: &str, body: &str, labels: &[&str]) -> Issue {
    let mut issue = Issue::from_markdown("x").unwrap();
    issue.title = title.to_owned();
    issue.body = body.to_owned();
    issue.labels = labels.iter().map(ToString::to_string).collect();
    issue
}

fn sub_issue(identifier: &str, done: bool) -> SubIssue {
    SubIssue {
        identifier: identifier.to_owned(),
        title: "part".to_owned(),
        body: String::new(),
        labels: vec![],
        blocked_by: vec![],
        done,
    }
}

/// For each built-in rule an issue that it decides. `many-parts` and `sub-issues` are made in the test.
const DECIDED: &[(&str, &str, &str, &[&str])] = &[
    ("label-bug", "Add a flag", "", &["BUG"]),
    ("label-feature", "Fix it", "", &["Improvement"]),
    ("label-prd", "Fix it", "", &["PRD"]),
    ("label-orchestrator", "Fix it", "", &["Orchestrator"]),
    ("sub-issues", "Fix it", "", &[]),
    ("opens-debugger", "CYR-1: Fix: add a flag", "", &[]),
    ("opens-scoper", "Investigate the crash", "", &[]),
    ("opens-orchestrator", "Epic: the crash", "", &[]),
    ("opens-builder", "Add error handling for a crash", "", &[]),
    ("title-debugger", "The parser crashes", "", &[]),
    ("says-debugger", "The parser", "## Steps to reproduce\n1. run it", &[]),
    ("label-small", "Rewrite it", "", &["Good first issue"]),
    ("label-large", "Fix a typo", "", &["epic"]),
    ("kind-orchestrator", "Coordinate a rename", "", &[]),
    ("many-parts", "Fix a typo", "", &[]),
    ("title-large", "Redesign the readme", "", &[]),
    ("long-text", "Fix a typo", "", &[]),
    ("title-small", "Fix a typo", "", &[]),
    ("label-local", "x", "", &["local"]),
    ("says-local", "x", "Look at the uncommitted files.", &[]),
    ("label-isolated", "x", "", &["untrusted"]),
    ("says-isolated", "x", "in an isolated environment", &[]),
    ("label-parallel", "x", "", &["parallel"]),
    ("says-parallel", "x", "These can be done in parallel.", &[]),
    ("label-urgent", "x", "", &["P0"]),
    ("label-high", "x", "", &["p1"]),
    ("label-low", "x", "", &["Low priority"]),
];

fn decided(name: &str) -> Facts {
    let (_, title, body, labels) = DECIDED.iter().find(|row| row.0 == name).unwrap();
    let mut issue = issue(title, body, labels);
    match name {
        "sub-issues" => issue.sub_issues = vec![sub_issue("CYR-2", false)],
        "many-parts" => issue.body = "- [ ] a\n".repeat(8),
        "long-text" => issue.body = "word ".repeat(1_300),
        _ => {}
    }
    let mut facts = Facts::of_issue(&issue);
    facts.kind = Some(kind(&AnalysisRules::default(), &facts, &TaskKind::BUILDER).0);
    facts
}

#[test]
fn each_rule_decides_by_its_name() {
    let rules = AnalysisRules::default();
    let names: Vec<_> = rules.names().collect();
    assert_eq!(names, DECIDED.iter().map(|row| row.0).collect::<Vec<_>>());
    for name in names {
        let facts = decided(name);
        let found = [
            first(&rules.kinds, &facts).map(|(_, because)| because),
            first(&rules.complexities, &facts).map(|(_, because)| because),
            first(&rules.urgencies, &facts).map(|(_, because)| because),
            rules.needs.iter().find(|rule| rule.name == name).and_then(|rule| rule.because(&facts)),
        ];
        let prefix = format!("{name}: ");
        let decides = found.iter().flatten().any(|because| because.starts_with(&prefix));
        assert!(decides, "{name} does not decide: {found:?}");
    }
}

#[test]
fn each_rule_is_documented() {
    let documented = include_str!("../../../../docs/analysis.md");
    for name in AnalysisRules::default().names() {
        assert!(documented.contains(&format!("`{name}`")), "docs/analysis.md does not name {name}");
    }
}

#[test]
fn the_kind_is_found_in_the_order_of_the_rules() {
    let prompts = BTreeMap::from([
        ("builder".to_owned(), vec!["Chore".to_owned()]),
        ("debugger".to_owned(), vec!["Incident".to_owned()]),
        ("graphite".to_owned(), vec!["Graphite".to_owned()]),
        ("translator".to_owned(), vec!["i18n".to_owned()]),
    ]);
    let rules = AnalysisRules::with_label_prompts(&prompts);
    for (labels, kind, because) in [
        (&["Chore", "incident"][..], "debugger", "configured-debugger"),
        (&["Bug", "chore"], "builder", "configured-builder"),
        (
            &["graphite", "orchestrator", "chore"],
            "orchestrator",
            "configured-graphite-orchestrator",
        ),
        (&["graphite"], "builder", "opens-builder"),
        (&["I18N"], "translator", "configured-translator"),
        (&["Bug"], "debugger", "label-bug"),
        (&["orchestrator"], "orchestrator", "label-orchestrator"),
        (&[], "builder", "opens-builder"),
    ] {
        let found = analyse(&issue("Add it", "", labels), &rules);
        assert_eq!(found.kind.as_str(), kind, "{labels:?}");
        assert!(found.because.starts_with(because), "{labels:?}: {}", found.because);
    }
    let none = analyse(&issue("It", "", &[]), &rules);
    assert_eq!(
        (none.kind, none.because.as_str()),
        (TaskKind::BUILDER, "default: no rule applies, so builder")
    );
}

#[test]
fn what_is_done_is_no_reason_to_coordinate() {
    let mut done = issue("Add it", "", &[]);
    done.sub_issues = vec![sub_issue("CYR-2", true)];
    assert_eq!(analyse(&done, &AnalysisRules::default()).kind, TaskKind::BUILDER);
}

#[test]
fn an_issue_is_read_whole() {
    let mut given = issue(
        "Rename the flag [agent=alpha]",
        "It needs my uncommitted files. [strategy=nothing]\n\nBlocked by CYR-9 and CYR-2.\n\n\
         ## Done when\n- `cargo test` passes\n- it is documented",
        &["p0"],
    );
    given.identifier = Some("CYR-1".to_owned());
    given.blocked_by = vec!["CYR-7".to_owned(), "CYR-9".to_owned()];
    given.sub_issues =
        vec![SubIssue { title: "x [repo=other]".to_owned(), ..sub_issue("CYR-2", false) }];
    let found = analyse(&given, &AnalysisRules::default());
    assert_eq!(found.kind, TaskKind::ORCHESTRATOR);
    assert_eq!(found.complexity, Complexity::High);
    assert_eq!(found.needs, Needs { local_context: true, ..Needs::default() });
    assert_eq!(found.urgency, Urgency::Urgent);
    assert_eq!(found.blockers, ["CYR-7", "CYR-9"]);
    assert_eq!(found.tags.agent.as_deref(), Some("alpha"));
    assert_eq!(acceptance::commands(&found.acceptance)[0].command, "cargo test");
    assert_eq!(acceptance::commands(&found.acceptance).len(), 1);
    assert_eq!(found.acceptance.len(), 2);
    assert!(found.problems[0].contains("strategy=nothing"), "{:?}", found.problems);
    assert!(found.problems[1].starts_with("CYR-2: "), "{:?}", found.problems);
    given.urgency = Some(Urgency::Low);
    assert_eq!(analyse(&given, &AnalysisRules::default()).urgency, Urgency::Low);
}

#[test]
fn a_long_issue_is_read_in_part_and_that_is_said() {
    let found = analyse(
        &issue("x", &format!("{}\n[agent=a]", "é".repeat(MAX_TEXT_BYTES)), &[]),
        &AnalysisRules::default(),
    );
    assert_eq!(found.tags.agent, None);
    assert!(found.problems[0].contains("1024 KiB"), "{:?}", found.problems);
}

/// Texts that would be slow if anything were read more than a few times.
#[test]
fn a_hostile_text_is_read_in_bounds() {
    let rules = AnalysisRules::default();
    for piece in [
        "[agent=",
        "`",
        "blocked by ",
        "blocked by CYR-1 ",
        "- [ ] a\n",
        "\t- [ ] after #1-#999999\n",
        "#",
        "```\n",
        "<!--",
        "**",
        "Done when:\n- `x` passes\n",
        "\\[",
        "[[[[agent=a]",
        "- ",
        "in parallelx ",
        "\u{202e}",
    ] {
        let found = analyse(&issue(&piece.repeat(100), &piece.repeat(40_000), &[piece]), &rules);
        assert!(found.problems.len() <= MAX_PROBLEMS && found.blockers.len() <= MAX_BLOCKERS);
        assert!(found.acceptance.len() <= 64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_panics(title in "\\PC{0,80}", body in any::<String>(), pieces in proptest::collection::vec(0..14_usize, 0..60)) {
        let parts = [
            "\n", "- [ ] ", "  ", "after #2", "`", "[agent=", "]", "é", "\t", "**", "Done when:", "depends on ", "CYR-1", "```",
        ];
        let made: String = pieces.iter().map(|piece| parts[*piece]).collect();
        let rules = AnalysisRules::default();
        let found = analyse(&issue(&title, &format!("{made}{body}{made}"), &[&title]), &rules);
        let json = serde_json::to_value(&found).unwrap();
        prop_assert_eq!(serde_json::from_value::<Analysis>(json).unwrap(), found);
    }
}
