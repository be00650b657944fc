//! Configurations as operators have them: both generations of upstream's, the hybrid plan's, and mixtures.

mod common;

use common::{Home, loaded, problems, warnings};
use cyrus_config::{BundledExecutor, Config, ConfigError, RepositoryConfig, Sources};
use cyrus_core::Strategy;
use cyrus_executor::{Access, MicroUsd, TaskKind};
use cyrus_plugin::{ExecutorConfig, SecretRef};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tempfile::TempDir;

const NEWER: &str = include_str!("../fixtures/newer.json");
const OLDER: &str = include_str!("../fixtures/older.json");
const PLAN: &str = include_str!("../fixtures/plan.json");
const MIXTURE: &str = include_str!("../fixtures/mixture.json");

fn executor(repository: RepositoryConfig<'_>, name: &str) -> Option<ExecutorConfig> {
    repository.executors().into_iter().find(|executor| executor.name == name)
}

fn names(repository: RepositoryConfig<'_>) -> Vec<String> {
    repository.executors().into_iter().map(|executor| executor.name).collect()
}

#[test]
fn nothing_has_to_be_configured() {
    let home = Home(TempDir::new().unwrap());
    let config = home.load().unwrap();
    assert_eq!((config.file(), config.warnings()), (home.file().as_path(), [].as_slice()));
    let repository = config.repository(Path::new("/srv/anything"));
    assert_eq!(repository.strategy(), Strategy::LocalOnly);
    assert_eq!(names(repository), ["claude"]);
    let claude = executor(repository, "claude").unwrap();
    assert_eq!(claude.grants.workspace, Some(Access::ReadWrite));
    assert_eq!(claude.settings, json!({"permissionMode": "acceptEdits"}));
    assert_eq!(repository.tools(&TaskKind::BUILDER).allowed, None);
    assert_eq!(repository.checks(), []);
    assert!(!home.file().exists(), "reading writes nothing");
}

