use crate::{Digest, MAX_MANIFEST_BYTES, Manifest, ManifestError, PluginDigest};
use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The most that a component may be long, in bytes.
pub const MAX_COMPONENT_BYTES: u64 = 32 * 1024 * 1024;

/// The manifest's file name.
const MANIFEST: &str = "plugin.toml";

/// A plugin that came with the program.
#[derive(Clone, Copy, Debug)]
pub struct BundledPlugin {
    /// The bytes of its `plugin.toml`.
    pub manifest: &'static [u8],
    /// The bytes of its component.
    pub component: &'static [u8],
}

/// Where a plugin was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginOrigin {
    /// It came with the program.
    Bundled,
    /// In this directory.
    Directory(PathBuf),
}

impl fmt::Display for PluginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::Directory(path) => path.display().fmt(f),
        }
    }
}

/// Where a component's bytes are.
#[derive(Clone, Debug)]
pub enum ComponentSource {
    /// In the program itself.
    Bundled(&'static [u8]),
    /// In this file.
    File(PathBuf),
}

/// A plugin that can be loaded.
#[derive(Clone, Debug)]
pub struct DiscoveredPlugin {
    /// What it says of itself: what [`DiscoveredPlugin::manifest_text`] says, and nothing that was read later.
    pub manifest: Arc<Manifest>,
    /// The text of its `plugin.toml`, as it was read and hashed.
    pub manifest_text: Arc<str>,
    /// Where it was found.
    pub origin: PluginOrigin,
    /// Its digest, over manifest and component, when it was found.
    pub digest: PluginDigest,
    /// Its component's digest when it was found.
    pub component_digest: Digest,
    /// Where its component is.
    pub component: ComponentSource,
}

/// A plugin that cannot be loaded. It is listed, and stands in nobody's way.
#[derive(Debug)]
pub struct BrokenPlugin {
    /// Its name, as far as it could be read; otherwise the name of its directory.
    pub name: String,
    /// Where it is.
    pub origin: PluginOrigin,
    /// What is wrong with it.
    pub error: PluginError,
}

/// What is wrong with a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// Its manifest cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its manifest is wrong.
    #[error("plugin.toml: {0}")]
    Manifest(#[from] ManifestError),
    /// One of its files is too large.
    #[error("{}: larger than {most} bytes, the most that is read of it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most it may be long, in bytes.
        most: u64,
    },
    /// Its component is not the one that was found.
    #[error("the component is {found}, not {expected}: it was changed since the plugin was found")]
    Changed {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
}

/// Every plugin there is.
#[derive(Debug, Default)]
pub struct Discovery {
    /// By name. Of two with one name the one found first: directories in their order, then the bundled.
    pub plugins: BTreeMap<String, DiscoveredPlugin>,
    /// Those that were found later under a name that was taken.
    pub shadowed: Vec<DiscoveredPlugin>,
    /// Those that cannot be loaded.
    pub broken: Vec<BrokenPlugin>,
}

/// Finds plugins: in each directory every directory with a `plugin.toml`, or the directory itself if it has
/// one; then the bundled ones. A directory that is not there holds none.
pub fn discover(directories: &[PathBuf], bundled: &[BundledPlugin]) -> Discovery {
    let mut found = Discovery::default();
    for directory in directories {
        for plugin in plugin_directories(directory) {
            found.add(read_directory(&plugin), PluginOrigin::Directory(plugin));
        }
    }
    for plugin in bundled {
        found.add(read_bundled(plugin), PluginOrigin::Bundled);
    }
    found
}

impl Discovery {
    fn add(
        &mut self,
        read: Result<DiscoveredPlugin, (Option<String>, PluginError)>,
        origin: PluginOrigin,
    ) {
        let plugin = match read {
            Ok(plugin) => plugin,
            Err((name, error)) => {
                let name = name.unwrap_or_else(|| directory_name(&origin));
                return self.broken.push(BrokenPlugin { name, origin, error });
            }
        };
        let name = plugin.manifest.name.as_str().to_owned();
        match self.plugins.entry(name) {
            Entry::Vacant(free) => _ = free.insert(plugin),
            Entry::Occupied(_) => self.shadowed.push(plugin),
        }
    }
}

fn directory_name(origin: &PluginOrigin) -> String {
    match origin {
        PluginOrigin::Bundled => "(bundled)".to_owned(),
        PluginOrigin::Directory(path) => {
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.display().to_string())
        }
    }
}

