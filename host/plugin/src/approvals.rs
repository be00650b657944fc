use crate::lock;
use crate::{
    Difference, Digest, DiscoveredPlugin, ExecutorConfig, PluginDigest, PluginName, PluginOrigin,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The file's name in Cyrus's home.
const FILE: &str = "approvals.json";

/// The most that is read of the file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The state of a plugin that an operator approved for an executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approval {
    /// Over manifest and component.
    pub digest: PluginDigest,
    /// The component's own digest, to show what changed.
    pub component: Digest,
    /// The text of the manifest, to show what changed.
    pub manifest: String,
}

/// Why approvals cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalsError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one that Cyrus wrote.
    #[error(
        "{}: {problem}. It records which plugins were approved: restore it, or remove it and approve each plugin again at its next use",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Why an executor may not use its plugin as it is installed.
#[derive(Debug, thiserror::Error)]
pub enum NotApproved {
    /// The plugin changed since it was approved.
    #[error(
        "plugin {plugin} changed since it was approved for executor {executor}:\n{difference}\nLook at what changed; to let the executor have its grants again, run `cyrus plugin approve {plugin}`"
    )]
    Changed {
        /// The executor.
        executor: String,
        /// Its plugin.
        plugin: PluginName,
        /// What changed.
        difference: Box<Difference>,
    },
    /// The configuration binds the grants to another digest.
    #[error("{mismatch}{}", shown(.difference.as_deref()))]
    Digest {
        /// Which digests.
        mismatch: Box<DigestMismatch>,
        /// What changed since a plugin of that digest was last used, where it was.
        difference: Option<Box<Difference>>,
    },
    /// What was approved is not known.
    #[error(transparent)]
    Approvals(#[from] ApprovalsError),
}

/// `grants.digest` of the configuration is not the plugin's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestMismatch {
    /// It is that of another plugin.
    #[error(
        "executors.{executor}.grants.digest in config.json is {granted}, but plugin {plugin} is {found}: look at what changed, then put the new digest there"
    )]
    Other {
        /// The executor.
        executor: String,
        /// Its plugin.
        plugin: PluginName,
        /// What the grants are bound to.
        granted: PluginDigest,
        /// What the plugin is.
        found: PluginDigest,
    },
    /// It is that of the component alone, as earlier versions wrote it: it leaves out what the manifest requests.
    #[error(
        "executors.{executor}.grants.digest in config.json is {granted}, the digest of the component of plugin {plugin} alone. A digest covers plugin.toml too: look at that file, then write \"digest\": \"{found}\""
    )]
    ComponentOnly {
        /// The executor.
        executor: String,
        /// Its plugin.
        plugin: PluginName,
        /// What the grants are bound to.
        granted: PluginDigest,
        /// What the plugin is.
        found: PluginDigest,
    },
}

fn shown(difference: Option<&Difference>) -> String {
    difference.map_or_else(String::new, |difference| format!("\n{difference}"))
}

/// What an executor's grants are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// The plugin came with the program.
    Bundled,
    /// To `grants.digest` of the configuration.
    Configured,
    /// To what was approved, by its first use or by `cyrus plugin approve`.
    Approved,
    /// Nothing yet: the next use for work approves what is installed.
    FirstUse,
    /// Nothing is granted, so nothing is bound.
    NothingGranted,
}

/// What an executor is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be listed, described or probed: approves nothing.
    Inspect,
    /// To execute tasks: the first time approves the plugin as it is.
    Work,
}

/// The plugins that were approved, by executor and plugin: a file of Cyrus's own, for this user alone. Processes
/// that share it exclude each other while they change it, and a reader sees one state or the next.
#[derive(Clone, Debug)]
pub struct Approvals {
    file: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Version,
    executors: BTreeMap<String, BTreeMap<PluginName, Approval>>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        if number == 1 {
            Ok(Self)
        } else {
            Err(format!("version {number} is not known; this is 1"))
        }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        1
    }
}

impl Approval {
    /// The state in which this plugin was found.
    pub fn of(plugin: &DiscoveredPlugin) -> Self {
        Self {
            digest: plugin.digest,
            component: plugin.component_digest,
            manifest: plugin.manifest_text.to_string(),
        }
    }
}

impl Approvals {
    /// Those in this home of Cyrus.
    pub fn in_home(home: &Path) -> Self {
        Self { file: home.join(FILE) }
    }

    /// Checks that this executor may use this plugin as it was found, and returns what binds its grants. With
    /// [`Purpose::Work`], the first use records it.
    pub fn check(
        &self,
        config: &ExecutorConfig,
        plugin: &DiscoveredPlugin,
        purpose: Purpose,
    ) -> Result<Binding, NotApproved> {
        let name = &plugin.manifest.name;
        if let Err(mismatch) = config.bound_to(plugin) {
            let known = self.find(&config.name, name)?;
            let found = Approval::of(plugin);
            let difference = known.map(|known| Box::new(Difference::between(&known, &found)));
            return Err(NotApproved::Digest { mismatch: Box::new(mismatch), difference });
        }
        if plugin.origin == PluginOrigin::Bundled {
            return Ok(Binding::Bundled);
        }
        if config.grants.is_empty() {
            return Ok(Binding::NothingGranted);
        }
        let found = Approval::of(plugin);
        if config.grants.digest.is_some() {
            if purpose == Purpose::Work {
                // Kept to show what changed, should the digest not fit some day.
                self.approve([config.name.as_str()], plugin)?;
            }
            return Ok(Binding::Configured);
        }
        let approved = match (self.find(&config.name, name)?, purpose) {
            (Some(approved), _) => approved,
            (None, Purpose::Inspect) => return Ok(Binding::FirstUse),
            (None, Purpose::Work) => self.approve_first(&config.name, plugin)?,
        };
        if approved.digest == found.digest {
            return Ok(Binding::Approved);
        }
        let difference = Box::new(Difference::between(&approved, &found));
        Err(NotApproved::Changed {
            executor: config.name.clone(),
            plugin: name.clone(),
            difference,
        })
    }

