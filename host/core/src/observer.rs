use crate::SessionEvent;

/// Hears what happens. It must not block: what it cannot take at once it keeps or drops, as it sees fit.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn on_event(&self, event: SessionEvent);
}

impl<F: Fn(SessionEvent) + Send + Sync> Observer for F {
    fn on_event(&self, event: SessionEvent) {
        self(event);
    }
}