fn plugin_directories(directory: &Path) -> Vec<PathBuf> {
    if directory.join(MANIFEST).exists() {
        return vec![directory.to_owned()];
    }
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut plugins: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(MANIFEST).exists())
        .collect();
    plugins.sort();
    plugins
}

type Read = Result<DiscoveredPlugin, (Option<String>, PluginError)>;

fn read_directory(directory: &Path) -> Read {
    let path = directory.join(MANIFEST);
    let text = read_file(&path, MAX_MANIFEST_BYTES as u64).map_err(|e| (None, e))?;
    let origin = PluginOrigin::Directory(directory.to_owned());
    let file = |manifest: &Manifest| ComponentSource::File(directory.join(&manifest.component));
    describe(&text, origin, file)
}

fn read_bundled(plugin: &BundledPlugin) -> Read {
    let component = ComponentSource::Bundled(plugin.component);
    describe(plugin.manifest, PluginOrigin::Bundled, |_| component)
}

fn describe(
    text: &[u8],
    origin: PluginOrigin,
    component: impl FnOnce(&Manifest) -> ComponentSource,
) -> Read {
    let (manifest, text) = Manifest::parse_text(text).map_err(|e| (None, e.into()))?;
    let component = component(&manifest);
    let bytes = component.read().map_err(|e| (Some(manifest.name.to_string()), e))?;
    Ok(DiscoveredPlugin {
        digest: PluginDigest::of(text.as_bytes(), &bytes),
        component_digest: Digest::of(&bytes),
        manifest: Arc::new(manifest),
        manifest_text: text.into(),
        origin,
        component,
    })
}

