//! Which state of a plugin an executor's grants are bound to.

use cyrus_plugin::{
    Approvals, Binding, Digest, DigestMismatch, DiscoveredPlugin, ExecutorConfig, NotApproved,
    Purpose, discover,
};
use std::{fs, path::Path, sync::Barrier, thread};
use tempfile::TempDir;

const MANIFEST: &str = "name = \"alpha\"\nversion = \"1.0.0\"\ncontract = \"0.1\"\n\
                        component = \"c.wasm\"\nplacement = \"local\"\n[requests]\nask = true\n";

fn install(home: &Path, manifest: &str, component: &[u8]) -> DiscoveredPlugin {
    let directory = home.join("plugins/alpha");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("plugin.toml"), manifest).unwrap();
    fs::write(directory.join("c.wasm"), component).unwrap();
    discover(&[home.join("plugins")], &[]).plugins.remove("alpha").unwrap()
}

fn config(grants: &str) -> ExecutorConfig {
    let mut config = ExecutorConfig::new("ex", "alpha");
    config.grants = serde_json::from_str(grants).unwrap();
    config
}

fn home() -> (TempDir, Approvals) {
    let home = tempfile::tempdir().unwrap();
    let approvals = Approvals::in_home(home.path());
    (home, approvals)
}

#[test]
fn the_first_use_for_work_approves_and_a_look_does_not() {
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    let granted = config(r#"{"ask": true}"#);
    let check = |purpose| approvals.check(&granted, &plugin, purpose).unwrap();
    assert_eq!(check(Purpose::Inspect), Binding::FirstUse);
    assert_eq!(check(Purpose::Inspect), Binding::FirstUse);
    assert_eq!(check(Purpose::Work), Binding::Approved);
    assert_eq!(check(Purpose::Inspect), Binding::Approved);
    let nothing = approvals.check(&config("{}"), &plugin, Purpose::Work).unwrap();
    assert_eq!(nothing, Binding::NothingGranted);
}

#[test]
fn a_change_of_either_file_is_refused_until_it_is_approved() {
    let (home, approvals) = home();
    let granted = config(r#"{"ask": true}"#);
    let plugin = install(home.path(), MANIFEST, b"1");
    approvals.check(&granted, &plugin, Purpose::Work).unwrap();
    let wider = MANIFEST.replace("ask = true", "ask = true\nhttp = [\"*\"]");
    let comment = format!("{MANIFEST}# a word\n");
    for (manifest, component, shows) in [
        (wider.as_str(), &b"1"[..], "+ requests.http[] = \"*\""),
        (MANIFEST, b"2", "component:"),
        (&comment, b"1", "comments or layout"),
    ] {
        let changed = install(home.path(), manifest, component);
        for purpose in [Purpose::Work, Purpose::Inspect] {
            let error = approvals.check(&granted, &changed, purpose).unwrap_err();
            assert!(matches!(error, NotApproved::Changed { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains(shows) && text.contains("`cyrus plugin approve alpha`"),
                "{text}"
            );
        }
    }
    let changed = install(home.path(), &wider, b"2");
    approvals.approve(["ex"], &changed).unwrap();
    assert_eq!(approvals.check(&granted, &changed, Purpose::Work).unwrap(), Binding::Approved);
    assert!(approvals.check(&granted, &plugin, Purpose::Work).is_err(), "nor the old one again");
}

#[test]
fn approvals_are_of_one_executor() {
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    approvals.check(&config(r#"{"ask": true}"#), &plugin, Purpose::Work).unwrap();
    let mut other = config(r#"{"ask": true}"#);
    other.name = "other".to_owned();
    let changed = install(home.path(), MANIFEST, b"2");
    assert_eq!(approvals.check(&other, &changed, Purpose::Work).unwrap(), Binding::Approved);
    let names: Vec<_> = approvals.of_plugin(&plugin.manifest.name).unwrap().into_keys().collect();
    assert_eq!(names, ["ex", "other"]);
}

#[test]
fn a_digest_in_the_configuration_covers_the_manifest_too() {
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    let bound = config(&format!(r#"{{"digest": "{}", "ask": true}}"#, plugin.digest));
    assert_eq!(approvals.check(&bound, &plugin, Purpose::Work).unwrap(), Binding::Configured);
    let changed = install(home.path(), &MANIFEST.replace("local", "cloud"), b"1");
    let error = approvals.check(&bound, &changed, Purpose::Work).unwrap_err().to_string();
    assert!(error.contains("+ placement = \"cloud\""), "{error}");
    assert!(error.contains(&changed.digest.to_string()), "{error}");

    let old = config(&format!(r#"{{"digest": "{}"}}"#, Digest::of(b"1")));
    let error = old.bound_to(&plugin).unwrap_err();
    assert!(matches!(error, DigestMismatch::ComponentOnly { .. }), "{error}");
    assert!(error.to_string().contains(&format!("\"digest\": \"{}\"", plugin.digest)), "{error}");
}

#[test]
fn of_processes_that_use_it_first_one_decides() {
    let (home, approvals) = home();
    let states: Vec<_> = (0..8_u8).map(|n| install(home.path(), MANIFEST, &[n])).collect();
    let together = Barrier::new(states.len());
    let granted = config(r#"{"ask": true}"#);
    let fine = thread::scope(|scope| {
        let tried: Vec<_> = states
            .iter()
            .map(|plugin| {
                scope.spawn(|| {
                    // A value of its own, as another process has: the lock is taken on the file.
                    let approvals = Approvals::in_home(home.path());
                    together.wait();
                    approvals.check(&granted, plugin, Purpose::Work).is_ok()
                })
            })
            .collect();
        tried.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum::<usize>()
    });
    assert_eq!(fine, 1);
    assert_eq!(approvals.of_plugin(&states[0].manifest.name).unwrap().len(), 1);
}

#[test]
fn changes_of_processes_at_once_are_all_kept() {
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    let names: Vec<_> = (0..16).map(|n| format!("ex{n}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| {
                Approvals::in_home(home.path()).approve([name.as_str()], &plugin).unwrap();
            });
        }
    });
    assert_eq!(approvals.of_plugin(&plugin.manifest.name).unwrap().len(), names.len());
}

#[cfg(unix)]
#[test]
fn the_file_is_this_users_alone_and_a_broken_one_approves_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    let granted = config(r#"{"ask": true}"#);
    approvals.check(&granted, &plugin, Purpose::Work).unwrap();
    let file = home.path().join("approvals.json");
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o666);
    let error = approvals.check(&granted, &plugin, Purpose::Work).unwrap_err().to_string();
    assert!(error.contains("other users can write it"), "{error}");
    mode(0o600);
    let whole = fs::read_to_string(&file).unwrap();
    for broken in ["", "{}", "[", &whole.replace("\"version\": 1", "\"version\": 2")] {
        fs::write(&file, broken).unwrap();
        let error = approvals.check(&granted, &plugin, Purpose::Work).unwrap_err();
        assert!(matches!(error, NotApproved::Approvals(_)), "{broken}: {error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), broken, "nor is it written over");
    }
}

/// Something at its place that cannot be read is not the same as nothing: that would be a first use.
#[cfg(unix)]
#[test]
fn what_cannot_be_read_approves_nothing_and_is_no_first_use() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (home, approvals) = home();
    let plugin = install(home.path(), MANIFEST, b"1");
    let granted = config(r#"{"ask": true}"#);
    let file = home.path().join("approvals.json");
    symlink("approvals.json", &file).unwrap();
    for purpose in [Purpose::Inspect, Purpose::Work] {
        let error = approvals.check(&granted, &plugin, purpose).unwrap_err();
        assert!(matches!(error, NotApproved::Approvals(_)), "{error}");
    }
    fs::remove_file(&file).unwrap();

    // As long as it may be, and a byte longer.
    approvals.check(&granted, &plugin, Purpose::Work).unwrap();
    let text = fs::read(&file).unwrap();
    let padded = |length: usize| [&text[..], &vec![b' '; length - text.len()]].concat();
    let most = 64 << 20;
    for (length, is_read) in [(most, true), (most + 1, false)] {
        fs::write(&file, padded(length)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let checked = approvals.check(&granted, &plugin, Purpose::Inspect);
        assert_eq!(checked.is_ok(), is_read, "{length}");
        let said = checked.err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(said.contains("too long"), !is_read, "{said}");
    }
}
