#include "server/backup.hpp"

#include <fcntl.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/secrets.hpp"
#include "db/db.hpp"
#include "db/migrations.hpp"
#include "json/codec.hpp"
#include "pods/pod_store.hpp"
#include "server/server.hpp"

extern char** environ;

namespace gyre::server {

// What manifest.json says.
struct BackupMember {
  std::string path;
  std::int64_t bytes = 0;
  std::string sha256;
};
BOOST_DESCRIBE_STRUCT(BackupMember, (), (path, bytes, sha256))
static json::Fields fields(const BackupMember*) {
  return {{"path", "in the archive", R"("database.sqlite")"},
          {"bytes", "its size", "1"},
          {"sha256", "of its bytes", R"("")"}};
}
struct BackupManifest {
  int format = 0;
  std::string gyre;
  int schema = 0;
  std::string database;
  Time madeAt{};
  std::vector<BackupMember> files;
};
BOOST_DESCRIBE_STRUCT(BackupManifest, (), (format, gyre, schema, database, madeAt, files))
static json::Fields fields(const BackupManifest*) {
  return {{"format", "of this file", "1"},
          {"gyre", "version that made it", R"("0.1.0")"},
          {"schema", "of the database", "11"},
          {"database", "sqlite or postgresql", R"("sqlite")"},
          {"madeAt", "when", R"("2026-01-31T12:00:00.000Z")"},
          {"files", "all other members", "[]"}};
}

namespace {

namespace fs = std::filesystem;

constexpr int format_known = 1;
constexpr Duration certificates_may_be_newer_for = 7 * 24h;
// Written by `gyre up` and by people; given back only where there is none, since what is there is newer.
constexpr const char* settings_files[] = {"gyre.yaml", "api-key", "context.yaml", "up.json"};

struct Broken {  // thrown inside this file; becomes the Reason of the public function
  std::string detail;
};
[[noreturn]] void broken(std::string detail) { throw Broken{std::move(detail)}; }

// A folder of ours beside what it works for (one file system, so that moving is one step); gone with the object.
class Workshop {
 public:
  explicit Workshop(const fs::path& in) {
    auto name = (in / ".gyre-backup-XXXXXX").string();
    if (!::mkdtemp(name.data())) broken("cannot make a folder in " + in.string() + ": " + std::strerror(errno));
    path_ = name;
  }
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Runs a program of the system to its end; what it says on its error output becomes the trouble.
void run_tool(const std::vector<std::string>& words, const fs::path& workshop,
              const std::map<std::string, std::string>& more_environment = {}) {
  const auto said = (workshop / ".said").string();
  std::vector<std::string> environment;
  for (const auto& [name, value] : more_environment) environment.push_back(name + "=" + value);  // the first one counts
  for (char** line = environ; *line; ++line) environment.emplace_back(*line);
  std::vector<char*> arguments, variables;
  auto kept = words;
  for (auto& word : kept) arguments.push_back(word.data());
  for (auto& line : environment) variables.push_back(line.data());
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  pid_t child = 0;
  const int problem = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), variables.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (problem == ENOENT)
    broken(words[0] + " is not installed" + (words[0].starts_with("pg_") ? ": apt-get install postgresql-client" : ""));
  if (problem != 0) broken(words[0] + ": " + std::strerror(problem));
  int how = 0;
  while (::waitpid(child, &how, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return;
  auto text = read_file(said).value_or(std::nullopt).value_or("");
  if (text.size() > 500) text.resize(500);
  while (text.ends_with('\n')) text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ';');
  broken(words[0] + ": " + (text.empty() ? "it ended with status " + std::to_string(how) : text));
}

std::string sha256_of(const fs::path& file) {
  const int in = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (in < 0) broken(file.filename().string() + ": " + std::strerror(errno));
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  std::string buffer(1 << 20, '\0');
  ssize_t got = 0;
  while ((got = ::read(in, buffer.data(), buffer.size())) > 0)
    crypto_hash_sha256_update(&state, reinterpret_cast<const unsigned char*>(buffer.data()),
                              static_cast<unsigned long long>(got));
  const int problem = errno;
  ::close(in);
  if (got < 0) broken(file.filename().string() + ": " + std::strerror(problem));
  std::string digest(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256_final(&state, reinterpret_cast<unsigned char*>(digest.data()));
  return hex(digest);
}

void copy_private(const fs::path& from, const fs::path& to) {
  fs::create_directories(to.parent_path());
  fs::copy_file(from, to);
  fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write);
}

bool is_postgres(const Config& config) { return config.database_url().starts_with("postgresql://"); }
std::string kind_of(const Config& config) { return is_postgres(config) ? "postgresql" : "sqlite"; }
fs::path sqlite_file(const Config& config) {
  return config.database_url().substr(std::string_view("sqlite://").size());
}

// What pg_dump and pg_restore are told: the password not as an argument, which every user of the machine can read.
struct PostgresAccess {
  std::string url;
  std::map<std::string, std::string> environment;
};
PostgresAccess postgres_access(const Config& config) {
  PostgresAccess out{config.database_url(), {}};
  auto parsed = boost::urls::parse_uri(out.url);
  if (!parsed) return out;
  boost::urls::url url(*parsed);
  if (!url.has_password()) return out;
  out.environment["PGPASSWORD"] = url.password();
  url.remove_password();
  out.url = std::string(url.buffer());
  return out;
}

int schema_of(db::Connection& db) {
  return static_cast<int>(db.value<std::int64_t>("SELECT COALESCE(MAX(version), 0) FROM schema_migrations"));
}

int schema_known() { return db::built_in_migrations().back().version; }

// Every regular file below, with slashes, in a fixed order.
std::vector<std::string> members_of(const fs::path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) out.push_back(entry.path().lexically_relative(folder).generic_string());
  std::sort(out.begin(), out.end());
  return out;
}

void dump_database(const Config& config, const fs::path& into, const fs::path& workshop, BackupManifest& manifest) {
  if (is_postgres(config)) {
    const auto access = postgres_access(config);
    run_tool({"pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-password",
              "--file=" + (into / "database.pgdump").string(), "--dbname=" + access.url},
             workshop, access.environment);
    manifest.schema = schema_of(*db::open(config.database_url()));
    return;
  }
  const auto file = sqlite_file(config);
  if (!fs::exists(file)) broken("there is no database at " + file.string());
  const auto copy = (into / "database.sqlite").string();
  db::open(config.database_url())->copy_to(copy);
  const auto opened = db::open("sqlite://" + copy);
  if (opened->value<std::string>("PRAGMA integrity_check") != "ok") broken("the copy of the database is damaged");
  manifest.schema = schema_of(*opened);
  opened->value<std::string>("PRAGMA journal_mode = DELETE");  // one file, whoever reads it
}

BackupFacts facts_of(const BackupManifest& manifest, const std::string& file) {
  std::error_code ignored;
  return {file,
          manifest.gyre,
          manifest.schema,
          manifest.database,
          manifest.madeAt,
          static_cast<std::int64_t>(fs::file_size(file, ignored))};
}

BackupFacts write_backup(const Config& config, const fs::path& file, bool with_metrics, Time now) {
  const Workshop workshop(file.parent_path());
  const auto stage = workshop.path() / "stage";
  fs::create_directories(stage);
  const fs::path data = config.data_dir;
  BackupManifest manifest{format_known, GYRE_VERSION, 0, kind_of(config), now, {}};
  dump_database(config, stage, workshop.path(), manifest);
  if (!fs::exists(data / "secret.key") || !fs::exists(data / "authority"))
    broken(data.string() + " holds no installation: secret.key or authority is missing");
  copy_private(data / "secret.key", stage / "secret.key");
  for (const auto& name : members_of(data / "authority"))
    copy_private(data / "authority" / name, stage / "authority" / name);
  for (const char* name : settings_files)
    if (fs::exists(data / name)) copy_private(data / name, stage / "settings" / name);
  if (with_metrics && fs::exists(data / "metrics.db"))
    db::open("sqlite://" + (data / "metrics.db").string())->copy_to((stage / "metrics.db").string());
  for (const auto& name : members_of(stage))
    manifest.files.push_back({name, static_cast<std::int64_t>(fs::file_size(stage / name)), sha256_of(stage / name)});
  if (const auto written = write_private_file(stage / "manifest.json", json::encode(manifest) + "\n"); !written)
    broken(written.error().message());

  const auto archive = (workshop.path() / "archive").string();
  std::vector<std::string> tar{
      "tar", "--create", "--gzip", "--file=" + archive, "--directory=" + stage.string(), "manifest.json"};
  for (const auto& member : manifest.files) tar.push_back(member.path);
  run_tool(tar, workshop.path());
  fs::permissions(archive, fs::perms::owner_read | fs::perms::owner_write);
  const int written = ::open(archive.c_str(), O_RDONLY | O_CLOEXEC);
  const bool durable = written >= 0 && ::fsync(written) == 0;
  if (written >= 0) ::close(written);
  if (!durable) broken(std::string("the file could not be made durable: ") + std::strerror(errno));
  // A link, not a move: what somebody else put there meanwhile is not replaced.
  if (::link(archive.c_str(), file.c_str()) != 0) broken(file.string() + ": " + std::strerror(errno));
  return facts_of(manifest, file);
}

// ---- back ----

// The archive taken apart and found whole.
Result<BackupManifest> take_apart(const fs::path& file, const fs::path& stage, const fs::path& workshop) {
  const auto damaged = [&](std::string detail) {
    return fail(Reason::backup_damaged, {{"file", file.string()}, {"detail", std::move(detail)}});
  };
  if (!fs::exists(file)) return damaged("there is no such file");
  fs::create_directories(stage);
  try {
    run_tool({"tar", "--extract", "--gzip", "--no-same-owner", "--no-same-permissions", "--file=" + file.string(),
              "--directory=" + stage.string()},
             workshop);
  } catch (const Broken& problem) {
    return damaged(problem.detail);
  }
  const auto text = read_file(stage / "manifest.json", 16 << 20);
  if (!text || !*text) return damaged("it has no manifest.json");
  auto manifest = json::decode<BackupManifest>(**text, json::UnknownKeys::ignore);
  if (!manifest) return damaged("manifest.json: " + manifest.error().message());
  if (manifest->format > format_known || manifest->schema > schema_known())
    return fail(Reason::backup_is_newer, {{"version", manifest->gyre},
                                          {"schema", std::to_string(manifest->schema)},
                                          {"known", std::to_string(schema_known())}});
  for (const auto& member : manifest->files) {
    const fs::path path(member.path);
    if (path.is_absolute() || member.path.find("..") != std::string::npos)
      return damaged("a member is called " + member.path);
    std::error_code missing;
    if (!fs::is_regular_file(fs::symlink_status(stage / path, missing))) return damaged(member.path + " is missing");
    if (sha256_of(stage / path) != member.sha256) return damaged(member.path + " is not what the manifest says");
  }
  const auto has = [&](const std::string& name) {
    return std::any_of(manifest->files.begin(), manifest->files.end(),
                       [&](const auto& one) { return one.path == name; });
  };
  for (const char* needed : {"secret.key", "authority/ca.key", "authority/ca.crt",
                             manifest->database == "sqlite" ? "database.sqlite" : "database.pgdump"})
    if (!has(needed)) return damaged(std::string(needed) + " is missing");
  return std::move(*manifest);
}

void mark(db::Connection& db, const BackupManifest& manifest, Time now) {
  db::migrate(db);
  PodStore(db).mark_restored(now, manifest.madeAt, now + certificates_may_be_newer_for);
}

// "2026-01-31T12-00-00": a folder's name.
std::string stamp(Time now) {
  auto text = rfc3339(now).substr(0, 19);
  std::replace(text.begin(), text.end(), ':', '-');
  return text;
}

void move_in(const fs::path& stage, const fs::path& data, const Config& config) {
  if (!is_postgres(config)) fs::rename(stage / "database.sqlite", sqlite_file(config));
  fs::rename(stage / "authority", data / "authority");
  fs::rename(stage / "secret.key", data / "secret.key");
  if (fs::exists(stage / "metrics.db")) fs::rename(stage / "metrics.db", data / "metrics.db");
  for (const char* name : settings_files)
    if (fs::exists(stage / "settings" / name) && !fs::exists(data / name))
      fs::rename(stage / "settings" / name, data / name);
}

std::string set_aside(const Config& config, bool measured_values_too, Time now) {
  const fs::path data = config.data_dir;
  std::vector<fs::path> old{data / "secret.key", data / "authority"};
  for (const char* suffix : {"", "-wal", "-shm"}) {
    if (!is_postgres(config)) old.emplace_back(sqlite_file(config).string() + suffix);
    if (measured_values_too) old.emplace_back((data / "metrics.db").string() + suffix);
  }
  std::erase_if(old, [](const fs::path& one) { return !fs::exists(one); });
  if (old.empty()) return {};
  const auto place = data / ("before-restore-" + stamp(now));
  fs::create_directories(place);
  fs::permissions(place, fs::perms::owner_all);
  for (const auto& one : old) fs::rename(one, place / one.filename());
  return place;
}

}  // namespace

Result<BackupFacts> make_backup(const Config& config, const std::string& file, bool with_metrics, Time now) {
  const auto path = fs::absolute(file).lexically_normal();
  if (fs::exists(path)) return fail(Reason::backup_file_exists, {{"file", path.string()}});
  const auto refuse = [](std::string detail) { return fail(Reason::backup_failed, {{"detail", std::move(detail)}}); };
  const auto mask = ::umask(077);
  Result<BackupFacts> out = refuse("");
  try {
    out = write_backup(config, path, with_metrics, now);
  } catch (const Broken& problem) {
    out = refuse(problem.detail);
  } catch (const db::DbError& problem) {
    out = refuse(problem.what());
  } catch (const fs::filesystem_error& problem) {
    out = refuse(problem.what());
  }
  ::umask(mask);
  return out;
}

Result<RestoredFacts> restore_backup(const Config& config, const std::string& file, bool replace, Time now) {
  ::umask(077);
  const fs::path data = config.data_dir;
  TRY(make_private_folder(data));
  const auto lock = TRY(FileLock::try_lock(lock_file(config.data_dir)));
  if (!lock) {
    auto holder = TRY(read_file(lock_file(config.data_dir))).value_or("?");
    while (holder.ends_with('\n')) holder.pop_back();
    return fail(Reason::data_dir_in_use, {{"pid", holder}, {"path", config.data_dir}});
  }
  bool began = false;
  const auto refuse = [&](const std::string& detail) {
    return fail(began ? Reason::restore_failed : Reason::backup_failed, {{"detail", detail}});
  };
  try {
    const Workshop workshop(data);
    const auto stage = workshop.path() / "stage";
    const auto manifest = TRY(take_apart(fs::absolute(file), stage, workshop.path()));
    if (manifest.database != kind_of(config))
      return fail(Reason::backup_of_other_database, {{"kind", manifest.database}, {"wanted", kind_of(config)}});
    const auto would_replace = [&](const std::string& place) {
      return fail(Reason::restore_would_replace, {{"place", place}});
    };
    if (!replace && (fs::exists(data / "secret.key") || fs::exists(data / "authority"))) return would_replace(data);
    RestoredFacts out{facts_of(manifest, file), {}};
    if (!is_postgres(config)) {
      if (!replace && fs::exists(sqlite_file(config))) return would_replace(sqlite_file(config));
      // Made ready beside, so that what is moved in is complete.
      {
        const auto database = db::open("sqlite://" + (stage / "database.sqlite").string());
        mark(*database, manifest, now);
        database->value<std::string>("PRAGMA journal_mode = DELETE");
      }
      began = true;
      out.set_aside = set_aside(config, fs::exists(stage / "metrics.db"), now);
      move_in(stage, data, config);
      return out;
    }
    {
      const auto database = db::open(config.database_url());
      const auto others = database->value<std::int64_t>(
          "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
          "AND backend_type = 'client backend'");
      if (others > 0)
        return fail(Reason::database_unusable,
                    {{"detail", std::to_string(others) + " other connections to it are open; stop the server first"}});
      const auto tables =
          database->value<std::int64_t>("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public'");
      if (tables > 0 && !replace) return would_replace("the PostgreSQL database");
      began = true;
      database->script("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }
    const auto access = postgres_access(config);
    run_tool({"pg_restore", "--no-owner", "--no-privileges", "--no-password", "--single-transaction", "--exit-on-error",
              "--dbname=" + access.url, (stage / "database.pgdump").string()},
             workshop.path(), access.environment);
    mark(*db::open(config.database_url()), manifest, now);
    out.set_aside = set_aside(config, fs::exists(stage / "metrics.db"), now);
    move_in(stage, data, config);
    return out;
  } catch (const Broken& problem) {
    return refuse(problem.detail);
  } catch (const db::DbError& problem) {
    return refuse(problem.what());
  } catch (const fs::filesystem_error& problem) {
    return refuse(problem.what());
  }
}

}  // namespace gyre::server
