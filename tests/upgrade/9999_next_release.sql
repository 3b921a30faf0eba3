-- What the release after this one might add: new tables, columns and indexes, and rows written anew.
CREATE TABLE next_release (id TEXT PRIMARY KEY, written_at BIGINT NOT NULL);
ALTER TABLE pods ADD COLUMN next_release TEXT NOT NULL DEFAULT 'new';
CREATE INDEX pods_by_next_release ON pods (next_release);
UPDATE pods SET next_release = 'old';
