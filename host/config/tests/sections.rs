//! The sections that the orchestrator decides by: for all, for one repository, and where nothing is said.

mod common;

use common::{Home, loaded, problems, warnings};
use cyrus_config::{
    Attempts, Budget, Config, DiffRules, Fallback, Hooks, Planning, Publishing, ResultLimits,
    Retention, Review, Scheduling, Selection, SelectionRule, Terms, WhenOver,
};
use cyrus_core::{Billing, Caps, Complexity, Strategy};
use cyrus_executor::{MicroUsd, TaskKind};
use cyrus_plugin::SecretRef;
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const SECTIONS: &str = include_str!("../fixtures/sections.json");
const NEWER: &str = include_str!("../fixtures/newer.json");
const OLDER: &str = include_str!("../fixtures/older.json");
const PLAN: &str = include_str!("../fixtures/plan.json");

const SHOP: &str = "/srv/shop";
const DOCS: &str = "/srv/docs";
const ELSEWHERE: &str = "/srv/elsewhere";

fn usd(dollars: &str) -> MicroUsd {
    dollars.parse().unwrap()
}

fn numbers(selection: &Selection) -> Vec<usize> {
    selection.rules.iter().map(|rule| rule.number).collect()
}

fn selection(config: &Config, path: &str) -> Selection {
    config.repository(Path::new(path)).selection()
}

#[test]
fn nothing_said_is_how_it_was() {
    let config = loaded("{}");
    let repository = config.repository(Path::new(ELSEWHERE));
    assert_eq!(repository.selection(), Selection::default());
    assert_eq!(Selection::default().strategy, Strategy::LocalOnly);
    assert_eq!((Fallback::default(), WhenOver::default()), (Fallback::Local, WhenOver::Pause));
    assert_eq!(repository.budget(), Budget::default());
    assert_eq!(repository.executor_terms("claude"), Terms::default());
    let expected = Attempts { most: 6, retries: 3, rounds: 2, ..Attempts::default() };
    assert_eq!(repository.attempts(), expected);
    assert_eq!(repository.diff_rules(), DiffRules::default());
    assert_eq!((repository.acceptance(), repository.review()), (false, None));
    assert_eq!(repository.check_timeout(), None);
    assert_eq!(
        repository.integration(),
        Publishing { push: false, pull_request: false, share: false }
    );
    assert_eq!(repository.planning(), Planning::Auto);
    let minutes = Duration::from_mins;
    let hooks = Hooks {
        setup: None,
        teardown: None,
        setup_timeout: minutes(5),
        teardown_timeout: minutes(2),
        continue_on_failure: false,
        detect_setup: true,
    };
    assert_eq!(repository.hooks(), hooks);
    assert_eq!(repository.mcp_configs(), [""; 0].map(PathBuf::from));
    assert_eq!(repository.label_rules(), [(TaskKind::ORCHESTRATOR, vec!["orchestrator".into()])]);
    let scheduling = repository.scheduling();
    assert!((2..=8).contains(&scheduling.max_local), "{scheduling:?}");
    assert_eq!(scheduling.max_at_once, scheduling.max_local + scheduling.max_cloud);
    assert_eq!((scheduling.max_cloud, scheduling.deadline), (16, None));
    let kept = Retention { keep_failed: true, keep_for: Duration::from_hours(7 * 24) };
    assert_eq!((config.retention(), config.store_url()), (kept, None));
}

