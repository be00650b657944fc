use std::time::Duration;

/// The bounds of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one listener at once; more wait to be accepted.
    pub connections: usize,
    /// Bytes from the program to the host, for each connection.
    pub sent: u64,
    /// Bytes from the host to the program, for each connection.
    pub received: u64,
    /// How long the head of a request may take to arrive.
    pub head: Duration,
    /// How long resolving may take, and then connecting.
    pub connect: Duration,
    /// How long a connection may carry nothing in either direction.
    pub idle: Duration,
    /// How long a connection may last.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            sent: 16 << 30,
            received: 64 << 30,
            head: Duration::from_secs(10),
            connect: Duration::from_secs(30),
            idle: Duration::from_mins(15),
            total: Duration::from_hours(24),
        }
    }
}
