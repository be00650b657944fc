//! A program's home holds the user's login and nothing else of the user's, and a refreshed login is not lost.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::path;
use cyrus_sandbox::{Departure, HomeError, HomeFile, HomePlace, PrivateHome, Returned};
use tempfile::TempDir;

const LOGIN: &str = ".claude/.credentials.json";
const JSON: &str = ".claude.json";

/// A user with a login, and a place for private homes.
struct User(TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(user.home().join(".claude")).unwrap();
        fs::create_dir_all(user.home().join(".ssh")).unwrap();
        fs::write(user.home().join(".ssh/id_ed25519"), "private").unwrap();
        user.write(r#"{"token":1}"#);
        fs::set_permissions(user.login(), Permissions::from_mode(0o640)).unwrap();
        user
    }

    fn home(&self) -> PathBuf {
        self.0.path().join("user")
    }

    fn login(&self) -> PathBuf {
        self.home().join(LOGIN)
    }

    fn write(&self, text: &str) {
        fs::write(self.login(), text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.login()).unwrap()
    }

    fn private(&self) -> PathBuf {
        self.0.path().join("private/1")
    }

    fn place(&self) -> HomePlace {
        let record = path(self.0.path().join("state/1"));
        HomePlace { directory: path(self.private()), record }
    }

    fn open(&self) -> Result<PrivateHome, HomeError> {
        PrivateHome::open(&self.place(), "claude", path(self.home()), granted(&[LOGIN, JSON]))
    }

    /// What a host finds that was killed, where these files are granted now.
    fn left(&self, now: &[&str]) -> Vec<PrivateHome> {
        let granted = |owner: &str| if owner == "claude" { granted(now) } else { Vec::new() };
        PrivateHome::left(&self.place(), &path(self.home()), granted).unwrap()
    }
}

fn granted(files: &[&str]) -> Vec<HomeFile> {
    files.iter().map(|file| HomeFile::parse(file).unwrap()).collect()
}

fn login_in(home: &PrivateHome) -> PathBuf {
    home.path().as_path().join(LOGIN)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn became(returned: Result<Vec<(HomeFile, Returned)>, HomeError>) -> Vec<Returned> {
    returned.unwrap().into_iter().map(|(_, returned)| returned).collect()
}

#[test]
fn a_home_holds_the_named_files_and_only_its_user_enters() {
    let user = User::new();
    let home = user.open().unwrap();
    assert_eq!(fs::read_to_string(login_in(&home)).unwrap(), user.read());
    assert_eq!(mode(&login_in(&home)), 0o640);
    let login: PathBuf = login_in(&home).parent().unwrap().into();
    for private in [home.path().into(), home.tmp().into(), login] {
        assert_eq!(mode(&private), 0o700, "{}", private.display());
    }
    // What root launches is another user, who has to pass.
    let pass = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
    assert_eq!(mode(&user.private()), pass);
    let names: Vec<_> =
        fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [".claude"]);
    assert_eq!(became(home.close()), [Returned::Unchanged; 2]);
    assert_eq!(fs::read_dir(user.private()).unwrap().count(), 0);
}

