//! Where a secret is, looked for from outside: in files, and in everything that a process holds.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// The files under a directory that hold these bytes.
pub fn files_with(directory: &Path, secret: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_with(&path, secret)),
            Ok(kind)
                if kind.is_file() && fs::read(&path).is_ok_and(|bytes| holds(&bytes, secret)) =>
            {
                found.push(path);
            }
            _ => {}
        }
    }
    found
}

/// The processes that descend from this one, and still run.
pub fn descendants(of: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("Linux").flatten();
    let all: Vec<u32> = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(all.iter().copied().filter(|&pid| parent_of(pid) == Some(parent)));
        next += 1;
    }
    found.split_off(1)
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// The program that a process runs.
pub fn program_of(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Where a process holds these bytes: its environment, its arguments, or its memory. `None`: it cannot be read.
pub fn places_in(pid: u32, secret: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for part in ["environ", "cmdline"] {
        if holds(&fs::read(format!("/proc/{pid}/{part}")).ok()?, secret) {
            found.push(part.to_owned());
        }
    }
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let regions = fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?;
    let mut region = None;
    let mut was_read = false;
    for line in regions.lines() {
        if let Some(range) = line.split_whitespace().next().and_then(range_of) {
            region = Some((range, line.to_owned()));
        } else if let Some(resident) = line.strip_prefix("Rss:")
            && let Some((range, name)) = region.take()
            && !resident.trim().starts_with("0 ")
        {
            was_read |= search(&memory, range, secret, &name, &mut found);
        }
    }
    was_read.then_some(found)
}

/// Looks through a region of memory, in pieces that overlap by the secret's length. Whether some of it could be read.
fn search(
    memory: &File,
    (mut at, end): (u64, u64),
    secret: &str,
    name: &str,
    found: &mut Vec<String>,
) -> bool {
    let mut was_read = false;
    let mut piece = vec![0; 1 << 20];
    while at < end {
        let wanted = usize::try_from((end - at).min(1 << 20)).expect("a piece");
        let Ok(length) = memory.read_at(&mut piece[..wanted], at) else { break };
        if length == 0 {
            break;
        }
        was_read = true;
        if holds(&piece[..length], secret) {
            found.push(name.to_owned());
            break;
        }
        let step = length.saturating_sub(secret.len()).max(1);
        at += if length == wanted && at + (length as u64) < end { step } else { length } as u64;
    }
    was_read
}

fn range_of(text: &str) -> Option<(u64, u64)> {
    let (from, to) = text.split_once('-')?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    memchr::memmem::find(bytes, secret.as_bytes()).is_some()
}
