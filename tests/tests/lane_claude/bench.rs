use cyrus_plugin_bundle::bundled;
use cyrus_sandbox::{AbsolutePath, Launcher, Profile, Supervisor};
use cyrus_simulate::{
    Anthropic, Conversation, RecordedRequest, Server, Turn, anthropic::Script, any_port,
};
use cyrus_tests::{Ended, PATIENCE, World, lanes, world};
use serde_json::{Value, json};
use std::{fs, ops::Deref, path::PathBuf};
use tokio::runtime::Runtime;

/// The only key that the simulated model takes.
pub(crate) const KEY: &str = "sk-ant-nobodys-key";

/// An installed Claude Code.
#[derive(Clone, Debug)]
pub(crate) struct Claude {
    pub(crate) version: String,
    pub(crate) program: PathBuf,
}

impl Claude {
    /// The one of this version, or the newest where this is not a number. `None`: it is left out.
    pub(crate) fn installed(version: &str) -> Option<Self> {
        let lane = format!("claude-{version}");
        if lanes::left_out(&lane) {
            return None;
        }
        let program = lanes::program(&format!("{lane}/node_modules/.bin/claude"));
        let is_number = version.starts_with(|c: char| c.is_ascii_digit());
        let version = if is_number {
            version.to_owned()
        } else {
            // What was newest when it was installed.
            let known = fs::read_to_string(lanes::directory().join(lane).join("done"));
            known.expect("a version").trim().to_owned()
        };
        Some(Self { version, program })
    }

    /// A world with a repository and this program, for which the model has these turns.
    pub(crate) fn with(self, turns: impl Into<Vec<Turn>>) -> Bench {
        Bench::new(self, vec![Conversation { when: None, turns: turns.into() }])
    }
}

/// A world with a repository, the program, and the model it talks to.
#[derive(Debug)]
pub(crate) struct Bench {
    world: World,
    pub(crate) claude: Claude,
    pub(crate) model: Server,
    runtime: Runtime,
}

impl Deref for Bench {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl Bench {
    /// With what the model says in each conversation.
    pub(crate) fn new(claude: Claude, conversations: Vec<Conversation>) -> Self {
        let script = Script { api_key: Some(KEY.to_owned()), conversations, failures: Vec::new() };
        let runtime = Runtime::new().expect("a runtime");
        let model = runtime.block_on(Anthropic::start(script, any_port())).expect("a model");
        let world = world!()
            .variable("CYRUS_TEST_PRIVATE", "not for agents")
            .repository(&[("README.md", "A repository.\n")])
            .config(configuration(&claude, &model.base_url()));
        Self { world, claude, model, runtime }
    }

    /// Lays this over the configuration.
    pub(crate) fn config(mut self, more: Value) -> Self {
        self.world.configure(more);
        self
    }

    /// With the credential in this variable of the program's, and in no other.
    pub(crate) fn key_in(self, variable: &str) -> Self {
        let env = json!({ "ANTHROPIC_API_KEY": "", variable: KEY });
        let grant = json!({ "process": { "claude": { "env": env } } });
        self.config(json!({ "executors": { "claude": { "grants": grant } } }))
    }

    /// In the profile `strict`. `None`: this machine does not give all of it, and nothing says that it must.
    pub(crate) fn strictly(self) -> Option<Self> {
        let cyrus =
            AbsolutePath::parse(env!("CARGO_BIN_EXE_cyrus-under-test")).expect("it is absolute");
        let launcher = Launcher::supervised(Supervisor::at(cyrus));
        if let Err(why) = self.runtime.block_on(launcher.probe_sandbox(Profile::Strict)) {
            let required = std::env::var_os("CYRUS_TEST_REQUIRE_NAMESPACES").is_some();
            assert!(!required, "{why}");
            eprintln!("left out, for there is no `strict` here: {why}");
            return None;
        }
        Some(self.config(json!({ "sandbox": { "profile": "strict" } })))
    }

    /// Has an issue worked on.
    #[track_caller]
    pub(crate) fn work(&self) -> Ended {
        self.world.run(["run", "--json", "Say hello"])
    }

    /// Returns when the model was asked so often.
    #[track_caller]
    pub(crate) fn until_asked(&self, often: usize) {
        let enough = |seen: &[RecordedRequest]| {
            seen.iter().filter(|request| request.path == "/v1/messages").count() >= often
        };
        let waited = async { tokio::time::timeout(PATIENCE, self.model.wait_until(enough)).await };
        self.runtime.block_on(waited).expect("it is asked");
    }

    /// What the model was asked.
    pub(crate) fn questions(&self) -> Vec<RecordedRequest> {
        let mut asked = self.model.requests();
        asked.retain(|request| request.path == "/v1/messages");
        asked
    }
}

/// What an operator would write: which program, where its model is, and how results are checked.
fn configuration(claude: &Claude, model: &str) -> Value {
    let plugin = bundled().iter().find(|plugin| plugin.name == "claude").expect("it is bundled");
    let mut entry: Value = serde_json::from_str(plugin.grants).expect("JSON");
    let granted = &mut entry["grants"]["process"]["claude"];
    granted["program"] = json!(claude.program);
    granted["env"]["ANTHROPIC_BASE_URL"] = json!(model);
    granted["env"]["ANTHROPIC_API_KEY"] = json!(KEY);
    granted["env"]["CLAUDE_CODE_MAX_RETRIES"] = json!("1");
    json!({
        "validation": { "commands": ["test \"$(cat hello.txt)\" = hello"] },
        "executors": { "claude": { "grants": { "process": entry["grants"]["process"] } } },
    })
}

/// A turn of the model that writes a file.
pub(crate) fn write(path: &str, content: &str) -> Turn {
    let path = format!("{{cwd}}/{path}");
    Turn::tool("Write", json!({ "file_path": path, "content": content }))
}

/// A turn of the model that runs a command.
pub(crate) fn bash(command: &str) -> Turn {
    Turn::tool("Bash", json!({ "command": command }))
}

/// The last turn of the model.
pub(crate) fn done() -> Turn {
    Turn::text("Done.")
}

/// What the tools of a run said, in order.
pub(crate) fn tool_results(ended: &Ended) -> Vec<Value> {
    let lines = ended.lines();
    let events = lines.iter().map(|line| &line["event"]);
    events.filter(|event| event["kind"] == "tool-result").map(|e| e["value"].clone()).collect()
}
