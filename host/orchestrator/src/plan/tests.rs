use super::{
    test_plan::{plan as plan_of, task},
    *,
};
use crate::analyse::analyse;
use cyrus_core::{CommandOrigin, Complexity, PlannedCommand, SubIssue, TaskOrigin};
use proptest::prelude::*;
use serde_json::json;

fn issue(body: &str) -> Issue {
    let mut issue = Issue::from_markdown("Make it good").unwrap();
    issue.body = body.to_owned();
    issue
}

fn ready(issue: &Issue) -> Plan {
    let settings = PlanSettings::default();
    match plan(issue, &analyse(issue, &settings.rules), None, &settings) {
        Planning::Ready(plan) => plan,
        asked @ Planning::Ask { .. } => panic!("{asked:?}"),
    }
}

/// The tasks as `id kind: title < what before`.
fn shown(plan: &Plan) -> Vec<String> {
    let line = |task: &PlannedTask| {
        let after: Vec<_> = task.after.iter().map(TaskId::as_str).collect();
        let after =
            if after.is_empty() { String::new() } else { format!(" < {}", after.join(" ")) };
        format!("{} {}: {}{after}", task.id(), task.kind(), task.task.title)
    };
    plan.tasks.iter().map(line).collect()
}

fn of_issue(command: &str) -> PlannedCommand {
    PlannedCommand { command: command.to_owned(), origin: CommandOrigin::Issue }
}

#[test]
fn an_issue_without_parts_is_one_task() {
    let issue = issue("as follows\n\nDone when `cargo test` passes");
    let plan = ready(&issue);
    assert_eq!((plan.source, plan.note.as_ref()), (PlanSource::Single, None));
    assert_eq!(shown(&plan), ["t1 builder: Make it good"]);
    assert_eq!(plan.tasks[0].task.prompt, issue.text());
    assert_eq!(plan.tasks[0].acceptance, [of_issue("cargo test")]);
}

#[test]
fn a_checklist_is_a_plan() {
    let plan = ready(&issue(
        "Intro [model=big]\n\n\
         - [ ] Write the parser\n\
         - [x] Choose a name\n\
         - [ ] Fix the crash (after #1)\n\
         * [ ] Document it, after 1, 2 and 3 [agent=alpha]\n\
         - [ ] Bring it together\n\
         \x20 - [ ] Rename the flag\n\
         \x20 - notes\n\
         \x20   - [ ] Write the tests (depends on #6)\n\n\
         ```\n- [ ] not this\n```\n\
         ## Acceptance criteria\n- [ ] nor this\n",
    ));
    assert_eq!((plan.source, plan.note.as_ref()), (PlanSource::Checklist, None));
    assert_eq!(
        shown(&plan),
        [
            "t1 builder: Write the parser",
            "t3 debugger: Fix the crash < t1",
            "t4 builder: Document it < t1 t3",
            "t6 builder: Rename the flag",
            "t7 builder: Write the tests < t6",
            "t5 orchestrator: Bring it together < t6 t7",
        ]
    );
    let (parser, documents) = (&plan.tasks[0], &plan.tasks[2]);
    assert_eq!((parser.executor.as_deref(), parser.model.as_deref()), (None, Some("big")));
    assert_eq!(documents.executor.as_deref(), Some("alpha"));
    assert_eq!(plan.tasks[3].complexity, Complexity::Low);
    let prompt = &documents.task.prompt;
    assert!(
        prompt.starts_with("Document it\n") && prompt.contains("- Fix the crash\n"),
        "{prompt}"
    );
    assert!(prompt.contains("The issue:\n\nMake it good\n\nIntro"), "{prompt}");
    assert!(plan.tasks[5].task.prompt.contains("see that they work together"));
}

#[test]
fn what_stands_under_an_item_is_its_own() {
    let plan = ready(&issue(
        "Needs the uncommitted files.\n- [ ] a\n  in detail\n\n      let code;\n  Done when:\n  - [ ] `make a` passes\n- [ ] b\n  in an isolated environment\nend",
    ));
    let [a, b] = &plan.tasks[..] else { panic!("{plan:?}") };
    assert!(
        a.task.prompt.starts_with("a\n\nin detail\n\n    let code;\nDone when:"),
        "{}",
        a.task.prompt
    );
    assert_eq!(a.acceptance, [of_issue("make a")]);
    assert!(b.acceptance.is_empty() && b.needs.isolation && !a.needs.isolation);
    assert!(a.needs.local_context && b.needs.local_context);
}

