-- When this database was restored from a backup: agents may be ahead of it. Until each host has said what runs on it,
-- nothing is concluded from what the table says (docs/decisions/0019).
CREATE TABLE restores (
  restored_at BIGINT PRIMARY KEY,
  backup_made_at BIGINT NOT NULL,
  settled_at BIGINT                 -- every pod has been compared with what its host says
);

-- Hosts that may have renewed their certificate since the backup was made: each may once show one that the table does not
-- know yet (the installation's own authority has signed it all the same).
CREATE TABLE restored_hosts (
  host TEXT PRIMARY KEY REFERENCES hosts (id),
  until_at BIGINT NOT NULL
);
