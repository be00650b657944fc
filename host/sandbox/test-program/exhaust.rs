//! What a program tries that wants all of a machine. Each ends by itself where nothing stops it, with less than would
//! do harm.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{self, SigHandler, Signal};

/// Tries one; None: there is no such attack.
pub(crate) fn attack(name: &str, args: &[&str]) -> Option<io::Result<String>> {
    Some(match (name, args) {
        ("fork-bomb", [most]) => fork_bomb(number(most)),
        ("thread-bomb", [most]) => thread_bomb(number(most)),
        ("open-files", [most]) => open_files(number(most)),
        ("large-file", [path, bytes]) => large_file(path, number(bytes)),
        ("map", [bytes]) => map(number(bytes)).map(|_| "memory".into()),
        ("hog", [bytes]) => hog(number(bytes), false),
        ("hog-for-good", [bytes]) => hog(number(bytes), true),
        ("share", [bytes]) => share(number(bytes)),
        ("spin", []) => spin(),
        ("fill", [directory]) => fill(directory),
        ("fill-for-good", [directory, mebibytes]) => {
            fill_with(directory, number(mebibytes)).and_then(for_good)
        }
        ("hide-for-good", [directory, mebibytes]) => {
            hide(directory, number(mebibytes)).and_then(|()| for_good(String::new()))
        }
        ("hog-from-thread-for-good", [bytes]) => {
            let bytes = number(bytes);
            from_thread(move || hog(bytes, true).map(drop))
        }
        ("unlink-from-thread-for-good", [directory, mebibytes]) => {
            let (directory, mebibytes) = ((*directory).to_owned(), number(mebibytes));
            from_thread(move || unlinked(&directory, mebibytes).map(std::mem::forget))
        }
        ("in-flight-for-good", [directory, mebibytes]) => {
            let none = std::time::Duration::ZERO;
            in_flight(directory, number(mebibytes), 1, none).and_then(|()| for_good(String::new()))
        }
        ("in-flight-slowly-for-good", [directory, files, mebibytes]) => {
            let pause = std::time::Duration::from_millis(150);
            in_flight(directory, number(files), number(mebibytes), pause)
                .and_then(|()| for_good(String::new()))
        }
        ("hold-open-for-good", [files, threads]) => {
            hold_open(number(files), number(threads)).and_then(for_good)
        }
        ("make-files", [directory]) => make_files(directory),
        ("empty-files", [directory, most]) => empty_files(directory, number(most)),
        ("empty-files-for-good", [directory, most]) => {
            empty_files(directory, number(most)).and_then(for_good)
        }
        _ => return None,
    })
}

/// Keeps what it has, until something ends it.
fn for_good(_: String) -> io::Result<String> {
    loop {
        nix::unistd::pause();
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// Has as many open files and threads, so that looking at the files of each thread takes for ever.
fn hold_open(files: u64, threads: u64) -> io::Result<String> {
    let held: Vec<_> = (0..files).map_while(|_| File::open("/dev/null").ok()).collect();
    for _ in 0..threads {
        std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
            loop {
                std::thread::park();
            }
        })?;
    }
    // Until a look at it is under way.
    std::thread::sleep(std::time::Duration::from_secs(1));
    println!("held");
    std::mem::forget(held);
    Ok(String::new())
}

/// Processes that do nothing, until no more can be had. They end with this one where something sees to that.
fn fork_bomb(most: u64) -> io::Result<String> {
    for _ in 0..most {
        // SAFETY: this process has one thread, and the child only waits.
        match unsafe { nix::unistd::fork() }? {
            nix::unistd::ForkResult::Parent { .. } => {}
            nix::unistd::ForkResult::Child => loop {
                nix::unistd::pause();
            },
        }
    }
    // SAFETY: a signal of its own ends the whole group, whose leader this process is.
    unsafe { signal::signal(Signal::SIGTERM, SigHandler::SigIgn) }?;
    signal::kill(nix::unistd::Pid::from_raw(0), Signal::SIGTERM)?;
    Ok(format!("{most} processes"))
}

fn thread_bomb(most: u64) -> io::Result<String> {
    for _ in 0..most {
        std::thread::Builder::new().stack_size(16 << 10).spawn(|| {
            loop {
                std::thread::park();
            }
        })?;
    }
    Ok(format!("{most} threads"))
}

fn open_files(most: u64) -> io::Result<String> {
    let files: Vec<_> = (0..most).map(|_| File::open("/dev/null")).collect::<io::Result<_>>()?;
    Ok(format!("{} files", files.len()))
}

