//! The names of tasks: those that a plan may not use, and those that are made for it.

use cyrus_executor::TaskId;
use std::collections::BTreeSet;

/// The longest name of a plan's task: what is added to it (`.review`, more than once) has to fit too.
const MAX_ID_BYTES: usize = 96;

/// The name of the task that makes the plan.
const PLANNING: &str = "plan";

/// The name of the task that makes the plan.
pub(super) fn planning() -> TaskId {
    PLANNING.parse().unwrap_or_else(|_| TaskId::numbered(0))
}

/// Why a plan's task may not have this name; `None` when it may. In the course of a session tasks are added that
/// are called `plan`, `mend-1`, `merged-<commit>`, `<id>.merge` and `<id>.review`.
pub(super) fn reserved(id: &TaskId) -> Option<&'static str> {
    let name = id.as_str().to_ascii_lowercase();
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if name == PLANNING {
        Some("that is the task that makes the plan")
    } else if name.strip_prefix("mend-").is_some_and(number) {
        Some("those are the tasks that mend a merged result")
    } else if name.starts_with("merged-") {
        Some("the merged result is checked under such names")
    } else if name.split('.').skip(1).any(|part| part == "merge" || part == "review") {
        Some("what ends with .merge or .review is added for another task")
    } else if name.len() > MAX_ID_BYTES {
        Some("it is longer than 96 characters")
    } else {
        None
    }
}

/// Gives out names that are good, free and not reserved.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// A name for what somebody else calls this: the same, where it is good and free; else as much of it as is
    /// good, with a number.
    pub(super) fn give(&mut self, text: &str) -> TaskId {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let mapped: String = text.chars().take(64).map(plain).collect();
        let base = match mapped.trim_matches(['-', '_']) {
            "" => "task",
            base => base,
        };
        for number in 0_usize.. {
            let name = match number {
                0 => text.to_owned(),
                1 => base.to_owned(),
                more => format!("{base}-{more}"),
            };
            let Ok(id) = name.parse() else { continue };
            if reserved(&id).is_none() && self.taken.insert(name.to_ascii_lowercase()) {
                return id;
            }
        }
        unreachable!("there is always another number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_added_later_are_refused() {
        for name in [
            "plan",
            "PLAN",
            "mend-1",
            "mend-20",
            "merged-0a1b",
            "t1.merge",
            "t1.review",
            "a.Merge.b",
        ] {
            assert!(reserved(&name.parse().unwrap()).is_some(), "{name}");
        }
        assert!(reserved(&"x".repeat(97).parse().unwrap()).is_some());
        for name in
            ["plan-b", "mend", "mend-it", "merge", "review", "a.b", "CYR-1", &"x".repeat(96)]
        {
            assert_eq!(reserved(&name.parse().unwrap()), None, "{name}");
        }
    }

    #[test]
    fn every_text_becomes_a_name_of_its_own() {
        let mut names = Names::default();
        let given: Vec<_> =
            ["CYR-1", "cyr-1", "#12", "org/repo#3", "plan", "mend-1", "", "é", "a.lock"]
                .iter()
                .map(|text| names.give(text).to_string())
                .collect();
        let expected = [
            "CYR-1",
            "cyr-1-2",
            "12",
            "org-repo-3",
            "plan-2",
            "mend-1-2",
            "task",
            "task-2",
            "a-lock",
        ];
        assert_eq!(given, expected);
        assert!(names.give(&"é".repeat(10_000)).as_str().len() < 96);
    }
}
