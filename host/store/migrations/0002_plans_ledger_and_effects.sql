-- Portable, as 0001 is. Amounts are millionths of a US dollar.

-- The repository's path, for what executions on it came to; NULL where a session is older than this.
ALTER TABLE sessions ADD COLUMN repository TEXT;
ALTER TABLE sessions ADD COLUMN analysis TEXT;
ALTER TABLE sessions ADD COLUMN plan TEXT;
ALTER TABLE sessions ADD COLUMN progress TEXT;
-- The merged commit that was checked, and what the checks said.
ALTER TABLE sessions ADD COLUMN merged TEXT;
-- The stop that somebody asked for; NULL when nobody did.
ALTER TABLE sessions ADD COLUMN stop TEXT;
-- The number of its last log line.
ALTER TABLE sessions ADD COLUMN logged BIGINT NOT NULL DEFAULT 0;

CREATE INDEX sessions_by_holder ON sessions (holder, stop);

CREATE TABLE tasks (
    session  TEXT   NOT NULL REFERENCES sessions (id),
    id       TEXT   NOT NULL,
    -- Counts within the session, from 1, in the order they were added.
    position BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    document TEXT   NOT NULL,
    state    TEXT   NOT NULL,
    PRIMARY KEY (session, id)
);

ALTER TABLE executions ADD COLUMN receipt TEXT;
ALTER TABLE executions ADD COLUMN token BIGINT NOT NULL DEFAULT 0;
-- The commit its clone started from; empty where it is older than this.
ALTER TABLE executions ADD COLUMN start TEXT NOT NULL DEFAULT '';
ALTER TABLE executions ADD COLUMN collected TEXT;
ALTER TABLE executions ADD COLUMN verdict TEXT;
-- What an execution came to, for the choice of the next executor. `tried` and `validated` are 0 or 1.
ALTER TABLE executions ADD COLUMN repository TEXT;
ALTER TABLE executions ADD COLUMN kind TEXT;
ALTER TABLE executions ADD COLUMN tried BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN validated BIGINT NOT NULL DEFAULT 0;
ALTER TABLE executions ADD COLUMN cost BIGINT;

CREATE INDEX executions_tried ON executions (repository, executor, kind, validated, cost) WHERE tried = 1;

CREATE TABLE effects (
    key      TEXT   NOT NULL PRIMARY KEY,
    session  TEXT   NOT NULL REFERENCES sessions (id),
    -- Counts within the session, from 1, in the order they were intended.
    position BIGINT NOT NULL,
    task     TEXT,
    kind     TEXT   NOT NULL,
    -- 1 once it is known that it was done.
    done     BIGINT NOT NULL,
    state    TEXT   NOT NULL
);

CREATE INDEX effects_by_session ON effects (session, position);

-- Money set aside for an execution, and whether it was settled since.
CREATE TABLE reservations (
    execution TEXT   NOT NULL PRIMARY KEY,
    session   TEXT   NOT NULL REFERENCES sessions (id),
    task      TEXT   NOT NULL,
    executor  TEXT   NOT NULL,
    day       BIGINT NOT NULL,
    amount    BIGINT NOT NULL,
    settled   BIGINT NOT NULL
);

-- What is set aside and spent under each heading a cap can be on: the sums of what is above, kept so that a cap is
-- checked and used up in one statement.
CREATE TABLE totals (
    heading   TEXT   NOT NULL PRIMARY KEY,
    reserved  BIGINT NOT NULL,
    reported  BIGINT NOT NULL,
    estimated BIGINT NOT NULL
);

CREATE TABLE log (
    session TEXT   NOT NULL REFERENCES sessions (id),
    number  BIGINT NOT NULL,
    event   TEXT   NOT NULL,
    PRIMARY KEY (session, number)
);

-- Who works on sessions: an open store of one process.
CREATE TABLE holders (
    id      TEXT   NOT NULL PRIMARY KEY,
    -- The machine, its name for people, and which start of it.
    host    TEXT   NOT NULL,
    name    TEXT   NOT NULL,
    boot    TEXT   NOT NULL,
    -- When it was last heard of: milliseconds since 1970, by the database's clock.
    renewed BIGINT NOT NULL
);
