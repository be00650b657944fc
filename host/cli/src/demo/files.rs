//! What the demo's repository holds, and what its two issues ask for.

/// The repository as its owner left it: one test fails.
pub(super) const REPOSITORY: &[(&str, &str)] = &[
    ("README.md", "# Greeter\n\n`sh greet.sh NAME` greets. `sh test.sh` runs the tests.\n"),
    ("greet.sh", "#!/bin/sh\n# Greets whoever is named.\necho \"Hello!\"\n"),
    ("test.sh", TEST),
    ("tests/greet.sh", "[ \"$(sh greet.sh Ada)\" = \"Hello, Ada!\" ]\n"),
    ("tests/nobody.sh", "[ \"$(sh greet.sh)\" = \"Hello!\" ]\n"),
];

const TEST: &str = r#"#!/bin/sh
# Runs every test in tests/, and fails if one does.
failed=0
for test in tests/*.sh; do
  if sh "$test"; then echo "ok   $test"; else echo "FAIL $test"; failed=1; fi
done
exit $failed
"#;

/// The issue for the Claude plugin.
pub(super) const GREETING: &str = "\
# The greeting forgets the name

`sh greet.sh Ada` prints `Hello!`. It should print `Hello, Ada!`, and `Hello!` only when nobody is named.
`tests/greet.sh` fails because of it.
";

/// What mends it.
pub(super) const GREET_FIXED: &str = "#!/bin/sh\n# Greets whoever is named.\nif [ -n \"$1\" ]; then echo \"Hello, $1!\"; else echo \"Hello!\"; fi\n";

/// The issue for the Codegen plugin.
pub(super) const FAREWELL: &str = "\
# Say farewell too

Add `part.sh`: `sh part.sh Ada` prints `Goodbye, Ada!`. It needs a test in `tests/`.
";

/// What does it.
pub(super) const FAREWELL_FILES: &[(&str, &str)] = &[
    ("part.sh", "#!/bin/sh\n# Says farewell to whoever is named.\necho \"Goodbye, $1!\"\n"),
    ("tests/part.sh", "[ \"$(sh part.sh Ada)\" = \"Goodbye, Ada!\" ]\n"),
];
