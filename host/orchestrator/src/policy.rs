use cyrus_executor::{Answer, Question, QuestionKind};

/// Answers what agents ask, from what the operator wrote down. What it does not allow it denies, with the line
/// that would allow it: there is nobody to ask yet.
///
/// It stands behind the agent's own rules, which know patterns such as `Bash(git:*)`; here a bare name allows
/// the tool with any input, and a pattern allows nothing, because an agent that asks has already found that its
/// pattern does not cover the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolPolicy {
    allowed: Vec<String>,
    disallowed: Vec<String>,
}

impl ToolPolicy {
    /// The policy of these two lists. `disallowed` wins, and there a pattern forbids the whole tool.
    pub fn new(allowed: &[String], disallowed: &[String]) -> Self {
        Self { allowed: allowed.to_vec(), disallowed: disallowed.to_vec() }
    }

    /// The answer to this question.
    pub fn answer(&self, question: &Question) -> Answer {
        match question.kind {
            QuestionKind::UserQuestion => Answer::Deny(
                "nobody is there to answer: decide by yourself, and say in your report what you assumed"
                    .to_owned(),
            ),
            QuestionKind::ToolPermission => self.permission(&question.subject),
        }
    }

    fn permission(&self, tool: &str) -> Answer {
        let names = |entry: &String| entry.split('(').next() == Some(tool);
        if let Some(entry) = self.disallowed.iter().find(|entry| names(entry)) {
            Answer::Deny(format!("the operator disallows {tool} (`disallowedTools` has {entry:?})"))
        } else if self.allowed.iter().any(|entry| entry == tool) {
            Answer::Allow
        } else {
            Answer::Deny(format!(
                "{tool} is not allowed for this call; to allow it, add \"{tool}\" to `allowedTools` of this repository in config.json"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(allowed: &[&str], disallowed: &[&str], tool: &str) -> Answer {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let question = Question {
            id: "1".into(),
            kind: QuestionKind::ToolPermission,
            subject: tool.into(),
            input: serde_json::Value::Null,
            choices: vec![],
            deadline: None,
        };
        ToolPolicy::new(&owned(allowed), &owned(disallowed)).answer(&question)
    }

    #[test]
    fn allows_what_is_named_and_nothing_else() {
        assert_eq!(answer(&["Bash"], &[], "Bash"), Answer::Allow);
        for (allowed, disallowed, tool) in [
            (&[][..], &[][..], "Bash"),
            (&["Bash(git:*)"], &[], "Bash"),
            (&["Bash"], &["Bash"], "Bash"),
            (&["Bash"], &["Bash(rm:*)"], "Bash"),
            (&["Bash"], &[], "BashOutput"),
        ] {
            let Answer::Deny(reason) = answer(allowed, disallowed, tool) else {
                panic!("{tool} was not denied")
            };
            assert!(reason.contains(tool) && reason.contains("llowedTools"), "{reason}");
        }
    }
}
