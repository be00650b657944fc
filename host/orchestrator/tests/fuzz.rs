//! Fuzz targets: what reads issues, checklists, acceptance criteria, tags and plan files.

use cyrus_core::Issue;
use cyrus_fuzz::fuzz_text;
use cyrus_orchestrator::{
    AnalysisRules, PlanLimits, PlanSettings, Planning, analyse, parse_file, plan,
};

const ISSUES: &[&str] = &[
    "# Fix the parser [agent=claude] [model=opus]\n\nIt drops tabs. Blocked by CYR-12, depends on #3 and CYR-4.\n\n\
     ## Acceptance criteria\n\n- [ ] `cargo test` passes\n- the flag\n  is documented\n\nDone when `make` succeeds.\n",
    "Two things\n\n- [ ] Write the parser (after #2)\n  Done when `true` is green\n- [x] Choose a name\n- [ ] Bring it together\n  \
     - [ ] Rename, after 1, 3\n    - [ ] Deeper [model=x]\n* [ ] Star\n1. [ ] Number\n",
    "\u{feff}---\ntitle: x\n---\n# Title\n\n<!-- Done when `x` passes -->\n\n```sh\n- [ ] no box\n```\n~~~~\nx\n~~~~\n\tcode\n\n| a | b |\n",
    "\\[repo=acme/app#main\\] [repos=a,b] [strategy=hybrid-smart] `[agent=x]` **Acceptance criteria:**\n- Run `make check`\n",
];

const PLANS: &[&str] = &[
    "tasks:\n  - id: parser\n    title: Write it\n    kind: builder\n    prompt: |\n      Write a parser.\n    needs: [local-context]\n    \
     complexity: high\n    acceptance: [cargo test]\n  - id: docs\n    prompt: &p Describe.\n    after: [parser]\n  - {id: b, prompt: *p, executor: claude}\n",
    "{\"tasks\": [{\"id\": \"a\", \"prompt\": \"x\", \"after\": []}]}",
];

#[test]
fn fuzz_an_issue_is_analysed_and_planned_whatever_it_says() {
    let (rules, settings) = (AnalysisRules::default(), PlanSettings::default());
    fuzz_text(ISSUES, |text| {
        let Ok(issue) = Issue::from_markdown(text) else { return };
        assert!(!issue.title.trim().is_empty() && issue.title.chars().count() <= 120);
        let analysis = analyse(&issue, &rules);
        assert!(analysis.acceptance.len() <= 64);
        for criterion in &analysis.acceptance {
            if let Some(command) = &criterion.command {
                assert!(command.len() <= 500 && !command.contains(char::is_control), "{command:?}");
            }
        }
        if let Planning::Ready(plan) = plan(&issue, &analysis, None, &settings) {
            assert!((1..=100).contains(&plan.tasks.len()), "{} tasks", plan.tasks.len());
        }
    });
}

#[test]
fn fuzz_a_plan_file_is_refused_or_can_be_followed() {
    let limits = PlanLimits::default();
    fuzz_text(PLANS, |text| {
        let Ok(plan) = parse_file(text, &limits) else { return };
        let mut before = Vec::new();
        for task in &plan.tasks {
            assert!(task.after.iter().all(|id| before.contains(id)), "in order");
            assert!(!before.contains(task.id()), "once");
            before.push(task.id().clone());
        }
        assert!((1..=100).contains(&before.len()));
    });
}
