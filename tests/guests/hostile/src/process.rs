//! Attacks by launching programs.

use crate::{
    bindings::{
        cyrus::executor::{
            process::{Child, ProcessError, spawn},
            types::{ErrorKind, ExecutionError},
        },
        wit_stream,
    },
    guest::{Done, done, error},
    verbs::number,
};
use futures::future::join3;
use std::future::IntoFuture as _;

pub(crate) async fn attempt(verb: &str, rest: &[&str]) -> Option<Done> {
    Some(match verb {
        // `GRANT [ARGUMENT]…`
        "spawn" => match launch(rest[0], &rest[1..]) {
            Ok(child) => run(child).await,
            Err(error) => Err(error),
        },
        // `GRANT COUNT [ARGUMENT]…`
        "spawn-many" => {
            let launched: Vec<_> =
                (0..number(rest[1])).map(|_| launch(rest[0], &rest[2..])).collect();
            let fine = launched.iter().filter(|child| child.is_ok()).count();
            let refused = launched.iter().find_map(|child| child.as_ref().err());
            done(format!("launched={fine} {refused:?}"))
        }
        // `GRANT COUNT BYTES`
        "spawn-arguments" => {
            let one = "x".repeat(number(rest[2]));
            let args = vec![one.as_str(); number(rest[1])];
            match launch(rest[0], &args) {
                Ok(child) => run(child).await,
                Err(error) => Err(error),
            }
        }
        // `GRANT`: more input than it reads, without end.
        "feed-endless" => match launch(rest[0], &rest[1..]) {
            Ok(child) => feed(child).await,
            Err(error) => Err(error),
        },
        _ => return None,
    })
}

fn told(problem: &ProcessError) -> ExecutionError {
    let kind = match problem {
        ProcessError::Denied(_) => ErrorKind::Denied,
        _ => ErrorKind::Failed,
    };
    error(kind, format!("{problem:?}"))
}

fn launch(grant: &str, args: &[&str]) -> Result<Child, ExecutionError> {
    let plain = |arg: &&str| arg.replace('_', " ").replace("<NUL>", "\0");
    let args: Vec<_> = args.iter().map(plain).collect();
    spawn(&grant.replace("<EMPTY>", ""), &args).map_err(|problem| told(&problem))
}

/// How the program ended, with what it printed, in a form that no redaction recognises.
async fn run(child: Child) -> Done {
    let stdout = child.stdout().map_err(|problem| told(&problem))?;
    let stderr = child.stderr().map_err(|problem| told(&problem))?;
    let (out, err, exit) =
        join3(stdout.collect(), stderr.collect(), child.wait().into_future()).await;
    let exit = exit.map_err(|problem| told(&problem))?;
    let hex = |bytes: Vec<u8>| {
        bytes.iter().take(4096).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    done(format!("{exit:?} out={} err={}", hex(out), hex(err)))
}

async fn feed(child: Child) -> Done {
    let (mut writer, reader) = wit_stream::new();
    let fed = child.write_stdin(reader);
    while writer.write_all(vec![b'x'; 64 << 10]).await.is_empty() {}
    done(format!("{:?}", fed.await))
}