#[test]
fn a_refreshed_login_reaches_the_user_and_keeps_its_mode() {
    let user = User::new();
    let home = user.open().unwrap();
    fs::write(login_in(&home), r#"{"token":2}"#).unwrap();
    assert_eq!(became(home.sync()), [Returned::ToUser, Returned::Unchanged]);
    assert_eq!(user.read(), r#"{"token":2}"#);
    assert_eq!(mode(&user.login()), 0o640);
    assert_eq!(became(home.close()), [Returned::Unchanged; 2]);
    let left = fs::read_dir(user.home().join(".claude")).unwrap().count();
    assert_eq!(left, 1, "no temporary file stays");
}

#[test]
fn a_login_that_the_user_refreshed_reaches_the_program() {
    let user = User::new();
    let home = user.open().unwrap();
    user.write(r#"{"token":2}"#);
    assert_eq!(became(home.sync())[0], Returned::ToProgram);
    assert_eq!(fs::read_to_string(login_in(&home)).unwrap(), r#"{"token":2}"#);
    fs::write(login_in(&home), r#"{"token":3}"#).unwrap();
    assert_eq!(became(home.close())[0], Returned::ToUser);
    assert_eq!(user.read(), r#"{"token":3}"#);
}

#[test]
fn two_programs_pass_a_login_on_by_way_of_the_user() {
    let user = User::new();
    let (first, second) = (user.open().unwrap(), {
        let other = |name: &str| path(user.0.path().join(name));
        let place = HomePlace { directory: other("private/2"), record: other("state/2") };
        PrivateHome::open(&place, "claude", path(user.home()), granted(&[LOGIN])).unwrap()
    });
    fs::write(login_in(&first), r#"{"token":2}"#).unwrap();
    first.close().unwrap();
    assert_eq!(became(second.sync()), [Returned::ToProgram]);
    assert_eq!(fs::read_to_string(login_in(&second)).unwrap(), r#"{"token":2}"#);
    assert_eq!(became(second.close()), [Returned::Unchanged]);
    assert_eq!(user.read(), r#"{"token":2}"#);
}

#[test]
fn nothing_is_lost_with_a_host_that_is_killed() {
    let user = User::new();
    let home = user.open().unwrap();
    fs::write(login_in(&home), r#"{"token":2}"#).unwrap();
    drop(home);
    let again = user.open().unwrap();
    assert_eq!(user.read(), r#"{"token":2}"#);
    fs::write(login_in(&again), r#"{"token":3}"#).unwrap();
    drop(again);
    assert_eq!(
        became(user.left(&[LOGIN, JSON])[0].sync()),
        [Returned::ToUser, Returned::Unchanged]
    );
    assert_eq!(user.read(), r#"{"token":3}"#);
    user.left(&[LOGIN]).pop().unwrap().close().unwrap();
    assert!(user.left(&[LOGIN]).is_empty());
    assert_eq!(fs::read_dir(user.private()).unwrap().count(), 0);
}

/// Whatever the program leaves for the host to find: the files are those of the host's own record.
#[test]
fn a_program_does_not_choose_what_comes_back() {
    let user = User::new();
    let home = user.open().unwrap();
    let inside = home.path().as_path().to_owned();
    for file in [".bashrc", ".ssh/authorized_keys", ".cyrus/config.json"] {
        let target = user.home().join(file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, "mine").unwrap();
        fs::create_dir_all(inside.join(file).parent().unwrap()).unwrap();
        fs::write(inside.join(file), "theirs").unwrap();
    }
    let list = r#"[".bashrc",".ssh/authorized_keys",".cyrus/config.json"]"#;
    let record = format!(r#"{{"owner":"claude","files":{list}}}"#);
    for place in [user.private(), inside.clone(), inside.join(".claude")] {
        fs::write(place.join("files.json"), if place == inside { list } else { &record }).unwrap();
        fs::create_dir_all(place.join("given")).unwrap();
    }
    fs::write(login_in(&home), r#"{"token":2}"#).unwrap();
    drop(home);
    for home in user.left(&[LOGIN, JSON, ".bashrc", ".ssh/authorized_keys", ".cyrus/config.json"]) {
        assert_eq!(became(home.sync()), [Returned::ToUser, Returned::Unchanged]);
    }
    for file in [".bashrc", ".ssh/authorized_keys", ".cyrus/config.json"] {
        assert_eq!(fs::read_to_string(user.home().join(file)).unwrap(), "mine", "{file}");
    }
    assert_eq!(user.read(), r#"{"token":2}"#);
}

/// A place stays for as long as a session may be resumed, and any number of programs have their homes in it.
#[test]
fn what_one_owner_was_given_no_other_finds() {
    let user = User::new();
    let open = |owner: &str, files: &[&str]| {
        PrivateHome::open(&user.place(), owner, path(user.home()), granted(files)).unwrap()
    };
    let first = open("claude", &[LOGIN]);
    fs::write(first.path().as_path().join("left"), "x").unwrap();
    fs::write(first.tmp().as_path().join("left"), "x").unwrap();
    let other = open("other", &[]);
    assert_ne!((first.path(), first.tmp()), (other.path(), other.tmp()));
    for (one, another) in [(&first, &other), (&other, &first)] {
        for own in [one.path(), one.tmp()] {
            assert!(!own.as_path().starts_with(another.path()), "{own}");
        }
    }
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(other.tmp()).unwrap().count(), 0);
    // Nor does what the other puts in a login's place reach the user.
    fs::create_dir(other.path().as_path().join(".claude")).unwrap();
    fs::write(login_in(&other), r#"{"token":666}"#).unwrap();
    for home in user.left(&[LOGIN]) {
        home.sync().unwrap();
    }
    assert_eq!((became(other.close()), became(first.close())), (vec![], vec![Returned::Unchanged]));
    assert_eq!(user.read(), r#"{"token":1}"#);
}

#[test]
fn what_is_granted_no_more_is_taken_out_of_a_home_that_stayed() {
    let user = User::new();
    drop(user.open().unwrap());
    let open = |files: &[&str]| {
        PrivateHome::open(&user.place(), "claude", path(user.home()), granted(files)).unwrap()
    };
    let home = open(&[JSON]);
    assert!(!login_in(&home).exists());
    drop(home);
    assert_eq!(fs::read_to_string(login_in(&open(&[LOGIN]))).unwrap(), r#"{"token":1}"#);
}

#[test]
fn what_is_granted_no_more_does_not_come_back() {
    let user = User::new();
    let home = user.open().unwrap();
    fs::write(login_in(&home), r#"{"token":2}"#).unwrap();
    drop(home);
    assert_eq!(became(user.left(&[JSON])[0].sync()), [Returned::Unchanged]);
    assert_eq!(became(user.left(&[])[0].sync()), []);
    assert_eq!(user.read(), r#"{"token":1}"#);
}

#[test]
fn a_login_stays_a_login_of_the_same_account() {
    let user = User::new();
    user.write(r#"{"token":1,"account":"me"}"#);
    let home = user.open().unwrap();
    for (theirs, why) in [
        (r#"{"token":2,"account":"them"}"#, Departure::Setting),
        (r#"{"token":2}"#, Departure::Keys),
        (r#"{"token":2,"account":"me","apiKeyHelper":"sh"}"#, Departure::Keys),
        ("[2]", Departure::Format),
    ] {
        fs::write(login_in(&home), theirs).unwrap();
        assert_eq!(became(home.sync())[0], Returned::Refused(why), "{theirs}");
    }
    assert_eq!(user.read(), r#"{"token":1,"account":"me"}"#);
    fs::write(login_in(&home), r#"{"token":2,"account":"me"}"#).unwrap();
    assert_eq!(became(home.close())[0], Returned::ToUser);
    assert_eq!(user.read(), r#"{"token":2,"account":"me"}"#);
}

#[test]
fn where_both_changed_the_users_own_is_kept() {
    let user = User::new();
    let home = user.open().unwrap();
    user.write(r#"{"token":2}"#);
    fs::write(login_in(&home), r#"{"token":3}"#).unwrap();
    assert_eq!(became(home.close())[0], Returned::ToProgram);
    assert_eq!(user.read(), r#"{"token":2}"#);
}

#[test]
fn a_logout_or_a_new_file_stays_where_it_is() {
    let user = User::new();
    let home = user.open().unwrap();
    fs::remove_file(login_in(&home)).unwrap();
    fs::write(home.path().as_path().join(".claude.json"), "{}").unwrap();
    assert_eq!(became(home.sync()), [Returned::Unchanged; 2]);
    assert_eq!(user.read(), r#"{"token":1}"#);
    assert!(!user.home().join(".claude.json").exists());
    fs::remove_file(user.login()).unwrap();
    assert_eq!(became(home.close()), [Returned::Unchanged; 2]);
    assert!(!user.login().exists());
}

#[test]
fn half_a_login_does_not_replace_a_whole_one() {
    let user = User::new();
    let home = user.open().unwrap();
    for half in ["", r#"{"tok"#] {
        fs::write(login_in(&home), half).unwrap();
        assert_eq!(became(home.sync())[0], Returned::Damaged);
    }
    assert_eq!(became(home.close())[0], Returned::Damaged);
    assert_eq!(user.read(), r#"{"token":1}"#);
}

/// The program is an agent's: whatever it puts in its home, nothing outside is read or written by it.
#[test]
fn links_in_the_private_home_lead_nowhere() {
    let user = User::new();
    let secret = user.home().join(".ssh/id_ed25519");

    let home = user.open().unwrap();
    fs::remove_file(login_in(&home)).unwrap();
    symlink(&secret, login_in(&home)).unwrap();
    assert!(matches!(home.sync(), Err(HomeError::Io { .. })));
    assert!(matches!(home.close(), Err(HomeError::Io { .. })));
    assert!(user.private().exists(), "it is kept for somebody to look at");
    fs::remove_dir_all(user.private()).unwrap();

    let home = user.open().unwrap();
    let folder = login_in(&home).parent().unwrap().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    symlink(user.home().join(".ssh"), &folder).unwrap();
    user.write(r#"{"token":2}"#);
    assert!(home.sync().is_err());
    // Who is launched next is given the user's, in a directory of its own.
    let again = user.open().unwrap();
    assert!(!folder.is_symlink());
    assert_eq!(fs::read_to_string(login_in(&again)).unwrap(), r#"{"token":2}"#);
    assert_eq!(fs::read_dir(user.home().join(".ssh")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(secret).unwrap(), "private");
    assert_eq!(user.read(), r#"{"token":2}"#);
}

/// What one attempt leaves in the place of a login keeps no later one from being launched.
#[test]
fn what_stands_in_the_place_of_a_login_is_taken_away_for_who_is_launched_next() {
    let user = User::new();
    let obstacles: [&dyn Fn(&Path); 5] = [
        &|login| symlink("/etc/passwd", login).unwrap(),
        &|login| fs::create_dir_all(login.join("a/b")).unwrap(),
        &|login| fs::File::create(login).unwrap().set_len(15 << 30).unwrap(),
        &|login| fs::write(login.parent().unwrap().with_extension("x"), "").unwrap(),
        &|login| {
            let folder = login.parent().unwrap();
            fs::remove_dir_all(folder).unwrap();
            fs::write(folder, "a file").unwrap();
        },
    ];
    for put in obstacles {
        let home = user.open().unwrap();
        fs::remove_file(login_in(&home)).unwrap();
        put(&login_in(&home));
        let again = user.open().unwrap();
        assert_eq!(fs::read_to_string(login_in(&again)).unwrap(), user.read());
        assert!(login_in(&again).symlink_metadata().unwrap().is_file());
    }
    assert_eq!(user.read(), r#"{"token":1}"#);
}

#[test]
fn links_in_the_users_home_are_followed_as_far_as_it_reaches() {
    let user = User::new();
    let inside = user.home().join("dotfiles.json");
    fs::rename(user.login(), &inside).unwrap();
    symlink(&inside, user.login()).unwrap();
    let home = user.open().unwrap();
    fs::write(login_in(&home), r#"{"token":2}"#).unwrap();
    assert_eq!(became(home.close())[0], Returned::ToUser);
    assert_eq!(fs::read_to_string(&inside).unwrap(), r#"{"token":2}"#);
    assert!(user.login().is_symlink());

    let outside = user.0.path().join("outside.json");
    fs::rename(&inside, &outside).unwrap();
    fs::remove_file(user.login()).unwrap();
    symlink(&outside, user.login()).unwrap();
    assert!(matches!(user.open(), Err(HomeError::Escapes { .. })));
}

#[test]
fn what_is_no_plain_file_of_a_sensible_size_is_refused() {
    let user = User::new();
    user.write(&"x".repeat((1 << 20) + 1));
    assert!(matches!(user.open(), Err(HomeError::Io { .. })));
    fs::remove_file(user.login()).unwrap();
    fs::create_dir(user.login()).unwrap();
    assert!(matches!(user.open(), Err(HomeError::Io { .. })));
}
