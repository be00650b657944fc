use super::*;
use proptest::prelude::*;

fn links(all: &[(&str, &str)]) -> Links {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Links::new(all.iter().map(|(path, to)| (bytes(path), Some(bytes(to)))), [])
}

fn out(all: &[(&str, &str)], before: &[(&str, &str)]) -> Vec<String> {
    let (after, before) = (links(all), links(before));
    let found = after.leading_out(&before);
    found.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
}

#[test]
fn links_that_stay_inside_are_fine() {
    for (path, target) in [
        ("a", "b"),
        ("dir/a", "../b"),
        ("dir/sub/a", "../../b/./c"),
        ("dir/a", "x/../../b"),
        ("dir/a", ".."),
        ("a", ".gitignore"),
        ("a", ".github/git"),
        ("a", ""),
        ("a", "a"),
    ] {
        assert_eq!(out(&[(path, target)], &[]), [""; 0], "{path} -> {target}");
    }
    // A link to its own directory by another spelling, and two that are one elsewhere.
    let spelled = [("docs", "Docs"), ("Docs/x", "../y"), ("B", "c"), ("b", "d"), ("e", "b/f")];
    assert_eq!(out(&spelled, &[]), [""; 0]);
}

#[test]
fn links_that_lead_out_at_any_step_are_found() {
    for (path, target) in [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("dir/a", "../../b"),
        ("a", "b/../../repository/c"),
        ("a", "file.txt/../../c"),
        ("a", ".git/config"),
        ("dir/a", "../.GIT/hooks"),
        ("a", "sub/.git"),
        ("a", "GIT~1/config"),
        ("a", ".git. /config"),
        ("a", ".git::$INDEX_ALLOCATION/config"),
        ("a", ".g\u{200c}it/config"),
        ("a", ".G\u{ad}\u{2060}iT/hooks"),
        ("a", "..\\..\\x"),
        ("a", "C:x"),
        ("a", "\\\\host\\share"),
    ] {
        assert_eq!(out(&[(path, target)], &[]), [path], "{path} -> {target}");
    }
}

#[test]
fn a_link_of_before_may_have_another_name_and_not_be_there_twice() {
    let words = ("words", "/usr/share/dict");
    assert_eq!(out(&[("dictionary", words.1)], &[words]), [""; 0]);
    assert_eq!(out(&[("deep/er/dictionary", words.1)], &[words]), [""; 0]);
    assert_eq!(out(&[words, ("dictionary", words.1)], &[words]), ["dictionary"]);
    assert_eq!(out(&[("a", words.1), ("b", words.1)], &[words]).len(), 1);
    assert_eq!(out(&[("dictionary", "/usr/share")], &[words]), ["dictionary"]);
    // A relative one means another place in another directory.
    let up = ("d/up", "../../x");
    assert_eq!(out(&[("d/above", up.1)], &[up]), [""; 0]);
    assert_eq!(out(&[("d/../above", up.1), ("e", "../../x")], &[up]).len(), 2);
}

#[test]
fn links_are_followed_through_links() {
    let through = [("d/d/top", "../.."), ("notes", "d/d/top/../etc/passwd")];
    assert_eq!(out(&through, &[]), ["notes"]);
    let chain = [("1", "2/x"), ("2", "3"), ("3", "d/e/4"), ("d/e/4", "../../../up")];
    assert_eq!(out(&chain, &[]), ["1", "2", "3", "d/e/4"]);
    // The last part of the way is a link as well.
    assert_eq!(out(&[("a", "b"), ("b", "c"), ("c", "/x")], &[]), ["a", "b", "c"]);
    // Only where names that differ in case are one.
    assert_eq!(out(&[("d/d/Top", "../.."), ("n", "d/d/tOP/../x")], &[]), ["n"]);
    assert_eq!(out(&[("A/b/l", "../../x"), ("a", ".")], &[]), ["A/b/l"]);
    assert_eq!(out(&[("x/X", "s/t"), ("x/x", ".."), ("n", "x/X/../../o")], &[]), ["n"]);
    // Or in how a letter is spelled.
    for (name, spelled) in [
        ("s", "ſ"),
        ("strasse", "Straße"),
        ("\u{e9}", "E\u{301}"),
        ("k", "\u{212a}"),
        ("a", "a\u{ad}"),
    ] {
        let way = format!("{spelled}/../o");
        assert_eq!(out(&[(name, "."), ("n", &way)], &[]), ["n"], "{spelled}");
    }
}

