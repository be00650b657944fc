//! The user's surroundings arrive: variables, `.env`, git's identity, settings in each working tree.

use crate::fixtures::{GREETER, bash, checks, greeter, mending, turns};
use cyrus_tests::{World, world};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// What `claude` sees of these variables, by name.
fn seen(world: World, names: &[&str]) -> Value {
    let print: Vec<String> = names.iter().map(|name| format!("{name}=${{{name}-}};")).collect();
    let command =
        format!("echo '{}' >/dev/null; printf '%s' \"{}\" >env.txt", names.len(), print.concat());
    let world = greeter(world, turns(json!([bash(&command), { "text": "Done." }])));
    let world = world.config(json!({ "validation": { "commands": ["test -e env.txt"] } }));
    let report = world.run(["run", "--json", "Look"]).code(0).report().outcome("validated");
    let text = world.repo().file(report.branch(), "env.txt");
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn what_claude_documents_as_its_environment_reaches_it() {
    let set = [
        ("CLAUDE_CODE_OAUTH_TOKEN", "oat-test-0123456789"),
        ("ANTHROPIC_CUSTOM_HEADERS", "x-team: web"),
        ("CLAUDE_CODE_USE_BEDROCK", "1"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "bedrock-test-0123456789"),
        ("MAX_THINKING_TOKENS", "2048"),
    ];
    let world = set.iter().fold(world!(), |world, (name, value)| world.variable(name, value));
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    let found = seen(world, &names);
    for (name, _) in set {
        assert_ne!(found[name], "", "{name}");
    }
}

#[test]
fn what_belongs_to_a_cloud_that_is_not_used_stays() {
    let world = world!()
        .variable("AWS_SECRET_ACCESS_KEY", "aws-test-0123456789")
        .variable("ANTHROPIC_FOUNDRY_API_KEY", "azure-test-0123456789")
        .variable("CLAUDE_CODE_USE_FOUNDRY", "0")
        .variable("SOMETHING_ELSE", "x");
    let names = ["AWS_SECRET_ACCESS_KEY", "ANTHROPIC_FOUNDRY_API_KEY", "SOMETHING_ELSE"];
    let found = seen(world, &names);
    for name in names {
        assert_eq!(found[name], "", "{name}");
    }
}

#[test]
fn an_empty_variable_is_none() {
    let world = world!().variable("ANTHROPIC_API_KEY", "").variable("HTTPS_PROXY", "");
    assert_eq!(seen(world, &["ANTHROPIC_API_KEY"])["ANTHROPIC_API_KEY"], "");
}

#[test]
fn variables_in_upstreams_file_count_where_the_environment_has_none() {
    let world = world!().variable("MAX_THINKING_TOKENS", "1");
    let file = world.home().join(".env");
    fs::write(&file, "# tokens\nANTHROPIC_CUSTOM_HEADERS=\"x-team: web\"\nMAX_THINKING_TOKENS=2\n")
        .expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let found = seen(world, &["ANTHROPIC_CUSTOM_HEADERS", "MAX_THINKING_TOKENS"]);
    assert_ne!(found["ANTHROPIC_CUSTOM_HEADERS"], "");
    assert_eq!(found["MAX_THINKING_TOKENS"], "1", "the environment goes first");
}

#[test]
fn what_passes_is_in_the_grant_and_in_doctor() {
    let world =
        greeter(world!(), mending()).variable("CLAUDE_CODE_OAUTH_TOKEN", "oat-test-0123456789");
    let shown = world.run(["executor", "explain", "claude"]).code(0);
    let _ = shown.prints("your variables, where they are set:").prints("CLAUDE_CODE_USE_VERTEX");
    let doctor = world.run(["doctor"]);
    assert!(doctor.stdout.contains("CLAUDE_CODE_OAUTH_TOKEN"), "{doctor}");
    assert!(!doctor.stdout.contains("oat-test"), "{doctor}");
}

/// Who the commit of a run's result is by, and who made it.
fn authors(world: &World) -> String {
    let report = world.run(["run", "--json", "Greet"]).code(0).report().outcome("validated");
    world.repo().git(["log", "-1", "--format=%an <%ae>, %cn <%ce>", report.branch()])
}

/// A world whose repository says nothing of who commits.
fn anonymous() -> World {
    let world = world!().repository(GREETER).config(checks()).stand_in(mending());
    world.repo().git(["config", "--unset", "user.name"]);
    world.repo().git(["config", "--unset", "user.email"]);
    world
}

#[test]
fn commits_are_by_whom_gits_variables_name() {
    let world = anonymous()
        .variable("GIT_AUTHOR_NAME", "Ada")
        .variable("GIT_AUTHOR_EMAIL", "ada@work.invalid");
    assert_eq!(authors(&world), "Ada <ada@work.invalid>, Ada <ada@work.invalid>");
    let world = world
        .variable("GIT_COMMITTER_NAME", "Bot")
        .variable("GIT_COMMITTER_EMAIL", "bot@ci.invalid");
    assert_eq!(authors(&world), "Ada <ada@work.invalid>, Bot <bot@ci.invalid>");
}

#[test]
fn an_unknown_git_identity_is_a_warning() {
    // A name without an address is nobody, to git as well.
    for half in [None, Some("Ada")] {
        let mut world = anonymous();
        if let Some(name) = half {
            world = world.variable("GIT_AUTHOR_NAME", name);
        }
        let planned = world.run(["plan", "--json", "Greet"]).code(0);
        let warnings = planned.lines()[0]["warnings"].to_string();
        assert!(warnings.contains("user.email"), "{planned}");
        let ended = world.run(["run", "--json", "Greet"]).code(0).complains("user.email");
        assert_eq!(ended.stderr.contains("user.name"), half.is_none(), "{ended}");
        let report = ended.report().outcome("validated");
        let by = world.repo().git(["log", "-1", "--format=%an <%ae>", report.branch()]);
        assert_eq!(by, "Cyrus <cyrus@localhost>");
    }
    let known = world!().repository(GREETER).config(checks()).stand_in(mending());
    let ended = known.run(["run", "--json", "Greet"]).code(0);
    assert!(!ended.stderr.contains("user.email"), "{ended}");
}

/// Builds stamp versions by that, and tests ask whether what is generated is up to date. Programs of root's have users of
/// their own, and git looks at who a file belongs to.
#[test]
fn a_clone_and_the_tree_of_a_check_are_clean_to_git() {
    let clean = "git diff-files --quiet && git diff-index --quiet HEAD --";
    let agent = bash(&format!("{clean} && echo clean >clean.txt"));
    let checks = [format!("test -e clean.txt && {clean}")];
    let world = world!()
        .repository(GREETER)
        .config(json!({ "validation": { "commands": checks } }))
        .stand_in(turns(json!([agent, { "text": "Done." }])));
    let _ = world.run(["run", "--json", "Look"]).code(0).report().outcome("validated");
}

/// Tests make repositories of their own, and commit in them: for the agent as for the checks.
#[test]
fn git_knows_its_user_in_repositories_that_are_made_for_a_moment() {
    let tried = "cd $(mktemp -d) && git init -q . && git commit -q --allow-empty -m x \
        && git log -1 --format='%an <%ae>'";
    let agent = bash(&format!("cd \"$PWD\" && by=$({tried}) && echo \"$by\" >by.txt"));
    let world = anonymous()
        .stand_in(turns(json!([agent, { "text": "Done." }])))
        .variable("GIT_AUTHOR_NAME", "Ada")
        .variable("GIT_AUTHOR_EMAIL", "ada@work.invalid")
        .config(json!({ "validation": { "commands": [format!("test \"$({tried})\" = \"$(cat by.txt)\"")] } }));
    let report = world.run(["run", "--json", "Commit"]).code(0).report().outcome("validated");
    assert_eq!(world.repo().file(report.branch(), "by.txt").trim(), "Ada <ada@work.invalid>");
}

#[test]
fn a_broken_git_configuration_is_a_warning() {
    let world = anonymous();
    let file = world.path("broken.gitconfig");
    fs::write(&file, "[user\n\tname = Ada\n").unwrap();
    let world = world.variable("GIT_CONFIG_GLOBAL", file.to_str().unwrap());
    let ended = world.run(["run", "--json", "Greet"]).code(0);
    let ended = ended.complains("git cannot read your configuration").complains("broken.gitconfig");
    let _ = ended.report().outcome("validated");
}

#[test]
fn commits_are_by_whom_the_users_configuration_names_for_this_place() {
    let world = anonymous();
    let place = world.path("");
    let config = format!(
        "[user]\n\tname = Ada\n\temail = ada@home.invalid\n[includeIf \"gitdir:{}/\"]\n\tpath = work.inc\n",
        place.canonicalize().expect("a place").display()
    );
    fs::write(world.user().join(".gitconfig"), config).expect("a file");
    fs::write(world.user().join("work.inc"), "[user]\n\temail = ada@work.invalid\n")
        .expect("a file");
    assert_eq!(authors(&world), "Ada <ada@work.invalid>, Ada <ada@work.invalid>");
    world.repo().git(["config", "author.email", "ada@here.invalid"]);
    assert_eq!(authors(&world), "Ada <ada@here.invalid>, Ada <ada@work.invalid>");
}

#[test]
fn the_configuration_of_the_system_and_of_other_places_counts() {
    let world = anonymous();
    let system = world.path("system.gitconfig");
    fs::write(&system, "[user]\n\tname = Sys\n\temail = sys@host.invalid\n").expect("a file");
    let world = world.variable("GIT_CONFIG_SYSTEM", &system);
    assert_eq!(authors(&world), "Sys <sys@host.invalid>, Sys <sys@host.invalid>");
    let elsewhere = world.path("xdg/git");
    fs::create_dir_all(&elsewhere).expect("a directory");
    fs::write(elsewhere.join("config"), "[user]\n\tname = Xdg\n\temail = xdg@home.invalid\n")
        .expect("a file");
    let place = world.path("xdg");
    let world = world.variable("XDG_CONFIG_HOME", place);
    assert_eq!(authors(&world), "Xdg <xdg@home.invalid>, Xdg <xdg@home.invalid>");
}

#[test]
fn settings_of_a_repository_hold_in_each_of_its_working_trees() {
    let world = greeter(world!(), mending());
    let repository = world.path("repository");
    world.repo().git(["worktree", "add", "--quiet", "../feature", "-b", "feature"]);
    let world = world.config(json!({ "repositories": [
        { "id": "shop", "repositoryPath": repository, "validation": { "protectedPaths": ["greet.sh"] } }
    ] }));
    let feature = world.path("feature");
    for place in [&repository, &feature] {
        let place = place.to_str().expect("a path");
        let report = world.run(["run", "--json", "--repo", place, "Greet"]).code(1).report();
        let _ = report.outcome("rejected");
    }
}

/// A log that cannot be written is no reason to lose work.
#[test]
fn a_full_disk_for_the_log_stops_no_work() {
    let world = greeter(world!(), mending()).variable("CYRUS_LOG", "trace");
    let full = ("sh", &["-c", "exec \"$0\" \"$@\" 2>/dev/full"][..]);
    let ended = world.start_by(full, ["run", "--json", "Greet"]).end().code(0);
    let _ = ended.report().outcome("validated");
    assert_eq!(ended.stderr, "");
}

/// Where clones are made no program may start: the mount is one of the test's own, which only root can make.
#[test]
fn doctor_names_a_place_for_clones_where_no_program_starts() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = world!();
    let place = world.path("mounted");
    fs::create_dir(&place).unwrap();
    let world = world.config(json!({ "workDir": place.join("clones") }));
    for (options, is_said) in [("noexec", true), ("exec", false)] {
        let mount =
            format!("mount -t tmpfs -o {options} none '{}' && exec \"$0\" \"$@\"", place.display());
        let ended = world
            .start_by(("unshare", &["--mount", "sh", "-c", &mount]), ["doctor", "--json"])
            .end();
        let rows: Value = serde_json::from_str(&ended.stdout).unwrap();
        let row = rows.as_array().unwrap().iter().find(|row| row["what"] == "clones").unwrap();
        let said = row["seen"].as_str().unwrap().contains("`noexec`");
        assert_eq!((said, row["state"] == "less"), (is_said, is_said), "{options}: {row}");
    }
}

/// `/opt` has programs of the system, and what is none: a repository, and the home of a user with their programs. Here it
/// is one of the test's own, which only root can make.
#[test]
fn of_opt_programs_see_what_is_the_systems_and_what_the_path_names() {
    const OPT: &str = "mount -t tmpfs none /opt && cd /opt && mkdir -p tool group/other/.git work/bin && \
                       echo x | tee tool/file >group/other/file && echo x >work/secret && \
                       printf '#!/bin/sh\\n' >work/bin/own && chmod +x work/bin/own && \
                       mkdir work/.git && cd \"$OLDPWD\" && PATH=$PATH:/opt/work/bin exec \"$0\" \"$@\"";
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for without in ["", "namespaces"] {
        let check = "test -e /opt/tool/file && ! cat /opt/group/other/file && ! cat /opt/work/secret && own";
        let world = greeter(world!(), mending())
            .variable("CYRUS_SANDBOX_WITHOUT", without)
            .config(json!({ "validation": { "commands": [check] } }));
        let run =
            world.start_by(("unshare", &["--mount", "sh", "-c", OPT]), ["run", "--json", "Greet"]);
        let _ = run.end().code(0).report().outcome("validated");
    }
}
