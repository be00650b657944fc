//! The tools that the model is offered: files of the workspace.

use crate::api::Call;
use cyrus_sdk::{Workspace, contract::Access};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fs, io};

/// How much of a file, or of a list of them, the model is shown.
const MAX_OUTPUT: usize = 64 * 1024;

/// A tool, by the name that the model and the operator know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    ReadFile,
    WriteFile,
    ListFiles,
}

#[derive(Deserialize)]
struct Arguments {
    path: String,
    #[serde(default)]
    text: String,
}

impl Tool {
    const ALL: [Self; 3] = [Self::ReadFile, Self::WriteFile, Self::ListFiles];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadFile => "read_file",
            Self::WriteFile => "write_file",
            Self::ListFiles => "list_files",
        }
    }

    /// The tools that there are for what may be done to the workspace, without those that must not be used. A
    /// rule such as `write_file(src/**)` is finer than this executor can be, so it takes the whole tool away.
    pub(crate) fn offered(access: Access, disallowed: &[String]) -> Vec<Self> {
        let is_disallowed =
            |tool: &Self| disallowed.iter().any(|rule| rule.split('(').next() == Some(tool.name()));
        let fits = |tool: &Self| access == Access::ReadWrite || *tool != Self::WriteFile;
        Self::ALL.into_iter().filter(|tool| fits(tool) && !is_disallowed(tool)).collect()
    }

    /// How the tool is told to the model.
    pub(crate) fn declaration(self) -> Value {
        let path =
            json!({"type": "string", "description": "relative to the workspace; `.` is its root"});
        let (description, properties) = match self {
            Self::ReadFile => ("Reads a text file.", json!({"path": path})),
            Self::WriteFile => {
                ("Writes a text file.", json!({"path": path, "text": {"type": "string"}}))
            }
            Self::ListFiles => ("Lists a folder.", json!({"path": path})),
        };
        let required: Vec<&String> =
            properties.as_object().into_iter().flat_map(|p| p.keys()).collect();
        json!({
            "type": "function", "name": self.name(), "description": description, "strict": true,
            "parameters": {
                "type": "object", "required": required, "properties": properties,
                "additionalProperties": false,
            },
        })
    }

    /// Does what is asked. An error is for the model to read: it may have made up the path.
    pub(crate) fn run(self, workspace: &Workspace, arguments: &Value) -> Result<String, String> {
        let Arguments { path, text } =
            Arguments::deserialize(arguments).map_err(|e| e.to_string())?;
        match self {
            Self::ReadFile => workspace.read_to_string(path).map(cut),
            Self::WriteFile => workspace.write(path, &text).map(|()| "written".to_owned()),
            Self::ListFiles => list(workspace, &path).map(cut),
        }
        .map_err(|error| error.to_string())
    }
}

/// The offered tool that a call means, and its arguments.
pub(crate) fn resolve(call: &Call, offered: &[Tool]) -> Result<(Tool, Value), String> {
    let found = offered.iter().find(|tool| tool.name() == call.name);
    let tool = found.ok_or_else(|| format!("there is no tool {:?}", call.name))?;
    let arguments = serde_json::from_str(&call.arguments)
        .map_err(|error| format!("the arguments are not JSON: {error}"))?;
    Ok((*tool, arguments))
}

fn list(workspace: &Workspace, path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace.resolve(path)?)? {
        let entry = entry?;
        let end = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{end}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names.join("\n"))
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_OUTPUT {
        text.truncate(text.floor_char_boundary(MAX_OUTPUT));
        text.push_str("\n… cut here");
    }
    text
}
