//! Shapes of public issues, in words of our own, with the plan that each should get. A shape is what a tracker's form,
//! a project's template or a habit of writing makes of a text.

use super::*;
use crate::analyse::analyse;

/// One shape: where it is from, the text, the titles of the tasks, and what the plan's note names.
struct Shape {
    from: &'static str,
    text: &'static str,
    tasks: &'static [&'static str],
    note: &'static [&'static str],
}

const fn shape(
    from: &'static str,
    text: &'static str,
    tasks: &'static [&'static str],
    note: &'static [&'static str],
) -> Shape {
    Shape { from, text, tasks, note }
}

const FORMS: &[Shape] = &[
    shape(
        "GitHub form with consent boxes",
        "# Parser drops the last line\n\n### Describe the bug\n\nIt is left out.\n\n### Validations\n\n- [x] Follow our Code of Conduct\n- [x] Read the docs.\n- [ ] Check that this is a concrete bug\n",
        &["Parser drops the last line"],
        &["Validations"],
    ),
    shape(
        "GitHub form whose title is not in the text",
        "### Describe the bug\n\nTabs are lost in tables.\n\n### Reproduction\n\nhttps://example.com/r\n\n### System Info\n\n```shell\nLinux\n```\n\n### Used Package Manager\n\npnpm\n",
        &["Tabs are lost in tables."],
        &[],
    ),
    shape(
        "GitHub form that begins with its boxes",
        "### DO NOT REMOVE OR SKIP THE ISSUE TEMPLATE\n\n- [X] I understand that I will be **blocked** if I remove it\n\n### Checklist\n\n- [X] I'm reporting a broken site\n- [ ] I've searched known issues\n\n### Provide a description that is worded well enough to be understood\n\nThe extractor fails on playlists.\n",
        &["The extractor fails on playlists."],
        &["Checklist"],
    ),
    shape(
        "willingness to contribute",
        "Connection pool leaks\n\n### What happened\n\nIt grows.\n\n### Are you willing to submit a PR?\n\n- [ ] Yes I am willing to submit a PR!\n\n### Code of Conduct\n\n- [X] I agree to follow this project's Code of Conduct\n",
        &["Connection pool leaks"],
        &["Are you willing to submit a PR?"],
    ),
    shape(
        "empty answers",
        "Crash on start\n\n### Acceptance criteria\n\n_No response_\n\n### Anything else?\n\n_No response_\n",
        &["Crash on start"],
        &[],
    ),
    shape(
        "a choice of systems",
        "Menu is cut off\n\n### What operating system are you using?\n\n- [ ] Windows\n- [x] macOS\n- [ ] Other Linux\n\n### Expected behavior\n\nIt is whole.\n",
        &["Menu is cut off"],
        &["operating system"],
    ),
    shape(
        "a choice of packages",
        "Types are lost\n\n**Affected packages**\n- [ ] core\n- [x] react\n\n**Details**\nAll of them.\n",
        &["Types are lost"],
        &["Affected packages"],
    ),
    shape(
        "a choice without a title",
        "Dark mode flickers\n\n- [ ] Chrome\n- [x] Firefox 128\n- [ ] Safari\n",
        &["Dark mode flickers"],
        &["without a title"],
    ),
    shape(
        "type of change, as templates of merge requests have it",
        "Teach the parser tabs\n\n## Type of change\n\n- [ ] Bug fix (non-breaking change which fixes an issue)\n- [ ] New feature (non-breaking change)\n- [ ] Breaking change\n",
        &["Teach the parser tabs"],
        &["Type of change"],
    ),
    shape(
        "reporter's checklist without a heading",
        "Completion is slow\n\n- [ ] I have searched existing issues\n- [ ] This is not a duplicate\n- [ ] I am on the latest version\n\nIt takes 4 s.\n",
        &["Completion is slow"],
        &["confirms"],
    ),
    shape(
        "a sentence before the boxes",
        "Completion is slow\n\nPlease make sure that all of these hold:\n- [ ] Latest release\n- [ ] Clean cache\n\nIt takes 4 s.\n",
        &["Completion is slow"],
        &["confirms"],
    ),
    shape(
        "a statement among tasks",
        "Release 2.0\n\n- [ ] Write the notes\n- [ ] Tag the commit, after #1\n- [ ] I can do this myself\n",
        &["Write the notes", "Tag the commit"],
        &["confirms"],
    ),
    shape(
        "fields of a form that no list knows",
        "Upload stalls\n\n### Describe the bug\n\nIt stalls.\n\n### Steps to reproduce\n\n1. Upload\n\n### Self-hosted\n\n- [ ] Self-hosted instance\n- [x] The cloud\n",
        &["Upload stalls"],
        &["Self-hosted"],
    ),
    shape(
        "steps to reproduce with boxes",
        "Undo is lost\n\n## Steps to reproduce\n- [ ] Open a file\n- [ ] Type\n- [ ] Press undo\n",
        &["Undo is lost"],
        &["Steps to reproduce"],
    ),
    shape(
        "a test plan",
        "Add login\n\n## Tasks\n- [ ] Add the form\n- [ ] Add the route\n\n## Test plan\n- [ ] Log in\n- [ ] Log out\n",
        &["Add the form", "Add the route"],
        &["Test plan"],
    ),
    shape(
        "what is not now",
        "Add login\n\n- [ ] Add the form\n- [ ] Add the route\n\n## Out of scope\n- [ ] Add single sign-on\n\n## Nice to have\n- [ ] Remember me\n",
        &["Add the form", "Add the route"],
        &["Out of scope", "Nice to have"],
    ),
    shape(
        "a tracking issue of references",
        "Tracking: streams\n\n- [ ] #12\n- [ ] owner/repo#7\n- [ ] https://github.com/o/r/issues/3\n",
        &["Tracking: streams"],
        &["references"],
    ),
];

