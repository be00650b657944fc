//! What is logged, on standard error.

use cyrus_executor::Line;
use std::{
    env, fmt,
    io::{self, IsTerminal as _, Write, stderr},
};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::LookupSpan,
};

/// Logs to standard error from now on: as much as asked, or as `CYRUS_LOG` says.
pub(crate) fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "warn,cyrus=debug,plugin=debug",
        _ => "debug,cyrus=trace,plugin=trace",
    };
    let filter = EnvFilter::try_from_env("CYRUS_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy)
        .with_ansi(stderr().is_terminal() && takes_colours(|name| env::var(name).ok()))
        .event_format(OneLine)
        .init();
}

/// Standard error. A line that cannot be written is lost, and the work goes on.
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the user's terminal is to show colours: <https://no-color.org>, and not on one that has none.
fn takes_colours(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && variable("TERM").is_none_or(|term| term != "dumb")
}

/// Each event is a time, a level, and a message with its fields as one [`Line`]: what is logged of text from outside
/// is escaped here, whatever the place that logs it does.
struct OneLine;

impl<S, N> FormatEvent<S, N> for OneLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        SystemTime.format_time(&mut writer)?;
        let level = *event.metadata().level();
        let (begin, end) = if writer.has_ansi_escapes() { colour(level) } else { ("", "") };
        writeln!(writer, " {begin}{level:>5}{end} {}", Line::new(fields))
    }
}

/// What begins and what ends a level's colour.
fn colour(level: Level) -> (&'static str, &'static str) {
    let begin = match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    };
    (begin, "\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn colours_are_for_terminals_that_take_them() {
        for (variables, expected) in [
            (&[][..], true),
            (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (&[("NO_COLOR", "1")], false),
            (&[("TERM", "dumb")], false),
        ] {
            let of = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(takes_colours(of), expected, "{variables:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_its_fields() {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(OneLine)
            .finish();
        let hostile = "x\u{1b}[31m\n2026-01-01T00:00:00Z  INFO forged\u{9b}\u{202e}";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(field = hostile, shown = %hostile, debug = ?hostile, "{hostile}");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (line, rest) = text.split_once('\n').unwrap();
        assert_eq!(rest, "");
        assert!(line.chars().all(Line::is_harmless), "{line:?}");
        assert!(line.contains("  WARN ") && line.matches("forged").count() == 4, "{line}");
    }
}
