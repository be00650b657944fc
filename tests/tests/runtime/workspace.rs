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
    request.workspace = Some(Workspace { root, home: beside("home"), tmp: beside("tmp") });
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
    request.workspace =
        Some(Workspace { root: "tree".into(), home: "/home".into(), tmp: "/tmp".into() });
    assert_eq!(tested.outcome(request).await.unwrap_err().kind, ErrorKind::InvalidRequest);
}