#[test]
fn what_an_item_waits_for_its_parts_wait_for() {
    let plan = ready(&issue(
        "- [ ] a\n- [ ] b after #1 and #4\n  - [x] c\n    - [ ] d\n  - [ ] e after #4\n- [ ] f",
    ));
    let expected = [
        "t1 builder: a",
        "t4 builder: d < t1",
        "t5 builder: e < t1 t4",
        "t2 orchestrator: b < t1 t4 t5",
        "t6 builder: f",
    ];
    assert_eq!(shown(&plan), expected);
}

#[test]
fn an_item_may_go_on_in_the_next_line() {
    let plan = ready(&issue(
        "- [ ] a\r\n- [ ] b\r\n- [ ] c and so\r\n  on (after #1)\r\n\r\n  Depends on #2.\r\n",
    ));
    assert_eq!(shown(&plan)[2], "t3 builder: c and so < t1 t2");
}

#[test]
fn only_an_order_is_an_order() {
    for (text, title, after) in [
        ("x after #1", "x", &["t1"][..]),
        ("x (After: #1 & #2)", "x", &["t1", "t2"]),
        ("x, after 1-2", "x", &["t1", "t2"]),
        ("x blocked by #1, then more", "x , then more", &["t1"]),
        ("retry after 2 seconds", "retry after 2 seconds", &[]),
        ("give up after 9", "give up after 9", &[]),
        ("the day after", "the day after", &[]),
        ("hereafter #1", "hereafter #1", &[]),
        ("after #1", "after #1", &["t1"]),
    ] {
        let plan = ready(&issue(&format!("- [ ] a\n- [ ] b\n- [ ] {text}")));
        assert_eq!(plan.tasks[2].task.title, title, "{text}");
        let found: Vec<_> = plan.tasks[2].after.iter().map(TaskId::as_str).collect();
        assert_eq!(found, after, "{text}");
    }
}

#[test]
fn a_checklist_that_cannot_be_followed_is_one_task_and_says_why() {
    let deep: String = (0..40).flat_map(|n| ["  ".repeat(n), "- [ ] x\n".to_owned()]).collect();
    for (body, why) in [
        ("- [ ] a after #2\n- [ ] b after #1".to_owned(), "t1 → t2 → t1"),
        ("- [ ] a after #1".to_owned(), "t1 → t1"),
        ("- [ ] a\n  - [ ] b after #1".to_owned(), "t1 → t2 → t1"),
        ("- [ ] a after #7".to_owned(), "t1 comes after number 7"),
        ("- [ ] a after #1-#999999".to_owned(), "number 999999"),
        ("- [ ] a\n".repeat(101), "101 tasks, and 100 are allowed"),
        (deep, "40 of its tasks"),
    ] {
        let issue = issue(&body);
        let plan = ready(&issue);
        let note = plan.note.clone().unwrap_or_default();
        assert!(
            note.contains(why) && note.starts_with("the checklist cannot be followed"),
            "{note}"
        );
        assert_eq!((plan.source, plan.tasks.len()), (PlanSource::Single, 1));
        assert_eq!(plan.tasks[0].task.prompt, issue.text());
    }
    let done = ready(&issue("- [x] a\n- [X] b"));
    assert_eq!((done.source, done.note), (PlanSource::Single, None));
}

#[test]
fn an_item_that_is_like_a_box_is_counted_or_named() {
    let titles = |plan: &Plan| -> Vec<String> {
        plan.tasks.iter().map(|task| task.task.title.clone()).collect()
    };
    let sloppy = ready(&issue("- [ ] Add a\n- [] Add b\n-[ ] Add c\n- [ ]Add d"));
    assert_eq!(titles(&sloppy), ["Add a", "Add b", "Add c", "Add d"]);
    assert_eq!(sloppy.note, None);
    let mixed = ready(&issue("- [ ] Add a\n  * ( ) or a2\n* ( ) Add b\n* [_] Add c"));
    assert_eq!(titles(&mixed), ["Add a"]);
    let note = mixed.note.unwrap_or_default();
    assert!(note.contains("is not counted") && note.contains("\"( ) Add b\""), "{note}");
    assert!(note.contains("\"[_] Add c\"") && !note.contains("a2"), "{note}");
    let alone = ready(&issue("* ( ) Add b"));
    assert_eq!((alone.source, alone.note), (PlanSource::Single, None));
    let jira = ready(&issue("- [ ] Add a\n{code}\n- [ ] Add b\n{code}\n- [ ] Add c"));
    assert_eq!(titles(&jira), ["Add a", "Add c"]);
}

