-- Portable, as 0001 is. A task that is added comes after the last.
CREATE INDEX tasks_by_position ON tasks (session, position);
