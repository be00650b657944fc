//! What a component has the host keep for it: arguments of calls under way, and questions that are not answered.
//!
//! A call returns a future at once, and a component need not read it. So what the call was given is counted before it is
//! kept, all calls of an execution together, until it is let go of.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The most that is kept for one execution, in bytes.
pub(crate) const HELD_BYTES: usize = 8 << 20;

/// What every call takes besides its texts, in bytes.
const CALL_BYTES: usize = 1024;

/// The account of one execution.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

/// So many bytes of it, given back when this is dropped.
pub(crate) struct Charge {
    of: Held,
    bytes: usize,
}

impl Held {
    /// Counts what a call was given. `None`: it is more than may be kept.
    pub(crate) fn charge(&self, bytes: usize) -> Option<Charge> {
        let bytes = bytes.saturating_add(CALL_BYTES);
        let more = |held: usize| held.checked_add(bytes).filter(|all| *all <= HELD_BYTES);
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.ok().map(|_| Charge { of: self.clone(), bytes })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let held = Held::default();
        let mut charges: Vec<_> = (0..20).map_while(|_| held.charge(1 << 20)).collect();
        assert_eq!(charges.len(), 7);
        assert!(held.charge(usize::MAX).is_none());
        charges.pop();
        let again: Vec<_> = (0..20).map_while(|_| held.charge(1 << 20)).collect();
        assert_eq!(again.len(), 1);
    }
}
