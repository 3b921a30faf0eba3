// The installation in one file, and back: its database, the key that seals secrets, the authority that every agent
// trusts, and, if wished, what was measured. A backup is made while the server runs; a restore wants it stopped.
//
// The file is a tar archive (gzip) whose first member, manifest.json, says what made it and holds the SHA-256 of every
// other. It has every secret of the installation in it and is not encrypted: mode 0600, and the caller tells its user.
#pragma once

#include <string>

#include "base/result.hpp"
#include "server/config.hpp"

namespace gyre::server {

struct BackupFacts {
  std::string file;
  std::string gyre_version;
  int schema = 0;
  std::string database;  // "sqlite" or "postgresql"
  Time made_at{};
  std::int64_t bytes = 0;  // of the file
};

// Errors: backup_file_exists; backup_failed with what was in the way, and no file left. Blocking.
Result<BackupFacts> make_backup(const Config& config, const std::string& file, bool with_metrics, Time now);

struct RestoredFacts {
  BackupFacts backup;
  std::string set_aside;  // where what was there before is now; empty when nothing was
};

// Errors, with nothing changed: data_dir_in_use, database_unusable (somebody is connected), backup_damaged,
// backup_is_newer, backup_of_other_database, restore_would_replace (without `replace`). After it began: restore_failed.
// Blocking.
Result<RestoredFacts> restore_backup(const Config& config, const std::string& file, bool replace, Time now);

}  // namespace gyre::server
