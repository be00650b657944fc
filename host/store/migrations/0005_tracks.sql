-- Portable, as 0001 is. How executors did on repositories: the sums of what their executions came to, kept so that a
-- choice need not look at all of them.
CREATE TABLE tracks (
    repository TEXT   NOT NULL,
    executor   TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    tried      BIGINT NOT NULL,
    validated  BIGINT NOT NULL,
    cost       BIGINT NOT NULL,
    -- How many of those tried had a price.
    priced     BIGINT NOT NULL,
    PRIMARY KEY (repository, executor, kind)
);

INSERT INTO tracks (repository, executor, kind, tried, validated, cost, priced)
SELECT repository, executor, kind, COUNT(*), CAST(SUM(validated) AS BIGINT), CAST(COALESCE(SUM(cost), 0) AS BIGINT), COUNT(cost)
FROM executions
WHERE tried = 1 AND repository IS NOT NULL AND kind IS NOT NULL
GROUP BY repository, executor, kind;

DROP INDEX executions_tried;
