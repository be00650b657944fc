//! Our host.

use super::COMPONENT;
use cyrus_plugin::{BundledPlugin, ExecutorConfig, HostMaximum, discover};
use cyrus_runtime::{HostSecrets, PluginExecutor, Runtime, RuntimeOptions, Tools};
use cyrus_sandbox::Launcher;
use serde_json::json;
use std::{ffi::OsString, path::PathBuf, sync::Arc};

const MANIFEST: &[u8] = br#"
name = "measured"
version = "1.0.0"
contract = "0.1"
component = "measured.wasm"
placement = "local"

[requests]
http = ["*"]
workspace = "read-write"
"#;

/// An executor of the component, with its workspace and the loopback granted. The runtime lives as long as it
/// does.
pub(crate) struct Ours {
    pub(crate) executor: PluginExecutor,
    _runtime: Runtime,
}

impl Ours {
    /// `port`: of the loopback, to be spoken to.
    pub(crate) async fn new(port: Option<u16>) -> Self {
        Self::with(port, Some("read-write")).await
    }

    /// The same with this access to the workspace.
    pub(crate) async fn with(port: Option<u16>, workspace: Option<&str>) -> Self {
        let bundled = BundledPlugin { manifest: MANIFEST, component: COMPONENT };
        let found = discover(&[], &[bundled]);
        let launcher = Launcher::unsupervised();
        let runtime = Runtime::new(RuntimeOptions {
            scratch: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("launches"),
            cache: None,
            compiler: cyrus_tests::compiler!(),
            secrets: Arc::new(HostSecrets::new(launcher.clone(), OsString::new())),
            launcher,
            path: OsString::new(),
            home: PathBuf::from("/"),
            tools: Tools::default(),
            maximum: HostMaximum::default(),
            log_sink: None,
        })
        .expect("a runtime");
        let plugin = runtime.load(&found.plugins["measured"]).await.expect("the component loads");
        let mut config = ExecutorConfig::new("ours", "measured");
        let http: Vec<_> = port.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let grants = json!({"http": http, "workspace": workspace.unwrap_or("none")});
        config.grants = serde_json::from_value(grants).expect("grants");
        let executor = runtime.executor(&plugin, config).await.expect("an executor");
        Self { executor, _runtime: runtime }
    }
}
