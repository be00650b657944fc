-- Portable, as 0001 is. What is said of a session at length, apart from what changes or is asked with every write: a row
-- of SQLite is rewritten as a whole, and read up to the column that is asked for.
CREATE TABLE documents (
    session  TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id),
    document TEXT NOT NULL,
    analysis TEXT,
    plan     TEXT,
    -- What the checks said of a merged commit, and which that is.
    merged   TEXT,
    report   TEXT
);

INSERT INTO documents (session, document, analysis, plan, merged, report)
SELECT id, document, analysis, plan, merged, report FROM sessions;

ALTER TABLE sessions DROP COLUMN document;
ALTER TABLE sessions DROP COLUMN analysis;
ALTER TABLE sessions DROP COLUMN plan;
ALTER TABLE sessions DROP COLUMN merged;
ALTER TABLE sessions DROP COLUMN report;
