//! What is in a result's tree: names, links, repositories within, and trees that are larger than they look.

use super::deposit::{Deposit, Expect, files};
use crate::case::Case;
use cyrus_tests::{Report, World};

const GROUP: &str = "trees";

fn deposit(name: &'static str, by: &'static str, expect: Expect, script: &'static str) -> Deposit {
    Deposit::new(GROUP, name, by, expect, script)
}

const FSCK: &str = "objects are checked when they are taken";
const LINKS: &str = "links are resolved over the result's tree";
const COUNTED: &str = "trees are counted before they are read";

pub(crate) fn cases() -> Vec<Case> {
    use Expect::{Contained, Finding, Harmless, NotTaken, Refused};
    const OUTSIDE: Expect = Finding("outside-workspace");
    let deposits = [
        deposit("a_git_directory", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100644 blob %s\tconfig\n' "$b" | git mktree)
            commit_tree "$(printf '040000 tree %s\t.git\n' "$t" | git mktree)""#),
        deposit("a_git_directory_in_capitals", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100644 blob %s\tconfig\n' "$b" | git mktree)
            commit_tree "$(printf '040000 tree %s\t.GiT\n' "$t" | git mktree)""#),
        deposit("a_git_directory_by_its_short_name", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100644 blob %s\tconfig\n' "$b" | git mktree)
            commit_tree "$(printf '040000 tree %s\tgit~1\n' "$t" | git mktree)""#),
        deposit("a_git_directory_with_a_hidden_character", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100644 blob %s\tconfig\n' "$b" | git mktree)
            commit_tree "$(printf '040000 tree %s\t.g\342\200\214it\n' "$t" | git mktree)""#),
        deposit("a_git_directory_below", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100755 blob %s\tpost-checkout\n' "$b" | git mktree)
            t=$(printf '040000 tree %s\thooks\n' "$t" | git mktree)
            t=$(printf '040000 tree %s\t.git\n' "$t" | git mktree)
            commit_tree "$(printf '040000 tree %s\tdir\n' "$t" | git mktree)""#),
        deposit("a_directory_up", FSCK, NotTaken, r#"
            b=$(echo x | blob); t=$(printf '100644 blob %s\tplanted\n' "$b" | git mktree)
            printf '40000 ..\0' >"$HOME/t"; printf "$(echo "$t" | sed 's/../\\x&/g')" >>"$HOME/t"
            commit_tree "$(git hash-object --literally -w -t tree "$HOME/t")""#),
        deposit("a_name_with_a_slash", FSCK, NotTaken, r#"
            b=$(echo x | blob); printf '100644 a/../../planted\0' >"$HOME/t"
            printf "$(echo "$b" | sed 's/../\\x&/g')" >>"$HOME/t"
            commit_tree "$(git hash-object --literally -w -t tree "$HOME/t")""#),
        deposit("a_name_that_is_none", FSCK, NotTaken, r#"
            b=$(echo x | blob); printf '100644 \0' >"$HOME/t"; printf "$(echo "$b" | sed 's/../\\x&/g')" >>"$HOME/t"
            commit_tree "$(git hash-object --literally -w -t tree "$HOME/t")""#),
        deposit("the_same_name_twice", FSCK, NotTaken, r#"
            b=$(echo x | blob); bytes=$(echo "$b" | sed 's/../\\x&/g')
            { printf '100644 a\0'; printf "$bytes"; printf '100644 a\0'; printf "$bytes"; } >"$HOME/t"
            commit_tree "$(git hash-object --literally -w -t tree "$HOME/t")""#),
        deposit("a_mode_that_is_none", FSCK, Contained, r#"
            b=$(echo x | blob); { printf '104755 a\0'; printf "$(echo "$b" | sed 's/../\\x&/g')"; } >"$HOME/t"
            commit_tree "$(git hash-object --literally -w -t tree "$HOME/t")""#),
        deposit("an_absolute_link", LINKS, OUTSIDE, "ln -s /etc/passwd link"),
        deposit("a_link_up", LINKS, OUTSIDE, "ln -s ../../../../outside/secret link"),
        deposit("a_link_to_a_directory_up", LINKS, OUTSIDE, "ln -s ../.. sub/link"),
        deposit("a_link_into_the_git_directory", LINKS, OUTSIDE, "ln -s .git/config link"),
        deposit("a_link_into_the_git_directory_in_capitals", LINKS, OUTSIDE, "ln -s ../.GIT/hooks sub/link"),
        deposit("a_link_into_the_git_directory_by_its_short_name", LINKS, OUTSIDE, "ln -s GIT~1/config link"),
        deposit("links_through_each_other", LINKS, OUTSIDE, r"
            mkdir -p a/b/c/d; ln -s ../../../.. a/b/c/d/top; ln -s a/b/c/d/top/../etc/passwd notes.txt"),
        deposit("a_link_through_a_link_to_a_directory", LINKS, OUTSIDE, r"
            ln -s sub alias; mkdir -p sub/deep; ln -s ../../.. sub/deep/up; ln -s alias/deep/up/etc/passwd notes.txt"),
        deposit("a_link_that_goes_up_from_a_link", LINKS, OUTSIDE, r"
            mkdir -p x/y/z; ln -s x/y/z short; ln -s short/../../../../etc/passwd notes.txt"),
        deposit("a_link_in_the_place_of_a_directory", LINKS, OUTSIDE, r#"
            rm -rf sub; ln -s "$outside" sub"#),
        deposit("a_chain_of_links", LINKS, Contained, r"
            ln -s /etc/passwd l0; i=0; while [ $i -lt 300 ]; do ln -s l$i l$((i+1)); i=$((i+1)); done")
            .check(not_validated),
        deposit("links_in_a_circle", LINKS, Contained, "ln -s b a; ln -s a b; ln -s self self"),
        deposit("a_repository_inside", "repositories inside are not entered", Contained, r#"
            git init --quiet inner; cd inner; trap_at .git/trap inner
            git config core.fsmonitor "$PWD/.git/trap"; echo x >file; git add file
            git -c user.name=x -c user.email=x@x commit --quiet --message x; rm -f "$ran"/* 2>/dev/null; echo y >file"#),
        deposit("a_repository_inside_that_is_committed", "submodules are neither fetched nor entered", Contained, r"
            git init --quiet inner; (cd inner; echo x >file; git add file
            git -c user.name=x -c user.email=x@x commit --quiet --message x); git add inner; commit"),
        deposit("a_submodule_that_is_an_option", FSCK, NotTaken, r#"
            printf '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch marker;\n' >.gitmodules"#),
        deposit("a_submodule_whose_path_is_an_option", FSCK, NotTaken, r#"
            printf '[submodule "x"]\n\tpath = -x\n\turl = https://example.invalid/x\n' >.gitmodules"#),
        deposit("a_submodule_whose_name_goes_up", FSCK, NotTaken, r#"
            printf '[submodule "../../x"]\n\tpath = x\n\turl = https://example.invalid/x\n' >.gitmodules"#),
        deposit("a_submodule_by_command", "submodules are neither fetched nor entered", Contained, r#"
            printf '[submodule "x"]\n\tpath = x\n\turl = ext::touch %s/submodule\n\tupdate = !touch %s/update\n' "$ran" "$ran" >.gitmodules
            b=$(git rev-parse HEAD); git update-index --add --cacheinfo 160000,"$b",x; git commit --quiet -m x"#),
        deposit("modules_behind_a_link", FSCK, NotTaken, r#"
            b=$(printf real | blob)
            commit_tree "$({ git ls-tree HEAD; printf '120000 blob %s\t.gitmodules\n' "$b"; } | git mktree)""#),
        deposit("a_submodule_at_a_commit_that_is_not_there", "submodules are neither fetched nor entered", Contained, r"
            git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,gone
            git commit --quiet -m x"),
        deposit("names_that_command_a_terminal", "the one writer of text from outside", Contained, r#"
            for name in "$(printf 'esc\033]0;FORGED\007')" "$(printf 'line\nvalidated: FORGED')" \
              "$(printf 'back\342\200\256wards')" "$(printf 'csi\302\2333')" "$(printf 'raw\377\376')"; do echo x >"$name"; done"#),
        deposit("names_of_options", "paths are never options", Harmless, r"
            for name in --output=x -rf --exec=sh ':(glob)**' ':!x' '*' '?' '$(touch x)' '`touch x`' ';touch x' '|sh'; do echo x >./$name; done 2>/dev/null
            echo x >'./--output=x'; echo x >'./-rf'; echo x >'./:(top)x'"),
        deposit("a_name_of_255_bytes", "a name of the system's longest", Harmless, r#"
            echo x >"$(head -c 255 /dev/zero | tr '\0' n)""#),
        deposit("names_that_differ_in_case", "names are bytes", Harmless, "echo x >GREET.sh; echo y >Greet.sh"),
        deposit("directories_five_hundred_deep", COUNTED, Contained, r#"
            i=0; path=; while [ $i -lt 500 ]; do path=$path/d; i=$((i+1)); done; mkdir -p ".$path"; echo x >".$path/f""#),
        deposit("a_tree_three_thousand_deep", COUNTED, Refused("more than 4096 bytes"), r#"
            ref=$(git symbolic-ref HEAD)
            printf 'commit %s\ncommitter a <a@b> 1 +0000\ndata 1\nx\nfrom %s\nM 100644 inline %sf\ndata 1\nx\n\n' \
                "$ref" "$(git rev-parse HEAD)" "$(printf 'd/%.0s' $(seq 3000))" | git fast-import --quiet"#),
        deposit("a_tree_of_a_million_files", COUNTED, Refused("resultLimits.files"), r#"
            b=$(echo x | blob)
            t=$(awk -v b="$b" 'BEGIN { for (i = 0; i < 1000000; i++) printf "100644 blob %s\t%07d\n", b, i }' | git mktree --missing)
            commit_tree "$t""#),
        deposit("a_tree_of_ten_thousand_million_files", COUNTED, Refused("resultLimits.files"), r#"
            b=$(echo x | blob); line() { for i in 0 1 2 3 4 5 6 7 8 9; do printf "$1 %s\t$i\n" "$2"; done; }
            t=$(line '100644 blob' "$b" | git mktree)
            for level in 1 2 3 4 5 6 7 8 9; do t=$(line '040000 tree' "$t" | git mktree); done
            commit_tree "$t""#),
        deposit("a_file_of_a_gigabyte_that_is_packed_small", COUNTED, Refused("resultLimits.fileMib"), r#"
            b=$(head -c 1073741824 /dev/zero | git hash-object -w --stdin)
            commit_tree "$(printf '100644 blob %s\tzeroes\n' "$b" | git mktree)""#),
        deposit("a_file_with_a_hole_of_fifteen_gigabytes", COUNTED, Refused("hole has 16106127360 bytes"), "truncate -s 15G hole"),
        deposit("a_tracked_file_with_a_hole_of_fifteen_gigabytes", COUNTED, Refused("sub/file has 16106127360 bytes"),
            "truncate -s 15G sub/file"),
        deposit("ignored_names_with_a_hole_of_fifteen_gigabytes", COUNTED, NotTaken, "truncate -s 15G .gitignore"),
        deposit("attributes_with_a_hole_of_fifteen_gigabytes", COUNTED, Refused("resultLimits.fileMib"),
            "truncate -s 15G .gitattributes; truncate -s 15G sub/.gitattributes"),
        deposit("modules_of_a_hundred_megabytes", COUNTED, Contained, r#"
            awk 'BEGIN { for (i = 0; i < 1000000; i++) printf "[submodule \"s%d\"]\n\tpath = p%d\n\turl = https://h.invalid/%d\n", i, i, i }' >.gitmodules
            git update-index --add --cacheinfo 160000,"$(git rev-parse HEAD)",p7; commit"#),
        deposit("an_object_file_with_a_hole_of_fifteen_gigabytes", COUNTED, Refused("resultLimits.fileMib"), r#"
            commit; mkdir -p "$git/objects/aa"; truncate -s 15G "$git/objects/aa/$(printf 'b%.0s' $(seq 38))""#),
        deposit("a_pack_with_a_hole_of_fifteen_gigabytes", COUNTED, Refused("resultLimits.totalMib"), r#"
            commit; mkdir -p "$git/objects/pack"
            truncate -s 15G "$git/objects/pack/pack-$(printf 'c%.0s' $(seq 40)).pack""#),
        deposit("an_index_and_references_with_holes_of_fifteen_gigabytes", "the clone's index is not read", Harmless, r#"
            truncate -s 15G "$git/index" "$git/packed-refs" "$git/FETCH_HEAD" "$git/info/exclude" "$git/shallow""#),
        deposit("a_path_of_a_megabyte", COUNTED, Refused("more than 4096 bytes"), r#"
            b=$(echo x | blob)
            t=$(printf '100644 blob %s\t%s\n' "$b" "$(head -c 1048576 /dev/zero | tr '\0' n)" | git mktree)
            commit_tree "$t""#),
        deposit("directories_twenty_thousand_deep", "what is removed is not walked by recursion", Contained, r#"
            p=$(printf 'd/%.0s' $(seq 1000)); for i in $(seq 20); do mkdir -p "$p" && cd "$p"; done"#),
        deposit("a_message_of_a_gigabyte", COUNTED, NotTaken, r#"
            { printf 'tree %s\nparent %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n' \
                "$(git write-tree)" "$(git rev-parse HEAD)"; head -c 1073741824 /dev/zero | tr '\0' x; } >"$HOME/c"
            c=$(git hash-object -t commit -w "$HOME/c"); rm "$HOME/c"; echo "$c" >"$git/$(git symbolic-ref HEAD)""#),
        deposit("a_hundred_thousand_commits", "only the objects that are new are read", Contained, r#"
            ref=$(git symbolic-ref HEAD); head=$(git rev-parse HEAD)
            { printf 'reset %s\nfrom %s\n\n' "$ref" "$head"; awk -v ref="$ref" 'BEGIN { for (i = 0; i < 100000; i++)
                printf "commit %s\ncommitter a <a@b> %d +0000\ndata 1\nx\n\n", ref, i }'; } | git fast-import --quiet"#),
        deposit("a_hundred_thousand_references", "only the reference that HEAD names is read", Harmless, r#"
            git pack-refs --all; head=$(git rev-parse HEAD)
            awk -v head="$head" 'BEGIN { for (i = 0; i < 100000; i++) printf "%s refs/heads/z%d\n", head, i }' >>"$git/packed-refs""#),
        deposit("a_chain_of_tags", "HEAD names a commit", Refused("no commit"), r#"
            commit; o=$(git rev-parse HEAD); kind=commit; i=0; while [ $i -lt 200 ]; do
                o=$(printf 'object %s\ntype %s\ntag t\ntagger a <a@b> 1 +0000\n\nx\n' "$o" "$kind" | git hash-object -t tag -w --stdin)
                kind=tag; i=$((i+1)); done
            echo "$o" >"$git/HEAD""#),
        deposit("a_chain_of_deltas", COUNTED, Contained, r"
            head -c 200000 /dev/urandom >grown; i=0; while [ $i -lt 60 ]; do echo $i >>grown; git add grown
                git commit --quiet -m x; i=$((i+1)); done; git repack -a -d -f -l --quiet --depth=4000 --window=10"),
        deposit("a_pipe", "only plain files and links are taken", Harmless, "mkfifo pipe sub/pipe"),
        deposit("a_device", "only plain files and links are taken", Harmless, "mknod device c 1 5 2>/dev/null || true"),
        deposit("a_directory_that_cannot_be_read", "what cannot be read is said or left", Contained, r"
            mkdir closed; echo x >closed/file; chmod 000 closed"),
    ];
    let mut cases: Vec<_> = deposits.into_iter().map(Deposit::case).collect();
    let protected =
        serde_json::json!({ "validation": { "protectedPaths": ["test.sh", "sub/**"] } });
    for (name, script) in [
        ("a_protected_file_changed", "echo true >test.sh"),
        ("a_protected_file_removed", "rm test.sh"),
        ("a_protected_file_that_is_a_link", "mv test.sh other.sh; ln -s other.sh test.sh"),
        ("a_protected_directory_renamed", "git mv sub other"),
    ] {
        let one = deposit(name, "protectedPaths", Finding("protected-path"), script);
        cases.push(one.config(protected.clone()).case());
    }
    cases.push(
        deposit(
            "a_protected_name_in_capitals",
            "protectedPaths",
            Refused(""),
            "echo true >TEST.sh; git rm --quiet test.sh",
        )
        .config(protected)
        .case(),
    );
    cases
}

fn not_validated(_: &World, report: &Report) {
    assert_ne!(report["outcome"], "validated", "a chain of links leads out");
    let _ = files;
}
