-- Portable, as 0001 is.

-- 1 once somebody asked for the task to be cancelled. It stays: whoever goes on with the session was asked too.
ALTER TABLE tasks ADD COLUMN cancelled BIGINT NOT NULL DEFAULT 0;

CREATE INDEX tasks_cancelled ON tasks (session, id) WHERE cancelled = 1;