fn sub(identifier: &str, title: &str, blocked_by: &[&str]) -> SubIssue {
    SubIssue {
        identifier: identifier.to_owned(),
        title: title.to_owned(),
        body: "Done when `make x` passes".to_owned(),
        labels: vec![],
        blocked_by: blocked_by.iter().map(ToString::to_string).collect(),
        done: false,
    }
}

#[test]
fn sub_issues_are_a_plan() {
    let mut issue = issue("- [ ] not a plan");
    issue.sub_issues = vec![
        sub("CYR-4", "Write docs [agent=alpha]", &["CYR-3", "CYR-2", "OPS-1"]),
        SubIssue { done: true, ..sub("CYR-2", "done", &[]) },
        SubIssue { labels: vec!["Bug".to_owned()], ..sub("CYR-3", "Add it", &[]) },
        sub("org/repo#5", "x", &[]),
        sub("plan", "x", &[]),
    ];
    let plan = ready(&issue);
    assert_eq!(plan.source, PlanSource::SubIssues);
    let expected = [
        "CYR-3 debugger: Add it",
        "CYR-4 builder: Write docs < CYR-3",
        "org-repo-5 builder: x",
        "plan-2 builder: x",
    ];
    assert_eq!(shown(&plan), expected);
    let note = plan.note.unwrap();
    assert!(note.contains("CYR-4 is blocked by OPS-1"), "{note}");
    let docs = &plan.tasks[1];
    assert_eq!(
        (docs.executor.as_deref(), &docs.acceptance[..]),
        (Some("alpha"), &[of_issue("make x")][..])
    );
    assert!(docs.task.prompt.starts_with("CYR-4: Write docs\n"), "{}", docs.task.prompt);
    issue.sub_issues[2].blocked_by = vec!["CYR-4".to_owned()];
    let refused = ready(&issue);
    assert!(refused.note.unwrap().contains("CYR-4 → CYR-3 → CYR-4"));
    let prompt = &refused.tasks[0].task.prompt;
    assert!(
        prompt.contains("Part of it, CYR-3: Add it\n\nDone when") && !prompt.contains("CYR-2"),
        "{prompt}"
    );
}

#[test]
fn a_given_plan_goes_before_everything() {
    let mut issue = issue("- [ ] a [model=m]\n\n[agent=alpha]");
    issue.sub_issues = vec![sub("CYR-2", "x", &[])];
    let settings = PlanSettings { planning: PlanningMode::Always, ..PlanSettings::default() };
    let analysis = analyse(&issue, &settings.rules);
    let given = plan_of(vec![task("b", &["a"]), task("a", &[])]);
    let Planning::Ready(plan) = plan(&issue, &analysis, Some(&given), &settings) else { panic!() };
    assert_eq!(shown(&plan), ["a builder: a", "b builder: b < a"]);
    assert!(plan.tasks.iter().all(|task| task.executor.as_deref() == Some("alpha")));
}

#[test]
fn an_executor_is_asked_where_the_settings_say_so() {
    let issue = issue("[model=big]");
    let rules = AnalysisRules::default();
    for (mode, kind, asks) in [
        (PlanningMode::Never, TaskKind::ORCHESTRATOR, false),
        (PlanningMode::Auto, TaskKind::ORCHESTRATOR, true),
        (PlanningMode::Auto, TaskKind::BUILDER, false),
        (PlanningMode::Always, TaskKind::BUILDER, true),
    ] {
        let analysis = Analysis { kind: kind.clone(), ..analyse(&issue, &rules) };
        let settings = PlanSettings { planning: mode, ..PlanSettings::default() };
        match plan(&issue, &analysis, None, &settings) {
            Planning::Ask { task, schema } => {
                assert!(asks, "{mode:?} {kind}");
                assert_eq!((task.id().as_str(), &task.origin), ("plan", &TaskOrigin::Planning));
                assert_eq!(task.kind(), &TaskKind::ORCHESTRATOR);
                assert!(task.needs.local_context && task.model.as_deref() == Some("big"));
                assert_eq!(schema["properties"]["tasks"]["maxItems"], 100);
            }
            Planning::Ready(plan) => {
                assert!(!asks, "{mode:?} {kind}");
                assert_eq!(plan.tasks[0].kind(), &kind);
            }
        }
    }
    assert_eq!("always".parse(), Ok(PlanningMode::Always));
    assert!(
        "x".parse::<PlanningMode>().unwrap_err().to_string().contains("never, auto and always")
    );
}

