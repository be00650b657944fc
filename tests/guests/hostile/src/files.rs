//! Attacks on the workspace: ways out of it, and ways to write where nothing may be written.

use crate::guest::{Done, done};
use std::{fs, io};

/// What became of an attempt: what was read, `ok`, or the error.
fn told(attempt: io::Result<String>) -> Done {
    done(attempt.unwrap_or_else(|error| format!("error: {error}")))
}

fn ok<T>(_: T) -> String {
    "ok".to_owned()
}

pub(crate) fn attempt(verb: &str, rest: &[&str]) -> Option<Done> {
    let path = |index: usize| rest.get(index).copied().unwrap_or_default().replace("<NUL>", "\0");
    Some(told(match verb {
        "read" => fs::read_to_string(path(0)),
        "list" => fs::read_dir(path(0)).map(|entries| {
            let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
            format!("{:?}", names.collect::<Vec<_>>())
        }),
        "look" => fs::metadata(path(0)).map(|found| format!("{} bytes", found.len())),
        "readlink" => fs::read_link(path(0)).map(|target| target.display().to_string()),
        "write" => fs::write(path(0), "written by the component").map(ok),
        "append" => fs::File::options().append(true).open(path(0)).map(ok),
        "truncate" => {
            let open = fs::File::options().write(true).open(path(0));
            open.and_then(|file| file.set_len(0)).map(ok)
        }
        "truncate-read" => fs::File::open(path(0)).and_then(|file| file.set_len(0)).map(ok),
        "create" => fs::File::create_new(path(0)).map(ok),
        "mkdir" => fs::create_dir(path(0)).map(ok),
        "rmdir" => fs::remove_dir(path(0)).map(ok),
        "unlink" => fs::remove_file(path(0)).map(ok),
        "rename" => fs::rename(path(0), path(1)).map(ok),
        "hardlink" => fs::hard_link(path(0), path(1)).map(ok),
        "touch" => {
            let open = fs::File::open(path(0));
            open.and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).map(ok)
        }
        "surroundings" => {
            let socket = std::net::TcpStream::connect("127.0.0.1:9").map_err(|e| e.kind());
            let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.kind());
            let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|e| e.kind());
            let name = std::net::ToSocketAddrs::to_socket_addrs("localhost:1").map(|_| ());
            Ok(format!(
                "variables={} arguments={} tcp={:?} listen={:?} udp={:?} names={:?}",
                std::env::vars().count(),
                std::env::args().count(),
                socket.map(|_| ()),
                listener.map(|_| ()),
                datagrams.map(|_| ()),
                name.map_err(|e| e.kind()),
            ))
        }
        _ => return None,
    }))
}
