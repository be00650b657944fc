//! Fuzz targets: what reads an executor's clone and result with code of our own.

use crate::{
    detect::{Directory, Listing, detect, setup},
    harvest,
    links::Links,
    object::ObjectId,
    remote::{Transport, without_credentials},
    rules::conflicts,
};
use cyrus_fuzz::{fuzz, fuzz_text};
use std::{fs, io::BufReader};

const COMMIT: &str = "1234567890123456789012345678901234567890";

#[test]
fn an_object_name_is_hexadecimal() {
    fuzz_text(
        &[COMMIT, &COMMIT.repeat(2)[..64], "0000000000000000000000000000000000000000\n"],
        |text| {
            if let Some(id) = ObjectId::parse(text) {
                let name = id.as_str();
                assert!(matches!(name.len(), 40 | 64), "{name}");
                assert!(name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
            }
        },
    );
}

/// A `HEAD` never leads to a file that is not a reference of the clone.
#[test]
fn a_head_leads_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let git = directory.path().join(".git");
    fs::create_dir_all(git.join("refs/heads")).unwrap();
    fs::write(directory.path().join("outside"), "a".repeat(40)).unwrap();
    fs::write(git.join("config"), "b".repeat(40)).unwrap();
    fs::write(git.join("refs/heads/main"), format!("{COMMIT}\n")).unwrap();
    fs::write(git.join("packed-refs"), format!("# pack-refs\n{COMMIT} refs/heads/packed\n"))
        .unwrap();
    let examples: [&[u8]; 5] = [
        b"ref: refs/heads/main\n",
        b"ref: refs/heads/packed\n",
        b"ref: refs/heads/../../../outside\n",
        b"ref: config",
        COMMIT.as_bytes(),
    ];
    fuzz(&examples, |bytes| {
        fs::write(git.join("HEAD"), bytes).unwrap();
        if let Some(found) = harvest::head(&git) {
            let named = String::from_utf8_lossy(bytes).contains(found.as_str());
            assert!(named || found.as_str() == COMMIT, "{found:?} is read from elsewhere");
        }
    });
}

#[test]
fn packed_references_are_read_or_left() {
    let directory = tempfile::tempdir().unwrap();
    let git = directory.path().join(".git");
    fs::create_dir_all(&git).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let example = format!(
        "# pack-refs with: peeled fully-peeled sorted\n{COMMIT} refs/heads/main\n^{COMMIT}\n"
    );
    fuzz(&[example.as_bytes()], |bytes| {
        fs::write(git.join("packed-refs"), bytes).unwrap();
        let _ = harvest::head(&git);
    });
}

#[test]
fn an_address_is_fetched_from_by_no_other_transport() {
    let examples = [
        "https://user:password@example.com/x.git",
        "ssh://git@example.com:22/x",
        "git@example.com:x.git",
        "/srv/x.git",
        "file:///srv/x",
        "ext::sh -c x",
        "http://example.com",
        "-oProxyCommand=x:y",
        "[::1]:x",
        "C:\\x",
    ];
    fuzz_text(&examples, |text| {
        let shown = without_credentials(text);
        if let Some(rest) = shown.strip_prefix("https://") {
            let authority = rest.split('/').next().unwrap_or_default();
            assert!(!authority.contains("password@"), "{shown} shows credentials");
        }
        let Ok(transport) = Transport::of(text) else { return };
        assert!(!text.starts_with('-') && !text.contains(char::is_control), "{text:?}");
        let lower = text.to_ascii_lowercase();
        match transport {
            Transport::Https => assert!(lower.starts_with("https://")),
            Transport::Local => assert!(lower.starts_with("file://") || text.starts_with('/')),
            Transport::Ssh => {
                assert!(lower.starts_with("ssh://") || !text.contains("://"), "{text}");
            }
        }
        let helper = text.split_once(':').is_some_and(|(_, rest)| rest.starts_with(':'));
        assert!(!helper || text.starts_with('/'), "{text} names a helper");
    });
}

