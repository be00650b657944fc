//! The issue of the demo, and what is to come of each of its parts.

use super::files::{CAPITALS, COUNT, WORDS_WITH_LIST, WORDS_WITH_VERSION};
use std::fmt::Write as _;

/// An item of the checklist. Whoever has it does the same.
pub(super) struct Part {
    pub(super) title: &'static str,
    /// The items that it comes after, counted from 1.
    after: &'static [usize],
    /// What is written.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What is removed.
    pub(super) removed: &'static [&'static str],
    /// How long it is worked on, in milliseconds.
    pub(super) time: u64,
}

/// The checklist. Where `hybrid-smart` takes each: the first three and the sixth are builders' work, for the cloud;
/// the fourth and the seventh are small, the fifth needs this machine, and the last coordinates.
pub(super) const PARTS: &[Part] = &[
    Part {
        title: "Add the tool `lower`",
        after: &[],
        files: &[
            ("tools/lower.sh", "#!/bin/sh\n# Prints its input in small letters.\ntr A-Z a-z\n"),
            ("tests/lower.sh", "[ \"$(echo ABC | sh words.sh lower)\" = abc ]\n"),
        ],
        removed: &[],
        time: 1500,
    },
    Part {
        title: "Add the option `--version`",
        after: &[],
        files: &[
            ("words.sh", WORDS_WITH_VERSION),
            ("tests/version.sh", "[ \"$(sh words.sh --version)\" = 'words 2.0' ]\n"),
        ],
        removed: &[],
        time: 750,
    },
    Part {
        title: "Add the option `--list`",
        after: &[],
        files: &[
            ("words.sh", WORDS_WITH_LIST),
            ("tests/list.sh", "sh words.sh --list | grep -qx first\n"),
        ],
        removed: &[],
        time: 2000,
    },
    Part {
        title: "Rename the tool `upper` to `capitals`",
        after: &[],
        files: &[
            ("tools/capitals.sh", CAPITALS),
            ("tests/capitals.sh", "[ \"$(echo abc | sh words.sh capitals)\" = ABC ]\n"),
        ],
        removed: &["tools/upper.sh", "tests/upper.sh"],
        time: 1500,
    },
    Part {
        title: COUNTING,
        after: &[],
        files: &[
            ("tools/count.sh", COUNT),
            ("tests/count.sh", "[ \"$(echo two words | sh words.sh count)\" = 2 ]\n"),
        ],
        removed: &[],
        time: 1200,
    },
    Part {
        title: SWAPPING,
        after: &[1, 4],
        files: &[
            ("tools/swap.sh", "#!/bin/sh\n# Swaps capitals and small letters.\ntr a-zA-Z A-Za-z\n"),
            ("tests/swap.sh", "[ \"$(echo aBc | sh words.sh swap)\" = AbC ]\n"),
        ],
        removed: &[],
        time: 1500,
    },
    Part {
        title: "Describe the options in the README",
        after: &[2, 3],
        files: &[("README.md", README)],
        removed: &[],
        time: 1500,
    },
    Part {
        title: "Coordinate the release: what is new goes into CHANGELOG.md",
        after: &[5, 6, 7],
        files: &[("CHANGELOG.md", CHANGELOG)],
        removed: &[],
        time: 1200,
    },
];

/// The part whose first result does not pass.
pub(super) const COUNTING: &str = "Add the tool `count`, and try it with the texts on my machine";

/// The part that the cloud has no credit left for.
pub(super) const SWAPPING: &str = "Add the tool `swap`, which turns `lower` and `capitals` around";

const README: &str = "\
# Words

Small tools for text: `sh words.sh TOOL` reads standard input. `sh test.sh` runs the tests.

`sh words.sh --list` says which tools there are, `--version` which version this is.
";

const CHANGELOG: &str = "\
# 2.0

* The tools `lower`, `count` and `swap`; `upper` is called `capitals` now.
* The options `--list` and `--version`.
";

/// The issue, as somebody would write it.
pub(super) fn issue() -> String {
    let mut text =
        "# Bring out Words 2.0\n\nFour tools, two options, and a word about each:\n\n".to_owned();
    for Part { title, after, .. } in PARTS {
        let after: Vec<_> = after.iter().map(|number| format!("#{number}")).collect();
        let after =
            if after.is_empty() { String::new() } else { format!(" (after {})", after.join(", ")) };
        let _ = writeln!(text, "- [ ] {title}{after}");
    }
    text
}

impl Part {
    /// What only the prompt of this part says, and of no other: the issue that all of them are given names them all.
    pub(super) fn prompt(&self) -> String {
        format!("{}\n\nThis is one part of the issue below", self.title)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cyrus_core::{Issue, PlanSource};
    use cyrus_orchestrator::{
        AnalysisRules, PlanLimits, PlanSettings, Planning, PlanningMode, analyse, plan,
    };

    #[test]
    fn each_item_becomes_a_task_whose_prompt_is_told_from_all_others() {
        let issue = Issue::from_markdown(&issue()).unwrap();
        let settings = PlanSettings {
            limits: PlanLimits::default(),
            planning: PlanningMode::Auto,
            rules: AnalysisRules::default(),
        };
        let analysis = analyse(&issue, &settings.rules);
        let Planning::Ready(plan) = plan(&issue, &analysis, None, &settings) else {
            panic!("nobody is asked for a plan");
        };
        assert_eq!((plan.source, plan.tasks.len()), (PlanSource::Checklist, PARTS.len()));
        for part in PARTS {
            let fits = plan.tasks.iter().filter(|task| task.task.prompt.contains(&part.prompt()));
            let titles: Vec<_> = fits.map(|task| task.task.title.as_str()).collect();
            assert_eq!(titles, [part.title]);
        }
        let after: Vec<_> = plan.tasks.iter().map(|task| task.after.len()).collect();
        assert_eq!(after, PARTS.iter().map(|part| part.after.len()).collect::<Vec<_>>());
    }
}