#[test]
fn what_is_said_for_all_holds_where_nothing_else_is_said() {
    let config = loaded(SECTIONS);
    assert_eq!(config.warnings(), []);
    let repository = config.repository(Path::new(ELSEWHERE));
    let rule = SelectionRule {
        number: 2,
        kinds: vec![TaskKind::DEBUGGER],
        labels: vec!["Urgent".into(), "prod".into()],
        complexity: vec![Complexity::High],
        executors: vec!["claude".into(), "codegen".into()],
    };
    let selection = Selection {
        strategy: Strategy::HybridSmart,
        rules: vec![rule],
        fallback: Fallback::Local,
        local_to_cloud: true,
    };
    assert_eq!(repository.selection(), selection);
    let caps = Caps {
        task: Some(usd("2.50")),
        session: Some(usd("20")),
        executor: None,
        day: Some(usd("50.05")),
    };
    assert_eq!(repository.budget(), Budget { caps, when_over: WhenOver::Cheaper });
    assert_eq!(config.time_zone().iana_name(), Some("Europe/Berlin"));
    let limits = repository.result_limits();
    assert_eq!(
        limits,
        ResultLimits { files: Some(5000), file_mib: Some(64), total_mib: Some(512) }
    );
    let scheduling = Scheduling {
        max_at_once: 12,
        max_per_session: 6,
        max_per_repository: 7,
        max_local: 4,
        max_cloud: 32,
        silence: Duration::from_mins(20),
        deadline: Some(Duration::from_hours(8)),
    };
    assert_eq!(repository.scheduling(), scheduling);
    let expected = Attempts { most: 4, retries: 0, rounds: 3, ..Attempts::default() };
    assert_eq!(repository.attempts(), expected);
    let timeouts: Vec<_> = repository.checks().iter().map(|c| c.timeout.as_secs()).collect();
    assert_eq!(timeouts, [120, 900]);
    let rules = DiffRules {
        max_changed_files: Some(40),
        max_changed_lines: Some(2000),
        protected_paths: vec![".github/**".into(), "**/*.lock".into()],
    };
    assert_eq!((repository.diff_rules(), repository.acceptance()), (rules, true));
    let review = Review { executor: "codegen".into(), kind: TaskKind::new("critic") };
    assert_eq!(repository.review(), Some(review));
    let publishing = Publishing { push: true, pull_request: true, share: true };
    assert_eq!(repository.integration(), publishing);
    assert_eq!(repository.planning(), Planning::Always);
    let home = config.file().parent().unwrap();
    let hooks = Hooks {
        setup: Some(home.join("hooks/setup.sh")),
        teardown: Some("/opt/teardown.sh".into()),
        setup_timeout: Duration::from_mins(1),
        teardown_timeout: Duration::from_mins(1),
        continue_on_failure: false,
        detect_setup: true,
    };
    assert_eq!(repository.hooks(), hooks);
    assert_eq!(config.store_url(), Some(&SecretRef::Env("CYRUS_STORE".into())));
    let kept = Retention { keep_failed: false, keep_for: Duration::from_hours(48) };
    assert_eq!(config.retention(), kept);
}

#[test]
fn a_repository_says_more_key_by_key() {
    let config = loaded(SECTIONS);
    let shop = config.repository(Path::new(SHOP));
    let selection = shop.selection();
    assert_eq!(
        (selection.strategy, selection.fallback, selection.local_to_cloud),
        (Strategy::CostOptimized, Fallback::None, true)
    );
    let Budget { caps, when_over } = shop.budget();
    assert_eq!((caps.task, caps.session), (Some(usd("2.50")), Some(usd("7.5"))));
    assert_eq!((caps.day, when_over), (Some(usd("50.05")), WhenOver::Pause));
    let limits = shop.result_limits();
    assert_eq!(limits, ResultLimits { files: Some(5000), file_mib: Some(8), total_mib: Some(512) });
    let scheduling = shop.scheduling();
    assert_eq!((scheduling.max_per_session, scheduling.max_per_repository), (2, 3));
    assert_eq!((scheduling.max_at_once, scheduling.silence), (12, Duration::from_mins(5)));
    let expected = Attempts { most: 4, retries: 0, rounds: 0, ..Attempts::default() };
    assert_eq!(shop.attempts(), expected);
    let timeouts: Vec<_> = shop.checks().iter().map(|check| check.timeout.as_secs()).collect();
    assert_eq!(timeouts, [30, 900]);
    let rules = DiffRules {
        max_changed_files: Some(4),
        max_changed_lines: Some(2000),
        protected_paths: vec![],
    };
    assert_eq!((shop.diff_rules(), shop.acceptance(), shop.review()), (rules, true, None));
    assert_eq!(shop.integration(), Publishing { push: true, pull_request: false, share: true });
    assert_eq!(shop.planning(), Planning::Never);
    let hooks = shop.hooks();
    assert_eq!(hooks.setup.as_deref(), Some(Path::new("/home/op/setup-shop.sh")));
    assert_eq!(hooks.teardown.as_deref(), Some(Path::new("/opt/teardown.sh")));
}

#[test]
fn a_rule_is_for_the_repositories_it_names_and_keeps_its_number() {
    let config = loaded(SECTIONS);
    assert_eq!(numbers(&selection(&config, SHOP)), [2, 3]);
    assert_eq!(numbers(&selection(&config, DOCS)), [1, 2, 3]);
    assert_eq!(numbers(&selection(&config, ELSEWHERE)), [2]);
    let shop = &selection(&config, SHOP).rules[1];
    assert_eq!(shop.complexity, [Complexity::Low, Complexity::Medium]);
    let own = r#"{"selection": {"rules": [{"executors": ["claude"]}]},
        "repositories": [{"id": "a", "repositoryPath": "/srv/shop", "selection": {"rules": []}}]}"#;
    let config = loaded(own);
    assert_eq!(numbers(&selection(&config, SHOP)), [0; 0], "rules are replaced as a whole");
    assert_eq!(numbers(&selection(&config, ELSEWHERE)), [1]);
}