    /// What is approved of this plugin for this executor.
    pub fn find(
        &self,
        executor: &str,
        plugin: &PluginName,
    ) -> Result<Option<Approval>, ApprovalsError> {
        let document = self.read()?;
        Ok(document.executors.get(executor).and_then(|plugins| plugins.get(plugin)).cloned())
    }

    /// The executors that this plugin is approved for, with what is approved.
    pub fn of_plugin(
        &self,
        plugin: &PluginName,
    ) -> Result<BTreeMap<String, Approval>, ApprovalsError> {
        let executors = self.read()?.executors.into_iter();
        let approved = executors
            .filter_map(|(executor, mut plugins)| Some((executor, plugins.remove(plugin)?)));
        Ok(approved.collect())
    }

    /// Approves this plugin, as it was found, for these executors.
    pub fn approve<'a>(
        &self,
        executors: impl IntoIterator<Item = &'a str>,
        plugin: &DiscoveredPlugin,
    ) -> Result<(), ApprovalsError> {
        let approval = Approval::of(plugin);
        self.change(|document| {
            let mut changed = false;
            for executor in executors {
                let plugins = document.executors.entry(executor.to_owned()).or_default();
                let before = plugins.insert(plugin.manifest.name.clone(), approval.clone());
                changed |= before.as_ref() != Some(&approval);
            }
            (changed, ())
        })
    }

    /// Approves it unless a state of it is approved already, and returns what is approved then: of two processes that
    /// use a plugin first, one decides.
    fn approve_first(
        &self,
        executor: &str,
        plugin: &DiscoveredPlugin,
    ) -> Result<Approval, ApprovalsError> {
        self.change(|document| {
            let plugins = document.executors.entry(executor.to_owned()).or_default();
            let name = &plugin.manifest.name;
            let known = plugins.get(name).cloned();
            let approved = known.clone().unwrap_or_else(|| Approval::of(plugin));
            plugins.insert(name.clone(), approved.clone());
            (known.is_none(), approved)
        })
    }

    fn read(&self) -> Result<Document, ApprovalsError> {
        let file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
            Err(source) => return Err(self.io(source)),
        };
        self.check_owner(&file)?;
        let mut text = String::new();
        let length = file.take(MAX_BYTES + 1).read_to_string(&mut text);
        if length.map_err(|source| self.io(source))? as u64 > MAX_BYTES {
            return Err(self.malformed(&"it is too long"));
        }
        serde_json::from_str(&text).map_err(|error| self.malformed(&error))
    }

    /// A file that others may write proves nothing.
    #[cfg(unix)]
    fn check_owner(&self, file: &File) -> Result<(), ApprovalsError> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|source| self.io(source))?.permissions().mode();
        if mode & 0o022 != 0 {
            let problem = format!("other users can write it (mode {:03o})", mode & 0o777);
            return Err(self.malformed(&problem));
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_owner(&self, _: &File) -> Result<(), ApprovalsError> {
        Ok(())
    }

    /// Changes what is approved, while no other process does. `change` returns whether there is something to write.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Document) -> (bool, T),
    ) -> Result<T, ApprovalsError> {
        let io = |source| self.io(source);
        let home = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(home).map_err(io)?;
        // Released when it is closed, also when this process is killed.
        let lock = self.file.with_extension("lock");
        let _lock = lock::hold(&lock, lock::PATIENCE)
            .map_err(|source| ApprovalsError::Io { path: lock, source })?;
        let mut document = self.read()?;
        let (changed, result) = change(&mut document);
        if changed {
            self.write(home, &document).map_err(io)?;
        }
        Ok(result)
    }

    fn write(&self, home: &Path, document: &Document) -> io::Result<()> {
        // Readable for this user alone from its first moment.
        let mut new = tempfile::Builder::new().prefix(".approvals-").tempfile_in(home)?;
        serde_json::to_writer_pretty(&mut new, document)?;
        new.write_all(b"\n")?;
        new.as_file().sync_all()?;
        new.persist(&self.file)?;
        File::open(home)?.sync_all()
    }

    fn io(&self, source: io::Error) -> ApprovalsError {
        ApprovalsError::Io { path: self.file.clone(), source }
    }

    fn malformed(&self, problem: &dyn std::fmt::Display) -> ApprovalsError {
        ApprovalsError::Malformed { path: self.file.clone(), problem: problem.to_string() }
    }
}