#[test]
fn every_generation_is_accepted_as_it_is() {
    for (name, text) in [("newer", NEWER), ("older", OLDER), ("plan", PLAN)] {
        let home = Home::with(text);
        let config = home.load().unwrap();
        assert_eq!(warnings(&config), [""; 0], "{name}");
        // Upstream's own migration loses a token here. Ours cannot: what is read is left alone.
        assert_eq!(fs::read_to_string(home.file()).unwrap(), text, "{name}");
        assert_eq!(fs::read_dir(home.0.path()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn the_newer_generation_says_what_claude_is_and_may() {
    let config = loaded(NEWER);
    let shop = config.repository(Path::new("/srv/shop/crates/cart"));
    assert_eq!(shop.name(), Some("shop"));
    assert_eq!(shop.base_branch(), Some("main"));
    assert_eq!(shop.append_instruction(), Some("Write British English."));
    let claude = executor(shop, "claude").unwrap();
    assert_eq!(
        claude.settings,
        json!({"permissionMode": "acceptEdits", "model": "sonnet", "fallbackModel": "haiku"})
    );

    let tools = |kind: &str| shop.tools(&TaskKind::new(kind));
    let builder = tools("builder");
    assert_eq!(builder.allowed.unwrap(), ["Read(**)", "Bash(git:*)", "Skill"]);
    assert_eq!(builder.disallowed, ["WebSearch"]);
    let debugger = tools("debugger");
    assert!(!debugger.allowed.unwrap().contains(&"Write".to_owned()));
    assert_eq!(debugger.disallowed, ["Bash"]);
    assert_eq!(tools("scoper").allowed.unwrap().len(), 28);
    assert_eq!(tools("orchestrator").disallowed, ["WebFetch"]);

    let docs = config.repository(Path::new("/home/op/docs"));
    assert_eq!((docs.name(), docs.base_branch()), (Some("docs"), Some("trunk")));
    assert_eq!(executor(docs, "claude").unwrap().settings["model"], "opus");
    assert_eq!(docs.tools(&TaskKind::BUILDER).allowed.unwrap(), ["Read", "Edit", "Bash"]);
    assert_eq!(docs.tools(&TaskKind::BUILDER).disallowed, ["RemoteTrigger"]);
    assert_eq!(config.repository(Path::new("/srv/shopping")).name(), None);
}

#[test]
fn the_older_generation_does_too() {
    let config = loaded(OLDER);
    let shop = config.repository(Path::new("/srv/shop"));
    let settings = executor(shop, "claude").unwrap().settings;
    assert_eq!(settings["model"], "opus-older");
    assert_eq!(settings["fallbackModel"], "sonnet-older");
    assert_eq!(shop.tools(&TaskKind::BUILDER).allowed.unwrap(), ["Read", "Write"]);
    assert_eq!(shop.tools(&TaskKind::DEBUGGER).allowed.unwrap(), ["Read"]);
    assert_eq!(names(shop), ["claude"], "without a section, Codegen is never called");
}

#[test]
fn the_plans_sample_says_what_codegen_is() {
    let config = loaded(PLAN);
    let main = config.repository(Path::new("/srv/main"));
    assert_eq!(main.strategy(), Strategy::HybridSmart);
    assert_eq!(main.max_cost_per_task(), Some(MicroUsd(1_000_000)));
    assert_eq!(main.max_cost_per_day(), Some(MicroUsd(50_000_000)));
    let codegen = executor(main, "codegen").unwrap();
    assert_eq!(codegen.settings, json!({"orgId": "my-org-id"}));
    let token = &codegen.grants.secrets["token"];
    assert_eq!(token.source, SecretRef::Value("codegen_plan".into()));
    assert_eq!(token.audience, None);
    assert_eq!(codegen.grants.http.len(), 1);
    assert!(!format!("{config:?}").contains("codegen_plan"), "a secret is never shown");
}

#[test]
fn a_repository_says_more_than_what_is_said_for_all() {
    let config = loaded(MIXTURE);
    assert_eq!(warnings(&config), ["colour_of_the_shed"]);
    let old = config.repository(Path::new("/srv/old"));
    assert_eq!(old.strategy(), Strategy::CloudOnly);
    assert_eq!(old.max_cost_per_task(), Some(MicroUsd(250_000)));
    assert_eq!(old.tools(&TaskKind::BUILDER).allowed.unwrap().len(), 26);
    assert_eq!(names(old), ["claude", "claude-fast", "codegen"]);

    let codegen = executor(old, "codegen").unwrap();
    let base = "https://codegen.internal:8443";
    assert_eq!(
        codegen.settings,
        json!({"orgId": 7, "baseUrl": format!("{base}/api"), "model": "cloud-model"})
    );
    let host = vec![base.parse().unwrap()];
    assert_eq!(codegen.grants.http, host);
    assert_eq!(codegen.grants.secrets["token"].source, SecretRef::Env("MY_CODEGEN".into()));
    assert_eq!(codegen.grants.secrets["token"].audience, Some(host));

    let claude = executor(old, "claude").unwrap();
    assert_eq!(claude.settings, json!({"permissionMode": "plan", "model": "from-now"}));
    assert!(!claude.grants.ask && claude.grants.process.contains_key("claude"));
    let fast = executor(old, "claude-fast").unwrap();
    assert_eq!(fast.settings, json!({"model": "haiku"}));
    assert!(fast.grants.process.is_empty(), "grants are given to an executor, not to a plugin");

    assert!(old.mentions("idle") && old.mentions("codegen") && !old.mentions("stranger"));

    let nested = config.repository(Path::new("/srv/old/nested/src"));
    assert_eq!(nested.name(), Some("new"));
    assert_eq!(names(nested), ["claude", "claude-fast"], "it says no to Codegen");
    let elsewhere = config.repository(Path::new("/srv/else"));
    assert_eq!(elsewhere.strategy(), Strategy::LocalOnly);
    assert_eq!(executor(elsewhere, "codegen").unwrap().settings["orgId"], "42");
}

#[test]
fn checks_limits_and_directories_are_read() {
    let config = loaded(MIXTURE);
    let commands = |path: &str| -> Vec<(String, u64)> {
        let checks = config.repository(Path::new(path)).checks();
        checks.into_iter().map(|check| (check.command, check.timeout.as_secs())).collect()
    };
    assert_eq!(commands("/srv/old"), [("make check".to_owned(), 600)]);
    let general = [("cargo test".to_owned(), 90), ("cargo fmt --check".to_owned(), 600)];
    assert_eq!(commands("/srv/else"), general);

    let limits = config.limits();
    assert_eq!(limits.deadline, Some(Duration::from_mins(20)));
    assert_eq!((limits.max_cost, limits.max_turns), (Some(MicroUsd(3_000_000)), Some(40)));
    assert_eq!(config.maximum().http.as_ref().unwrap().len(), 2);
    assert!(!config.maximum().ask && config.maximum().process);
    let home = config.file().parent().unwrap();
    let expected =
        [home.join("plugins-of-mine"), "/opt/cyrus/plugins".into(), "/home/op/plugins".into()];
    assert_eq!(config.plugin_dirs(), expected);
}

#[test]
fn the_environment_goes_before_the_file_for_models_and_tools() {
    let variables = [
        ("HOME", "/home/op"),
        ("CYRUS_DEFAULT_MODEL", "from-environment"),
        ("LINEAR_ALLOWED_TOOLS", "Read, Grep,"),
        ("DISALLOWED_TOOLS", "Write"),
    ];
    let config = Home::with(NEWER).load_with(&variables).unwrap();
    let docs = config.repository(Path::new("/home/op/docs"));
    assert_eq!(executor(docs, "claude").unwrap().settings["model"], "from-environment");
    assert_eq!(docs.tools(&TaskKind::BUILDER).allowed.unwrap(), ["Read", "Grep"]);
    assert_eq!(docs.tools(&TaskKind::BUILDER).disallowed, ["Write"]);
    let shop = config.repository(Path::new("/srv/shop"));
    assert_eq!(executor(shop, "claude").unwrap().settings["model"], "sonnet");
}

#[test]
fn the_environment_fills_in_for_codegen_and_does_not_switch_it_on() {
    let variables = [("CODEGEN_ORG_ID", "9"), ("CODEGEN_API_TOKEN", "t")];
    let codegen = |text: &str| {
        let config = Home::with(text).load_with(&variables).unwrap();
        executor(config.repository(Path::new("/x")), "codegen")
    };
    assert_eq!(codegen("{}"), None);
    for text in [r#"{"codegen": {}}"#, r#"{"executors": {"codegen": {}}}"#] {
        let codegen = codegen(text).unwrap();
        assert_eq!(codegen.settings, json!({"orgId": "9"}), "{text}");
        let source = &codegen.grants.secrets["token"].source;
        assert_eq!(*source, SecretRef::Env("CODEGEN_API_TOKEN".into()), "{text}");
    }
    assert_eq!(
        codegen(r#"{"codegen": {"orgId": 3, "apiToken": ""}}"#).unwrap().settings["orgId"],
        3
    );
    for off in [
        r#"{"codegen": {"enabled": false}}"#,
        r#"{"codegen": {"enabled": true}, "executors": {"codegen": {"enabled": false}}}"#,
        r#"{"codegen": {"enabled": false}, "executors": {"codegen": {"enabled": true}}}"#,
    ] {
        assert_eq!(codegen(off), None, "{off}");
    }
}

#[test]
fn an_executors_own_entry_says_more_than_a_view_on_it() {
    let text = r#"{"claudeDefaultModel": "a", "codegen": {"orgId": 1, "apiToken": "in the section"},
        "executors": {"claude": {"settings": {"model": "b"}},
            "codegen": {"settings": {"orgId": 2}, "grants": {"secrets": {"token": {"env": "T"}}}}}}"#;
    let config = loaded(text);
    let repository = config.repository(Path::new("/x"));
    assert_eq!(executor(repository, "claude").unwrap().settings["model"], "b");
    let codegen = executor(repository, "codegen").unwrap();
    assert_eq!(codegen.settings["orgId"], 2);
    assert_eq!(codegen.grants.secrets["token"].source, SecretRef::Env("T".into()));
}

#[test]
fn another_plugin_under_a_bundled_name_gets_nothing_of_it() {
    let config =
        loaded(r#"{"claudeDefaultModel": "a", "executors": {"claude": {"plugin": "stranger"}}}"#);
    let claude = executor(config.repository(Path::new("/x")), "claude").unwrap();
    assert_eq!(claude, ExecutorConfig::new("claude", "stranger"));
}

#[test]
fn an_unknown_strategy_names_those_there_are() {
    let said = problems(r#"{"codegen": {"strategy": "hybrid"}}"#);
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("codegen.strategy: "), "{said:?}");
    assert!(Strategy::ALL.iter().all(|strategy| said[0].contains(strategy.as_str())), "{said:?}");
}

#[test]
fn everything_wrong_is_named_at_once_and_where_it_is() {
    let said = problems(
        r#"{"repositories": [{"id": "x"}, {"repositoryPath": "/r", "allowedTools": "most", "model": 7,
                "codegen": {"maxCostPerTask": -1}}, 3],
            "codegen": {"apiToken": {"vault": "x"}, "baseUrl": "https://u:hunter2@x.test", "orgId": 0},
            "executors": {"Claude": {}, "mine": {"grants": {"secrets": "hunter2"}}},
            "validation": {"commands": [{"timeoutSeconds": 3}, 7]},
            "pluginDirs": "one", "limits": {"maxTurns": 99999999999}, "maximum": {"everything": true}}"#,
    );
    let all = said.join("\n");
    for path in [
        "repositories[0]",
        "repositories[1].allowedTools",
        "repositories[1].model",
        "repositories[1].codegen.maxCostPerTask",
        "repositories[2]",
        "codegen.apiToken",
        "codegen.baseUrl",
        "codegen.orgId",
        "executors.Claude",
        "executors.mine.grants.secrets",
        "validation.commands[0]",
        "validation.commands[1]",
        "pluginDirs",
        "limits.maxTurns",
        "maximum",
    ] {
        assert!(said.iter().any(|line| line.starts_with(&format!("{path}: "))), "{path} in\n{all}");
    }
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn what_is_no_json_is_named_with_line_and_column() {
    for (text, place) in
        [("{\n  \"a\": 1,\n}", (3, 1)), ("", (1, 0)), ("{\"a\": 1} // why", (1, 10))]
    {
        match Home::with(text).load() {
            Err(ConfigError::Syntax { line, column, .. }) => {
                assert_eq!((line, column), place, "{text:?}");
            }
            other => panic!("{text:?} gave {other:?}"),
        }
    }
}

#[test]
fn hostile_files_end_in_an_error() {
    let deep = format!("{{\"a\": {}", "[".repeat(200_000));
    assert!(matches!(Home::with(deep).load(), Err(ConfigError::Syntax { .. })));
    let huge = format!("{{\"a\": \"{}\"}}", "x".repeat(5 << 20));
    assert!(matches!(Home::with(huge).load(), Err(ConfigError::TooLarge { .. })));
    assert!(matches!(Home::with([b'{', 0xff]).load(), Err(ConfigError::Unreadable { .. })));
    let home = Home(TempDir::new().unwrap());
    fs::create_dir(home.file()).unwrap();
    assert!(matches!(home.load(), Err(ConfigError::Unreadable { .. })));
    for text in ["[]", "7", "\"x\""] {
        assert_eq!(problems(text).len(), 1, "{text}");
    }
    let many: Vec<Value> =
        (0..20_000).map(|n| json!({"repositoryPath": format!("/r/{n}")})).collect();
    let config = loaded(&json!({"repositories": many}).to_string());
    assert_eq!(config.warnings(), []);
}

#[test]
fn what_is_written_twice_is_a_warning_and_the_last_counts() {
    let config = loaded(r#"{"claudeDefaultModel": "a", "claudeDefaultModel": "b"}"#);
    assert_eq!(warnings(&config), ["claudeDefaultModel"]);
    let claude = executor(config.repository(Path::new("/x")), "claude").unwrap();
    assert_eq!(claude.settings["model"], "b");
}

#[test]
fn secrets_that_others_can_read_are_a_warning() {
    let share = |home: &Home| {
        fs::set_permissions(home.file(), fs::Permissions::from_mode(0o644)).unwrap();
        home.load().unwrap().warnings().to_vec()
    };
    for text in [OLDER, NEWER, PLAN] {
        let warned = share(&Home::with(text));
        assert_eq!(warned.len(), 1);
        assert!(warned[0].message.contains("chmod 600"), "{warned:?}");
    }
    assert_eq!(share(&Home::with(r#"{"codegen": {"apiToken": {"env": "T"}}}"#)), []);

    let directory = TempDir::new().unwrap();
    let key = directory.path().join("key");
    fs::write(&key, "k").unwrap();
    for (mode, count) in [(0o600, 0), (0o640, 1)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let config = loaded(
            &json!({"executors": {"e": {"grants": {"secrets": {"s": {"file": key}}}}}}).to_string(),
        );
        assert_eq!(config.warnings().len(), count, "{mode:o}");
    }
}

#[test]
fn a_linked_path_is_the_repository_it_leads_to() {
    let directory = TempDir::new().unwrap();
    let real = directory.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let config =
        loaded(&json!({"repositories": [{"id": "r", "repositoryPath": link}]}).to_string());
    assert_eq!(config.repository(&real).name(), Some("r"));
    assert_eq!(config.repository(&link).name(), Some("r"));
}

#[test]
fn the_executors_that_come_with_cyrus_can_be_read() {
    let bundled = [
        BundledExecutor {
            name: "claude",
            json: include_str!("../../../plugins/claude/grants.json"),
        },
        BundledExecutor {
            name: "codegen",
            json: include_str!("../../../plugins/codegen/grants.json"),
        },
    ];
    let home = Home::with(PLAN);
    let sources = Sources { home: home.0.path(), bundled: &bundled, environment: &|_| None };
    let config = Config::load(&sources).unwrap();
    let repository = config.repository(Path::new("/srv/main"));
    assert_eq!(names(repository), ["claude", "codegen"]);
    let claude = executor(repository, "claude").unwrap();
    assert_eq!(claude.grants.process["claude"].program, Path::new("claude"));
    let codegen = executor(repository, "codegen").unwrap();
    assert_eq!(codegen.grants.secrets["token"].source, SecretRef::Value("codegen_plan".into()));
}

#[test]
fn the_examples_in_the_documentation_work() {
    let page = include_str!("../../../docs/configuration.md");
    let blocks: Vec<_> = page.split("```json\n").skip(1).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        let (example, _) = block.split_once("```").unwrap();
        assert_eq!(loaded(example).warnings(), [], "{example}");
    }
}
