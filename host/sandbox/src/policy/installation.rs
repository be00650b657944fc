//! Where a program is installed: the links that lead to it, and the directory that it finds its libraries in.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::sandbox::{Access, Mount};
use super::toolchain::{is_seen_anyway, is_too_wide, is_version_manager};
use crate::path::AbsolutePath;

/// The links of one path that are followed at most.
const HOPS: usize = 16;

/// The entries of a directory that are looked at for links.
const ENTRIES: usize = 500;

/// How often an interpreter's own interpreter is looked up.
const INTERPRETERS: usize = 2;

/// Mounts, and links: where each is, and what is in it.
type Installation = (Vec<Mount>, Vec<(AbsolutePath, AbsolutePath)>);

/// Whether it is a directory such as `~/.local`, `~/.cargo` or `~/.local/share`, which programs share with an
/// operator's keys.
fn is_dot_directory(path: &Path, private: &[AbsolutePath]) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let shared = [".local/share", ".local/state"].iter().any(|shared| path.ends_with(shared));
    shared
        || hidden
            && path.parent().is_some_and(|above| private.iter().any(|home| home.as_path() == above))
}

/// What a program needs of where it is installed: its links, and its file or the directory that it was installed
/// into. A virtual environment of Python also needs its interpreter.
pub(super) fn installation(program: &Path, private: &[AbsolutePath]) -> Installation {
    bounded(program, private, INTERPRETERS)
}

fn bounded(program: &Path, private: &[AbsolutePath], depth: usize) -> Installation {
    let (mut mounts, mut links) = (Vec::<Mount>::new(), Vec::new());
    let mut hop = program.to_owned();
    for _ in 0..HOPS {
        let Ok(target) = fs::read_link(&hop) else { break };
        let above = hop.parent().unwrap_or(Path::new("/"));
        let next = normal(&above.join(target));
        if let (Ok(at), Ok(to)) = (AbsolutePath::parse(hop), AbsolutePath::parse(next.clone())) {
            links.push((at, to));
        }
        hop = next;
    }
    let Ok(real) = fs::canonicalize(&hop) else { return (mounts, links) };
    if is_seen_anyway(&real, private) {
        // Only the links on the way there may be elsewhere.
        return (mounts, links);
    }
    let mut add = |source: &Path, target: &Path| {
        if let (Ok(source), Ok(target)) = (AbsolutePath::parse(source), AbsolutePath::parse(target))
        {
            mounts.push(Mount { source, target, access: Access::ReadOnly });
        }
    };
    let prefix = prefix(&real).filter(|prefix| is_given(prefix, private));
    if let Some(prefix) = prefix {
        // A directory on the way may be a link, by which the program knows where it is.
        let named = self::prefix(&hop).filter(|named| is_given(named, private));
        let named = named.filter(|named| fs::canonicalize(named).is_ok_and(|real| real == prefix));
        for part in parts(prefix) {
            add(&part, &part);
            if let (Some(named), Ok(below)) = (named, part.strip_prefix(prefix)) {
                let whole = below.as_os_str().is_empty();
                add(&part, &if whole { named.to_owned() } else { named.join(below) });
            }
        }
    }
    add(&real, &real);
    add(&real, &hop);
    if let Some(prefix) = prefix.filter(|prefix| depth > 0 && is_environment(prefix)) {
        let (of_python, to_python) = bounded(&prefix.join("bin/python"), private, depth - 1);
        mounts.extend(of_python);
        links.extend(to_python);
    }
    (mounts, links)
}

/// Whether what a program was installed into is a program's: no home, no directory that it shares with keys, and no
/// repository, but for what is installed in one.
fn is_given(prefix: &Path, private: &[AbsolutePath]) -> bool {
    !is_too_wide(prefix, private)
        && !is_dot_directory(prefix, private)
        && (prefix.ends_with(MODULES) || !is_in_a_repository(prefix, private))
}

/// Where Node.js programs and what they need are.
const MODULES: &str = "node_modules";

