//! The clone's own directory: hooks, configuration, references, indexes and borrowed objects.

use super::deposit::{Deposit, Expect, files, only_the_change};
use crate::case::Case;

const GROUP: &str = "directories";

fn deposit(name: &'static str, by: &'static str, expect: Expect, script: &'static str) -> Deposit {
    Deposit::new(GROUP, name, by, expect, script)
}

const NOT_RUN: &str = "the host runs no git in a clone";
const NOT_READ: &str = "of a clone's git directory only HEAD, its reference and objects are read";

pub(crate) fn cases() -> Vec<Case> {
    use Expect::{Contained, Harmless, Refused};
    let deposits = [
        deposit("hooks", NOT_RUN, Harmless, r#"
            for hook in applypatch-msg pre-commit prepare-commit-msg commit-msg post-commit post-checkout post-merge \
              pre-push post-index-change reference-transaction update pre-receive post-receive push-to-checkout \
              pre-auto-gc post-rewrite fsmonitor-watchman proc-receive post-update sendemail-validate; do
              trap_at "$git/hooks/$hook" hook
            done"#)
            .check(only_the_change),
        deposit("programs_in_the_configuration", NOT_READ, Harmless, r#"
            trap_at "$git/trap" config
            for key in core.fsmonitor core.sshCommand core.pager core.editor core.askPass core.gitProxy \
              core.alternateRefsCommand credential.helper gpg.program diff.external uploadpack.packObjectsHook \
              remote.origin.uploadpack remote.origin.receivepack alias.status alias.fetch sequence.editor \
              ssh.variant interactive.diffFilter; do
              git config "$key" "$git/trap"
            done
            git config protocol.ext.allow always
            git config remote.origin.url "ext::$git/trap"
            git config commit.gpgSign true"#)
            .check(only_the_change),
        deposit("a_configuration_that_includes_another", NOT_READ, Harmless, r#"
            trap_at "$git/trap" include
            printf '[core]\n fsmonitor = %s\n' "$git/trap" >included
            git config include.path "$PWD/included"
            git config includeIf.gitdir:/.path "$PWD/included"
            git config core.hooksPath "$PWD"
            printf '[include]\n path = %s\n' "$PWD/included" >"$HOME/.gitconfig""#),
        deposit("a_configuration_of_the_home", "the operator's configuration alone", Harmless, r#"
            trap_at "$git/trap" home
            mkdir -p "$HOME/.config/git"
            printf '[core]\n fsmonitor = %s\n sshCommand = %s\n' "$git/trap" "$git/trap" >"$HOME/.gitconfig"
            cp "$HOME/.gitconfig" "$HOME/.config/git/config""#)
            .check(only_the_change),
        deposit("filters_and_drivers", "no filter and no driver has a command", Refused("in another way than the checks saw them"), r#"
            trap_at "$git/trap" driver
            for key in filter.t.clean filter.t.smudge filter.t.process diff.t.command diff.t.textconv merge.t.driver; do
              git config "$key" "$git/trap"
            done
            echo '* filter=t diff=t merge=t' | tee .gitattributes >"$git/info/attributes""#),
        deposit("a_driver_of_a_known_name", "no filter and no driver has a command", Contained, r"
            printf '* filter=lfs diff=lfs merge=union working-tree-encoding=UTF-16\n' >.gitattributes"),
        deposit("a_git_directory_that_is_a_file", NOT_READ, Harmless, r#"
            git clone --quiet --bare . "$HOME/elsewhere.git"; rm -rf .git
            printf 'gitdir: %s\n' "$HOME/elsewhere.git" >.git"#)
            .check(only_the_change),
        deposit("a_git_directory_that_is_a_link", NOT_READ, Harmless, r#"
            mv .git "$HOME/elsewhere.git"; ln -s "$HOME/elsewhere.git" .git"#)
            .check(only_the_change),
        deposit("no_git_directory", NOT_READ, Harmless, "rm -rf .git").check(only_the_change),
        deposit("a_git_directory_of_the_users", NOT_READ, Harmless, r#"
            rm -rf .git; printf 'gitdir: %s\n' "$outside/../repository/.git" >.git"#)
            .check(only_the_change),
        deposit("a_common_directory", NOT_READ, Harmless, r#"
            echo "$outside/../repository/.git" >"$git/commondir""#),
        deposit("objects_of_another_repository", "alternates are not read", Contained, r#"
            git init --quiet "$HOME/private"; cd "$HOME/private"
            echo other >other; git add other
            git -c user.name=x -c user.email=x@x commit --quiet --message other
            other=$(git rev-parse HEAD); cd - >/dev/null
            echo "$HOME/private/.git/objects" >>"$git/objects/info/alternates"
            git update-ref "$(git symbolic-ref HEAD)" "$other""#),
        deposit("objects_behind_a_link", "links are not followed", Contained, r#"
            git init --quiet "$HOME/private"; cd "$HOME/private"
            echo other >other; git add other
            git -c user.name=x -c user.email=x@x commit --quiet --message other
            other=$(git rev-parse HEAD); cd - >/dev/null
            for directory in "$HOME/private/.git/objects/"??; do
              [ -e "$git/objects/${directory##*/}" ] || ln -s "$directory" "$git/objects/${directory##*/}"
            done
            git update-ref "$(git symbolic-ref HEAD)" "$other""#),
        deposit("a_reference_that_is_a_link", "links are not followed", Contained, r#"
            commit; rm -f "$git/$(git symbolic-ref HEAD)"
            mkdir -p "$(dirname "$git/$(git symbolic-ref HEAD)")"
            ln -s "$outside/secret" "$git/$(git symbolic-ref HEAD)""#),
        deposit("a_head_that_is_a_link", "links are not followed", Contained, r#"
            commit; rm "$git/HEAD"; ln -s "$outside/secret" "$git/HEAD""#),
        deposit("a_head_out_of_the_directory", "a reference is a name below refs", Contained, r#"
            commit; echo 'ref: refs/../../../../outside/secret' >"$git/HEAD""#),
        deposit("a_head_on_another_branch", "the result is of the base", Contained, r"
            git checkout --quiet -b main-2; commit; git checkout --quiet --detach"),
        deposit("a_head_that_is_no_reference", "a reference is a name below refs", Contained, r#"
            commit; head -c 1000000 /dev/zero >"$git/HEAD""#),
        deposit("references_that_go_in_circles", "references are followed once", Contained, r#"
            commit; echo 'ref: refs/heads/b' >"$git/refs/heads/a"
            echo 'ref: refs/heads/a' >"$git/refs/heads/b"; echo 'ref: refs/heads/a' >"$git/HEAD""#),
    ];
    deposits.into_iter().chain(histories()).map(Deposit::case).collect()
}

/// What the objects are said to be, and what of the clone the host might trust.
fn histories() -> Vec<Deposit> {
    use Expect::{Contained, Harmless, NotTaken};
    vec![
        deposit(
            "replaced_objects",
            NOT_READ,
            Harmless,
            r"
            commit; git replace HEAD HEAD~1",
        ),
        deposit(
            "grafts_and_a_shallow_history",
            NOT_READ,
            Harmless,
            r#"
            commit; git rev-parse HEAD >"$git/shallow"; git rev-parse HEAD >"$git/info/grafts""#,
        ),
        deposit(
            "a_promisor",
            NOT_READ,
            Harmless,
            r#"
            trap_at "$git/trap" promisor
            git config core.repositoryFormatVersion 1; git config extensions.partialClone origin
            git config remote.origin.promisor true; git config remote.origin.url "ext::$git/trap""#,
        ),
        deposit(
            "a_working_tree_elsewhere",
            NOT_READ,
            Harmless,
            r#"
            git config core.worktree "$outside"; git config core.bare false"#,
        )
        .check(only_the_change),
        deposit(
            "a_sparse_checkout",
            "what is not there is deleted, and shows",
            Contained,
            r"
            git sparse-checkout set sub",
        ),
        deposit(
            "a_forged_index",
            "the clone's index is not read",
            Harmless,
            r#"
            head -c 100000 /dev/urandom >"$git/index""#,
        )
        .check(only_the_change),
        deposit(
            "changes_that_are_hidden",
            "the clone's index is not read",
            Harmless,
            r"
            git update-index --assume-unchanged greet.sh; git update-index --skip-worktree sub/file
            echo hidden >sub/file",
        )
        .check(hidden_is_there),
        deposit(
            "locks_that_stay",
            "the clone's locks are not heeded",
            Harmless,
            r#"
            touch "$git/index.lock" "$git/HEAD.lock" "$git/config.lock" "$git/shallow.lock""#,
        )
        .check(only_the_change),
        deposit(
            "a_pack_with_a_wrong_checksum",
            "packs are checked when they are read",
            NotTaken,
            r#"
            head -c 200000 /dev/urandom >noise; commit; git repack --quiet -ad
            for pack in "$git"/objects/pack/*.pack; do
              chmod +w "$pack"; printf 'XXXXXXXXXXXXXXXXXXXX' | dd of="$pack" bs=1 seek=1000 conv=notrunc 2>/dev/null
            done"#,
        ),
        deposit(
            "an_object_under_another_name",
            "objects are checked when they are taken",
            NotTaken,
            r#"
            commit; one=$(git rev-parse HEAD:greet.sh); two=$(git rev-parse HEAD:test.sh)
            at() { echo "$git/objects/$(echo "$1" | cut -c1-2)/$(echo "$1" | cut -c3-)"; }
            echo forged | git hash-object -w --stdin >"$HOME/forged"
            rm -f "$(at "$one")"; cp "$(at "$(cat "$HOME/forged")")" "$(at "$one")"; : "$two""#,
        ),
        deposit(
            "an_object_without_end",
            "objects are counted before they are read",
            Contained,
            r#"
            commit; one=$(git rev-parse HEAD)
            at="$git/objects/$(echo "$one" | cut -c1-2)/$(echo "$one" | cut -c3-)"
            rm -f "$at"; mkfifo "$at""#,
        ),
        deposit(
            "a_file_that_is_a_pipe_in_the_directory",
            "only plain files are read",
            Contained,
            r#"
            commit; rm -f "$git/packed-refs" "$git/config"; mkfifo "$git/packed-refs" "$git/config""#,
        ),
        deposit(
            "a_head_that_is_a_pipe",
            "only plain files are read",
            Contained,
            r#"
            commit; rm -f "$git/HEAD"; mkfifo "$git/HEAD""#,
        ),
    ]
}

fn hidden_is_there(world: &cyrus_tests::World, report: &cyrus_tests::Report) {
    assert!(files(world, report).contains(&"sub/file".to_owned()));
    assert_eq!(world.repo().file(report.branch(), "sub/file"), "hidden");
}
