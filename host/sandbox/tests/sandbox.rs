//! What a sandboxed program sees and reaches.
#![cfg(target_os = "linux")]

mod common;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{LITTER, PROGRAM, Place, Wake, launcher, limits, litter, path, soon};
use cyrus_sandbox::{
    Containment, Exit, Input, Launch, Launcher, Profile, SandboxPolicy, SpawnError, WayOut,
};

const ENVIRONMENTS: [Containment; 2] = [Containment::PidNamespace, Containment::Subreaper];

async fn has_view(launcher: &Launcher) -> bool {
    launcher.probe_sandbox(Profile::Standard).await.unwrap().sandbox.unwrap().view
}

#[tokio::test]
async fn a_program_works_in_its_workspace_and_its_home() {
    for environment in ENVIRONMENTS {
        let place = Place::new();
        fs::write(place.at("workspace/given"), "given").unwrap();
        let script = "set -e; cat given; echo made >made; mkdir -p below; mv made below/made
                      echo home >$HOME/file; ln below/made linked; echo >/dev/null; : </dev/zero
                      test -r /etc/passwd; echo ok >/dev/stdout; echo file >file; echo more >>/proc/self/fd/1
                      exec 3>>file; echo through >>/dev/fd/3; cat file";
        let ended = place.run(&launcher(environment), script).await;
        assert_eq!(ended.stdout.text(), "givenok\nmore\nfile\nthrough\n", "{ended:?}");
        assert_eq!(fs::read_to_string(place.at("workspace/below/made")).unwrap(), "made\n");
        assert_eq!(fs::read_to_string(place.at("home/file")).unwrap(), "home\n");
    }
}

#[tokio::test]
async fn a_program_of_root_is_another_user_without_capabilities() {
    let root = nix::unistd::geteuid().is_root();
    for environment in ENVIRONMENTS {
        let (place, launcher) = (Place::new(), launcher(environment));
        let confinement = launcher.probe_sandbox(Profile::Standard).await.unwrap();
        let sandbox = confinement.sandbox.unwrap();
        assert_eq!(root, sandbox.user >= 0x7000_0000, "{}", sandbox.user);
        let script = "id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; id -G";
        let ended = place.run(&launcher, script).await;
        let said = ended.stdout.text();
        let mut lines = said.lines();
        let user: u32 = lines.next().unwrap().parse().unwrap();
        // What it finds itself to be is small where a namespace shows it so.
        assert_eq!(root && !sandbox.view, user >= 0x7000_0000, "{user}");
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or(("groups", line));
            match name {
                "NoNewPrivs" => assert_eq!(value.trim(), "1"),
                "Seccomp" => assert_eq!(value.trim(), "2"),
                "groups" if root => assert_eq!(value, user.to_string()),
                // An ordinary user may not lower it, and without new privileges has nothing of it.
                "groups" | "CapBnd" if !root => {}
                _ => assert!(value.trim().bytes().all(|digit| digit == b'0'), "{line}"),
            }
        }
    }
}

/// The format `ustar` has numbers of up to 2097151.
#[tokio::test]
async fn a_program_packs_its_files_with_its_number() {
    let launcher = launcher(Containment::PidNamespace);
    if !has_view(&launcher).await {
        return;
    }
    let place = Place::new();
    fs::write(place.at("workspace/given"), "given").unwrap();
    let script = "set -e; echo made >made; tar --format=ustar -cf packed given made
                  mkdir there; tar -xf packed -C there; cat there/given there/made; ls -ln made given | cut -d ' ' -f 3,4
                  id -un; id -gn; test -O given; test -G given";
    // Of an ordinary user, what is root's is shown as nobody's, and that may be who runs this.
    let is_root = nix::unistd::geteuid().is_root();
    let script = if is_root { format!("{script}; ! test -O /usr") } else { script.to_owned() };
    let ended = place.run(&launcher, &script).await;
    let own = if is_root {
        "1000 1000".to_owned()
    } else {
        format!("{} {}", nix::unistd::geteuid(), nix::unistd::getegid())
    };
    assert_eq!(
        ended.stdout.text(),
        format!("givenmade\n{own}\n{own}\ncyrus\ncyrus\n"),
        "{ended:?}"
    );
    assert!(ended.success(), "{ended:?}");
    let host = nix::unistd::geteuid().as_raw();
    assert_eq!(fs::metadata(place.at("workspace/there/made")).unwrap().uid(), host);
}