#[test]
fn the_sections_go_before_what_codegen_says() {
    let of = |text: &str, path: &str| {
        let config = loaded(text);
        let repository = config.repository(Path::new(path));
        (repository.strategy(), repository.budget().caps)
    };
    let (strategy, caps) = of(PLAN, "/srv/main");
    assert_eq!(strategy, Strategy::HybridSmart);
    assert_eq!((caps.task, caps.day), (Some(usd("1")), Some(usd("50"))));
    let both = r#"{"codegen": {"strategy": "cloud-only", "maxCostPerTask": 9, "maxCostPerDay": 8},
        "selection": {"strategy": "local-only"}, "budget": {"maxCostPerTask": 0},
        "repositories": [{"repositoryPath": "/srv/shop",
            "codegen": {"strategy": "hybrid-parallel", "maxCostPerTask": 7, "maxCostPerDay": 6}}]}"#;
    let (strategy, caps) = of(both, SHOP);
    assert_eq!(strategy, Strategy::LocalOnly);
    assert_eq!((caps.task, caps.day), (Some(MicroUsd::ZERO), Some(usd("6"))));
    assert_eq!(of(both, ELSEWHERE).1.day, Some(usd("8")));
}

#[test]
fn an_executor_has_its_terms() {
    let config = loaded(SECTIONS);
    let repository = config.repository(Path::new(SHOP));
    let claude = repository.executor_terms("claude");
    assert_eq!((claude.billing, claude.max_at_once), (Billing::Subscription, Some(3)));
    assert_eq!((claude.expected, claude.max_per_day), (Some(usd("0.35")), None));
    let model = Terms {
        billing: Billing::None,
        max_per_day: Some(MicroUsd::ZERO),
        expected: None,
        max_at_once: None,
        kinds: Some(vec![TaskKind::SCOPER, TaskKind::BUILDER]),
    };
    assert_eq!(repository.executor_terms("local-model"), model);
    for name in ["codegen", "stranger"] {
        assert_eq!(repository.executor_terms(name), Terms::default(), "{name}");
    }
    let settings = repository.executors().into_iter().map(|executor| executor.settings);
    assert!(!settings.into_iter().any(|settings| settings.to_string().contains("billing")));
}

#[test]
fn names_that_nothing_has_are_a_warning() {
    let text = r#"{"repositories": [{"id": "a", "repositoryPath": "/a", "validation": {"review": {"executor": "x"}}}],
        "selection": {"rules": [{"executors": ["claude", "cluade"], "repositories": ["a", "b"]}]}}"#;
    let config = loaded(text);
    let mut said = warnings(&config);
    said.sort_unstable();
    let expected = [
        "repositories[0].validation.review.executor",
        "selection.rules[0].executors[1]",
        "selection.rules[0].repositories[1]",
    ];
    assert_eq!(said, expected);
    let all = config.warnings().iter().map(ToString::to_string).collect::<String>();
    assert!(all.contains("\"cluade\"") && all.contains("\"b\""), "{all}");
}

#[test]
fn what_bounds_all_repositories_is_not_read_from_one() {
    let text = r#"{"repositories": [{"id": "a", "repositoryPath": "/srv/shop",
        "scheduling": {"maxAtOnce": 1, "maxLocal": 1}, "budget": {"timeZone": "UTC"}, "retention": {}}],
        "scheduling": {"maxLocal": 5, "maxCloud": 6}}"#;
    let config = loaded(text);
    let mut said = warnings(&config);
    said.sort_unstable();
    let expected = ["budget.timeZone", "retention", "scheduling.maxAtOnce", "scheduling.maxLocal"];
    assert_eq!(said, expected.map(|key| format!("repositories[0].{key}")));
    let scheduling = config.repository(Path::new(SHOP)).scheduling();
    assert_eq!((scheduling.max_at_once, scheduling.max_local), (11, 5));
}

