//! A set-up that makes something of files of the repository: results are checked with what it makes of them.

mod common;

use common::validated;
use cyrus_core::ValidationVerdict;

const BUNDLED: [(&str, &str); 3] = [
    (".gitignore", "dist/\nmade.txt\nvendor/\n"),
    ("src/app.sh", "echo base\n"),
    ("cyrus-setup.sh", "mkdir dist && cat src/*.sh >dist/app.sh\n"),
];

#[tokio::test]
async fn what_is_built_is_built_of_the_result() {
    for (app, verdict, output) in [
        ("echo result\n", ValidationVerdict::Passed, "result"),
        ("echo broken; exit 1\n", ValidationVerdict::Failed, "broken"),
    ] {
        let report = validated(&BUNDLED, &[("src/app.sh", app)], "sh dist/app.sh").await.0;
        assert_eq!((report.verdict, report.unverified.clone()), (verdict, None), "{report:?}");
        assert_eq!(report.checks[0].output, output);
    }
    // A file more in it is of the result, too.
    let report = validated(&BUNDLED, &[("src/b.sh", "echo more\n")], "sh dist/app.sh").await.0;
    assert_eq!(report.checks[0].output, "base\nmore");
}

#[tokio::test]
async fn what_cannot_be_built_of_the_result_is_no_proof() {
    let set_up = "mkdir dist && ! grep bad src/app.sh && cp src/app.sh dist/app.sh\n";
    let base = [BUNDLED[0], BUNDLED[1], ("cyrus-setup.sh", set_up)];
    let report = validated(&base, &[("src/app.sh", "bad\n")], "sh dist/app.sh").await.0;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:?}");
    let reason = report.unverified.unwrap();
    assert!(reason.contains("`dist`) could not be made"), "{reason}");
}

/// It may be what a check is configured with.
#[tokio::test]
async fn a_file_by_itself_that_is_made_otherwise_is_for_a_person_to_look_at() {
    let set_up = "cp src/app.sh made.txt\n";
    let base = [BUNDLED[0], BUNDLED[1], ("cyrus-setup.sh", set_up)];
    let files = [("src/app.sh", "echo result\n")];
    let report = validated(&base, &files, "sh made.txt").await.0;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:?}");
    assert_eq!(report.checks[0].output, "result");
    assert!(report.unverified.unwrap().contains("`made.txt` otherwise"));
    // Where it is the same, there is nothing to look at.
    let report = validated(&base, &[("other", "x\n")], "sh made.txt").await.0;
    assert_eq!(report.verdict, ValidationVerdict::Passed, "{report:?}");
}

/// What is run to install packages is the base's, with all that it reads: a package that it writes is no product.
#[tokio::test]
async fn packages_are_installed_by_the_files_of_the_base() {
    let base = [
        BUNDLED[0],
        ("requirements.txt", "old\n"),
        ("helper.sh", "cat requirements.txt >vendor/all\n"),
        ("tools.sh", ". ./helper.sh\n"),
        ("src/app.sh", "echo base\n"),
        ("cyrus-setup.sh", "mkdir -p vendor dist; sh tools.sh; cp src/app.sh dist\n"),
    ];
    let forged = "echo forged >vendor/all\n";
    let files =
        [("requirements.txt", "new\n"), ("helper.sh", forged), ("src/app.sh", "echo result\n")];
    let report = validated(&base, &files, "cat vendor/all; sh dist/app.sh").await.0;
    assert_eq!(report.checks[0].output, "new\nresult", "{report:?}");
    // Neither where nothing else is to be installed.
    let report = validated(&base, &files[1..], "cat vendor/all; sh dist/app.sh").await.0;
    assert_eq!(report.checks[0].output, "old\nresult", "{report:?}");
}

/// It is of the result alone, and may stand before what a check would find.
#[tokio::test]
async fn what_only_the_result_has_made_is_for_a_person_to_look_at() {
    let set_up = "mkdir dist && . ./src/app.sh >dist/app.sh\n";
    let base = [BUNDLED[0], BUNDLED[1], ("cyrus-setup.sh", set_up)];
    let files = [("src/app.sh", "mkdir -p stand; echo x >stand/in; echo base\n")];
    let report = validated(&base, &files, "cat stand/in").await.0;
    assert_eq!(report.verdict, ValidationVerdict::Unchecked, "{report:?}");
    assert!(report.unverified.unwrap().contains("`stand` otherwise"));
}
