//! Where the two databases differ. Everything else is said once, in statements that both understand.

/// The statements that one database wants said in its own way.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Begins a transaction that writes. What waits for another waits here.
    pub(crate) begin_write: &'static str,
    /// Begins a transaction in which every read sees the same moment.
    pub(crate) begin_read: &'static str,
    /// The fence of session `$1`, which nobody else can move until the transaction ends.
    pub(crate) hold: &'static str,
    /// Holder `$1` on host `$2` (its name `$3`, its boot `$4`) is heard of now.
    pub(crate) heard_of: &'static str,
    /// Forgets holders that hold nothing and were not heard of for `$1` milliseconds.
    pub(crate) forget: &'static str,
    /// Session `$1` and its holder, with the milliseconds since that was heard of as `silence`.
    pub(crate) claim: &'static str,
    /// The same of all sessions, the newest first.
    pub(crate) list: &'static str,
}

macro_rules! dialect {
    (begin_write: $write:literal, begin_read: $read:literal, lock: $lock:literal, now: $now:literal) => {
        Dialect {
            begin_write: $write,
            begin_read: $read,
            hold: concat!("SELECT fence FROM sessions WHERE id = $1", $lock),
            heard_of: concat!(
                "INSERT INTO holders (id, host, name, boot, renewed) VALUES ($1, $2, $3, $4, ",
                $now,
                ") ON CONFLICT (id) DO UPDATE SET renewed = excluded.renewed"
            ),
            forget: concat!(
                "DELETE FROM holders WHERE renewed < ",
                $now,
                " - $1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.holder = holders.id)"
            ),
            claim: dialect!(sessions $now, " WHERE s.id = $1"),
            list: dialect!(sessions $now, " ORDER BY s.created DESC, s.id DESC"),
        }
    };
    (sessions $now:literal, $rest:literal) => {
        concat!(
            "SELECT s.id, d.document, s.state, s.outcome, s.fence, s.holder, s.holder_pid, h.host, h.name, h.boot, ",
            $now,
            " - h.renewed AS silence FROM sessions s JOIN documents d ON d.session = s.id LEFT JOIN holders h ON h.id = s.holder",
            $rest
        )
    };
}

pub(crate) static SQLITE: Dialect = dialect! {
    // One that begins with reading could not go on to write after another has written.
    begin_write: "BEGIN IMMEDIATE",
    begin_read: "BEGIN",
    // Whoever writes is alone.
    lock: "",
    now: "CAST((julianday('now') - 2440587.5) * 86400000 AS BIGINT)"
};

pub(crate) static POSTGRES: Dialect = dialect! {
    begin_write: "BEGIN ISOLATION LEVEL READ COMMITTED",
    begin_read: "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    lock: " FOR NO KEY UPDATE",
    now: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
};