#[test]
fn conflict_markers_are_found_however_the_file_is_cut() {
    let example = b"a\n<<<<<<< HEAD\nx\n||||||| base\ny\n=======\nz\r\n>>>>>>> topic\nb\n";
    fuzz(&[example], |bytes| {
        let whole = conflicts(bytes).unwrap();
        let pieces = conflicts(BufReader::with_capacity(3, bytes)).unwrap();
        assert_eq!(whole, pieces);
    });
}

#[test]
fn checks_are_worked_out_of_any_file() {
    let examples = [
        "{\"scripts\": {\"test\": \"jest\", \"pretest\": \"x\"}, \"packageManager\": \"pnpm@9\"}",
        "[tool.pytest.ini_options]\nx = 1\n[project]\nname = \"x\"\n",
        "test: part\n\t@echo of the base\n.PHONY: check\ncheck::\n\ttrue\n",
    ];
    fuzz_text(&examples, |text| {
        for name in [
            "package.json",
            "pyproject.toml",
            "Makefile",
            "justfile",
            "tox.ini",
            "setup.cfg",
            "go.work",
            "Taskfile.yml",
            "Cargo.toml",
        ] {
            let top = Directory::from([(name.to_owned(), Some(text.to_owned()))]);
            let listing = Listing::from([(String::new(), top)]);
            for found in detect(&listing).into_iter().chain(setup::set_up(&listing)) {
                assert_eq!(found.file, name);
                assert!(!found.command.contains(char::is_control), "{:?}", found.command);
            }
        }
    });
}

/// A link that leads out of a directory that stands for the repository is found, whatever other links it goes
/// through. The file system is the judge.
#[test]
fn a_link_that_leads_out_is_found() {
    fuzz_text(
        &[
            "a\0..\0dir/b\0../a/x\0dir/c\0b/../../outside",
            "dir/sub/top\0../../..\0notes\0dir/sub/top/etc/passwd",
            "l0\0/etc/passwd\0l1\0l0\0l2\0l1",
            "loop\0loop\0a\0b\0b\0a",
            "x\0.git/config\0y\0.GIT/hooks\0z\0GIT~1/x",
        ],
        links_are_judged_as_the_file_system_does,
    );
}

fn links_are_judged_as_the_file_system_does(text: &str) {
    let parts: Vec<&str> = text.split('\0').collect();
    let plain = |path: &str| {
        path.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() < 64)
    };
    let pairs = parts.chunks_exact(2).map(|pair| (pair[0], pair[1])).take(12);
    let pairs: Vec<_> =
        pairs.filter(|(path, to)| plain(path) && !to.is_empty() && path.len() < 512).collect();
    let links =
        pairs.iter().map(|(path, to)| (path.as_bytes().to_vec(), Some(to.as_bytes().to_vec())));
    let links = Links::new(links, []);
    let found: Vec<_> =
        links.leading_out(&Links::default()).into_iter().map(|(path, _)| path.to_vec()).collect();
    let world = tempfile::tempdir().unwrap();
    let world = world.path().canonicalize().unwrap();
    let root = world.join("repository");
    fs::create_dir(&root).unwrap();
    for (path, to) in &pairs {
        let at = root.join(path);
        let above = at.parent().expect("it is inside");
        // A path that goes through a link is in no tree.
        if fs::create_dir_all(above).is_err() || above.canonicalize().ok().as_deref() != Some(above)
        {
            return;
        }
        if std::os::unix::fs::symlink(to, &at).is_err() {
            return;
        }
    }
    for (path, _) in &pairs {
        let Ok(target) = root.join(path).canonicalize() else { continue };
        let out = !target.starts_with(&root);
        assert!(
            !out || found.iter().any(|found| found == path.as_bytes()),
            "{path} leads to {}",
            target.display()
        );
    }
}
