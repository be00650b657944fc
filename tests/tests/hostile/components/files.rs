//! Attacks on the workspace: ways out of it, and ways to write where nothing may be written.

use super::attack::{Attack, Outcomes, Stop};
use crate::case::Case;
use std::fs;

const GROUP: &str = "files";
const READ_ONLY: &str = r#"{"workspace": "read-only"}"#;
const READ_WRITE: &str = r#"{"workspace": "read-write"}"#;

/// Ways to a file that is not in the workspace.
const WAYS_OUT: &[(&str, &str)] = &[
    ("dots", "/workspace/../secret"),
    ("dots_below", "/workspace/dir/../../secret"),
    ("dots_through_a_file", "/workspace/file/../../secret"),
    ("dots_many", "/workspace/../../../../../../../../etc/passwd"),
    ("dots_with_slashes", "/workspace/..//secret"),
    ("dots_with_a_dot", "/workspace/./../secret"),
    ("a_link", "/workspace/relative"),
    ("an_absolute_link", "/workspace/absolute"),
    ("a_linked_directory", "/workspace/above/secret"),
    ("a_link_with_a_slash", "/workspace/above/"),
    ("a_link_to_itself", "/workspace/loop"),
    ("a_link_to_the_environment", "/workspace/environment"),
    ("the_root", "/etc/passwd"),
    ("proc", "/proc/self/environ"),
    ("proc_root", "/workspace/../proc/1/root/etc/passwd"),
    ("another_preopen", "/attachments/../secret"),
    ("a_nul", "/workspace/file<NUL>../secret"),
];

/// What must not be done where nothing may be written.
const WRITES: &[&str] = &[
    "write /workspace/file",
    "write /workspace/new",
    "append /workspace/file",
    "truncate /workspace/file",
    "truncate-read /workspace/file",
    "create /workspace/new",
    "mkdir /workspace/new",
    "rmdir /workspace/dir",
    "unlink /workspace/file",
    "unlink /workspace/relative",
    "rename /workspace/file /workspace/new",
    "hardlink /workspace/file /workspace/new",
    "touch /workspace/file",
];

/// Ways to write outside of a workspace that may be written.
const WRITES_OUT: &[(&str, &str)] = &[
    ("through_dots", "write /workspace/../planted"),
    ("through_a_link", "write /workspace/relative"),
    ("through_an_absolute_link", "truncate /workspace/absolute"),
    ("into_a_linked_directory", "create /workspace/above/planted"),
    ("a_directory_beside", "mkdir /workspace/../planted"),
    ("renamed_out", "rename /workspace/file /workspace/../planted"),
    ("renamed_out_through_a_link", "rename /workspace/file /workspace/above/planted"),
    ("renamed_in", "rename /workspace/above/secret /workspace/new"),
    ("linked_in", "hardlink /workspace/above/secret /workspace/new"),
    ("linked_out", "hardlink /workspace/file /workspace/above/planted"),
    ("removed_outside", "unlink /workspace/above/secret"),
];

/// Ways to the repository's own directory, which a component does not see.
const GIT: &[(&str, &str)] = &[
    ("config", "read /workspace/.git/config"),
    ("config_through_dots", "read /workspace/dir/../.git/config"),
    ("config_through_slashes", "read /workspace//.git//config"),
    ("config_through_a_dot", "read /workspace/./.git/config"),
    ("directory", "list /workspace/.git"),
    ("directory_with_a_slash", "look /workspace/.git/"),
    ("hook", "write /workspace/.git/hooks/post-checkout"),
    ("config_written", "write /workspace/.git/config"),
    ("renamed_away", "rename /workspace/.git /workspace/dir/git"),
    ("renamed_hook", "rename /workspace/file /workspace/.git/hooks/post-checkout"),
    ("linked_hook", "hardlink /workspace/file /workspace/.git/hooks/post-checkout"),
    ("linked_config", "hardlink /workspace/.git/config /workspace/new"),
    ("made_below", "mkdir /workspace/dir/.git"),
    ("file_below", "write /workspace/dir/.git"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut attacks = Vec::new();
    let mut add = |name: String, prompt: &str, grants: &str| {
        let attack = Attack::new(GROUP, &name, prompt, Stop::FileError);
        attacks.push(attack.grants(grants).check(untouched).case());
    };
    for (name, path) in WAYS_OUT {
        add(format!("out_by_{name}"), &format!("read {path}"), READ_WRITE);
    }
    for (name, prompt) in WRITES_OUT {
        add(format!("write_out_{name}"), prompt, READ_WRITE);
    }
    for prompt in WRITES {
        let name: String =
            prompt.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        add(format!("read_only_{name}"), prompt, READ_ONLY);
    }
    for (name, prompt) in GIT {
        add(format!("git_{name}"), prompt, READ_WRITE);
    }
    add("no_grant".to_owned(), "read /workspace/file", "{}");
    let hidden = Attack::new(GROUP, "git_is_not_listed", "list /workspace", Stop::Ignored);
    attacks.push(hidden.grants(READ_WRITE).check(no_git).case());
    attacks
}

/// What is beside the workspace, and its own repository, are as they were; nothing of it came in.
fn untouched(outcomes: &Outcomes) {
    let directory = outcomes.directory.path();
    let told = outcomes.summary();
    assert!(!told.contains("TOP SECRET") && !told.contains("root:"), "{told}");
    assert_eq!(fs::read_to_string(directory.join("secret")).unwrap(), "TOP SECRET");
    assert!(!directory.join("planted").exists());
    let git = fs::read_to_string(directory.join("tree/.git/config")).unwrap();
    assert_eq!(git, "[core]\n\tbare = false\n");
    assert!(fs::read_dir(directory.join("tree/.git/hooks")).unwrap().next().is_none());
    assert!(!directory.join("tree/dir/.git").exists());
}

fn no_git(outcomes: &Outcomes) {
    let listed = outcomes.summary();
    assert!(listed.contains("\"file\"") && !listed.contains("\".git\""), "{listed}");
}
