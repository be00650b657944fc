//! What the demo's repository holds, as its owner left it: every test passes.

/// The files.
pub(super) const REPOSITORY: &[(&str, &str)] = &[
    ("README.md", README),
    ("words.sh", WORDS),
    ("test.sh", TEST),
    ("tools/first.sh", "#!/bin/sh\n# Prints the first line.\nhead -n 1\n"),
    ("tools/upper.sh", CAPITALS),
    ("tests/first.sh", "[ \"$(printf 'a\\nb\\n' | sh words.sh first)\" = a ]\n"),
    ("tests/upper.sh", "[ \"$(echo abc | sh words.sh upper)\" = ABC ]\n"),
];

const README: &str = "\
# Words

Small tools for text: `sh words.sh TOOL` reads standard input. `sh test.sh` runs the tests.
";

const WORDS: &str = r#"#!/bin/sh
# Small tools for text: `sh words.sh TOOL` runs tools/TOOL.sh.
case "$1" in
  "") echo "usage: sh words.sh TOOL" >&2; exit 2 ;;
  *) exec sh "tools/$1.sh" ;;
esac
"#;

/// What `words.sh` becomes by one part of the issue.
pub(super) const WORDS_WITH_VERSION: &str = r#"#!/bin/sh
# Small tools for text: `sh words.sh TOOL` runs tools/TOOL.sh.
case "$1" in
  --version) echo "words 2.0" ;;
  "") echo "usage: sh words.sh TOOL | --version" >&2; exit 2 ;;
  *) exec sh "tools/$1.sh" ;;
esac
"#;

/// What it becomes by another, done at the same time: the same lines, otherwise.
pub(super) const WORDS_WITH_LIST: &str = r#"#!/bin/sh
# Small tools for text: `sh words.sh TOOL` runs tools/TOOL.sh.
case "$1" in
  --list) ls tools | sed 's/[.]sh$//' ;;
  "") echo "usage: sh words.sh TOOL | --list" >&2; exit 2 ;;
  *) exec sh "tools/$1.sh" ;;
esac
"#;

/// What it becomes with both.
pub(super) const WORDS_WITH_BOTH: &str = r#"#!/bin/sh
# Small tools for text: `sh words.sh TOOL` runs tools/TOOL.sh.
case "$1" in
  --version) echo "words 2.0" ;;
  --list) ls tools | sed 's/[.]sh$//' ;;
  "") echo "usage: sh words.sh TOOL | --list | --version" >&2; exit 2 ;;
  *) exec sh "tools/$1.sh" ;;
esac
"#;

/// A tool of the repository that gets another name.
pub(super) const CAPITALS: &str = "#!/bin/sh\n# Prints its input in capitals.\ntr a-z A-Z\n";

/// The tool that counts, wrong: it counts characters.
pub(super) const COUNT_WRONG: &str =
    "#!/bin/sh\n# Prints how many words there are.\nwc -c | tr -d ' '\n";

/// The same, mended.
pub(super) const COUNT: &str = "#!/bin/sh\n# Prints how many words there are.\nwc -w | tr -d ' '\n";

const TEST: &str = r#"#!/bin/sh
# Runs every test in tests/, and fails if one does.
failed=0
for test in tests/*.sh; do
  if sh "$test"; then echo "ok   $test"; else echo "FAIL $test"; failed=1; fi
done
exit $failed
"#;