/// Reads a file of at most so many bytes.
fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, PluginError> {
    let unreadable = |source| PluginError::Unreadable { path: path.to_owned(), source };
    // Opening a pipe would wait for a writer, and a device may have no end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that a file that grows while it is read is noticed too.
    let file = File::open(path).map_err(unreadable)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(PluginError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

impl ComponentSource {
    /// The component's bytes, as they are now.
    pub fn read(&self) -> Result<Cow<'static, [u8]>, PluginError> {
        match self {
            Self::Bundled(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File(path) => read_file(path, MAX_COMPONENT_BYTES).map(Cow::Owned),
        }
    }
}

impl DiscoveredPlugin {
    /// The component's bytes, if they are still those that were found.
    pub fn read_component(&self) -> Result<Cow<'static, [u8]>, PluginError> {
        let bytes = self.component.read()?;
        let found = Digest::of(&bytes);
        if found == self.component_digest {
            Ok(bytes)
        } else {
            Err(PluginError::Changed { expected: self.component_digest, found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, version: &str) -> String {
        format!(
            "name = \"{name}\"\nversion = \"{version}\"\ncontract = \"0.1\"\n\
             component = \"c.wasm\"\nplacement = \"local\"\n"
        )
    }

    fn install(root: &Path, directory: &str, manifest: &str, component: Option<&[u8]>) {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(MANIFEST), manifest).unwrap();
        if let Some(bytes) = component {
            fs::write(directory.join("c.wasm"), bytes).unwrap();
        }
    }

    fn bundled(name: &str) -> BundledPlugin {
        BundledPlugin { manifest: manifest(name, "0.0.1").leak().as_bytes(), component: b"bundled" }
    }

    #[test]
    fn the_operators_plugin_wins_over_the_bundled_one() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        install(first.path(), "a", &manifest("alpha", "2.0.0"), Some(b"first"));
        install(second.path(), "x", &manifest("alpha", "3.0.0"), Some(b"second"));
        let dirs = [first.path().to_owned(), second.path().to_owned(), "/not/there".into()];
        let found = discover(&dirs, &[bundled("alpha"), bundled("beta")]);
        let versions: Vec<_> =
            found.plugins.values().map(|p| p.manifest.version.to_string()).collect();
        assert_eq!(versions, ["2.0.0", "0.0.1"]);
        assert_eq!(found.plugins["beta"].origin.to_string(), "bundled");
        let first = first.path().join("a").display().to_string();
        assert_eq!(found.plugins["alpha"].origin.to_string(), first);
        assert_eq!(found.shadowed.len(), 2);
        assert!(found.broken.is_empty());
    }

    #[test]
    fn a_broken_plugin_is_listed_and_stops_nobody() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "a-bad", "name = ", Some(b"x"));
        install(root.path(), "b-empty", &manifest("alpha", "1.0.0"), None);
        install(root.path(), "c-good", &manifest("gamma", "1.0.0"), Some(b"x"));
        fs::create_dir(root.path().join("d-none")).unwrap();
        fs::create_dir(root.path().join(MANIFEST).with_extension("d")).unwrap();
        let found = discover(&[root.path().to_owned()], &[bundled("alpha")]);
        let broken: Vec<_> = found.broken.iter().map(|b| b.name.as_str()).collect();
        assert_eq!(broken, ["a-bad", "alpha"]);
        assert!(found.broken[1].error.to_string().contains("c.wasm"));
        let names: Vec<_> = found.plugins.keys().collect();
        assert_eq!(
            names,
            ["alpha", "gamma"],
            "the bundled one serves while the operator's is broken"
        );
    }

    #[test]
    fn a_directory_may_be_a_plugin_itself() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "mine", &manifest("mine", "1.0.0"), Some(b"x"));
        assert!(discover(&[root.path().join("mine")], &[]).plugins.contains_key("mine"));
    }

    #[test]
    fn a_component_that_was_changed_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "a", &manifest("alpha", "1.0.0"), Some(b"good"));
        let found = discover(&[root.path().to_owned()], &[]);
        let plugin = &found.plugins["alpha"];
        assert_eq!(*plugin.read_component().unwrap(), *b"good");
        install(root.path(), "a", &manifest("alpha", "1.0.0"), Some(b"evil"));
        assert!(matches!(plugin.read_component(), Err(PluginError::Changed { .. })));
    }

    #[test]
    fn the_digest_is_that_of_what_is_used() {
        let root = tempfile::tempdir().unwrap();
        let text = manifest("alpha", "1.0.0");
        install(root.path(), "a", &text, Some(b"good"));
        let found = || discover(&[root.path().to_owned()], &[]).plugins.remove("alpha").unwrap();
        let before = found();
        assert_eq!(before.digest, PluginDigest::of(text.as_bytes(), b"good"));
        assert_eq!(&*before.manifest_text, text);
        install(root.path(), "a", &format!("{text}\n# a word\n"), Some(b"good"));
        let after = found();
        assert_eq!(before.component_digest, after.component_digest);
        assert_ne!(before.digest, after.digest, "one byte of the manifest is another plugin");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "a", &manifest("alpha", "1.0.0"), None);
        install(root.path(), "b", &manifest("beta", "1.0.0"), Some(b"b"));
        std::os::unix::fs::symlink("/dev/zero", root.path().join("a/c.wasm")).unwrap();
        fs::remove_file(root.path().join("b/plugin.toml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", root.path().join("b/plugin.toml")).unwrap();
        let found = discover(&[root.path().to_owned()], &[]);
        assert_eq!(found.broken.len(), 2);
        for broken in found.broken {
            assert!(broken.error.to_string().contains("not a file"), "{}", broken.error);
        }
    }

    #[test]
    fn a_component_has_a_size_limit() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "a", &manifest("alpha", "1.0.0"), Some(b""));
        let file = File::options().write(true).open(root.path().join("a/c.wasm")).unwrap();
        let found = || discover(&[root.path().to_owned()], &[]);
        file.set_len(32 << 20).unwrap();
        assert!(found().broken.is_empty());
        file.set_len((32 << 20) + 1).unwrap();
        assert!(matches!(found().broken[0].error, PluginError::TooLarge { .. }));
    }
}
