use crate::contract::{Exit, Signal};
use std::{collections::VecDeque, time::Duration};

type OnLine = Box<dyn FnMut(&str, &mut Terminal)>;
type OnSignal = Box<dyn FnMut(Signal, &mut Terminal)>;
type OnEnd = Box<dyn FnMut(&mut Terminal)>;

/// A scripted program: what it prints by itself, and what it does with what it is sent.
///
/// Unless told otherwise it ignores lines, ends when its standard input does, and dies of a signal.
pub struct Program {
    pub(super) start: Terminal,
    pub(super) on_line: OnLine,
    pub(super) on_signal: OnSignal,
    pub(super) on_end: OnEnd,
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl Program {
    /// A program that waits.
    pub fn new() -> Self {
        Self {
            start: Terminal::default(),
            on_line: Box::new(|_, _| {}),
            on_signal: Box::new(|signal, terminal| {
                terminal.end(Exit::Signal(match signal {
                    Signal::Interrupt => 2,
                    Signal::Terminate => 15,
                    Signal::Kill => 9,
                }));
            }),
            on_end: Box::new(|terminal| terminal.exit(0)),
        }
    }

    /// What it does when it is launched.
    #[must_use]
    pub fn at_start(mut self, act: impl FnOnce(&mut Terminal)) -> Self {
        act(&mut self.start);
        self
    }

    /// What it does with a line of its standard input.
    #[must_use]
    pub fn on_line(mut self, act: impl FnMut(&str, &mut Terminal) + 'static) -> Self {
        self.on_line = Box::new(act);
        self
    }

    /// What it does with a signal, other than to die of it. `kill` cannot be caught.
    #[must_use]
    pub fn on_signal(mut self, act: impl FnMut(Signal, &mut Terminal) + 'static) -> Self {
        self.on_signal = Box::new(act);
        self
    }

    /// What it does when its standard input ends.
    #[must_use]
    pub fn on_end_of_input(mut self, act: impl FnMut(&mut Terminal) + 'static) -> Self {
        self.on_end = Box::new(act);
        self
    }
}

/// What a scripted program does, in order.
#[derive(Default)]
pub struct Terminal {
    pub(super) steps: VecDeque<Step>,
}

pub(super) enum Step {
    Print(Vec<u8>),
    PrintError(Vec<u8>),
    Pause(Duration),
    End(Exit),
}

impl Terminal {
    /// Prints a line.
    pub fn print(&mut self, line: impl AsRef<str>) {
        self.print_bytes(format!("{}\n", line.as_ref()));
    }

    /// Prints bytes, in one piece.
    pub fn print_bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        self.steps.push_back(Step::Print(bytes.into()));
    }

    /// Prints a line to standard error.
    pub fn print_error(&mut self, line: impl AsRef<str>) {
        self.steps.push_back(Step::PrintError(format!("{}\n", line.as_ref()).into_bytes()));
    }

    /// Does nothing for a while.
    pub fn pause(&mut self, duration: Duration) {
        self.steps.push_back(Step::Pause(duration));
    }

    /// Ends.
    pub fn exit(&mut self, code: i32) {
        self.end(Exit::Code(code));
    }

    fn end(&mut self, exit: Exit) {
        self.steps.push_back(Step::End(exit));
    }
}
