//! The tools the stand-in really has: Write, Edit, Read and Bash.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cyrus_sandbox::{AbsolutePath, Exit, Handle, Launch, Launcher, find_program};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

/// How long a command may run unless its input says otherwise.
const COMMAND_TIME: Duration = Duration::from_mins(2);

/// How long output is waited for after a command has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// The text for the model.
    pub(super) content: String,
    /// Whether the tool failed.
    pub(super) is_error: Option<bool>,
    /// `tool_use_result` of the line.
    pub(super) detail: Value,
}

impl Outcome {
    fn done(content: String, detail: Value) -> Self {
        Self { content, is_error: None, detail }
    }

    /// A failure with this text.
    pub(super) fn error(content: String) -> Self {
        let detail = format!("Error: {content}").into();
        Self { content, is_error: Some(true), detail }
    }

    /// A failure that the model is told in the tag the program uses for its own errors.
    fn refused(content: &str) -> Self {
        let detail = format!("Error: {content}").into();
        Self {
            content: format!("<tool_use_error>{content}</tool_use_error>"),
            is_error: Some(true),
            detail,
        }
    }

    /// There is no such tool in this session.
    pub(super) fn unknown(name: &str) -> Self {
        let said = format!("Error: No such tool available: {name}");
        Self { detail: said.as_str().into(), ..Self::refused(&said) }
    }
}

/// The file tools, in a directory. A file must have been read or written before it is changed.
#[derive(Debug)]
pub(super) struct Files<'a> {
    pub(super) directory: &'a Path,
    pub(super) known: &'a mut BTreeSet<PathBuf>,
}

impl Files<'_> {
    pub(super) fn write(&mut self, input: &Value) -> Outcome {
        let (Some(path), Some(content)) = (input["file_path"].as_str(), input["content"].as_str())
        else {
            return Outcome::refused("InputValidationError: Write needs `file_path` and `content`");
        };
        let file = self.directory.join(path);
        let before = std::fs::read_to_string(&file).ok();
        if before.is_some() && !self.known.contains(&file) {
            return Outcome::refused(
                "File has not been read yet. Read it first before writing to it.",
            );
        }
        if let Err(error) = self.put(&file, content) {
            return Outcome::error(error.to_string());
        }
        match before {
            None => Outcome::done(
                format!("File created successfully at: {path} {CURRENT}"),
                written("create", path, content, None),
            ),
            Some(before) => {
                Outcome::done(updated(path), written("update", path, content, Some(&before)))
            }
        }
    }

    pub(super) fn edit(&mut self, input: &Value) -> Outcome {
        let text = |name: &str| input[name].as_str();
        let (Some(path), Some(old), Some(new)) =
            (text("file_path"), text("old_string"), text("new_string"))
        else {
            return Outcome::refused(
                "InputValidationError: Edit needs `file_path`, `old_string` and `new_string`",
            );
        };
        let file = self.directory.join(path);
        if !self.known.contains(&file) {
            return Outcome::refused(
                "File has not been read yet. Read it first before writing to it.",
            );
        }
        let before = match std::fs::read_to_string(&file) {
            Ok(before) => before,
            Err(error) => return Outcome::error(error.to_string()),
        };
        let all = input["replace_all"] == true;
        let after = match before.matches(old).count() {
            0 => {
                return Outcome::refused(&format!(
                    "String to replace not found in file.\nString: {old}"
                ));
            }
            found if found > 1 && !all => {
                return Outcome::refused(&format!(
                    "Found {found} matches of the string to replace, but replace_all is false."
                ));
            }
            _ => before.replace(old, new),
        };
        if let Err(error) = self.put(&file, &after) {
            return Outcome::error(error.to_string());
        }
        let detail = json!({
            "filePath": path,
            "oldString": old,
            "newString": new,
            "originalFile": before,
            "structuredPatch": [],
            "userModified": false,
            "replaceAll": all,
        });
        Outcome::done(updated(path), detail)
    }

    pub(super) fn read(&mut self, input: &Value) -> Outcome {
        let Some(path) = input["file_path"].as_str() else {
            return Outcome::refused("InputValidationError: Read needs `file_path`");
        };
        let file = self.directory.join(path);
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                // The empty line after the last newline counts.
                let lines = text.split('\n').enumerate();
                let numbered: Vec<String> =
                    lines.map(|(index, line)| format!("{}\t{line}", index + 1)).collect();
                self.known.insert(file);
                let lines = numbered.len();
                let detail = json!({
                    "filePath": path,
                    "content": text,
                    "numLines": lines,
                    "startLine": 1,
                    "totalLines": lines,
                });
                Outcome::done(numbered.join("\n"), json!({"type": "text", "file": detail}))
            }
            Err(_) => Outcome::error(format!("File does not exist: {path}")),
        }
    }

    /// Takes note of a file that a command showed: `cat FILE` counts as reading it.
    pub(super) fn note(&mut self, command: &str) {
        if let Some(path) =
            command.strip_prefix("cat ").filter(|path| !path.contains([' ', '|', '>', ';', '&']))
        {
            self.known.insert(self.directory.join(path));
        }
    }

    fn put(&mut self, file: &Path, content: &str) -> std::io::Result<()> {
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, content)?;
        self.known.insert(file.to_owned());
        Ok(())
    }
}

