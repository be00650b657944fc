//! The cases on `PostgreSQL`, on a server of our own that is gone afterwards.

use crate::{cases, home::Home};
use sqlx::{AnyPool, AssertSqlSafe};
use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// When this is set, a machine without `PostgreSQL` fails the test.
const REQUIRED: &str = "CYRUS_TEST_REQUIRE_POSTGRES";

/// `PostgreSQL` refuses to run as root. This user owns nothing.
const NOBODY: u32 = 65_534;

/// A server that runs until this is dropped, to be reached through a socket in its directory.
struct Cluster {
    directory: TempDir,
    programs: PathBuf,
    user: Option<u32>,
}

impl Cluster {
    fn start(programs: PathBuf) -> Self {
        let directory = TempDir::new().unwrap();
        let user = (fs::metadata(directory.path()).unwrap().uid() == 0).then_some(NOBODY);
        if let Some(user) = user {
            chown(directory.path(), Some(user), Some(user)).unwrap();
        }
        let cluster = Self { directory, programs, user };
        let data = cluster.data();
        cluster.run(
            "initdb",
            &["-D", &data, "-U", "cyrus", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
        );
        let options = format!(
            "-k '{}' -c listen_addresses='' -c max_connections=250 -c fsync=off",
            cluster.directory.path().display()
        );
        let log = cluster.directory.path().join("log").display().to_string();
        cluster.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
        cluster
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        // What the server inherits it keeps open: a pipe would never end.
        command.stdout(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let status = command.status().unwrap();
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://cyrus@localhost/{database}?host={}", self.directory.path().display())
    }

    /// A place for a store in a new database of this name.
    async fn home(&self, database: &str) -> Home {
        sqlx::any::install_default_drivers();
        let pool = AnyPool::connect(&self.url("postgres")).await.unwrap();
        let sql = format!("CREATE DATABASE {database}");
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
        Home::postgres(self.url(database))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}

/// The directory with the server's programs: one of the path, or where Debian puts them; the newest there.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    let is_there = |directory: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|name| directory.join(name).exists())
    };
    let found = env::split_paths(&path).chain(debian.into_iter().rev()).find(is_there)?;
    // They look for their files beside themselves, not beside a link.
    let whole = fs::canonicalize(found.join("pg_ctl")).ok()?;
    whole.parent().map(Path::to_owned)
}

macro_rules! all {
    ($($module:ident::$case:ident,)*) => {
        async fn run_all(cluster: &Cluster) {
            $(
                println!("postgres::{}", stringify!($case));
                let home = cluster.home(concat!(stringify!($module), "_", stringify!($case))).await;
                crate::$module::$case(&home).await;
            )*
        }
    };
}

cases!(all);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_all_promises() {
    let Some(programs) = programs() else {
        let missing =
            "PostgreSQL's initdb and pg_ctl are not on this machine: nothing of it was tested";
        assert!(env::var_os(REQUIRED).is_none(), "{missing}, and {REQUIRED} is set");
        // Past the test's captured output, so that it is seen.
        writeln!(io::stderr(), "WARNING: {missing}").unwrap();
        return;
    };
    let cluster = Cluster::start(programs);
    run_all(&cluster).await;
}
