//! Standard output and standard error: the only module that writes to them (`tests/tests/architecture.rs` holds the
//! sources to it).
//!
//! People get [`Line`]s, so nothing that a plugin, an agent, a repository or an issue says can steer the terminal or
//! stand on a line of its own without a gutter. Machines get JSON, in which the same characters are escaped.

use super::wrap::wrapped;
use cyrus_executor::Line;
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write, stderr, stdout},
    os::fd::AsFd,
    panic::PanicHookInfo,
    sync::OnceLock,
};

/// Whether a person can be asked: both what is asked and the answer go over a terminal.
pub(crate) fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() && stderr().is_terminal()
}

/// Prints a line on standard output, made of a format as in `println!`.
macro_rules! say {
    ($($format:tt)*) => {
        $crate::output::print(&::cyrus_executor::Line::new(::std::format_args!($($format)*)))
    };
}

/// Prints a line on standard error, made of a format as in `eprintln!`.
macro_rules! note {
    ($($format:tt)*) => {
        $crate::output::print_note(&::cyrus_executor::Line::new(::std::format_args!($($format)*)))
    };
}

/// Adds a line to others, made of a format.
macro_rules! add_line {
    ($lines:ident, $($format:tt)*) => {
        $lines.push(::cyrus_executor::Line::new(::std::format_args!($($format)*)))
    };
}

pub(crate) use {add_line, note, say};

/// Why standard output could not be written to, the first time that was so.
static FAILURE: OnceLock<String> = OnceLock::new();

/// Prints a line on standard output.
pub(crate) fn print(line: &Line) {
    print_all(std::slice::from_ref(line));
}

/// Prints lines on standard output.
pub(crate) fn print_all(lines: &[Line]) {
    note_failure(write_lines(&mut stdout().lock(), lines));
}

/// Why something that was to be printed on standard output is not there. A reader that has gone away is no failure: it
/// has what it wanted.
pub(crate) fn output_failure() -> Option<&'static str> {
    FAILURE.get().map(String::as_str)
}

/// The work goes on without its output; how the command ends says what is missing.
fn note_failure(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        FAILURE.get_or_init(|| error.to_string());
    }
}

/// Prints a line on standard error.
pub(crate) fn print_note(line: &Line) {
    let _ = write_lines(&mut stderr().lock(), std::slice::from_ref(line));
}

/// Prints why the command failed, on standard error. Further lines of the reason have a gutter.
pub(crate) fn print_error(error: &anyhow::Error) {
    let lines = Line::block("cyrus: ", "     | ", &format!("{error:#}"));
    let _ = write_lines(&mut stderr().lock(), &lines);
}

/// Prints a value as one line of JSON on standard output.
pub(crate) fn print_json(value: &impl Serialize) -> serde_json::Result<()> {
    write_json(&serde_json::to_string(value)?);
    Ok(())
}

/// Prints a value as indented JSON on standard output.
pub(crate) fn print_json_pretty(value: &impl Serialize) -> serde_json::Result<()> {
    write_json(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints what this program itself generated for another program, such as a shell's completions, as it is.
pub(crate) fn print_generated(text: &[u8]) {
    let mut out = stdout().lock();
    note_failure(out.write_all(text).and_then(|()| out.flush()));
}

/// Prints how the command is used: what was asked for on standard output, what was wrong on standard error.
pub(crate) fn print_usage(said: &clap::Error) {
    let printed = said.print();
    if !said.use_stderr() {
        note_failure(printed);
    }
}

/// Acknowledges an interrupt. Standard error may be gone with the terminal; that must not stop the stop.
pub(crate) fn print_interrupted() {
    let _ = stderr().write_all(b"\nStopping; once more to end at once.\n");
}

/// Says at a terminal what goes on after the command's end.
pub(crate) fn print_removing() {
    if is_at_a_terminal() {
        let _ = stderr().write_all(
            b"Files that are not needed any more are being removed in the background.\n",
        );
    }
}

/// Prints where and why a thread panicked: the message may hold text from outside.
pub(crate) fn print_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let said = format!("thread {} {panic}", thread.name().unwrap_or("without a name"));
    let mut lines = Line::block("cyrus: internal error: ", "     | ", &said);
    let trace = std::backtrace::Backtrace::capture();
    if trace.status() == std::backtrace::BacktraceStatus::Captured {
        lines.extend(Line::block("     | ", "     | ", &trace.to_string()));
    }
    let _ = write_lines(&mut stderr().lock(), &lines);
}

/// Writes lines, broken where a terminal would break them.
/// How many columns standard error has, where it is a terminal.
pub(super) fn width_of_notes() -> Option<usize> {
    terminal_size::terminal_size_of(stderr()).map(|(width, _)| usize::from(width.0))
}

fn write_lines(out: &mut (impl Write + AsFd), lines: &[Line]) -> io::Result<()> {
    let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
    let mut text = String::new();
    for line in lines {
        match width {
            None => _ = writeln!(text, "{line}"),
            Some(width) => {
                for part in wrapped(line, width) {
                    let _ = writeln!(text, "{part}");
                }
            }
        }
    }
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn write_json(json: &str) {
    let mut out = stdout().lock();
    let line = unobeyed(json) + "\n";
    note_failure(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
}

/// The same JSON without characters that a terminal obeys or does not show. The serialiser escapes those below U+0020;
/// the others can only be in strings, where their escapes mean the same.
fn unobeyed(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || Line::is_harmless(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn json_means_the_same_and_steers_no_terminal() {
        let text = "\u{1b}[2J\u{7f}\u{9b}31m\u{202e}\u{2028}\u{e0041}\u{200d} é 日\u{3000}\u{a0}\n";
        let json = unobeyed(&serde_json::to_string_pretty(&[text]).unwrap());
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), serde_json::json!([text]));
        assert!(json.chars().all(|c| c == '\n' || Line::is_harmless(c)), "{json}");
        assert!(json.contains("é 日"), "{json}");
    }
}
