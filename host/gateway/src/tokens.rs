use cyrus_executor::Usage;
use std::ops::AddAssign;

/// Tokens of one request, or of many. Each kind has a price of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by the model, not from a cache.
    pub input: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache that is kept for some minutes.
    pub cache_write: u64,
    /// Written to a cache that is kept for an hour.
    pub cache_write_hour: u64,
    /// Written by the model, its reasoning included.
    pub output: u64,
    /// Searches of the web that the service did, which are charged one by one.
    pub searches: u64,
}

impl Tokens {
    /// All that the model read, from a cache or not: what decides whether a prompt is a long one.
    pub fn prompt(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.cache_write_hour]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// The same as the port's usage, without money.
    pub(crate) fn usage(&self, turns: u32) -> Usage {
        Usage {
            input_tokens: Some(self.input),
            output_tokens: Some(self.output),
            cache_read_tokens: Some(self.cache_read),
            cache_write_tokens: Some(self.cache_write.saturating_add(self.cache_write_hour)),
            turns: Some(turns),
            ..Usage::default()
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        let fields = [
            (&mut self.input, other.input),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.cache_write_hour, other.cache_write_hour),
            (&mut self.output, other.output),
            (&mut self.searches, other.searches),
        ];
        for (mine, more) in fields {
            *mine = mine.saturating_add(more);
        }
    }
}
