use super::*;

fn listing(files: &[(&str, &str)]) -> Listing {
    let mut listing = Listing::from([(String::new(), Directory::new())]);
    for (path, text) in files {
        for (at, _) in path.match_indices('/') {
            let (above, name) = path[..at].rsplit_once('/').unwrap_or(("", &path[..at]));
            if is_looked_into(above) && says_something(name, true).is_some() {
                listing.entry(above.to_owned()).or_default().insert(name.to_owned(), None);
            }
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(has_content) = says_something(name, false).filter(|_| is_looked_into(directory))
        {
            let content = has_content.then(|| (*text).to_owned());
            listing.entry(directory.to_owned()).or_default().insert(name.to_owned(), content);
        }
    }
    listing
}

fn commands(files: &[(&str, &str)]) -> Vec<String> {
    detect(&listing(files)).into_iter().map(|found| found.command).collect()
}

const TEST: &str = r#"{"scripts": {"test": "vitest run"}}"#;
const NO_TEST: &str = r#"{"private": true, "workspaces": ["packages/*"]}"#;

/// Files of a commit, with the checks that are to be detected.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn an_ecosystem_is_tested_by_its_own_command() {
    let rows: &[Row<'_>] = &[
        (&[("Cargo.toml", "[package]")], &["cargo test"]),
        (
            &[("Cargo.toml", "[workspace]\nmembers = [\"a\"]"), ("a/Cargo.toml", "[package]")],
            &["cargo test --workspace"],
        ),
        (&[("package.json", TEST)], &["npm test"]),
        (&[("package.json", TEST), ("pnpm-lock.yaml", "")], &["pnpm test"]),
        (&[("package.json", TEST), ("yarn.lock", "")], &["yarn test"]),
        (&[("package.json", TEST), ("bun.lock", "")], &["bun run test"]),
        (
            &[
                ("package.json", r#"{"scripts":{"test":"x"},"packageManager":"pnpm@9.1.0"}"#),
                ("yarn.lock", ""),
            ],
            &["pnpm test"],
        ),
        (&[("package.json", r#"{"scripts":{"test:unit":"x"}}"#)], &["npm run test:unit"]),
        // What waits for changes, or for a person, is no check.
        (
            &[("package.json", r#"{"scripts":{"test":"jest --watch","test:ci":"jest"}}"#)],
            &["npm run test:ci"],
        ),
        (&[("package.json", r#"{"scripts":{"test":"node --test --watch"}}"#)], &[]),
        (&[("package.json", r#"{"scripts":{"test":"jest --watchAll=false"}}"#)], &["npm test"]),
        (
            &[("package.json", r#"{"scripts":{"lint":"x","typecheck":"tsc"}}"#)],
            &["npm run typecheck", "npm run lint"],
        ),
        (&[("deno.json", r#"{"tasks":{"test":"deno test"}}"#)], &["deno task test"]),
        (&[("deno.jsonc", "{ // none\n}")], &["deno test"]),
        (&[("pytest.ini", "")], &["python3 -m pytest -q"]),
        (&[("conftest.py", "")], &["python3 -m pytest -q"]),
        (
            &[("pyproject.toml", "[project]\n[tool.pytest.ini_options]\n")],
            &["python3 -m pytest -q"],
        ),
        (&[("tox.ini", "[pytest]\n")], &["python3 -m pytest -q"]),
        (&[("setup.cfg", "[tool:pytest]\n")], &["python3 -m pytest -q"]),
        (&[("setup.py", ""), ("tests/test_a.py", "")], &["python3 -m pytest -q"]),
        (&[("requirements.txt", ""), ("test_a.py", "")], &["python3 -m pytest -q"]),
        (
            &[("pyproject.toml", "[project]"), ("uv.lock", ""), ("tests/test_a.py", "")],
            &["uv run pytest -q"],
        ),
        (&[("pyproject.toml", "[tool.poetry]"), ("tests/a.py", "")], &["poetry run pytest -q"]),
        (&[("Pipfile", ""), ("test_a.py", "")], &["pipenv run pytest -q"]),
        (&[("tox.ini", "[tox]\n"), ("setup.py", "")], &["tox"]),
        (&[("noxfile.py", "")], &["nox"]),
        (&[("manage.py", ""), ("requirements.txt", "")], &["python3 manage.py test"]),
        (&[("go.mod", "")], &["go test ./..."]),
        (
            &[
                ("go.work", "go 1.22\nuse (\n\t./a\n\t./b // two\n)\n"),
                ("a/go.mod", ""),
                ("b/go.mod", ""),
            ],
            &["go test ./a/... ./b/..."],
        ),
        (&[("pom.xml", "")], &["mvn -B test"]),
        (&[("pom.xml", ""), ("mvnw", "")], &["./mvnw -B test"]),
        (&[("gradlew", ""), ("build.gradle.kts", "")], &["./gradlew test"]),
        (&[("settings.gradle", "")], &["gradle test"]),
        (&[("app.sln", ""), ("src/a/a.csproj", "")], &["dotnet test"]),
        (&[("composer.json", r#"{"scripts":{"test":["phpunit"]}}"#)], &["composer test"]),
        (&[("phpunit.xml.dist", "")], &["vendor/bin/phpunit"]),
        (&[("Gemfile", ""), ("spec/a_spec.rb", "")], &["bundle exec rspec"]),
        (
            &[("Gemfile", ""), ("Rakefile", "Rake::TestTask.new"), ("test/a.rb", "")],
            &["bundle exec rake test"],
        ),
        (&[("mix.exs", "")], &["mix test"]),
        (&[("Package.swift", "")], &["swift test"]),
        (&[("pubspec.yaml", "name: a"), ("test/a.dart", "")], &["dart test"]),
        (&[("build.sbt", "")], &["sbt test"]),
        (&[("MODULE.bazel", "")], &["bazel test //..."]),
        (&[("justfile", "build:\n  x\ntest *args: build\n  y\n")], &["just test"]),
        (&[("Taskfile.yml", "version: '3'\ntasks:\n  test:\n    cmds: [x]\n")], &["task test"]),
        (&[("Makefile", "all: test\n\ntest: build\n\t./t\n")], &["make test"]),
        (&[("GNUmakefile", "check lint:\n")], &["make check"]),
        (&[("Makefile", "check:\ntest:\n")], &["make test"]),
        (&[(".pre-commit-config.yaml", "repos: []")], &["pre-commit run --all-files"]),
    ];
    for (files, expected) in rows {
        assert_eq!(commands(files), *expected, "{files:?}");
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let echo = r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#;
    let silent = r#"{"scripts":{"test":"echo 'no tests yet' && exit 0"}}"#;
    let rows: &[&[(&str, &str)]] = &[
        &[],
        &[("README.md", "test:")],
        &[("package.json", echo)],
        &[("package.json", silent)],
        &[("package.json", r#"{"scripts":{"build":"tsc"}}"#)],
        &[("package.json", "{ broken")],
        &[("pyproject.toml", "# [tool.pytest]\n")],
        &[("tests/a", "")],
        &[("Makefile", "test := x\ntests:\n\techo test:\n.PHONY: test\n# test:\n")],
        &[("Makefile", "test ::= x\ntest::=x\n")],
        &[("justfile", "test := 'x'\ntests:\n  y\n")],
        &[(".cyrus/Makefile", "test:"), ("test.sh", "")],
        &[("CMakeLists.txt", "project(a)")],
        &[
            ("node_modules/a/package.json", TEST),
            ("vendor/b/go.mod", ""),
            ("examples/c/Cargo.toml", ""),
        ],
    ];
    for files in rows {
        assert_eq!(commands(files), [""; 0], "{files:?}");
    }
}

#[test]
fn every_language_is_checked_and_a_runner_only_stands_in() {
    let files =
        [("Cargo.toml", ""), ("package.json", TEST), ("Makefile", "test:\n"), ("pytest.ini", "")];
    assert_eq!(commands(&files), ["cargo test", "npm test", "python3 -m pytest -q"]);
}

#[test]
fn a_project_below_is_checked_where_nothing_above_covers_it() {
    let rows: &[Row<'_>] = &[
        (
            &[("web/package.json", TEST), ("backend/go.mod", "")],
            &["cd backend && go test ./...", "cd web && npm test"],
        ),
        (
            &[("Cargo.toml", "[package]"), ("tools/x/Cargo.toml", "[package]")],
            &["cargo test", "cd tools/x && cargo test"],
        ),
        (
            &[
                ("Cargo.toml", "[workspace]\nexclude = [\"fuzz\"]"),
                ("a/Cargo.toml", ""),
                ("fuzz/Cargo.toml", ""),
            ],
            &["cargo test --workspace", "cd fuzz && cargo test"],
        ),
        (
            &[("package.json", TEST), ("docs/package.json", TEST)],
            &["npm test", "cd docs && npm test"],
        ),
        (
            &[("package.json", NO_TEST), ("packages/a/package.json", TEST)],
            &["npm run test --workspaces --if-present"],
        ),
        (
            &[
                ("package.json", "{}"),
                ("pnpm-workspace.yaml", ""),
                ("pnpm-lock.yaml", ""),
                ("packages/a/package.json", TEST),
            ],
            &["pnpm -r --if-present run test"],
        ),
        (
            &[
                ("package.json", NO_TEST),
                ("turbo.json", r#"{"tasks":{"test":{}}}"#),
                ("pnpm-lock.yaml", ""),
                ("apps/a/package.json", TEST),
            ],
            &["pnpm exec turbo run test"],
        ),
        (
            &[("package.json", NO_TEST), ("nx.json", "{}"), ("libs/a/package.json", TEST)],
            &["npx nx run-many -t test"],
        ),
        (
            &[
                ("package.json", NO_TEST),
                ("lerna.json", "{}"),
                ("yarn.lock", ""),
                ("packages/a/package.json", TEST),
            ],
            &["yarn run lerna run test"],
        ),
        (
            &[
                ("package.json", NO_TEST),
                ("yarn.lock", ""),
                (".yarnrc.yml", ""),
                ("packages/a/package.json", TEST),
            ],
            &["yarn workspaces foreach -A run test"],
        ),
        (&[("pom.xml", ""), ("core/pom.xml", "")], &["mvn -B test"]),
        (
            &[("Makefile", "test::\n"), ("lib/Makefile", "test:\n"), ("web/package.json", TEST)],
            &["make test"],
        ),
        (&[("go.mod", ""), ("tools/go.mod", "")], &["go test ./...", "cd tools && go test ./..."]),
        (&[("my app/package.json", TEST)], &["cd 'my app' && npm test"]),
        (&[("-web/package.json", TEST)], &["cd ./-web && npm test"]),
        (&[("-my app/package.json", TEST)], &["cd './-my app' && npm test"]),
        (&[("büro/package.json", TEST)], &["cd büro && npm test"]),
        (&[("$(id)/package.json", TEST)], &[]),
        (&[("a;b/package.json", TEST), ("a/b/c/d/e/package.json", TEST)], &[]),
    ];
    for (files, expected) in rows {
        assert_eq!(commands(files), *expected, "{files:?}");
    }
}

#[test]
fn a_package_whose_test_is_npms_stub_is_left_out() {
    const STUB: &str =
        r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}, "name": "c"}"#;
    let named = |name: &str| format!(r#"{{"scripts": {{"test": "x"}}, "name": "{name}"}}"#);
    let (a, b) = (named("@s/a"), named("b"));
    let top = r#"{"workspaces": ["packages/*", "web", "!packages/old"]}"#;
    let files = [
        ("package.json", top),
        ("packages/a/package.json", &a),
        ("packages/c/package.json", STUB),
        ("packages/old/package.json", &b),
        ("other/package.json", &b),
        ("web/package.json", &b),
    ];
    let with = |file| commands(&[&files[..], &[(file, "")]].concat());
    let found = |file| with(file).into_iter().next().unwrap_or_default();
    assert_eq!(found("package-lock.json"), "npm test -w packages/a -w web");
    assert_eq!(found("yarn.lock"), "yarn workspace @s/a run test && yarn workspace b run test");
    assert_eq!(found("bun.lock"), "bun run --filter ./packages/a --filter ./web test");
    let quiet = r#"{"scripts": {"test": "echo none"}}"#;
    let silent = [files[0], files[1], ("packages/c/package.json", quiet)];
    assert_eq!(commands(&silent)[0], "npm run test --workspaces --if-present");
    let odd = [("package.json", top), ("packages/a;b/package.json", &a), files[2]];
    assert!(commands(&odd).iter().all(|command| !command.contains(';')), "{:?}", commands(&odd));
}

#[test]
fn a_check_below_the_top_is_for_changes_below_it() {
    let changed = [b"web/src/a.ts".to_vec(), b"webs/b".to_vec()];
    for (file, expected) in [
        ("Cargo.toml", true),
        ("web/package.json", true),
        ("web/src/go.mod", true),
        ("we/go.mod", false),
        ("backend/go.mod", false),
    ] {
        assert_eq!(applies(file, &changed), expected, "{file}");
    }
}

#[test]
fn what_no_check_is_about_may_be_shared_by_all() {
    let (apart, top) = (["web/package.json", "api/go.mod"], ["Cargo.toml", "web/package.json"]);
    for (files, path, expected) in [
        (apart, "common/types.ts", true),
        (apart, "build.config", true),
        (apart, "web/a.ts", false),
        (apart, "README.md", false),
        (apart, "docs/use.rst", false),
        (apart, "LICENSE", false),
        (top, "common/types.ts", false),
    ] {
        assert_eq!(is_shared(files.into_iter(), &[path.as_bytes().to_vec()]), expected, "{path}");
    }
}

#[test]
fn a_lock_file_says_how_a_clone_is_set_up() {
    let depends = r#"{"devDependencies":{"jest":"29"}}"#;
    let rows: &[Row<'_>] = &[
        (&[("package.json", depends), ("package-lock.json", "")], &["npm ci"]),
        (&[("package.json", depends)], &["npm install --no-package-lock"]),
        (&[("package.json", "{}")], &[]),
        (&[("package.json", depends), ("pnpm-lock.yaml", "")], &["pnpm install --frozen-lockfile"]),
        (
            &[("package.json", depends), ("yarn.lock", ""), (".yarnrc.yml", "")],
            &["yarn install --immutable"],
        ),
        (&[("pyproject.toml", ""), ("uv.lock", "")], &["uv sync --frozen"]),
        (
            &[
                (
                    "pyproject.toml",
                    "[project]\noptional-dependencies = { test = ['a'], docs = ['b'] }\n[dependency-groups]\ndev = ['c']\nlint = ['d']\n[tool.uv.workspace]\nmembers = ['packages/*']\n",
                ),
                ("uv.lock", ""),
                ("packages/one/pyproject.toml", "[project]\ndependencies = ['e']\n"),
            ],
            &["uv sync --frozen --all-packages --extra test --group dev"],
        ),
        (
            &[("requirements.txt", "flask"), ("test_a.py", "")],
            &[
                "python3 -m venv .venv && .venv/bin/python -m pip install -r requirements.txt pytest",
            ],
        ),
        (
            &[("pyproject.toml", "[project]\ndependencies = ['a']\n"), ("test_a.py", "")],
            &["python3 -m venv .venv && .venv/bin/python -m pip install -e . pytest"],
        ),
        (
            &[("requirements-dev.txt", "pytest"), ("tests/test_a.py", ""), ("pytest.ini", "")],
            &[
                "python3 -m venv .venv && .venv/bin/python -m pip install -r requirements-dev.txt pytest",
            ],
        ),
        (
            &[("setup.py", ""), ("requirements/dev.txt", ""), ("tests/test_a.py", "")],
            &[
                "python3 -m venv .venv && .venv/bin/python -m pip install -r requirements/dev.txt -e . pytest",
            ],
        ),
        (
            &[("setup.py", ""), ("tests/test_a.py", "")],
            &["python3 -m venv .venv && .venv/bin/python -m pip install -e . pytest"],
        ),
        (
            &[("pyproject.toml", "[project]\nname = 'a'\n"), ("tests/test_a.py", "")],
            &["python3 -m venv .venv && .venv/bin/python -m pip install pytest"],
        ),
        (&[("setup.cfg", "")], &[]),
        (
            &[("requirements.txt", "flask"), ("requirements-dev.txt", "pytest")],
            &[
                "python3 -m venv .venv && .venv/bin/python -m pip install -r requirements.txt -r requirements-dev.txt",
            ],
        ),
        (
            &[(
                "pyproject.toml",
                "[project]\ndependencies = ['a']\n[project.optional-dependencies]\ntest = ['b']\ndocs = ['c']\n",
            )],
            &["python3 -m venv .venv && .venv/bin/python -m pip install -e '.[test]'"],
        ),
        (
            &[(
                "pyproject.toml",
                "[project]\nname = 'a'\n[dependency-groups]\nlint = ['ruff']\ndev = [{ include-group = 'more' }, \"tomli; python_version < '3.11'\", '--pre']\nmore = ['pytest>=8', { include-group = 'dev' }]\n",
            )],
            &[
                r"python3 -m venv .venv && .venv/bin/python -m pip install -e . 'pytest>=8' 'tomli; python_version < '\''3.11'\'''",
            ],
        ),
        (
            &[(
                "pyproject.toml",
                "[project]\nname = 'My_Lib'\n[dependency-groups]\ntest = ['my-lib[socks, tls]>=1', 'pytest']\n",
            )],
            &[
                "python3 -m venv .venv && .venv/bin/python -m pip install -e '.[socks,tls]' 'pytest'",
            ],
        ),
        (
            &[("pyproject.toml", "[project]\ndynamic = ['dependencies']\n")],
            &["python3 -m venv .venv && .venv/bin/python -m pip install -e ."],
        ),
        (&[("pyproject.toml", "[project]\nname = 'a'\ndependencies = []\n")], &[]),
        (&[("pyproject.toml", "[tool.ruff]\n")], &[]),
        (&[("pyproject.toml", "[project\n")], &[]),
        (&[("pyproject.toml", "[project]\ndependencies = ['a']\n[tool.hatch.envs.a]\n")], &[]),
        (&[("Gemfile", ""), ("Gemfile.lock", "")], &["bundle install"]),
        (&[("composer.json", "{}"), ("composer.lock", "")], &["composer install --no-interaction"]),
        (&[("Cargo.toml", ""), ("Cargo.lock", ""), ("go.mod", "")], &[]),
        (
            &[
                ("web/package.json", depends),
                ("web/yarn.lock", ""),
                ("api/package.json", depends),
                ("api/package-lock.json", ""),
            ],
            &["cd api && npm ci", "cd web && yarn install --frozen-lockfile"],
        ),
        (
            &[
                ("package.json", NO_TEST),
                ("package-lock.json", ""),
                ("packages/a/package.json", depends),
            ],
            &["npm ci"],
        ),
    ];
    for (files, expected) in rows {
        let found: Vec<_> =
            setup::set_up(&listing(files)).into_iter().map(|found| found.command).collect();
        assert_eq!(found, *expected, "{files:?}");
    }
}