#[test]
fn circles_end() {
    let circle = [("a", "b/x"), ("b", "a"), ("c", "c/../c"), ("d", "d/d")];
    assert_eq!(out(&circle, &[]), [""; 0]);
    let doubling: Vec<_> =
        (1..60).map(|n| (format!("l{n}"), format!("l{0}/l{0}", n - 1))).collect();
    let mut doubling: Vec<_> = doubling.iter().map(|(a, b)| (&**a, &**b)).collect();
    assert_eq!(out(&doubling, &[]), [""; 0]);
    doubling.push(("l0", ".."));
    assert!(out(&doubling, &[]).contains(&"l1".to_owned()));
}

#[test]
fn only_what_the_result_did_is_held_against_it() {
    let base = [("own", "/opt/x"), ("via", "dir/../up"), ("up", "sub")];
    assert_eq!(out(&base, &base), [""; 0]);
    let retargeted = [("own", "/opt/y"), ("via", "dir/../up"), ("up", "sub")];
    assert_eq!(out(&retargeted, &base), ["own"]);
    // One that was not touched, through what became a link.
    let moved = [base[0], base[1], base[2], ("dir", "a/b")];
    assert_eq!(out(&moved, &base), [""; 0]);
    let deep = [("via", "dir/../../up"), ("dir", "top")];
    assert_eq!(out(&deep, &[("via", "dir/../../up"), ("dir", "top")]), [""; 0]);
    let (before, after) =
        ([("d/e/n", "../f/../../x")], [("d/e/n", "../f/../../x"), ("d/f", "../g")]);
    assert_eq!(out(&before, &before), [""; 0]);
    assert_eq!(out(&after, &before), ["d/e/n"]);
}

#[test]
fn submodules_are_gone_through_as_far_as_they_are_known() {
    let with = |target: &str, commit: &str| {
        let link = [(b"a".to_vec(), Some(target.as_bytes().to_vec()))];
        Links::new(link, [(b"sub".to_vec(), commit.to_owned())])
    };
    let before = Links::new([], [(b"sub".to_vec(), "1".to_owned())]);
    for (target, commit, inside) in [
        ("sub/include/x.h", "1", true),
        ("sub", "2", true),
        ("sub/include/x.h", "2", false),
        ("sub/y/../x", "1", false),
        ("sub/..", "1", false),
    ] {
        let after = with(target, commit);
        assert_eq!(after.leading_out(&before).is_empty(), inside, "{target} {commit}");
    }
}

#[test]
fn a_million_links_take_a_bounded_time() {
    let names: Vec<_> = (0..100_000).map(|n| format!("d{n}")).collect();
    let long = "./".repeat(1000);
    let targets: Vec<_> = (1..=100_000).map(|n| format!("d{n}/{long}x")).collect();
    let pairs = names.iter().zip(&targets);
    let all = pairs.map(|(name, to)| (name.clone().into_bytes(), Some(to.clone().into_bytes())));
    let after = Links::new(all, []);
    let found = after.leading_out(&Links::default());
    assert!(found.iter().all(|(_, leads)| *leads == Leads::Unknown) && !found.is_empty());
}

#[test]
fn a_link_whose_target_was_not_read_is_unknown() {
    let after = Links::new([(b"a".to_vec(), None)], []);
    assert_eq!(after.leading_out(&Links::default()), [(&b"a"[..], Leads::Unknown)]);
    assert_eq!(after.leading_out(&after), []);
}

/// Names that make directories, links and ways up likely.
fn target() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["..", ".", "a", "b", "c", "A", "d"]);
    prop::collection::vec(part, 1..6).prop_map(|parts| parts.join("/"))
}

fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c"]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Held against what the kernel says, in a directory made for it.
    #[test]
    fn what_the_system_follows_out_is_found(all in prop::collection::btree_map(path(), target(), 1..6)) {
        let outer = tempfile::tempdir().unwrap();
        let top = outer.path().canonicalize().unwrap().join("top");
        std::fs::create_dir(&top).unwrap();
        // What git can hold: no link is a directory of another's path.
        let is_above = |path: &str, other: &String| other.starts_with(&format!("{path}/"));
        let kept: Vec<_> = all.iter().filter(|(path, _)| !all.keys().any(|o| is_above(path, o))).collect();
        for (path, target) in &kept {
            let place = top.join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(target, place).unwrap();
        }
        let pairs: Vec<_> = kept.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        let found = out(&pairs, &[]);
        for (path, _) in &kept {
            if let Ok(real) = top.join(path).canonicalize() {
                let inside = real.starts_with(&top);
                prop_assert!(inside || found.contains(path), "{path} of {kept:?} is {}", real.display());
            }
        }
    }
}
