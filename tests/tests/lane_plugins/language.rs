use cyrus_tests::lanes;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// A language that a plugin is written in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Language {
    Rust,
    Python,
    JavaScript,
}

static RUST: LazyLock<Option<PathBuf>> = LazyLock::new(|| Language::Rust.build());
static PYTHON: LazyLock<Option<PathBuf>> = LazyLock::new(|| Language::Python.build());
static JAVASCRIPT: LazyLock<Option<PathBuf>> = LazyLock::new(|| Language::JavaScript.build());

impl Language {
    /// The directory of the plugin in this language, which is built when it is first asked for. `None`: it is
    /// left out.
    pub(crate) fn plugin(self) -> Option<&'static Path> {
        let built = match self {
            Self::Rust => &RUST,
            Self::Python => &PYTHON,
            Self::JavaScript => &JAVASCRIPT,
        };
        built.as_deref()
    }

    /// The plugin's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust-echo",
            Self::Python => "python-echo",
            Self::JavaScript => "js-echo",
        }
    }

    /// Its lane, and the script that builds it.
    fn lane(self) -> &'static str {
        match self {
            Self::Rust => "rust-plugin",
            Self::Python => "python-plugin",
            Self::JavaScript => "javascript-plugin",
        }
    }

    fn build(self) -> Option<PathBuf> {
        if lanes::left_out(self.lane()) {
            return None;
        }
        let plugin = lanes::directory().join("plugins").join(self.name());
        let script = lanes::script(&format!("{}.sh", self.lane().replace('-', "_")));
        let built = Command::new(&script).arg(&plugin).status().expect("bash is there");
        assert!(built.success(), "{}: {built}", script.display());
        Some(plugin)
    }
}
