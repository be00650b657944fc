//! The command line of `claude`. Every flag here is in the grant (`plugin.toml`, `grants.json`), by name.

use crate::{
    session::{SessionId, Start},
    settings::{DEFAULT_MODEL, PermissionPrompts, Settings, check_tools, check_word},
};
use cyrus_sdk::{Error, Result, contract::Limits};
use serde_json::Value;

/// What decides the command line of a run, besides the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// The task's model.
    pub(crate) model: Option<String>,
    /// What to add to the system prompt.
    pub(crate) system_prompt: String,
    /// Tools that need no question. `None`: as the settings say.
    pub(crate) allowed_tools: Option<Vec<String>>,
    /// Tools that must not be used.
    pub(crate) disallowed_tools: Vec<String>,
    /// `{"mcpServers": {…}}`.
    pub(crate) mcp_servers: Option<Value>,
    /// The JSON Schema of the answer.
    pub(crate) output_schema: Option<Value>,
    /// What the run may use.
    pub(crate) limits: Limits,
}

/// The longest text that is passed as an argument, in bytes: Linux takes 128 KiB for each, with its flag.
const LONGEST_ARGUMENT: usize = 120_000;

impl Run {
    /// What is added to the system prompt, where it is too long for the command line: it goes with the first message.
    pub(crate) fn instructions(&self) -> Option<&str> {
        (self.system_prompt.len() > LONGEST_ARGUMENT).then_some(self.system_prompt.as_str())
    }
}

/// Settings before those of the user and the checkout: no sandbox inside of the host's, which would not start.
const NO_SANDBOX: &str = r#"{"sandbox":{"enabled":false}}"#;

