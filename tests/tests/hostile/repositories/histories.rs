//! Commits: what they say of themselves, what they descend from, and how many there are.

use super::deposit::{Deposit, Expect};
use crate::case::Case;
use cyrus_tests::{Report, World};

const GROUP: &str = "histories";

fn deposit(name: &'static str, by: &'static str, expect: Expect, script: &'static str) -> Deposit {
    Deposit::new(GROUP, name, by, expect, script)
}

const PLAIN: &str = "the one writer of text from outside";
const FSCK: &str = "objects are checked when they are taken";
const BASE: &str = "the result is of the base";

pub(crate) fn cases() -> Vec<Case> {
    use Expect::{Contained, Harmless};
    let deposits = [
        deposit("a_message_that_commands_a_terminal", PLAIN, Contained, r#"
            commit "$(printf 'x\033]0;FORGED\007\033[2J\n\nvalidated: FORGED\nSigned-off-by: Owner <owner@example.invalid>')""#),
        deposit("an_author_that_commands_a_terminal", PLAIN, Contained, r#"
            git config user.name "$(printf 'x\033[31m')"; git config user.email "$(printf 'a\033b@c')"; commit"#),
        deposit("an_author_who_is_the_owner", "the host commits under its own name", Harmless, r"
            git config user.name Owner; git config user.email owner@example.invalid; commit"),
        deposit("a_message_in_another_encoding", FSCK, Contained, r#"
            git config i18n.commitEncoding UTF-16; printf 'caf\351' >"$HOME/m"; git add --all
            git commit --quiet --file "$HOME/m""#),
        deposit("a_signature_that_is_junk", "signatures are not looked at", Contained, r#"
            git add --all; t=$(git write-tree); p=$(git rev-parse HEAD)
            { printf 'tree %s\nparent %s\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n' "$t" "$p"
              printf 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n \033[2Jjunk\n -----END PGP SIGNATURE-----\nencoding \033[31m\n\nwork\n'
            } >"$HOME/c"
            git update-ref "$(git symbolic-ref HEAD)" "$(git hash-object -w -t commit "$HOME/c")""#),
        deposit("a_header_that_forges_another", "commits are taken as the user's", Contained, r#"
            git add --all; t=$(git write-tree); p=$(git rev-parse HEAD)
            printf 'tree %s\nparent %s\ntree %s\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nwork\n' "$t" "$p" "$t" >"$HOME/c"
            git update-ref "$(git symbolic-ref HEAD)" "$(git hash-object --literally -w -t commit "$HOME/c")""#)
            .check(has_one_tree),
        deposit("a_date_before_time", FSCK, Contained, r#"
            git add --all; t=$(git write-tree); p=$(git rev-parse HEAD)
            printf 'tree %s\nparent %s\nauthor a <a@a> -99999999999999999999 +9999\ncommitter a <a@a> 99999999999999999999 -9999\n\nwork\n' "$t" "$p" >"$HOME/c"
            git update-ref "$(git symbolic-ref HEAD)" "$(git hash-object --literally -w -t commit "$HOME/c")""#),
        deposit("a_message_of_a_hundred_megabytes", "objects are counted before they are read", Contained, r#"
            head -c 100000000 /dev/zero | tr '\0' x >"$HOME/m"; git add --all; git commit --quiet --file "$HOME/m""#),
        deposit("ten_thousand_parents", "objects are counted before they are read", Contained, r#"
            git add --all; t=$(git write-tree); p=$(git rev-parse HEAD)
            { printf 'tree %s\n' "$t"; i=0; while [ $i -lt 10000 ]; do printf 'parent %s\n' "$p"; i=$((i+1)); done
              printf 'author a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nwork\n'; } >"$HOME/c"
            git update-ref "$(git symbolic-ref HEAD)" "$(git hash-object --literally -w -t commit "$HOME/c")""#),
        deposit("a_history_of_its_own", BASE, Contained, r#"
            git checkout --quiet --orphan other; git add --all; git commit --quiet -m other
            git branch --quiet -f "$(git for-each-ref --format='%(refname:short)' refs/heads/cyrus | head -n 1)" HEAD
            git symbolic-ref HEAD "refs/heads/$(git for-each-ref --format='%(refname:short)' refs/heads/cyrus | head -n 1)""#)
            .check(descends),
        deposit("a_history_without_the_base", BASE, Contained, r#"
            git add --all; t=$(git write-tree); git update-ref "$(git symbolic-ref HEAD)" "$(git commit-tree "$t" -m root)""#)
            .check(descends),
        deposit("a_tag_in_the_place_of_a_commit", "the result is a commit", Contained, r#"
            commit; git tag -a -m x t; git rev-parse t >"$git/$(git symbolic-ref HEAD)""#)
            .check(descends),
        deposit("a_tree_in_the_place_of_a_commit", "the result is a commit", Contained, r#"
            commit; git rev-parse 'HEAD^{tree}' >"$git/$(git symbolic-ref HEAD)""#)
            .check(descends),
        deposit("a_commit_that_is_not_there", "the result is a commit", Contained, r#"
            echo 1234567890123456789012345678901234567890 >"$git/$(git symbolic-ref HEAD)""#),
        deposit("twenty_thousand_references", "references are not taken along", Harmless, r#"
            commit; h=$(git rev-parse HEAD)
            awk -v h="$h" 'BEGIN { for (i = 0; i < 20000; i++) printf "create refs/heads/x/%d %s\n", i, h }' | git update-ref --stdin"#)
            .check(one_branch),
        deposit("references_of_the_host", "references are not taken along", Harmless, r"
            commit; git update-ref refs/cyrus/other/t1 HEAD; git update-ref refs/heads/main HEAD
            git update-ref refs/notes/commits HEAD; git update-ref refs/stash HEAD")
            .check(one_branch),
        deposit("five_thousand_commits", "the result is one commit's tree", Contained, r#"
            i=0; { while [ $i -lt 5000 ]; do
              printf 'commit refs/heads/many\ncommitter a <a@a> %d +0000\ndata 1\nx' $((1700000000+i))
              [ $i = 0 ] && printf '\nfrom %s' "$(git rev-parse HEAD)"
              printf '\nM 100644 inline many\ndata %d\n%s\n' "${#i}" "$i"; i=$((i+1)); done; } | git fast-import --quiet
            git update-ref "$(git symbolic-ref HEAD)" refs/heads/many"#),
    ];
    deposits.into_iter().map(Deposit::case).collect()
}

/// A result that is there descends from the base.
fn descends(world: &World, report: &Report) {
    if report["branch"].is_string() {
        world.repo().git(["merge-base", "--is-ancestor", "main", report.branch()]);
        assert_eq!(world.repo().git(["cat-file", "-t", report.branch()]), "commit");
    }
}

fn has_one_tree(world: &World, report: &Report) {
    let commit = world.repo().git(["cat-file", "commit", report.branch()]);
    let headers = commit.lines().take_while(|line| !line.is_empty());
    assert_eq!(headers.filter(|line| line.starts_with("tree ")).count(), 1, "{commit}");
}

fn one_branch(world: &World, _: &Report) {
    assert_eq!(world.repo().session_branches().len(), 1);
    let all = world.repo().git(["for-each-ref", "--format=%(refname)"]);
    assert_eq!(all.lines().count(), 2, "more references than main and the session's branch: {all}");
}
