use super::{
    files::REPOSITORY,
    script::{self, LOOK, ORGANIZATION, TOKEN},
};
use crate::{app::Opening, exit::usage};
use anyhow::{Context as _, Result, bail};
use cyrus_plugin_bundle::bundled;
use cyrus_sandbox::{AbsolutePath, Finished, Launch, Launcher, Limits, find_program};
use cyrus_simulate::{
    claude,
    codegen::{self, Codegen},
};
use serde_json::{Value, json};
use std::{
    env, fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// A directory with everything the demo plays with, and the simulator that runs beside it.
pub(super) struct Stage {
    directory: TempDir,
    launcher: Launcher,
    codegen: codegen::Running,
}

impl Stage {
    /// Makes the repository and its remote, Cyrus's home with a configuration, the stand-in for `claude`, and
    /// starts the simulated Codegen.
    pub(super) async fn set(open: &Opening) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cyrus-demo-").tempdir()?;
        let remote = directory.path().join("origin.git");
        let script = script::codegen(&remote)?;
        let codegen = Codegen::start(script, (Ipv4Addr::LOCALHOST, 0).into()).await?;
        let stage = Self { directory, launcher: open.launcher(), codegen };
        stage.make_repository(&remote).await?;
        stage.write_stand_in()?;
        fs::create_dir(stage.home())?;
        let config = stage.home().join("config.json");
        fs::write(&config, format!("{:#}\n", stage.configuration()?))?;
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
        Ok(stage)
    }

    /// Cyrus's home in the demo.
    pub(super) fn home(&self) -> PathBuf {
        self.path("cyrus-home")
    }

    /// The repository that is worked on.
    pub(super) fn repository(&self) -> PathBuf {
        self.path("words")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Leaves everything there.
    pub(super) async fn keep(self) -> PathBuf {
        self.codegen.shutdown().await;
        self.directory.keep()
    }

    /// Removes everything.
    pub(super) async fn strike(self) -> Option<PathBuf> {
        self.codegen.shutdown().await;
        None
    }

    async fn make_repository(&self, remote: &Path) -> Result<()> {
        let repository = self.repository();
        self.git(
            self.directory.path(),
            &["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"],
        )
        .await?;
        self.git(self.directory.path(), &["init", "--quiet", "--initial-branch=main", "words"])
            .await?;
        write_all(&repository, REPOSITORY)?;
        self.git(&repository, &["add", "--all"]).await?;
        self.git(&repository, &["commit", "--quiet", "--message", "Bring out Words 1.0"]).await?;
        self.git(&repository, &["remote", "add", "origin", &remote.display().to_string()]).await?;
        self.git(&repository, &["push", "--quiet", "--set-upstream", "origin", "main"]).await?;
        Ok(())
    }

    /// Brings the validated branch into `main` and pushes it, as its owner would.
    pub(super) async fn accept(&self, branch: &str) -> Result<()> {
        let repository = self.repository();
        self.git(&repository, &["merge", "--quiet", "--ff-only", branch]).await?;
        self.git(&repository, &["push", "--quiet", "origin", "main"]).await?;
        Ok(())
    }

    /// Runs the repository's tests where they are: what they print, and whether they pass.
    pub(super) async fn test(&self) -> Result<(bool, String)> {
        let done = self.run("sh", &self.repository(), &["test.sh"]).await?;
        Ok((done.success(), done.stdout.text()))
    }

    async fn git(&self, directory: &Path, args: &[&str]) -> Result<()> {
        const OWNER: [&str; 6] = [
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@example.invalid",
            "-c",
            "commit.gpgSign=false",
        ];
        let done = self.run("git", directory, &[&OWNER[..], args].concat()).await?;
        if !done.success() {
            bail!("git {} failed: {}", args.join(" "), done.stderr.text().trim());
        }
        Ok(())
    }

    async fn run(&self, program: &str, directory: &Path, args: &[&str]) -> Result<Finished> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = find_program(program, &path).ok_or_else(|| {
            usage(format!("{program} was not found on PATH, and the demo needs it"))
        })?;
        let home = self.directory.path().as_os_str();
        let launch =
            Launch::trusted(found, AbsolutePath::parse(directory)?, Some(&path), Some(home))
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .args(args);
        let limits = Limits::within(Duration::from_mins(1));
        self.launcher.run_to_end(launch, &limits).await.with_context(|| program.to_owned())
    }

    /// The stand-in for `claude`: this very program, under that name.
    fn write_stand_in(&self) -> Result<()> {
        let own = env::current_exe()?;
        let own = own.to_str().context("the path of this program is not UTF-8")?;
        let quoted = own.replace('\'', r"'\''");
        let wrapper = self.path("claude");
        fs::write(&wrapper, format!("#!/bin/sh\nexec '{quoted}' simulate claude \"$@\"\n"))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        fs::write(self.path("claude.json"), script::claude().to_string())?;
        Ok(())
    }

    /// What an operator would write: where the two services are, and how results are checked.
    fn configuration(&self) -> Result<Value> {
        let claude = bundled().iter().find(|plugin| plugin.name == "claude");
        let claude = claude.context("the Claude plugin is not bundled")?;
        let mut entry: Value = serde_json::from_str(claude.grants)?;
        let granted = &mut entry["grants"]["process"]["claude"];
        granted["program"] = json!(self.path("claude"));
        granted["env"] = json!({ claude::SCRIPT: self.path("claude.json") });
        granted["homeFiles"] = json!([]);
        let look = Duration::from_millis(LOOK).as_secs_f64();
        let seen = [env::current_exe()?, self.path("claude.json")];
        Ok(json!({
            "sandbox": { "readOnly": seen },
            "validation": { "commands": ["sh test.sh"] },
            "codegen": {
                "enabled": true,
                "orgId": ORGANIZATION,
                "apiToken": TOKEN,
                "baseUrl": self.codegen.base_url(),
                "strategy": "hybrid-smart",
            },
            "integration": { "share": true },
            "scheduling": { "maxLocal": 8, "maxPerSession": 16 },
            "executors": {
                "claude": entry,
                "codegen": { "settings": { "repoId": 1, "pollInterval": look, "maxPollInterval": look } },
            },
        }))
    }
}

fn write_all(directory: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        fs::write(path, text)?;
    }
    Ok(())
}
