use cyrus_core::SessionEvent;

/// What writes events.
pub(crate) trait Teller: Send + 'static {
    /// Writes one. An error of the reader's end is not this program's.
    fn tell(&mut self, event: SessionEvent);
}