#[test]
fn an_answer_becomes_the_plan() {
    let issue = issue("all of it");
    let settings = PlanSettings::default();
    let analysis = analyse(&issue, &settings.rules);
    let answer = json!({ "tasks": [
        { "id": "b.merge", "title": "B", "prompt": "do b", "kind": "builder", "after": ["the api"], "complexity": "low" },
        { "id": "the api", "title": "", "prompt": "fix a\nwell", "extra": 1 },
    ]});
    let plan = from_answer(&issue, &analysis, Some(&answer), &settings);
    assert_eq!((plan.source, plan.note.as_ref()), (PlanSource::PlanningTask, None));
    assert_eq!(shown(&plan), ["the-api debugger: fix a", "b-merge builder: B < the-api"]);
    assert_eq!(plan.tasks[1].complexity, Complexity::Low);
    assert!(
        plan.tasks[1].task.prompt.contains("do b")
            && plan.tasks[1].task.prompt.contains("- fix a\n")
    );
    assert!(plan.tasks.iter().all(|task| task.acceptance.is_empty()));
}

#[test]
fn an_answer_that_is_no_plan_is_one_task_and_says_why() {
    let issue = issue("all of it");
    let settings = PlanSettings::default();
    let analysis = analyse(&issue, &settings.rules);
    let one = |id: &str, after: &[&str]| json!({ "id": id, "prompt": "do", "after": after });
    for (answer, why) in [
        (None, "ended without a plan"),
        (Some(json!(null)), "ended without a plan"),
        (Some(json!([])), "does not follow its schema"),
        (Some(json!({ "tasks": [{ "id": "a" }] })), "missing field `prompt`"),
        (Some(json!({ "tasks": [] })), "it has no tasks"),
        (Some(json!({ "tasks": [one("a", &["b"])] })), "a comes after b"),
        (Some(json!({ "tasks": [one("a", &["b"]), one("b", &["a"])] })), "a → b → a"),
        (Some(json!({ "tasks": [one("a", &[]), one("a", &[])] })), "two tasks are called"),
        (
            Some(json!({ "tasks": [{ "id": "a", "prompt": " " }] })),
            "does not say what is to be done",
        ),
        (Some(json!({ "tasks": vec![one("a", &[]); 101] })), "101 tasks"),
    ] {
        let plan = from_answer(&issue, &analysis, answer.as_ref(), &settings);
        let note = plan.note.clone().unwrap_or_default();
        assert!(note.contains(why), "{why}: {note}");
        assert_eq!(
            (plan.source, shown(&plan)),
            (PlanSource::Single, vec!["t1 builder: Make it good".to_owned()])
        );
    }
}

#[test]
fn a_hostile_issue_is_planned_in_bounds() {
    for piece in [
        "- [ ] a\n",
        "- [ ] after #1-#999999\n",
        "\t- [ ] after #1,#2 \n",
        "after #1 ",
        "- ",
        " - [x] a\n",
        "`",
        "- [ ] after 1, 1, 1, 1\n",
        "Done when:\n",
        "[agent=a] ",
    ] {
        let plan = ready(&issue(&format!("- [ ] {}", piece.repeat(40_000))));
        assert!(plan.tasks.len() <= 100, "{piece}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_panics(body in any::<String>(), pieces in proptest::collection::vec(0..12_usize, 0..80)) {
        let parts = ["\n", "- [ ] ", "  ", "after ", "#2", "`", "[agent=a]", "é", "\t", "- [x] ", "Done when:", "1"];
        let made: String = pieces.iter().map(|piece| parts[*piece]).collect();
        let plan = ready(&issue(&format!("{made}{body}{made}")));
        prop_assert_eq!(validate(&plan, &PlanLimits::default()), Ok(plan.clone()));
        let _ = (mermaid(&plan, |task| task.task.prompt.clone()), dot(&plan, |task| task.task.prompt.clone()));
        let _ = parse_file(&made, &PlanLimits::default());
        let _ = parse_file(&body, &PlanLimits::default());
    }
}
