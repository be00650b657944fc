-- Portable: the same statements run on SQLite and PostgreSQL. Times are nanoseconds since 1970 (UTC), documents
-- are JSON as the domain types write it. What is asked for by more than its key has a column of its own.

CREATE TABLE sessions (
    id         TEXT   NOT NULL PRIMARY KEY,
    document   TEXT   NOT NULL,
    state      TEXT   NOT NULL CHECK (state IN ('running', 'paused', 'finished')),
    outcome    TEXT,
    report     TEXT,
    created    BIGINT NOT NULL,
    -- Who works on it, and which process that is; both NULL when nobody does.
    holder     TEXT,
    holder_pid BIGINT,
    -- Goes up each time somebody takes hold of it.
    fence      BIGINT NOT NULL,
    CHECK ((state = 'finished') = (outcome IS NOT NULL)),
    CHECK ((holder IS NULL) = (holder_pid IS NULL))
);

CREATE INDEX sessions_by_age ON sessions (created, id);

CREATE TABLE executions (
    id              TEXT   NOT NULL PRIMARY KEY,
    session         TEXT   NOT NULL REFERENCES sessions (id),
    -- Counts within the session, from 1, in the order they began.
    position        BIGINT NOT NULL,
    task            TEXT   NOT NULL,
    attempt         BIGINT NOT NULL,
    idempotency_key TEXT   NOT NULL,
    executor        TEXT   NOT NULL,
    started         BIGINT NOT NULL,
    checkpoint      TEXT,
    usage           TEXT   NOT NULL,
    report          TEXT,
    UNIQUE (session, task, attempt)
);

CREATE INDEX executions_by_session ON executions (session, position);