/// Programs that run at the same time are different users, whatever number each finds.
#[tokio::test]
async fn programs_of_root_that_run_together_are_different_users() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for environment in ENVIRONMENTS {
        let launcher = launcher(environment);
        let mut children = Vec::new();
        for _ in 0..3 {
            let place = Place::new();
            let launch = place.script("read line").sandbox(place.sandbox(Profile::Standard));
            let child = launcher.spawn(launch.stdin(Input::Pipe)).await.unwrap();
            children.push((child, place));
        }
        let mut users: Vec<_> = children
            .iter()
            .map(|(child, _)| child.confinement().sandbox.as_ref().unwrap().user)
            .collect();
        users.sort_unstable();
        users.dedup();
        assert!(users.len() == 3 && users[0] >= 0x7000_0000, "{users:?}");
        for (child, _) in &mut children {
            drop(child.take_stdin());
            soon(child.wait()).await.unwrap();
        }
    }
}

/// The host goes on with what the program made, and the next program with both.
#[tokio::test]
async fn what_a_program_makes_is_the_hosts_and_the_next_programs() {
    let launcher = launcher(Containment::PidNamespace);
    let place = Place::new();
    place.run(&launcher, "mkdir -m 700 deep; echo one >deep/file; chmod 600 deep/file").await;
    if has_view(&launcher).await {
        let own = fs::metadata(place.at("workspace")).unwrap().uid();
        assert_eq!(fs::metadata(place.at("workspace/deep/file")).unwrap().uid(), own);
    }
    fs::write(place.at("workspace/deep/host"), "host\n").unwrap();
    for environment in ENVIRONMENTS {
        let ended = place
            .run(&self::launcher(environment), "cat deep/file deep/host; echo two >>deep/file")
            .await;
        assert!(ended.success() && ended.stdout.text().starts_with("one\n"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_view_holds_the_system_and_what_was_given() {
    let launcher = launcher(Containment::PidNamespace);
    if !has_view(&launcher).await {
        return;
    }
    let place = Place::new();
    let above = place.at("");
    let script = format!(
        "ls -d /usr/bin /etc/ssl >/dev/null; ls /home /root /run /srv /mnt; ls {}; ls /tmp; cut -d : -f 1 /etc/passwd",
        above.display()
    );
    let ended = place.run(&launcher, &script).await;
    let said = ended.stdout.text();
    assert!(said.contains("home\nworkspace\n") && !said.contains("secret"), "{said}");
    assert!(said.ends_with("root\ncyrus\nnobody\n"), "{said}");
}

/// The path is one that a program could have replaced.
#[tokio::test]
async fn a_source_that_became_a_link_is_an_error() {
    let launcher = launcher(Containment::PidNamespace);
    if !has_view(&launcher).await {
        return;
    }
    let place = Place::new();
    for replaced in ["workspace", "home"] {
        fs::remove_dir(place.at(replaced)).unwrap();
        symlink(place.at("secret"), place.at(replaced)).unwrap();
        let launch = place.script("cat key").sandbox(place.sandbox(Profile::Standard));
        let error = soon(launcher.spawn(launch)).await.unwrap_err();
        assert!(matches!(error, SpawnError::Sandbox { .. }), "{error}");
        assert!(error.to_string().contains("without following a link"), "{error}");
        fs::remove_file(place.at(replaced)).unwrap();
        fs::create_dir(place.at(replaced)).unwrap();
    }
}

#[tokio::test]
async fn the_host_serves_the_ports_it_chose() {
    for environment in ENVIRONMENTS {
        let launcher = launcher(environment);
        let place = Place::new();
        let outlets = launcher.outlets(2).await.unwrap();
        let ports = outlets.ports().to_vec();
        let program = path(PROGRAM);
        let launch = Launch::new(program.clone(), path(place.at("workspace")))
            .args(["attack".to_owned(), "connect".to_owned(), format!("127.0.0.1:{}", ports[1])])
            .sandbox(place.sandbox(Profile::Standard).program(&program, &[]).outlets(outlets));
        let mut child = launcher.spawn(launch).await.unwrap();
        let listeners = child.take_outlets();
        assert_eq!(listeners.len(), 2);
        assert!(child.take_outlets().is_empty());
        let served =
            tokio::net::TcpListener::from_std(listeners.into_iter().nth(1).unwrap()).unwrap();
        soon(served.accept()).await.unwrap();
        assert_eq!(soon(child.wait()).await, Ok(Exit::Code(0)));
    }
}

/// A test that starts a server of its own and talks to it.
#[tokio::test]
async fn a_server_inside_is_reached_from_inside() {
    let launcher = launcher(Containment::PidNamespace);
    if !has_view(&launcher).await {
        return;
    }
    let place = Place::new();
    let program = path(PROGRAM);
    let launch = Launch::new(program.clone(), path(place.at("workspace")))
        .arg("talk-to-itself")
        .sandbox(place.sandbox(Profile::Strict).program(&program, &[]));
    let ended = soon(launcher.run_to_end(launch, &limits())).await.unwrap();
    assert!(ended.success(), "{ended:?}");
}

#[tokio::test]
async fn strict_does_not_start_what_it_cannot_confine() {
    let place = Place::new();
    for launcher in [launcher(Containment::Subreaper), Launcher::unsupervised()] {
        let launch = place.script("echo >started").sandbox(place.sandbox(Profile::Strict));
        let error = soon(launcher.spawn(launch)).await.unwrap_err();
        assert!(matches!(error, SpawnError::Sandbox { .. }), "{error}");
        assert!(error.to_string().contains("strict"), "{error}");
        assert!(!place.at("workspace/started").exists());
    }
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let place = Place::new();
    for (launcher, parts) in [
        (launcher(Containment::Subreaper), &["its own view", "a network of its own"][..]),
        (Launcher::unsupervised(), &["all of it"]),
    ] {
        let launch = place.script(":").sandbox(place.sandbox(Profile::Standard));
        let child = launcher.spawn(launch).await.unwrap();
        let missing = child.confinement().sandbox.as_ref().unwrap().missing.join("\n");
        for part in parts {
            assert!(missing.contains(part), "{missing}");
        }
        soon(child.wait()).await.unwrap();
    }
    let launch = place.script(":").sandbox(place.sandbox(Profile::Off));
    let child = launcher(Containment::PidNamespace).spawn(launch).await.unwrap();
    assert_eq!(child.confinement().sandbox, None);
    soon(child.wait()).await.unwrap();
}

/// What is done to kill a program outside of a sandbox works inside of one.
#[tokio::test]
async fn everything_ends_with_the_program() {
    for environment in ENVIRONMENTS {
        let place = Place::new();
        let mut wake = Wake::new();
        let fifo = wake.directory().to_owned();
        let launch = place.script(&litter(&wake, "read line; exit 3")).stdin(Input::Pipe).sandbox(
            place.sandbox(Profile::Standard).read_write(path(fifo.canonicalize().unwrap())),
        );
        let launcher = launcher(environment);
        if environment == Containment::Subreaper && nix::unistd::geteuid().is_root() {
            // The pipe's directory is root's alone.
            fs::set_permissions(&fifo, Permissions::from_mode(0o711)).unwrap();
        }
        let mut child = launcher.spawn(launch).await.unwrap();
        wake.all_here(&LITTER).await;
        drop(child.take_stdin());
        assert_eq!(soon(child.wait()).await, Ok(Exit::Code(3)));
        assert_eq!(wake.all_gone().await, "");
    }
}

/// Serves the proxy's port and two of the host's own, and says which was connected to.
#[derive(Debug, Default)]
struct Recorder(Arc<Mutex<Vec<Option<u16>>>>);

impl WayOut for Recorder {
    fn loopback_ports(&self) -> Vec<u16> {
        vec![7001]
    }

    fn serve(&self, listener: TcpListener, port: Option<u16>, _: &str) -> Box<dyn Send + Sync> {
        let (seen, listener) =
            (Arc::clone(&self.0), tokio::net::TcpListener::from_std(listener).unwrap());
        let task = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                seen.lock().unwrap().push(port);
            }
        });
        Box::new(AbortOnDrop(task.abort_handle()))
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn a_program_finds_its_way_out_by_its_environment() {
    let base = launcher(Containment::PidNamespace);
    if !has_view(&base).await {
        return;
    }
    let (place, recorder) = (Place::new(), Recorder::default());
    let seen = Arc::clone(&recorder.0);
    let policy = SandboxPolicy::new(Profile::Strict).way_out(Arc::new(recorder));
    let launcher = base.with_policy(policy);
    let program = path(PROGRAM);
    let script = format!(
        "set -e; echo $https_proxy $HTTPS_PROXY $NO_PROXY
         for port in ${{https_proxy##*:}} 7001 7002; do {PROGRAM} attack connect 127.0.0.1:$port; done
         {PROGRAM} attack connect 127.0.0.1:7003"
    );
    let sandbox = launcher.sandbox(&program).host_port(7002);
    let launch = place.script(&script).sandbox(
        sandbox.read_write(path(place.at("workspace"))).read_write(path(place.at("home"))),
    );
    let ended = soon(launcher.run_to_end(launch, &limits())).await.unwrap();
    let said = ended.stdout.text();
    let proxy = "http://127.0.0.1:3128";
    let direct = "localhost,localhost.,.localhost,localhost.localdomain,ip6-localhost,ip6-loopback,127.0.0.1,127.0.0.0/8,0.0.0.0,::1,[::1]";
    assert!(said.starts_with(&format!("{proxy} {proxy} {direct}\n")), "{said}");
    assert_eq!(said.matches("gained a connection").count(), 3, "{said}");
    assert!(said.ends_with("refused 111\n"), "{said}");
    assert_eq!(*seen.lock().unwrap(), [None, Some(7001), Some(7002)]);
}

/// The path of a socket has at most 107 bytes.
#[tokio::test]
async fn temporary_files_have_short_paths_and_are_on_disk() {
    for environment in ENVIRONMENTS {
        let launcher = launcher(environment);
        let view = has_view(&launcher).await;
        let place = Place::new();
        let long = place.at(&"a".repeat(100));
        fs::create_dir(&long).unwrap();
        let script = "set -e; echo $TMPDIR; echo made >$TMPDIR/made; cat \"$LONG/made\"; mktemp -d >/dev/null
                      : >$LONG/by-its-name; echo ok";
        let launch = async |tmp: &Path| {
            let sandbox = place.sandbox(Profile::Standard).tmp(path(&long));
            let launch = place.script(script).env("TMPDIR", tmp).env("LONG", &long);
            soon(launcher.run_to_end(launch.sandbox(sandbox), &limits())).await.unwrap()
        };
        let ended = launch(&long).await;
        let named = if view { Path::new("/tmp") } else { &long };
        assert_eq!(ended.stdout.text(), format!("{}\nmade\nok\n", named.display()), "{ended:?}");
        assert_eq!(fs::read_to_string(long.join("made")).unwrap(), "made\n");
        assert!(long.join("by-its-name").exists());
        // One that the operator chose stays.
        let own = place.at("workspace");
        let ended = launch(&own).await;
        assert!(ended.stdout.text().starts_with(&format!("{}\n", own.display())), "{ended:?}");
    }
}

/// What is mounted below `/tmp` would have to be made in the program's own directory.
#[tokio::test]
async fn a_sandbox_below_tmp_keeps_its_paths() {
    let launcher = launcher(Containment::PidNamespace);
    if !has_view(&launcher).await {
        return;
    }
    let place = tempfile::tempdir_in("/tmp").unwrap();
    let tmp = place.path().canonicalize().unwrap().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let sandbox = launcher.sandbox(&path("/bin/sh")).tmp(path(&tmp));
    let script = "set -e; echo $TMPDIR; echo >$TMPDIR/made; echo >/tmp/other; ls -A $TMPDIR";
    let launch = Launch::new(path("/bin/sh"), path(&tmp))
        .args(["-c", script])
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", &tmp)
        .sandbox(sandbox);
    let ended = soon(launcher.run_to_end(launch, &limits())).await.unwrap();
    assert_eq!(ended.stdout.text(), format!("{}\nmade\n", tmp.display()), "{ended:?}");
}

/// Without a view the processes that measure and start programs are among those of the program's user.
#[tokio::test]
async fn without_a_view_a_program_sets_its_own_share_of_the_processors_alone() {
    let place = Place::new();
    for environment in ENVIRONMENTS {
        let launcher = launcher(environment);
        let program = path(PROGRAM);
        let sandbox = place.sandbox(Profile::Standard).program(&program, &[]);
        let launch = Launch::new(program, path(place.at("workspace")))
            .args(["attack", "call", "starve-child"])
            .sandbox(sandbox);
        let ended = soon(launcher.run_to_end(launch, &limits())).await.unwrap();
        let said = if has_view(&launcher).await { "gained" } else { "refused" };
        assert!(ended.stdout.text().starts_with(said), "{environment}: {ended:?}");
        let own = place.run(&launcher, "nice -n 5 true && echo lowered").await;
        assert_eq!(own.stdout.text(), "lowered\n", "{environment}");
    }
}

/// What one program of root wrote as another user, the next one that has to stay root, without its rights, writes too.
#[tokio::test]
async fn a_program_that_stays_root_writes_what_another_user_made() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let (place, launcher) = (Place::new(), launcher(Containment::Subreaper));
    let workspace = place.at("workspace");
    place.run(&launcher, "mkdir -m 700 deep; echo one >deep/file; chmod 600 deep/file").await;
    let deep = fs::metadata(place.at("workspace/deep")).unwrap();
    assert!(deep.uid() >= 0x7000_0000, "{}", deep.uid());
    let above = workspace.parent().unwrap();
    fs::set_permissions(above, Permissions::from_mode(0o700)).unwrap();
    let ended = place.run(&launcher, "id -u; echo two >>deep/file; cat deep/file").await;
    assert_eq!(ended.stdout.text(), "0\none\ntwo\n", "{ended:?}");
}

/// Where a program would stay root, and there is no Landlock either, nothing keeps it from root's files.
#[tokio::test]
async fn no_program_of_root_starts_as_root_without_landlock() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let above = place.at("workspace");
    let weaker = launcher(Containment::Subreaper).without("landlock".parse().unwrap());
    let launch = || place.script("id -u").sandbox(place.sandbox(Profile::Standard));
    assert!(weaker.spawn(launch()).await.is_ok(), "it is another user");
    fs::set_permissions(above.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    let error = weaker.spawn(launch()).await.unwrap_err().to_string();
    assert!(error.contains("as root") && error.contains("chmod o+x"), "{error}");
}