/// Each row: what is written, and where the problem is.
#[test]
fn what_makes_no_sense_is_named_where_it_is() {
    let table: &[(Value, &str)] = &[
        (json!({"selection": {"strategy": "fastest"}}), "selection.strategy"),
        (json!({"selection": {"fallback": "cloud"}}), "selection.fallback"),
        (json!({"selection": {"localToCloud": "yes"}}), "selection.localToCloud"),
        (json!({"selection": {"rules": {}}}), "selection.rules"),
        (json!({"selection": {"rules": [{"kinds": ["builder"]}]}}), "selection.rules[0]"),
        (json!({"selection": {"rules": [{"executors": []}]}}), "selection.rules[0].executors"),
        (
            json!({"selection": {"rules": [{"executors": ["claude"], "kinds": []}]}}),
            "selection.rules[0].kinds",
        ),
        (
            json!({"selection": {"rules": [{"executors": ["claude"], "complexity": ["huge"]}]}}),
            "selection.rules[0].complexity[0]",
        ),
        (json!({"budget": []}), "budget"),
        (json!({"budget": {"maxCostPerTask": -1}}), "budget.maxCostPerTask"),
        (json!({"budget": {"maxCostPerDay": 0.000_000_4}}), "budget.maxCostPerDay"),
        (json!({"budget": {"maxCostPerSession": "lots"}}), "budget.maxCostPerSession"),
        (json!({"budget": {"timeZone": "Mars/Base"}}), "budget.timeZone"),
        (json!({"budget": {"whenOver": "ignore"}}), "budget.whenOver"),
        (json!({"executors": {"e": {"billing": "free"}}}), "executors.e.billing"),
        (json!({"executors": {"e": {"maxAtOnce": 0}}}), "executors.e.maxAtOnce"),
        (json!({"executors": {"e": {"kinds": []}}}), "executors.e.kinds"),
        (json!({"resultLimits": {"files": 0}}), "resultLimits.files"),
        (json!({"resultLimits": {"fileMib": "8"}}), "resultLimits.fileMib"),
        (json!({"resultLimits": {"totalMib": 0.5}}), "resultLimits.totalMib"),
        (json!({"scheduling": {"maxAtOnce": 0}}), "scheduling.maxAtOnce"),
        (json!({"scheduling": {"maxPerSession": 0}}), "scheduling.maxPerSession"),
        (json!({"scheduling": {"maxPerRepository": 1.5}}), "scheduling.maxPerRepository"),
        (json!({"scheduling": {"maxLocal": -1}}), "scheduling.maxLocal"),
        (json!({"scheduling": {"maxCloud": 5_000_000_000_u64}}), "scheduling.maxCloud"),
        (json!({"scheduling": {"silenceMinutes": 0}}), "scheduling.silenceMinutes"),
        (json!({"scheduling": {"deadlineMinutes": u64::MAX}}), "scheduling.deadlineMinutes"),
        (json!({"attempts": {"most": 0}}), "attempts.most"),
        (json!({"attempts": {"retries": -1}}), "attempts.retries"),
        (json!({"validation": {"timeoutSeconds": 0}}), "validation.timeoutSeconds"),
        (json!({"validation": {"maxChangedLines": 0}}), "validation.maxChangedLines"),
        (json!({"validation": {"protectedPaths": ["/etc"]}}), "validation.protectedPaths[0]"),
        (json!({"validation": {"acceptance": 1}}), "validation.acceptance"),
        (json!({"validation": {"review": {"kind": "critic"}}}), "validation.review"),
        (json!({"validation": {"review": true}}), "validation.review"),
        (json!({"integration": {"push": 1}}), "integration.push"),
        (json!({"integration": {"push": false, "pullRequest": true}}), "integration.pullRequest"),
        (json!({"planning": "sometimes"}), "planning"),
        (json!({"hooks": "setup.sh"}), "hooks"),
        (json!({"hooks": {"timeoutSeconds": 40_000_000}}), "hooks.timeoutSeconds"),
        (json!({"store": "postgres://h/d"}), "store"),
        (json!({"store": {"url": "mysql://u:hunter2@h/d"}}), "store.url"),
        (json!({"store": {"url": {"vault": "x"}}}), "store.url"),
        (json!({"retention": {"days": 0}}), "retention.days"),
        (json!({"retention": {"days": 400}}), "retention.days"),
        (json!({"limits": {"deadlineSeconds": u64::MAX}}), "limits.deadlineSeconds"),
    ];
    for (document, path) in table {
        let said = problems(&document.to_string());
        assert_eq!(said.len(), 1, "{document}: {said:?}");
        assert!(said[0].starts_with(&format!("{path}: ")), "{document}: {said:?}");
        assert!(!said[0].contains("hunter2"), "{said:?}");
    }
    let own =
        json!({"repositories": [{"repositoryPath": "/r", "attempts": {"most": 0}, "planning": 3}]});
    assert_eq!(problems(&own.to_string()).len(), 2);
}