/// What is said after every change.
const CURRENT: &str = "(file state is current in your context — no need to Read it back)";

fn updated(path: &str) -> String {
    format!("The file {path} has been updated successfully. {CURRENT}")
}

/// `tool_use_result` of Write.
fn written(kind: &str, path: &str, content: &str, before: Option<&str>) -> Value {
    json!({
        "type": kind,
        "filePath": path,
        "content": content,
        "structuredPatch": [],
        "originalFile": before,
        "userModified": false,
    })
}

/// A command that runs: in a session and process group of its own, as the real program's do.
#[derive(Debug)]
pub(super) struct Bash {
    child: cyrus_sandbox::Child,
    time: Duration,
}

impl Bash {
    /// Starts a command of the Bash tool, with this process's environment.
    pub(super) async fn start(input: &Value, directory: &Path) -> Result<Self, Outcome> {
        let Some(command) = input["command"].as_str() else {
            return Err(Outcome::refused("InputValidationError: Bash needs `command`"));
        };
        let failed = |text: String| Outcome::error(text);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let standard = OsStr::new("/usr/bin:/bin");
        let shell = ["bash", "sh"]
            .iter()
            .find_map(|name| find_program(name, &path).or_else(|| find_program(name, standard)));
        // In the sandbox of an ordinary user, root's files belong to the overflow user.
        let shell = shell.or_else(|| AbsolutePath::parse("/bin/sh").ok());
        let shell = shell.ok_or_else(|| failed("no shell was found".into()))?;
        let directory =
            AbsolutePath::parse(directory).map_err(|error| failed(error.to_string()))?;
        let launch = Launch::new(shell, directory).args(["-c", command]).envs(std::env::vars_os());
        let child = Launcher::unsupervised()
            .spawn(launch)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let time = input["timeout"].as_u64().map_or(COMMAND_TIME, Duration::from_millis);
        Ok(Self { child, time })
    }

    /// A hold on it, to end it by.
    pub(super) fn handle(&self) -> Handle {
        self.child.handle()
    }

