//! What a store may grow to.

use wasmtime::{ResourceLimiter, bail};

/// Core instances in one component: Python's has one for each of its libraries.
const INSTANCES: usize = 64;
const TABLES: usize = 64;
const MEMORIES: usize = 8;

/// Counts what all memories, and all tables, of one store take together.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Budget,
    table_elements: Budget,
    passed: Option<&'static str>,
}

#[derive(Debug)]
struct Budget {
    used: usize,
    most: usize,
}

impl Budget {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        let fits = wanted <= self.most;
        if fits {
            self.used = wanted;
        }
        fits
    }
}

impl Limiter {
    /// At most this many bytes of memory and elements of tables.
    pub(crate) fn new(memory: usize, table_elements: usize) -> Self {
        Self {
            memory: Budget { used: 0, most: memory },
            table_elements: Budget { used: 0, most: table_elements },
            passed: None,
        }
    }

    /// Which limit was passed, if one was.
    pub(crate) fn passed(&self) -> Option<&'static str> {
        self.passed
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.memory.grow(current, desired) {
            return Ok(true);
        }
        self.passed = Some("memory");
        bail!("the component wants more than {} MiB of memory", self.memory.most >> 20)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if self.table_elements.grow(current, desired) {
            return Ok(true);
        }
        self.passed = Some("table-elements");
        bail!("the component wants more than {} elements in its tables", self.table_elements.most)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_counted_together() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(limiter.memory_growing(60, 70, None).unwrap());
        assert_eq!(limiter.passed(), None);
        let error = limiter.memory_growing(0, 31, None).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
        assert_eq!(limiter.passed(), Some("memory"));
        assert!(limiter.memory_growing(0, 30, None).unwrap(), "what was refused is not counted");
    }

    #[test]
    fn table_elements_are_counted_together() {
        let mut limiter = Limiter::new(100, 10);
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(limiter.table_growing(0, 1, None).is_err());
        assert_eq!(limiter.passed(), Some("table-elements"));
    }
}