/// The arguments for `run`. Values are attached to their flags (`--model=opus`), so that none can be taken for
/// a flag, and a list cannot swallow what comes after it.
pub(crate) fn arguments(
    settings: &Settings,
    run: &Run,
    session: &SessionId,
    start: Start,
) -> Result<Vec<String>> {
    settings.check()?;
    let model = run.model.as_ref().or(settings.model.as_ref());
    let model = model.map_or(DEFAULT_MODEL, String::as_str);
    check_word("model", model)?;
    let mut args: Vec<String> = [
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        // stream-json is refused without it.
        "--verbose",
        match settings.permission_prompts {
            PermissionPrompts::Host => "--permission-prompt-tool=stdio",
            PermissionPrompts::None => "--permission-prompts=none",
        },
        // Servers of the checkout's .mcp.json would be started without a question otherwise.
        "--strict-mcp-config",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut add = |flag: &str, value: &str| args.push(format!("{flag}={value}"));
    if !settings.own_sandbox {
        add("--settings", NO_SANDBOX);
    }
    add("--setting-sources", &settings.sources());
    add("--permission-mode", settings.permission_mode.as_str());
    add("--model", model);
    if let Some(fallback) = settings.fallback_model.as_deref().filter(|other| *other != model) {
        add("--fallback-model", fallback);
    }
    match start {
        Start::Fresh => add("--session-id", session.as_str()),
        Start::Resume => add("--resume", session.as_str()),
    }
    if !run.system_prompt.is_empty() && run.instructions().is_none() {
        add("--append-system-prompt", &run.system_prompt);
    }
    let allowed = run.allowed_tools.as_ref().unwrap_or(&settings.allowed_tools);
    let disallowed = [settings.disallowed_tools.as_slice(), &run.disallowed_tools].concat();
    for (flag, tools) in [("--allowedTools", allowed), ("--disallowedTools", &disallowed)] {
        check_tools(flag, tools)?;
        if !tools.is_empty() {
            add(flag, &tools.join(","));
        }
    }
    if let Some(turns) = run.limits.max_turns.or(settings.max_turns) {
        add("--max-turns", &turns.max(1).to_string());
    }
    if let Some(cost) = run.limits.max_cost {
        add("--max-budget-usd", &dollars(cost)?);
    }
    if let Some(servers) = &run.mcp_servers {
        add("--mcp-config", &servers.to_string());
    }
    if let Some(schema) = &run.output_schema {
        add("--json-schema", &schema.to_string());
    }
    Ok(args)
}

/// Millionths of a dollar as dollars, exactly.
fn dollars(micro: u64) -> Result<String> {
    // claude refuses a budget of nothing, with a message about numbers.
    if micro == 0 {
        return Err(Error::budget_exceeded("nothing may be spent, and claude is never free"));
    }
    Ok(format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(settings: &Settings, run: &Run, start: Start) -> Vec<String> {
        arguments(settings, run, &SessionId::of_execution("e"), start).unwrap()
    }

    fn value<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
        args.iter().find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    #[test]
    fn the_least_run_names_a_model_and_shuts_the_checkout_out() {
        let args = args(&Settings::default(), &Run::default(), Start::Fresh);
        assert_eq!(args[0], "-p");
        assert_eq!(value(&args, "--model"), Some("opus"));
        assert_eq!(value(&args, "--setting-sources"), Some("user,project"));
        assert_eq!(value(&args, "--permission-mode"), Some("acceptEdits"));
        assert_eq!(value(&args, "--session-id"), Some(SessionId::of_execution("e").as_str()));
        assert!(args.contains(&"--strict-mcp-config".to_owned()));
        assert_eq!(value(&args, "--settings"), Some(NO_SANDBOX));
        let own = Settings { own_sandbox: true, ..Settings::default() };
        assert_eq!(value(&self::args(&own, &Run::default(), Start::Fresh), "--settings"), None);
        for absent in ["--resume", "--allowedTools", "--max-turns", "--mcp-config"] {
            assert_eq!(value(&args, absent), None, "{absent}");
        }
    }

    #[test]
    fn a_system_prompt_that_is_longer_than_an_argument_is_none() {
        for (length, is_argument) in [(LONGEST_ARGUMENT, true), (LONGEST_ARGUMENT + 1, false)] {
            let run = Run { system_prompt: "x".repeat(length), ..Run::default() };
            let args = args(&Settings::default(), &run, Start::Fresh);
            assert_eq!(value(&args, "--append-system-prompt").is_some(), is_argument);
            assert_eq!(run.instructions().is_some(), !is_argument);
        }
    }

    fn full_run() -> Run {
        Run {
            model: Some("opus".to_owned()),
            system_prompt: "--be kind".to_owned(),
            allowed_tools: Some(vec!["Read".to_owned(), "Bash(git log:*)".to_owned()]),
            disallowed_tools: vec!["WebSearch".to_owned()],
            mcp_servers: Some(json!({"mcpServers": {}})),
            output_schema: Some(json!({"type": "object"})),
            limits: Limits { deadline: None, max_cost: Some(3_500_001), max_turns: Some(4) },
        }
    }

    #[test]
    fn everything_that_can_be_said_is_said_once() {
        let settings = Settings {
            model: Some("sonnet".to_owned()),
            fallback_model: Some("haiku".to_owned()),
            disallowed_tools: vec!["WebFetch".to_owned()],
            max_turns: Some(9),
            ..Settings::default()
        };
        let args = args(&settings, &full_run(), Start::Resume);
        for (flag, expected) in [
            ("--model", "opus"),
            ("--fallback-model", "haiku"),
            ("--append-system-prompt", "--be kind"),
            ("--allowedTools", "Read,Bash(git log:*)"),
            ("--disallowedTools", "WebFetch,WebSearch"),
            ("--max-turns", "4"),
            ("--max-budget-usd", "3.500001"),
            ("--mcp-config", r#"{"mcpServers":{}}"#),
            ("--json-schema", r#"{"type":"object"}"#),
            ("--resume", SessionId::of_execution("e").as_str()),
        ] {
            assert_eq!(value(&args, flag), Some(expected));
        }
        let mut flags: Vec<&str> = args.iter().map(|arg| arg.split('=').next().unwrap()).collect();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!(flags.len(), args.len());
    }

    #[test]
    fn a_fallback_that_is_the_model_itself_is_left_out() {
        let settings = Settings { fallback_model: Some("opus".to_owned()), ..Settings::default() };
        assert_eq!(
            value(&args(&settings, &Run::default(), Start::Fresh), "--fallback-model"),
            None
        );
    }

    #[test]
    fn a_task_cannot_say_what_would_be_misread() {
        for run in [
            Run { model: Some("--settings".to_owned()), ..Run::default() },
            Run { allowed_tools: Some(vec!["Read,Bash".to_owned()]), ..Run::default() },
            Run { disallowed_tools: vec!["Bash(".to_owned()], ..Run::default() },
        ] {
            let id = SessionId::of_execution("e");
            assert!(arguments(&Settings::default(), &run, &id, Start::Fresh).is_err());
        }
        assert!(dollars(0).is_err());
        assert_eq!(dollars(1).unwrap(), "0.000001");
    }

    #[test]
    fn every_flag_is_asked_for_and_granted_but_the_one_that_names_programs() {
        let text = |name: &str| {
            std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
        };
        let grants: Value = serde_json::from_str(&text("grants.json")).unwrap();
        let granted = &grants["grants"]["process"]["claude"]["args"]["flags"];
        let manifest: toml::Value = toml::from_str(&text("plugin.toml")).unwrap();
        let asked = &manifest["requests"]["process"]["claude"]["args"]["flags"];
        for arg in args(&Settings::default(), &full_run(), Start::Fresh).into_iter().chain(args(
            &Settings::default(),
            &full_run(),
            Start::Resume,
        )) {
            let (flag, value) = arg.split_once('=').unwrap_or((&arg, ""));
            assert!(asked.get(flag).is_some(), "plugin.toml does not ask for {flag}");
            let pattern = &granted[flag];
            if flag == "--mcp-config" {
                assert!(
                    pattern.is_null(),
                    "a value of it names programs: for the operator to grant"
                );
            } else if let Some(values) = pattern.as_array() {
                assert!(values.contains(&json!(value)), "{flag}={value}");
            } else {
                assert_eq!(pattern, if arg.contains('=') { "any" } else { "none" }, "{flag}");
            }
        }
        for flag in granted.as_object().unwrap().keys() {
            assert!(asked.get(flag).is_some(), "grants.json allows {flag}, which is not asked for");
        }
    }
}