#[test]
fn no_pull_request_is_opened_where_nothing_is_pushed() {
    let text = r#"{"integration": {"pullRequest": true},
        "repositories": [{"repositoryPath": "/srv/shop", "integration": {"push": false}}]}"#;
    let config = loaded(text);
    let of = |path: &str| config.repository(Path::new(path)).integration();
    assert_eq!(of(ELSEWHERE), Publishing { push: true, pull_request: true, share: false });
    assert_eq!(of(SHOP), Publishing { push: false, pull_request: false, share: false });
}

#[test]
fn the_address_of_the_store_is_a_secret() {
    for address in
        ["postgres://cyrus:hunter2@db.internal:5433/cyrus", "postgresql:///cyrus?host=/run/pg"]
    {
        let home = Home::with(json!({"store": {"url": address}}).to_string());
        let config = home.load().unwrap();
        assert_eq!(config.store_url(), Some(&SecretRef::Value(address.into())));
        assert!(!format!("{config:?} {:?}", config.store_url()).contains("hunter2"));
        assert_eq!(config.warnings(), []);
        fs::set_permissions(home.file(), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(home.load().unwrap().warnings().len(), 1, "others can read it");
    }
    let config = loaded(r#"{"store": {"url": {"file": "~/store-url"}}}"#);
    assert_eq!(config.store_url(), Some(&SecretRef::File("/home/op/store-url".into())));
}

#[test]
fn upstreams_keys_keep_their_meaning() {
    let config = loaded(NEWER);
    let shop = config.repository(Path::new(SHOP));
    let labels = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules = [
        (TaskKind::ORCHESTRATOR, labels(&["Graphite orchestrator"])),
        (TaskKind::DEBUGGER, labels(&["Bug"])),
        (TaskKind::BUILDER, labels(&["Feature"])),
        (TaskKind::SCOPER, labels(&["PRD"])),
        (TaskKind::ORCHESTRATOR, labels(&["Orchestrator"])),
        (TaskKind::ORCHESTRATOR, labels(&["orchestrator"])),
    ];
    assert_eq!(shop.label_rules(), rules);
    assert_eq!(shop.mcp_configs(), [PathBuf::from("/srv/mcp.json")]);
    for (text, path) in [(NEWER, SHOP), (OLDER, SHOP)] {
        let config = loaded(text);
        let hooks = config.repository(Path::new(path)).hooks();
        assert_eq!(hooks.setup.as_deref(), Some(Path::new("/srv/setup.sh")));
        assert_eq!(config.warnings(), []);
    }
    let config = loaded(OLDER);
    let rules = config.repository(Path::new(SHOP)).label_rules();
    assert_eq!(rules[0], (TaskKind::DEBUGGER, labels(&["Bug"])));
    let text = r#"{"global_setup_script": "~/old.sh", "hooks": {"setup": "~/new.sh"}}"#;
    let hooks = loaded(text).repository(Path::new(SHOP)).hooks();
    assert_eq!(hooks.setup.as_deref(), Some(Path::new("/home/op/new.sh")));
}

#[test]
fn labels_of_other_kinds_come_last() {
    let text = r#"{"repositories": [{"repositoryPath": "/srv/shop", "labelPrompts":
        {"Auditor": ["Audit"], "scoper": [], "builder": {"allowedTools": ["Read"]},
         "debugger": {"labels": ["Bug", "Crash"]}}}]}"#;
    let rules = loaded(text).repository(Path::new(SHOP)).label_rules();
    let kinds: Vec<_> = rules.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["debugger", "auditor", "orchestrator"]);
    assert_eq!(rules[0].1, ["Bug", "Crash"]);
}

#[test]
fn mcp_servers_for_all_are_for_repositories_without_tools_of_their_own() {
    let text = r#"{"linearMcpConfigs": ["mcp-configs/linear.json"], "repositories": [
        {"repositoryPath": "/srv/shop", "allowedTools": ["Read"], "mcpConfigPath": "~/shop.json"},
        {"repositoryPath": "/srv/docs", "mcpConfigPath": ["/a.json", "/b.json"]}]}"#;
    let config = loaded(text);
    let for_all = config.file().parent().unwrap().join("mcp-configs/linear.json");
    let of = |path: &str| config.repository(Path::new(path)).mcp_configs();
    assert_eq!(of(SHOP), [PathBuf::from("/home/op/shop.json")]);
    assert_eq!(of(DOCS), [for_all.clone(), "/a.json".into(), "/b.json".into()]);
    assert_eq!(of(ELSEWHERE), [for_all]);
}
