//! Files, by every operation that a component has for them.

use std::{ffi::CString, fs, io};

/// `OPERATION PATH [PATH|TEXT]`: what came of it, or the error.
pub(crate) fn perform(words: &[&str]) -> String {
    let (path, other) = (words[1], words.get(2).copied().unwrap_or_default());
    let came = match words[0] {
        "read" => fs::read_to_string(path),
        "write" => fs::write(path, other).map(|()| String::new()),
        "create" => fs::File::create_new(path).map(|_| String::new()),
        "truncate" => fs::File::create(path).map(|_| String::new()),
        "list" => fs::read_dir(path).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            let mut names = names.collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names.join(","))
        }),
        "stat" => fs::metadata(path).map(|found| found.len().to_string()),
        "lstat" => fs::symlink_metadata(path).map(|found| found.len().to_string()),
        "touch" => fs::File::options().append(true).open(path).map(|_| String::new()),
        "mkdir" => fs::create_dir(path).map(|()| String::new()),
        "rmdir" => fs::remove_dir(path).map(|()| String::new()),
        "remove" => fs::remove_file(path).map(|()| String::new()),
        "remove-all" => fs::remove_dir_all(path).map(|()| String::new()),
        "rename" => fs::rename(path, other).map(|()| String::new()),
        "link" => fs::hard_link(path, other).map(|()| String::new()),
        "symlink" => symlink(path, other).map(|()| String::new()),
        "readlink" => fs::read_link(path).map(|target| target.display().to_string()),
        unknown => Err(io::Error::other(format!("no such operation: {unknown}"))),
    };
    came.map_or_else(|error| format!("error: {error}"), |text| format!("done: {text}"))
}

#[expect(unsafe_code, reason = "the standard library has no stable call for it on this target")]
fn symlink(target: &str, link: &str) -> io::Result<()> {
    unsafe extern "C" {
        fn symlink(target: *const std::ffi::c_char, link: *const std::ffi::c_char) -> i32;
    }
    let (target, link) = (CString::new(target)?, CString::new(link)?);
    // SAFETY: both are strings that end in a zero byte and outlive the call.
    let failed = unsafe { symlink(target.as_ptr(), link.as_ptr()) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}
