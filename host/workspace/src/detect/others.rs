//! Ecosystems of which a file is enough to know the command.

use super::{Check, Directory, Ecosystem, check, content, has};
use serde_json::Value;

/// An ecosystem: its name, the files by which it is known, and what tests it.
type Row = (&'static str, &'static [&'static str], &'static str);

/// The first file that is there decides; the first row of an ecosystem that applies is the one that counts.
const TABLE: &[Row] = &[
    ("maven", &["mvnw"], "./mvnw -B test"),
    ("maven", &["pom.xml"], "mvn -B test"),
    ("gradle", &["gradlew"], "./gradlew test"),
    (
        "gradle",
        &["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"],
        "gradle test",
    ),
    ("sbt", &["build.sbt"], "sbt test"),
    ("leiningen", &["project.clj"], "lein test"),
    ("meson", &["meson.build"], "meson setup \"$TMPDIR/build\" && meson test -C \"$TMPDIR/build\""),
    ("elixir", &["mix.exs"], "mix test"),
    ("erlang", &["rebar.config"], "rebar3 eunit"),
    ("swift", &["Package.swift"], "swift test"),
    ("zig", &["build.zig"], "zig build test"),
    ("ocaml", &["dune-project"], "dune test"),
    ("crystal", &["shard.yml"], "crystal spec"),
    ("haskell", &["stack.yaml"], "stack test"),
    ("haskell", &["cabal.project"], "cabal test all"),
    ("bazel", &["MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel"], "bazel test //..."),
    ("perl", &["Makefile.PL"], "prove -lr t"),
    ("lua", &[".busted"], "busted"),
];

pub(super) fn checks(here: &Directory) -> Vec<Check> {
    let mut found: Vec<Check> = Vec::new();
    for (name, files, command) in TABLE {
        let known = found.iter().any(|check| check.ecosystem == Ecosystem::Other(name));
        if let Some(file) = files.iter().find(|file| has(here, file)).filter(|_| !known) {
            found.push(check(Ecosystem::Other(name), *command, file));
        }
    }
    found.extend(
        [
            dotnet(here),
            cmake(here),
            autotools(here),
            ruby(here),
            php(here),
            dart(here),
            cabal(here),
        ]
        .into_iter()
        .flatten(),
    );
    found
}

/// The first name with one of these endings.
fn with_ending<'a>(here: &'a Directory, endings: &[&str]) -> Option<&'a str> {
    endings
        .iter()
        .find_map(|ending| here.keys().find(|name| name.ends_with(ending)))
        .map(String::as_str)
}

fn dotnet(here: &Directory) -> Option<Check> {
    let file = with_ending(here, &[".sln", ".slnx", ".csproj", ".fsproj", ".vbproj"])?;
    Some(check(Ecosystem::Other("dotnet"), "dotnet test", file))
}

fn cabal(here: &Directory) -> Option<Check> {
    let file = with_ending(here, &[".cabal"])
        .filter(|_| !has(here, "stack.yaml") && !has(here, "cabal.project"))?;
    Some(check(Ecosystem::Other("haskell"), "cabal test all", file))
}

fn cmake(here: &Directory) -> Option<Check> {
    const FILE: &str = "CMakeLists.txt";
    let text = content(here, FILE)?.to_ascii_lowercase();
    let tests = text.contains("enable_testing") || text.contains("include(ctest)");
    let build = "cmake -S . -B \"$TMPDIR/build\" && cmake --build \"$TMPDIR/build\" && ctest --test-dir \"$TMPDIR/build\" --output-on-failure";
    tests.then(|| check(Ecosystem::Other("cmake"), build, FILE))
}

fn autotools(here: &Directory) -> Option<Check> {
    if !has(here, "configure.ac") {
        return None;
    }
    let first = if has(here, "configure") { "" } else { "autoreconf -i && " };
    Some(check(
        Ecosystem::Other("autotools"),
        format!("{first}./configure && make check"),
        "configure.ac",
    ))
}

fn ruby(here: &Directory) -> Option<Check> {
    let with = if has(here, "Gemfile") { "bundle exec " } else { "" };
    let found = |command: &str, file: &str| {
        Some(check(Ecosystem::Other("ruby"), format!("{with}{command}"), file))
    };
    let file = ["Gemfile", "Rakefile"].into_iter().find(|file| has(here, file))?;
    if has(here, "spec") || has(here, ".rspec") {
        return found("rspec", file);
    }
    if has(here, "Rakefile") {
        let tests = has(here, "test")
            || content(here, "Rakefile")
                .is_some_and(|text| text.contains("TestTask") || text.contains(":test"));
        return found(if tests { "rake test" } else { "rake" }, "Rakefile");
    }
    None
}

fn php(here: &Directory) -> Option<Check> {
    const FILE: &str = "composer.json";
    let composer: Option<Value> =
        content(here, FILE).and_then(|text| serde_json::from_str(text).ok());
    let script = composer.is_some_and(|composer| !composer["scripts"]["test"].is_null());
    if script {
        return Some(check(Ecosystem::Other("php"), "composer test", FILE));
    }
    let file = ["phpunit.xml", "phpunit.xml.dist"].into_iter().find(|file| has(here, file))?;
    Some(check(Ecosystem::Other("php"), "vendor/bin/phpunit", file))
}

fn dart(here: &Directory) -> Option<Check> {
    let text = content(here, "pubspec.yaml")?;
    let command = if text.contains("sdk: flutter") { "flutter test" } else { "dart test" };
    has(here, "test").then(|| check(Ecosystem::Other("dart"), command, "pubspec.yaml"))
}