    /// Waits for its end and gives what it printed.
    pub(super) async fn outcome(mut self) -> Outcome {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let (out, err) = (self.child.take_stdout(), self.child.take_stderr());
        let reads = async {
            let out = async {
                if let Some(mut out) = out {
                    let _ = out.read_to_end(&mut stdout).await;
                }
            };
            let err = async {
                if let Some(mut err) = err {
                    let _ = err.read_to_end(&mut stderr).await;
                }
            };
            tokio::join!(out, err);
        };
        let ends = async {
            let mut reads = std::pin::pin!(reads);
            tokio::select! {
                () = &mut reads => {}
                // Something that left the session may hold the pipes open for ever.
                _ = self.child.wait() => drop(tokio::time::timeout(LAST_WORDS, &mut reads).await),
            }
            self.child.wait().await
        };
        let ended = tokio::time::timeout(self.time, ends).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        let said = [stdout.as_str(), stderr.as_str()].into_iter().filter(|text| !text.is_empty());
        let said = said.collect::<Vec<_>>().join("\n");
        match ended {
            Err(_) => {
                self.child.kill();
                let _ = self.child.wait().await;
                Outcome::error(
                    format!("Command timed out after {}ms {said}", self.time.as_millis())
                        .trim_end()
                        .to_owned(),
                )
            }
            Ok(Ok(Exit::Code(0))) => {
                let empty = said.is_empty();
                let content =
                    if empty { "(Bash completed with no output)".to_owned() } else { said };
                let detail = json!({
                    "stdout": stdout, "stderr": stderr, "interrupted": false, "isImage": false, "noOutputExpected": false,
                });
                Outcome { content, is_error: Some(false), detail }
            }
            Ok(Ok(Exit::Code(code))) => {
                Outcome::error(format!("Exit code {code}\n{said}").trim_end().to_owned())
            }
            Ok(Ok(Exit::Signal(signal))) => {
                Outcome::error(format!("Exit code {}\n{said}", 128 + signal).trim_end().to_owned())
            }
            Ok(Err(lost)) => Outcome::error(lost.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_read_and_changed_in_that_order() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("old.txt"), "one\ntwo\n").unwrap();
        let mut known = BTreeSet::new();
        let mut files = Files { directory: directory.path(), known: &mut known };
        let created = files.write(&json!({"file_path": "a/new.txt", "content": "x\n"}));
        assert_eq!((created.is_error, &created.detail["type"]), (None, &json!("create")));

        let write = json!({"file_path": "old.txt", "content": "three\n"});
        let edit = json!({"file_path": "old.txt", "old_string": "two", "new_string": "2"});
        assert!(files.write(&write).content.contains("has not been read"));
        assert!(files.edit(&edit).content.contains("has not been read"));
        assert_eq!(files.read(&json!({"file_path": "old.txt"})).content, "1\tone\n2\ttwo\n3\t");
        assert_eq!(files.edit(&edit).is_error, None);
        assert_eq!(std::fs::read_to_string(directory.path().join("old.txt")).unwrap(), "one\n2\n");
        assert!(files.edit(&edit).content.contains("not found"));
        assert_eq!(files.write(&write).detail["originalFile"], "one\n2\n");
        assert_eq!(files.read(&json!({"file_path": "none"})).is_error, Some(true));
        std::fs::write(directory.path().join("shown.txt"), "").unwrap();
        files.note("cat shown.txt");
        assert_eq!(files.write(&json!({"file_path": "shown.txt", "content": "x"})).is_error, None);
    }

    #[tokio::test]
    async fn commands_give_their_output_and_their_exit_code() {
        let directory = tempfile::tempdir().unwrap();
        let run = async |input: Value| {
            Bash::start(&input, directory.path()).await.unwrap().outcome().await
        };
        let good = run(json!({"command": "echo out; echo err >&2"})).await;
        assert_eq!((good.content.as_str(), good.is_error), ("out\nerr", Some(false)));
        assert_eq!(
            run(json!({"command": "true"})).await.content,
            "(Bash completed with no output)"
        );
        let bad = run(json!({"command": "echo x; exit 3"})).await;
        assert_eq!((bad.content.as_str(), bad.is_error), ("Exit code 3\nx", Some(true)));
        let late = run(json!({"command": "sleep 60", "timeout": 50})).await;
        assert!(late.content.contains("timed out after 50ms"), "{late:?}");
        let here = run(json!({"command": "pwd -P"})).await.content;
        assert_eq!(Path::new(&here), directory.path().canonicalize().unwrap());
    }
}