/// What of a directory is its programs', as for directories on the `PATH`: what else is there can be anything.
fn parts(prefix: &Path) -> Vec<PathBuf> {
    if prefix.ends_with(MODULES) {
        return vec![prefix.to_owned()];
    }
    let mut names = vec!["bin", "include", "lib", "libexec", MODULES, "share", "pyvenv.cfg"];
    // Go and Java find their own libraries by these.
    if prefix.join("src/runtime").is_dir() {
        names.extend(["src", "pkg", "go.env", "VERSION"]);
    }
    if prefix.join("lib/modules").is_file() {
        names.extend(["conf", "jmods", "legal", "release"]);
    }
    names.into_iter().map(|name| prefix.join(name)).filter(|part| part.exists()).collect()
}

/// Whether it is a virtual environment of Python, whose interpreter is elsewhere.
fn is_environment(prefix: &Path) -> bool {
    prefix.join("pyvenv.cfg").is_file()
}

/// The links of a directory on the `PATH` that lead to programs outside of it. None in a directory whose links may be
/// another user's, or a repository's.
pub(super) fn linked(directory: &Path, private: &[AbsolutePath]) -> Vec<PathBuf> {
    if crate::search::passed_over(directory).is_some() || is_in_a_repository(directory, private) {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).into_iter().flatten().take(ENTRIES).flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let mut links: Vec<_> = links.map(|link| link.path()).collect();
    links.retain(|link| leads_to_a_program(link, directory, private));
    links.sort();
    links
}

/// Whether a link leads to a program that others may read: an executable file that is in no private part which the link
/// is not in, such as the host's own directory, and in no repository, whose other files are not a program's.
fn leads_to_a_program(link: &Path, directory: &Path, private: &[AbsolutePath]) -> bool {
    let Ok(real) = fs::canonicalize(link) else { return false };
    let is_program =
        fs::metadata(&real).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
    let is_private = private
        .iter()
        .map(AbsolutePath::as_path)
        .any(|private| real.starts_with(private) && !directory.starts_with(private));
    is_program
        && !is_private
        && !real.starts_with(directory)
        && !is_seen_anyway(&real, private)
        && !is_in_a_repository(&real, private)
}

/// Whether a path is in a repository that is none of a version manager. A home may be one, of settings.
fn is_in_a_repository(path: &Path, private: &[AbsolutePath]) -> bool {
    path.ancestors()
        .take_while(|above| !is_too_wide(above, private))
        .any(|above| above.join(".git").symlink_metadata().is_ok() && !is_version_manager(above))
}

