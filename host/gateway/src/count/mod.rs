//! What the service says that a request used.

mod anthropic;
mod number;
mod openai;

use crate::{Tokens, facts::BYTES_PER_TOKEN, route::Route};

/// What is known of a response by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// What the service said, of what it said.
    pub(crate) reported: Tokens,
    /// It said what the prompt came to.
    pub(crate) knows_prompt: bool,
    /// It said what all of it came to.
    pub(crate) is_final: bool,
    /// It said something that cannot be.
    pub(crate) is_malformed: bool,
    /// Bytes of text, arguments and reasoning that passed.
    pub(crate) visible: u64,
}

/// Reads a response while it passes.
#[derive(Debug)]
pub(crate) struct Counter {
    route: Route,
    reading: Reading,
}

impl Counter {
    pub(crate) fn new(route: Route) -> Self {
        Self { route, reading: Reading::default() }
    }

    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Takes the data of one event.
    pub(crate) fn event(&mut self, data: &[u8]) {
        match self.route {
            Route::Messages => anthropic::event(data, &mut self.reading),
            Route::Responses => openai::event_of_responses(data, &mut self.reading),
            Route::Chat => openai::chunk_of_chat(data, &mut self.reading),
            Route::Alive | Route::Models | Route::CountTokens => {}
        }
    }

    /// Takes a response that is not a stream.
    pub(crate) fn whole(&mut self, body: &[u8]) {
        match self.route {
            Route::Messages => anthropic::whole(body, &mut self.reading),
            Route::Responses | Route::Chat => openai::whole(body, &mut self.reading),
            Route::Alive | Route::Models | Route::CountTokens => {}
        }
    }
}

impl Reading {
    /// What was used, as far as can be known by now: what the service said, and of the rest what passed. `prompt` is the
    /// estimate for the prompt.
    pub(crate) fn so_far(&self, prompt: u64) -> Tokens {
        if self.is_final && !self.is_malformed {
            return self.reported;
        }
        let mut tokens = self.reported;
        if !self.knows_prompt || self.is_malformed {
            let missing = prompt.saturating_sub(tokens.prompt());
            tokens.input = tokens.input.saturating_add(missing);
        }
        tokens.output = tokens.output.max(self.visible.div_ceil(BYTES_PER_TOKEN));
        tokens
    }

    /// Whether some of [`Reading::so_far`] is an estimate.
    pub(crate) fn is_estimate(&self) -> bool {
        !self.is_final || self.is_malformed
    }
}