const TITLES: &[Shape] = &[
    shape(
        "a template's comment first",
        "<!-- Thanks! -->\n\n# Tabs are lost\n\nThey are.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "a comment of several lines with a box",
        "<!--\n- [ ] example\n-->\n# Tabs are lost\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "front matter",
        "---\ntitle: Tabs are lost\nlabels: [bug]\n---\n\nThey are.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "front matter of a template without its title",
        "---\nname: Bug report\nabout: Tell us\ntitle: '[BUG] '\nlabels: bug\nassignees: ''\n\n---\n\n**Describe the bug**\nTabs are lost\n\n**To Reproduce**\nOpen it.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "gh issue view",
        "title:\tTabs are lost\nstate:\tOPEN\nlabels:\tbug, P1\nnumber:\t7\n--\nThey are.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "fields as lines",
        "Title: Tabs are lost\nLabels: bug\nPriority: high\n\nThey are.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape("underlined", "Tabs are lost\n=============\n\nThey are.\n", &["Tabs are lost"], &[]),
    shape("a bold title", "**Tabs are lost**\n\nThey are.\n", &["Tabs are lost"], &[]),
    shape("an image first", "![shot](a.png)\n\nTabs are lost\n", &["Tabs are lost"], &[]),
    shape(
        "a log first",
        "```\npanic at 3\n```\nThe parser panics on tabs\n",
        &["The parser panics on tabs"],
        &[],
    ),
    shape("nothing but a log", "```\npanic at 3\n```\n", &["panic at 3"], &[]),
    shape(
        "Jira's headings",
        "h1. Tabs are lost\n\nh2. Steps to Reproduce\n# Open\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "a tracker's copy for agents",
        "<issue identifier=\"CYR-7\">\n<title>Tabs are lost</title>\n<description>\nThey are.\n</description>\n</issue>\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "GitLab's quick actions",
        "/label ~bug\n/assign @me\n\nTabs are lost\n",
        &["Tabs are lost"],
        &[],
    ),
    shape(
        "a heading of the second level",
        "## Tabs are lost\n\nThey are.\n",
        &["Tabs are lost"],
        &[],
    ),
    shape("a quotation", "> Tabs are lost\n\nsaid a user\n", &["Tabs are lost"], &[]),
    shape(
        "a question as a title",
        "Why are tabs lost?\n\nThey are.\n",
        &["Why are tabs lost?"],
        &[],
    ),
    shape(
        "a user story",
        "## User story\n\nAs an editor I want tabs to stay.\n\n## Acceptance criteria\n\n- [ ] Tabs stay\n",
        &["As an editor I want tabs to stay."],
        &[],
    ),
];

const LISTS: &[Shape] = &[
    shape(
        "a list as the first line",
        "- [ ] Add a flag\n- [ ] Document it, after #1\n",
        &["Add a flag", "Document it"],
        &[],
    ),
    shape("a plain list as the first line", "- add a flag\n- document it\n", &["add a flag"], &[]),
    shape(
        "boxes in a comment within a line",
        "Release\n\n- [ ] Tag <!-- - [ ] not this -->\n<!-- - [ ] nor this -->\n- [ ] Publish\n",
        &["Tag", "Publish"],
        &[],
    ),
    shape(
        "struck out",
        "Release\n\n- [ ] Tag it\n- [ ] ~~Sign it~~\n- [ ] <del>Notarise it</del>\n- [~] Post it\n- [ ] Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "a comment that opens behind text",
        "Release\n\nAs follows: <!--\n- [ ] example\n-->\n- [ ] Tag it\n- [ ] Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "boxes in code",
        "Document boxes\n\nWrite `- [ ] x` or\n```md\n- [ ] y\n```\n",
        &["Document boxes"],
        &[],
    ),
    shape(
        "boxes of a letter that is answered",
        "Please do only this\n\n- [ ] add a\n- [ ] add b\n\n-----Original Message-----\nFrom: x\nSent: Monday\n\n- [ ] drop all of it\n",
        &["add a", "add b"],
        &[],
    ),
    shape(
        "a rule that looks like the beginning of a letter",
        "Do these\n\n-------- Part two ----------\n\n- [ ] add a\n- [ ] add b\n",
        &["add a", "add b"],
        &[],
    ),
    shape("boxes in a quotation", "Document boxes\n\n> - [ ] y\n", &["Document boxes"], &[]),
    shape(
        "boxes in a table",
        "Support\n\n| a | b |\n|---|---|\n| [ ] | [x] |\n",
        &["Support"],
        &[],
    ),
    shape(
        "boxes without the mark of a list",
        "Release\n\n[ ] Tag it\n[ ] Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "drawn boxes",
        "Release\n\n☐ Tag it\n☑ Sign it\n☐ Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "a blank that does not break",
        "Release\n\n- [\u{a0}] Tag it\n- [\u{a0}] Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "numbers",
        "Release\n\n1. [ ] Tag it\n2. [ ] Publish it\n",
        &["Tag it", "Publish it"],
        &[],
    ),
    shape(
        "work under a heading like a choice",
        "Support more\n\n## Platforms\n- [ ] Add Windows\n- [ ] Add macOS\n",
        &["Add Windows", "Add macOS"],
        &[],
    ),
    shape(
        "nouns as work",
        "Port the module\n\n## Tasks\n- [ ] Parser\n- [ ] Printer\n",
        &["Parser", "Printer"],
        &[],
    ),
    shape(
        "nouns without a heading",
        "Port the module\n\n- [ ] Parser\n- [ ] Printer\n",
        &["Parser", "Printer"],
        &[],
    ),
    shape(
        "a definition of done",
        "Add tabs\n\n**Definition of Done**\n- [ ] Tests pass\n- [ ] Documented\n",
        &["Add tabs"],
        &[],
    ),
    shape("everything ticked", "Add tabs\n\n- [x] Parser\n- [x] Printer\n", &["Add tabs"], &[]),
    shape(
        "boxes in folded details",
        "Add tabs\n\n<details>\n<summary>Plan</summary>\n\n- [ ] Write the parser\n- [ ] Write the printer\n\n</details>\n",
        &["Write the parser", "Write the printer"],
        &[],
    ),
    shape(
        "Windows line ends",
        "Release\r\n\r\n- [ ] Tag it\r\n- [ ] Publish it\r\n",
        &["Tag it", "Publish it"],
        &[],
    ),
];

#[test]
fn each_shape_gets_its_plan() {
    let settings = PlanSettings::default();
    let mut wrong = Vec::new();
    let all = || FORMS.iter().chain(TITLES).chain(LISTS);
    assert!(all().count() >= 50);
    for Shape { from, text, tasks, note } in all() {
        let issue = Issue::from_markdown(text).unwrap();
        let planned = match plan(&issue, &analyse(&issue, &settings.rules), None, &settings) {
            Planning::Ready(plan) => plan,
            Planning::Ask { .. } => panic!("{from}: an executor would be asked"),
        };
        let titles: Vec<_> = planned.tasks.iter().map(|task| task.task.title.as_str()).collect();
        let said = planned.note.as_deref().unwrap_or_default();
        if titles != *tasks
            || note.is_empty() != said.is_empty()
            || !note.iter().all(|part| said.contains(part))
        {
            wrong.push(format!("{from}: {titles:?}, note {said:?}"));
        }
        // Nothing of a text that names work is lost on the way to the executor.
        let words: Vec<_> = tasks.iter().flat_map(|title| title.split_whitespace()).collect();
        let prompts: String = planned.tasks.iter().map(|task| task.task.prompt.as_str()).collect();
        assert!(words.iter().all(|word| prompts.contains(word)), "{from}: {prompts}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_passed_over_for_a_title_stays_in_the_body() {
    let text = "### Describe the bug\n\nTabs are lost.\n\n### Version\n\n1.2\n";
    let issue = Issue::from_markdown(text).unwrap();
    assert_eq!((issue.title.as_str(), issue.body.as_str()), ("Tabs are lost.", text.trim()));
}

#[test]
fn a_header_gives_labels_priority_and_identifier() {
    use cyrus_core::Urgency;
    for text in [
        "---\ntitle: \"Tabs: lost\"\nlabels:\n  - bug\n  - P1\npriority: High\nid: CYR-7\nseverity: 3\n---\nThey are.\n",
        "Title: Tabs: lost\nLabels: bug, P1\nPriority: high\nIdentifier: CYR-7\n\nseverity: 3\n\nThey are.\n",
    ] {
        let issue = Issue::from_markdown(text).unwrap();
        assert_eq!(issue.title, "Tabs: lost", "{text}");
        assert_eq!(issue.labels, ["bug", "P1"]);
        assert_eq!(
            (issue.urgency, issue.identifier.as_deref()),
            (Some(Urgency::High), Some("CYR-7"))
        );
        assert_eq!(issue.body, "severity: 3\n\nThey are.");
    }
    let rule = Issue::from_markdown("---\n\nTabs are lost\n\n---\n\nThey are.").unwrap();
    assert_eq!(rule.title, "Tabs are lost");
}
