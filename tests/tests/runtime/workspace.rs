//! The workspace, and what else a component sees of the machine.

use crate::harness::{Setup, Tested, request};
use cyrus_executor::{
    Attachment, AttachmentSource, ErrorKind, ExecutionRequest, Outcome, Workspace,
};
use std::{fs, path::Path};
use tempfile::TempDir;

fn with_workspace(prompt: &str, directory: &TempDir) -> ExecutionRequest {
    let root = directory.path().join("tree");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("file"), "inside").unwrap();
    fs::write(directory.path().join("secret"), "outside").unwrap();
    let mut request = request(prompt);
    let beside = |name: &str| directory.path().join(name);
    request.workspace = Some(Workspace::new(root, beside("home"), beside("record")));
    request
}

async fn told(tested: &Tested, prompt: &str, directory: &TempDir) -> String {
    let outcome = tested.outcome(with_workspace(prompt, directory)).await;
    let Ok(Outcome::Completed(result)) = outcome else { panic!("{outcome:?}") };
    result.summary
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_seen_as_far_as_it_is_granted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tree/new");
    for (grants, read, written) in [
        ("{}", false, false),
        (r#"{"workspace": "none"}"#, false, false),
        (r#"{"workspace": "read-only"}"#, true, false),
        (r#"{"workspace": "read-write"}"#, true, true),
    ] {
        let tested = Setup::new().grants(grants).build().await;
        let content = told(&tested, "read /workspace/file", &directory).await;
        assert_eq!(content == "inside", read, "{grants}: {content}");
        let answer = told(&tested, "write /workspace/new text", &directory).await;
        assert_eq!((answer == "written", file.exists()), (written, written), "{grants}: {answer}");
        let shown = told(&tested, "context", &directory).await;
        assert_eq!(shown.contains("workspace=Some"), read, "{shown}");
    }
}

/// Opening one would wait for its other end, and hold a thread of the host for as long.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let tested = Setup::new().grants(r#"{"workspace": "read-write"}"#).build().await;
    let pipe = directory.path().join("tree/pipe");
    fs::create_dir_all(directory.path().join("tree")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink("pipe", directory.path().join("tree/link")).unwrap();
    for path in ["pipe", "link", "./pipe"] {
        let answer = told(&tested, &format!("read /workspace/{path}"), &directory).await;
        assert!(answer.starts_with("error"), "{path}: {answer}");
    }
    assert_eq!(told(&tested, "read /workspace/file", &directory).await, "inside");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_bounds_the_grant() {
    let directory = tempfile::tempdir().unwrap();
    let asks_less = |manifest: &str| manifest.replace("\"read-write\"", "\"read-only\"");
    let setup = Setup::new().manifest(asks_less).grants(r#"{"workspace": "read-write"}"#);
    let answer = told(&setup.build().await, "write /workspace/new text", &directory).await;
    assert!(answer.starts_with("error"), "{answer}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_leads_out_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let tested = Setup::new().grants(r#"{"workspace": "read-write"}"#).build().await;
    let link = |target: &Path, name: &str| {
        fs::create_dir_all(directory.path().join("tree")).unwrap();
        std::os::unix::fs::symlink(target, directory.path().join("tree").join(name)).unwrap();
    };
    link(&directory.path().join("secret"), "absolute");
    link(Path::new("../secret"), "relative");
    link(Path::new(".."), "above");
    for path in ["../secret", "absolute", "relative", "above/secret", "file/../../secret"] {
        let content = told(&tested, &format!("read /workspace/{path}"), &directory).await;
        assert!(content.starts_with("error"), "{path}: {content}");
    }
    let content =
        told(&tested, &format!("read {}/secret", directory.path().display()), &directory).await;
    assert!(content.starts_with("error"), "{content}");
}

/// A workspace that is a clone, with a clone inside, and links that the base commit or a program left.
fn clone_with_links(directory: &TempDir) {
    let root = directory.path().join("tree");
    for git in [".git/hooks", "sub/.git"] {
        fs::create_dir_all(root.join(git)).unwrap();
    }
    for file in [".git/config", "sub/.git/config", "sub/file", ".gitignore"] {
        fs::write(root.join(file), "as it was").unwrap();
    }
    for (target, link) in
        [(".git", "to-git"), (".git/config", "to-config"), ("../.git", "sub/up"), ("sub", "to-sub")]
    {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
}

/// Everything below the workspace's `.git` directories, with content.
fn state_of_git(directory: &TempDir) -> String {
    let root = directory.path().join("tree");
    let list = |git: &str| {
        let entries = fs::read_dir(root.join(git)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        (names, fs::read_to_string(root.join(git).join("config")).unwrap())
    };
    let hooks = fs::read_dir(root.join(".git/hooks")).unwrap().count();
    format!("{:?} {:?} {hooks}", list(".git"), list("sub/.git"))
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_git_in_it_whatever_the_operation() {
    let directory = tempfile::tempdir().unwrap();
    clone_with_links(&directory);
    let before = state_of_git(&directory);
    let tested = Setup::new().grants(r#"{"workspace": "read-write"}"#).build().await;
    let spellings = [
        ".git",
        ".GIT",
        ".git.",
        ".git/",
        "./.git",
        "sub/../.git",
        "sub/.git",
        "to-git",
        "to-sub/.git",
        "sub/up",
        "sub/.git/.",
        "file/../.git",
    ];
    let mut tried = Vec::new();
    for git in spellings {
        let at = |rest: &str| format!("/workspace/{git}{rest}");
        let (config, new, git) = (at("/config"), at("/new"), at(""));
        for operation in [
            format!("read {config}"),
            format!("write {config} changed"),
            format!("truncate {config}"),
            format!("touch {config}"),
            format!("stat {config}"),
            format!("lstat {config}"),
            format!("remove {config}"),
            format!("rename {config} /workspace/stolen"),
            format!("rename /workspace/file {config}"),
            format!("link {config} /workspace/stolen"),
            format!("link /workspace/file {new}"),
            format!("symlink x {new}"),
            format!("symlink {git} /workspace/mine"),
            format!("create {new}"),
            format!("mkdir {new}"),
            format!("rmdir {git}/hooks"),
            format!("list {git}/"),
            format!("remove-all {git}/"),
            format!("write {git}/hooks/pre-commit x"),
        ] {
            tried.push(operation);
        }
    }
    tried.extend(
        [
            "read /workspace/to-config",
            "write /workspace/to-config changed",
            "stat /workspace/to-config",
            "rename /workspace/sub /workspace/.git",
            "rename /workspace/.git /workspace/moved",
            "rename /workspace/sub/.git /workspace/moved",
            "remove-all /workspace/sub",
            "mkdir /workspace/.Git",
            "write /workspace/.git text",
            "symlink /workspace/.git /workspace/mine",
            "symlink ../.git/hooks /workspace/sub/mine",
            "symlink sub /workspace/.git",
            "write /workspace/git~1 text",
        ]
        .map(str::to_owned),
    );
    let said = told(&tested, &format!("fs-all {}", tried.join(" ;; ")), &directory).await;
    let said: Vec<_> = said.lines().collect();
    assert_eq!(said.len(), tried.len());
    for (operation, came) in tried.iter().zip(said) {
        assert!(came.starts_with("error"), "{operation}: {came}");
    }
    assert_eq!(state_of_git(&directory), before);
    let listed = told(&tested, "fs list /workspace", &directory).await;
    assert_eq!(
        listed, "done: .gitignore,file,sub,to-config,to-git,to-sub",
        "and nothing is left over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_of_a_clone_is_there() {
    let directory = tempfile::tempdir().unwrap();
    clone_with_links(&directory);
    let tested = Setup::new().grants(r#"{"workspace": "read-write"}"#).build().await;
    for (operation, came) in [
        ("read /workspace/.gitignore", "done: as it was"),
        ("write /workspace/.gitignore new", "done: "),
        ("read /workspace/to-sub/file", "done: as it was"),
        ("write /workspace/to-sub/new text", "done: "),
        ("list /workspace/sub", "done: file,new,up"),
        ("mkdir /workspace/made", "done: "),
        ("mkdir /workspace/made/deep/", "done: "),
        ("rename /workspace/sub/new /workspace/made/deep/moved", "done: "),
        ("read /workspace/made/../made/./deep/moved", "done: text"),
        ("link /workspace/made/deep/moved /workspace/made/linked", "done: "),
        ("symlink deep/moved /workspace/made/link", "done: "),
        ("read /workspace/made/link", "done: text"),
        ("readlink /workspace/made/link", "done: deep/moved"),
        ("readlink /workspace/to-git", "done: .git"),
        ("remove /workspace/to-git", "done: "),
        ("remove /workspace/made/link", "done: "),
        ("read /workspace/made/deep/moved", "done: text"),
        ("remove-all /workspace/made", "done: "),
        ("list /workspace", "done: .gitignore,file,sub,to-config,to-sub"),
    ] {
        let said = told(&tested, &format!("fs {operation}"), &directory).await;
        assert_eq!(said, came, "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_to_read_has_no_git_either() {
    let directory = tempfile::tempdir().unwrap();
    clone_with_links(&directory);
    let tested = Setup::new().grants(r#"{"workspace": "read-only"}"#).build().await;
    for path in [".git/config", "to-git/config", "to-config", "sub/.git/config", "sub/up/config"] {
        let said = told(&tested, &format!("fs read /workspace/{path}"), &directory).await;
        assert!(said.starts_with("error"), "{path}: {said}");
    }
    assert_eq!(told(&tested, "fs read /workspace/sub/file", &directory).await, "done: as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn attachments_can_be_read_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("picture.png");
    fs::write(&file, "pixels").unwrap();
    let tested = Setup::new().build().await;
    for (prompt, expected) in [
        ("read /attachments/picture.png", "pixels"),
        ("write /attachments/picture.png x", "error"),
        ("context", "/attachments/picture.png"),
    ] {
        let mut request = request(prompt);
        request.attachments = vec![Attachment {
            name: "picture.png".to_owned(),
            media_type: None,
            source: AttachmentSource::File(file.clone()),
        }];
        let Ok(Outcome::Completed(result)) = tested.outcome(request).await else { panic!() };
        assert!(result.summary.contains(expected), "{prompt}: {}", result.summary);
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "pixels");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_environment_no_socket_and_no_other_file() {
    let tested = Setup::new().build().await;
    let seen = tested.summary("surroundings").await;
    assert!(seen.contains("variables=0") && seen.contains("files=[]"), "{seen}");
    assert!(seen.contains("socket=Err(PermissionDenied)"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relative_workspace_is_refused() {
    let tested = Setup::new().build().await;
    let mut request = request("echo x");
    request.workspace = Some(Workspace::new("tree", "/home", "/record"));
    assert_eq!(tested.outcome(request).await.unwrap_err().kind, ErrorKind::InvalidRequest);
}