/// Resolves `.` and `..` by their names.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Where a program was installed into: `P` when it is `P/bin/x`, and when it lies under `P/lib/node_modules`; `P` when
/// it lies under `P/node_modules`.
fn prefix(program: &Path) -> Option<&Path> {
    let mut modules = program.ancestors().filter(|above| above.ends_with("node_modules"));
    if let Some(modules) = modules.next() {
        let above = modules.parent()?;
        return if above.ends_with("lib") { above.parent() } else { Some(modules) };
    }
    let directory = program.parent()?;
    if directory.ends_with("bin") { directory.parent() } else { None }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::policy::Toolchain;
    use crate::policy::toolchain::tests::{Home, absolute};

    fn installed(home: &Home, program: &str) -> (Vec<PathBuf>, usize) {
        let (mounts, links) = installation(&home.at(program), &home.private());
        assert!(mounts.iter().all(|mount| mount.access == Access::ReadOnly));
        let mut targets: Vec<_> = mounts.into_iter().map(|m| m.target.into()).collect();
        targets.sort();
        targets.dedup();
        (targets, links.len())
    }

    #[test]
    fn a_program_brings_its_prefix_and_never_the_home() {
        let home = Home::new(&[
            "tool/bin/x",
            "bin/x",
            ".local/bin/x",
            ".nvm/v20/lib/node_modules/agent/cli.js",
            ".local/share/agent/1.0",
            "project/node_modules/agent/cli.js",
        ]);
        assert_eq!(installed(&home, "tool/bin/x").0, [home.at("tool/bin"), home.at("tool/bin/x")]);
        // Their prefixes would be the home itself, and what holds keys beside programs.
        assert_eq!(installed(&home, "bin/x").0, [home.at("bin/x")]);
        assert_eq!(installed(&home, ".local/bin/x").0, [home.at(".local/bin/x")]);
        let modules = installed(&home, ".nvm/v20/lib/node_modules/agent/cli.js").0;
        assert_eq!(modules[0], home.at(".nvm/v20/lib"));
        assert_eq!(
            installed(&home, "project/node_modules/agent/cli.js").0[0],
            home.at("project/node_modules")
        );
        symlink(home.at(".local/share/agent/1.0"), home.at(".local/bin/agent")).unwrap();
        let linked = installed(&home, ".local/bin/agent");
        assert_eq!(linked, (vec![home.at(".local/share/agent/1.0")], 1));
    }

    /// Wherever it is: a directory of data can have a `bin`.
    #[test]
    fn what_is_beside_a_programs_directories_is_not_seen() {
        let files = [
            "data/bin/x",
            "data/lib/y",
            "data/alice/.ssh/id_rsa",
            "data/secret",
            "work/bin/x",
            "work/lib/y",
            "work/.git/HEAD",
            ".nvm/v20/bin/x",
            ".nvm/v20/etc/npmrc",
        ];
        let (home, outside) = (Home::new(&files), Home::new(&files));
        for (place, private) in [(&home, home.private()), (&outside, home.private())] {
            let of = |program: &str| {
                let (mounts, _) = installation(&place.at(program), &private);
                mounts.into_iter().map(|mount| PathBuf::from(mount.target)).collect::<Vec<_>>()
            };
            let (data, nvm) = (of("data/bin/x"), of(".nvm/v20/bin/x"));
            assert!(data.contains(&place.at("data/bin")) && data.contains(&place.at("data/lib")));
            for hidden in ["data", "data/alice", "data/secret"] {
                assert!(!data.contains(&place.at(hidden)), "{data:?}");
            }
            assert!(nvm.contains(&place.at(".nvm/v20/bin")), "{nvm:?}");
            assert!(!nvm.iter().any(|path| place.at(".nvm/v20/etc/npmrc").starts_with(path)));
            let work = of("work/bin/x");
            assert!(work.iter().all(|path| *path == place.at("work/bin/x")), "{work:?}");
        }
    }

    #[test]
    fn a_program_of_the_system_needs_nothing_else() {
        for path in ["/bin/sh", "/usr/bin/env"] {
            assert_eq!(installation(Path::new(path), &[]).0, []);
        }
    }

    /// The `PATH` is `.local/bin` of this home, and what is seen are the targets of the mounts.
    fn seen(home: &Home, directory: &str) -> Vec<PathBuf> {
        let found = Toolchain::find(home.at(directory).as_os_str(), [], &home.private());
        let mut targets: Vec<_> = found.mounts().iter().map(|m| m.target.clone().into()).collect();
        targets.sort();
        targets
    }

    fn link(home: &Home, at: &str, to: impl AsRef<Path>) {
        fs::create_dir_all(home.at(at).parent().unwrap()).unwrap();
        symlink(to, home.at(at)).unwrap();
    }

    fn programs(home: &Home, names: &[&str]) {
        for name in names {
            fs::set_permissions(home.at(name), Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn what_links_on_the_path_lead_to_is_seen_and_nothing_private() {
        let (private, state) = (".ssh/id_rsa", ".cyrus/bin/tool");
        let home = Home::new(&[
            private,
            state,
            ".local/share/bin/loose",
            ".local/share/keyring",
            "notes/secret",
            "work/bin/x",
            "work/.git/HEAD",
            "work/.env",
            "tools/x/1.0/bin/x",
            "tools/x/1.0/lib/x.so",
            "tools/x/1.0/.npmrc",
        ]);
        programs(&home, &[state, ".local/share/bin/loose", "work/bin/x", "tools/x/1.0/bin/x"]);
        for (name, to) in [
            ("key", private),
            ("state", state),
            ("loose", ".local/share/bin/loose"),
            ("notes", "notes"),
            ("home", ""),
            ("work", "work/bin/x"),
            ("gone", "gone/bin/x"),
            ("x", "tools/x/current/bin/x"),
        ] {
            link(&home, &format!(".local/bin/{name}"), home.at(to));
        }
        link(&home, "tools/x/current", "1.0");
        let mut parts = home.private().to_vec();
        parts.push(absolute(&home.at(".cyrus")));
        let path = home.at(".local/bin");
        let found = Toolchain::find(path.as_os_str(), [], &parts);
        let mut targets: Vec<PathBuf> =
            found.mounts().iter().map(|mount| mount.target.clone().into()).collect();
        targets.sort();
        let wanted = [
            ".local/bin",
            ".local/share/bin/loose",
            "tools/x/1.0/bin",
            "tools/x/1.0/bin/x",
            "tools/x/1.0/lib",
            "tools/x/current/bin",
            "tools/x/current/bin/x",
            "tools/x/current/lib",
        ];
        // And so no login that is beside them.
        assert_eq!(targets, wanted.map(|name| home.at(name)));
    }

    #[test]
    fn links_of_others_and_of_repositories_are_not_followed() {
        let home = Home::new(&["tool/bin/x", "work/.git/HEAD", "work/tools/bin/y", "open/y"]);
        programs(&home, &["tool/bin/x"]);
        link(&home, "work/tools/bin/x", home.at("tool/bin/x"));
        link(&home, "open/x", home.at("tool/bin/x"));
        fs::set_permissions(home.at("open"), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(seen(&home, "open"), [home.at("open")]);
        let work = seen(&home, "work/tools/bin");
        assert!(work.iter().all(|path| path.starts_with(home.at("work"))), "{work:?}");
        fs::set_permissions(home.at("open"), Permissions::from_mode(0o755)).unwrap();
        assert!(seen(&home, "open").contains(&home.at("tool/bin")));
    }

    #[test]
    fn an_environment_of_python_brings_its_interpreter() {
        let (tool, python) = (".local/share/uv/tools/tox", ".local/share/uv/python");
        let files = ["bin/tox", "pyvenv.cfg", "lib/tox.py"].map(|file| format!("{tool}/{file}"));
        let version = format!("{python}/cpython-3.12.8");
        let of_python = [format!("{version}/bin/python3.12"), format!("{version}/lib/os.py")];
        let all: Vec<_> = files.iter().chain(&of_python).map(String::as_str).collect();
        let home = Home::new(&all);
        programs(&home, &[&files[0], &of_python[0]]);
        link(&home, ".local/bin/tox", home.at(&files[0]));
        link(&home, &format!("{python}/cpython-3.12"), "cpython-3.12.8");
        let named = format!("{python}/cpython-3.12");
        link(&home, &format!("{tool}/bin/python"), home.at(&format!("{named}/bin/python3.12")));
        let found = seen(&home, ".local/bin");
        for wanted in [tool, &version, &named] {
            assert!(found.contains(&home.at(&format!("{wanted}/lib"))), "{wanted}: {found:?}");
            assert!(!found.contains(&home.at(wanted)), "{wanted}: {found:?}");
        }
        assert!(found.contains(&home.at(&format!("{tool}/pyvenv.cfg"))), "{found:?}");
        for never in ["", ".local", ".local/share", python] {
            assert!(!found.contains(&home.at(never)), "{never}: {found:?}");
        }
        // The same for a program that is granted by its path.
        let (granted, _) = installation(&home.at(&files[0]), &home.private());
        assert!(
            granted.iter().any(|mount| mount.target == absolute(&home.at(&format!("{named}/lib"))))
        );
    }

    #[test]
    fn no_more_links_of_a_directory_are_followed_than_are_worth_their_mounts() {
        let home = Home::new(&["tool/bin/x"]);
        programs(&home, &["tool/bin/x"]);
        for number in 0..ENTRIES + 100 {
            link(&home, &format!("bin/{number}"), home.at("tool/bin/x"));
        }
        assert_eq!(linked(&home.at("bin"), &home.private()).len(), ENTRIES);
        assert_eq!(seen(&home, "bin").len(), 3, "one installation is mounted once");
    }
}
