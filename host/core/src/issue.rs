pub mod form;
mod header;
mod html;
mod text;

use crate::Urgency;
use serde::{Deserialize, Serialize};

/// What somebody wants done. Its text is material to act on, never an instruction to Cyrus itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// What its tracker calls it, when it has one: `CYR-12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// One line. Never empty.
    pub title: String,
    /// The rest. May be empty.
    pub body: String,
    /// Its labels, as written.
    #[serde(default)]
    pub labels: Vec<String>,
    /// How soon its tracker says it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// The issues that are part of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_issues: Vec<SubIssue>,
    /// The issues that have to be done before it and are not, as the tracker names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
}

/// An issue that is part of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubIssue {
    /// What its tracker calls it.
    pub identifier: String,
    /// One line.
    pub title: String,
    /// The rest.
    #[serde(default)]
    pub body: String,
    /// Its labels, as written.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Those of its siblings that have to be done before it, by their identifiers.
    #[serde(default)]
    pub blocked_by: Vec<String>,
    /// Whether it is done already.
    #[serde(default)]
    pub done: bool,
}

/// Why a text is no issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// There is nothing in it.
    #[error("the issue is empty: it needs at least a line that says what to do")]
    Empty,
}

impl Issue {
    /// The issue in a text, mostly Markdown. One in HTML is read as the Markdown that says the same.
    ///
    /// Front matter and lines such as `Labels: …` at the top give title, labels, identifier and priority. Otherwise
    /// the title is the first heading or line that names the work: comments, images, code, empty answers and headings
    /// by which a form asks for something are passed over. When anything but comments was passed over, when the title
    /// is an item of a list, and when the line is longer than a title, the body is the whole text; else it is what
    /// follows the title.
    pub fn from_markdown(text: &str) -> Result<Self, IssueError> {
        text::read(text)
    }

    /// Title and body as one text, for a prompt.
    pub fn text(&self) -> String {
        if self.body.is_empty() {
            self.title.clone()
        } else {
            format!("{}\n\n{}", self.title, self.body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_first_line_as_the_title() {
        let issue = Issue::from_markdown("\u{feff}\n\n# Add a flag \r\n\nIt should …\n").unwrap();
        assert_eq!((issue.title.as_str(), issue.body.as_str()), ("Add a flag", "It should …"));
        assert_eq!(Issue::from_markdown("#\n##\nreal").unwrap().title, "real");
    }

    #[test]
    fn an_issue_in_html_is_read_as_text() {
        let text = "<h1>Add flags</h1>\n<ul>\n<li><input type=\"checkbox\"> Add one</li>\n</ul>";
        let issue = Issue::from_markdown(text).unwrap();
        assert_eq!((issue.title.as_str(), issue.body.as_str()), ("Add flags", "- [ ] Add one"));
        let mixed = "<table><tr><td>Add tabs</td></tr></table>\n<pre>\n- x\n</pre>";
        let issue = Issue::from_markdown(mixed).unwrap();
        assert!(issue.text().contains("Add tabs"), "{issue:?}");
    }

    #[test]
    fn refuses_an_empty_text_and_keeps_a_long_one_whole() {
        for empty in ["", " \n\t", "#\n\n##"] {
            assert_eq!(Issue::from_markdown(empty), Err(IssueError::Empty));
        }
        let long = "é".repeat(500);
        let issue = Issue::from_markdown(&long).unwrap();
        assert_eq!(issue.title.chars().count(), text::TITLE_CHARS);
        assert_eq!(issue.body, long);
    }
}
