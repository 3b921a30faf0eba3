-- Several servers on one PostgreSQL: which of them leads. One row. SQLite has one server, and never changes it.
CREATE TABLE leadership (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,   -- rises with every change of the leader; every transaction of the leader checks it
  holder TEXT NOT NULL,    -- the process that leads: its host's name and process id
  url TEXT NOT NULL,       -- where that one answers requests
  until BIGINT NOT NULL    -- milliseconds by the database's clock; 0: given back
);
INSERT INTO leadership (id, epoch, holder, url, until) VALUES (1, 0, '', '', 0);

-- What all servers of an installation must have alike outside of the database: digests (sha256) of those files.
CREATE TABLE shared_files (
  name TEXT PRIMARY KEY,   -- secret.key, authority
  digest TEXT NOT NULL
);