/// A file that takes no room: what reads it whole does.
fn large_file(path: &str, bytes: u64) -> io::Result<String> {
    // SAFETY: ignoring is no handler, so none runs that could be unsafe.
    unsafe { signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
    let file = File::create(path)?;
    file.set_len(bytes)?;
    fs::remove_file(path)?;
    Ok(format!("a file of {bytes} bytes"))
}

/// Memory that may be written, and is not.
fn map(bytes: u64) -> io::Result<*mut u8> {
    let bytes = usize::try_from(bytes).expect("an address");
    // SAFETY: a new mapping of no file, at a place that the kernel chooses.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(mapped.cast()) }
}

/// Memory that is written, one half of it by a child, and kept until something ends both, if it is to be.
fn hog(bytes: u64, keep: bool) -> io::Result<String> {
    // SAFETY: this process has one thread, and the child uses what it maps itself.
    let parent = unsafe { nix::unistd::fork() }?.is_parent();
    let half = map(bytes / 2)?;
    for at in (0..bytes / 2).step_by(4096) {
        // SAFETY: inside of the mapping, which nothing else uses.
        unsafe { half.add(usize::try_from(at).expect("an address")).write_volatile(1) };
    }
    if keep {
        return for_good(String::new());
    }
    if !parent {
        std::process::exit(0);
    }
    nix::sys::wait::wait()?;
    Ok(format!("{bytes} bytes of memory"))
}

/// Memory that is written once, and is that of two processes for long enough to be measured.
fn share(bytes: u64) -> io::Result<String> {
    let memory = map(bytes)?;
    let at = |at: u64| memory.wrapping_add(usize::try_from(at).expect("an address"));
    for page in (0..bytes).step_by(4096) {
        // SAFETY: inside of the mapping, which nothing else uses.
        unsafe { at(page).write_volatile(1) };
    }
    // SAFETY: this process has one thread, and the child only reads.
    unsafe { nix::unistd::fork() }?;
    // Time of a processor and not of a clock: it is there on a busy machine too.
    let started = spent()?;
    while spent()? < started + 200 {
        for page in (0..bytes).step_by(64) {
            // SAFETY: as above.
            let _ = unsafe { at(page).read_volatile() };
        }
    }
    while nix::sys::wait::wait().is_ok() {}
    Ok(format!("{bytes} bytes of memory"))
}

/// The time of a processor that this process took, in milliseconds.
fn spent() -> io::Result<i64> {
    let time = getrusage(UsageWho::RUSAGE_SELF)?.user_time();
    Ok(time.tv_sec() * 1000 + time.tv_usec() / 1000)
}

/// Time of a processor.
fn spin() -> io::Result<String> {
    while spent()? < 20_000 {}
    Ok("20 seconds".into())
}

/// More than a sandbox of the tests gets.
fn fill(directory: &str) -> io::Result<String> {
    fill_with(directory, 64)?;
    fs::remove_file(format!("{directory}/filling"))?;
    Ok("64 MiB".into())
}

fn fill_with(directory: &str, mebibytes: u64) -> io::Result<String> {
    let mut file = File::create(format!("{directory}/filling"))?;
    for _ in 0..mebibytes {
        file.write_all(&vec![1; 1 << 20])?;
    }
    Ok(format!("{mebibytes} MiB"))
}

/// Room that is taken in a directory which its owner may not list.
fn hide(directory: &str, mebibytes: u64) -> io::Result<()> {
    let below = format!("{directory}/hidden");
    fs::create_dir(&below)?;
    fill_with(&below, mebibytes)?;
    fs::set_permissions(&below, fs::Permissions::from_mode(0o300))
}

/// Does it in a thread, and ends the first one, of which the system tells most.
fn from_thread(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<String> {
    std::thread::spawn(move || {
        if work().is_ok() {
            loop {
                std::thread::park();
            }
        }
        std::process::exit(1)
    });
    // SAFETY: this thread only; the process goes on with the other one, which uses nothing of this.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    Err(io::ErrorKind::Other.into())
}

/// A file that is open and has no name.
fn unlinked(directory: &str, mebibytes: u64) -> io::Result<File> {
    let path = format!("{directory}/unlinked");
    let mut file = File::create(&path)?;
    fs::remove_file(&path)?;
    for _ in 0..mebibytes {
        file.write_all(&vec![1; 1 << 20])?;
    }
    Ok(file)
}

/// The same, held open by nothing but a message that was not received yet.
fn in_flight(
    directory: &str,
    files: u64,
    mebibytes: u64,
    pause: std::time::Duration,
) -> io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
    let (one, other) = std::os::unix::net::UnixDatagram::pair()?;
    for _ in 0..files {
        let file = unlinked(directory, mebibytes)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        let sent = [std::os::fd::AsFd::as_fd(&file)];
        message.push(SendAncillaryMessage::ScmRights(&sent));
        let text = [io::IoSlice::new(b"x")];
        rustix::net::sendmsg(&one, &text, &mut message, SendFlags::empty())?;
        std::thread::sleep(pause);
    }
    std::mem::forget((one, other));
    Ok(())
}

fn make_files(directory: &str) -> io::Result<String> {
    let below = format!("{directory}/many");
    fs::create_dir(&below)?;
    for number in 0..20_000 {
        fs::write(format!("{below}/{number}"), "")?;
    }
    fs::remove_dir_all(below)?;
    Ok("files".into())
}

/// Files that hold nothing, and stay.
fn empty_files(directory: &str, most: u64) -> io::Result<String> {
    for number in 0..most {
        File::create(format!("{directory}/{number}"))?;
    }
    Ok(format!("{most} files"))
}
