// SQLite 3.40 behind db::Connection. One connection belongs to one thread at a time.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/check.hpp"
#include "db/backends.hpp"

namespace gyre::db {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

struct Close {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};

struct Statement {
  StatementHandle handle;
  std::vector<int> index_of;  // SQLite's index of $1, $2, ...: it numbers names in the order in which they appear
  std::vector<std::string> columns;
};

// Lets a cached statement go, whatever happens while it runs: an open one would keep the transaction from committing.
class Running {
 public:
  explicit Running(sqlite3_stmt* statement) : statement_(statement) {}
  ~Running() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);  // the values point into the caller's parameters
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  sqlite3_stmt* statement_;
};

class SqliteConnection final : public Connection {
 public:
  explicit SqliteConnection(const std::string& path) {
    const bool in_memory = path == ":memory:";
    if (!in_memory) make_private_file(path);
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &opened,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(opened);
    if (code != SQLITE_OK) throw DbError("cannot open " + path + ": " + sqlite3_errstr(code));
    sqlite3_extended_result_codes(opened, 1);
    sqlite3_busy_timeout(opened, 10'000);
    // FULL, not NORMAL: an answer leaves after its transaction is durable, and a power cut must not take it back.
    script("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
    const auto mode = value<std::string>("PRAGMA journal_mode = WAL");
    if (!in_memory && mode != "wal")
      throw DbError(path + " is on a file system without shared memory: WAL is not possible");
    // What a savepoint could have to put back is otherwise written to a file in /var/tmp, page by page.
    script("PRAGMA temp_store = MEMORY");
    script("PRAGMA journal_size_limit = 67108864");  // a WAL that a long reader made large is cut back afterwards
  }

  Rows run(std::string_view sql, const std::vector<Value>& parameters) override {
    require_transaction();
    return execute(prepared(sql), parameters);
  }

  void script(std::string_view sql) override {
    require_transaction();
    char* words = nullptr;
    const int code = sqlite3_exec(handle_.get(), std::string(sql).c_str(), nullptr, nullptr, &words);
    const std::string message = words ? words : sqlite3_errstr(code);
    sqlite3_free(words);
    if (code != SQLITE_OK) fail_with(code, message);
  }

  bool is_postgres() const override { return false; }

  // In one step: of a WAL database this is one read transaction, which keeps nobody from writing.
  void copy_to(const std::string& file) override {
    make_private_file(file);
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    const std::unique_ptr<sqlite3, Close> target(opened);
    if (code != SQLITE_OK) throw DbError("cannot open " + file + ": " + sqlite3_errstr(code));
    sqlite3_backup* copying = sqlite3_backup_init(opened, "main", handle_.get(), "main");
    if (!copying) throw DbError("cannot copy to " + file + ": " + sqlite3_errmsg(opened));
    const int stepped = sqlite3_backup_step(copying, -1);
    const int finished = sqlite3_backup_finish(copying);
    if (stepped != SQLITE_DONE) throw DbError("the copy to " + file + " failed: " + sqlite3_errstr(stepped));
    if (finished != SQLITE_OK) throw DbError("the copy to " + file + " failed: " + sqlite3_errstr(finished));
  }

 private:
  void control(std::string_view sql) override { execute(prepared(sql), {}); }
  bool in_transaction() const override { return sqlite3_get_autocommit(handle_.get()) == 0; }

  // The file holds digests of secrets and what users do: nobody else on the machine reads it. SQLite gives the WAL the
  // same mode.
  static void make_private_file(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) throw DbError("cannot open " + path + ": " + std::strerror(errno));
    ::close(file);
  }

  Statement& prepared(std::string_view sql) {
    const auto found = statements_.find(std::string(sql));
    if (found != statements_.end()) return found->second;
    if (statements_.size() >= statements_max) statements_.clear();

    sqlite3_stmt* made = nullptr;
    const char* rest = nullptr;
    const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &made, &rest);
    StatementHandle handle(made);
    if (code != SQLITE_OK) fail_with(code, sqlite3_errmsg(handle_.get()));
    if (!handle) throw DbError("there is no statement in: " + std::string(sql));
    const std::string_view left(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
    if (left.find_first_not_of(" \t\r\n;") != std::string_view::npos)
      throw DbError("more than one statement in: " + std::string(sql));

    Statement statement{std::move(handle), {}, {}};
    const int count = sqlite3_bind_parameter_count(made);
    for (int i = 1; i <= count; ++i) {
      const auto name = "$" + std::to_string(i);
      const int index = sqlite3_bind_parameter_index(made, name.c_str());
      if (index == 0)
        throw DbError("the parameters are not $1 to $" + std::to_string(count) + " in: " + std::string(sql));
      statement.index_of.push_back(index);
    }
    for (int i = 0; i < sqlite3_column_count(made); ++i) statement.columns.emplace_back(sqlite3_column_name(made, i));
    return statements_.emplace(std::string(sql), std::move(statement)).first->second;
  }

  Rows execute(const Statement& statement, const std::vector<Value>& parameters) {
    sqlite3_stmt* running = statement.handle.get();
    if (parameters.size() != statement.index_of.size())
      throw DbError(std::to_string(statement.index_of.size()) + " parameters expected, " +
                    std::to_string(parameters.size()) + " given: " + sqlite3_sql(running));
    const Running until_done(running);
    for (std::size_t i = 0; i < parameters.size(); ++i) bind(running, statement.index_of[i], parameters[i]);

    const auto changed_before = sqlite3_total_changes64(handle_.get());
    Rows out;
    out.columns = statement.columns;
    int code = 0;
    while ((code = sqlite3_step(running)) == SQLITE_ROW) {
      std::vector<Value> row;
      row.reserve(out.columns.size());
      for (int i = 0; i < static_cast<int>(out.columns.size()); ++i) row.push_back(column(running, i));
      out.rows.push_back(std::move(row));
    }
    if (code != SQLITE_DONE) fail_with(code, sqlite3_errmsg(handle_.get()));
    // Only INSERT, UPDATE and DELETE set sqlite3_changes: after anything else it still speaks of the statement before.
    if (sqlite3_total_changes64(handle_.get()) != changed_before) out.changed = sqlite3_changes64(handle_.get());
    return out;
  }

  void bind(sqlite3_stmt* statement, int index, const Value& value) {
    int code = SQLITE_OK;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      code = sqlite3_bind_int64(statement, index, *whole);
    } else if (const auto* real = std::get_if<double>(&value)) {
      code = sqlite3_bind_double(statement, index, *real);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      require_text(*text);
      code = sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement, index);
    }
    if (code != SQLITE_OK) fail_with(code, sqlite3_errmsg(handle_.get()));
  }

  static Value column(sqlite3_stmt* statement, int index) {
    switch (sqlite3_column_type(statement, index)) {
      case SQLITE_INTEGER:
        return std::int64_t{sqlite3_column_int64(statement, index)};
      case SQLITE_FLOAT:
        return sqlite3_column_double(statement, index);
      case SQLITE_NULL:
        return std::monostate{};
      case SQLITE_TEXT: {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
        return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, index)));
      }
      default:
        throw DbError(std::string("a BLOB in column ") + sqlite3_column_name(statement, index));
    }
  }

  [[noreturn]] static void fail_with(int code, const std::string& message) {
    switch (code) {
      case SQLITE_CONSTRAINT_UNIQUE:
      case SQLITE_CONSTRAINT_PRIMARYKEY:
      case SQLITE_CONSTRAINT_ROWID:
        throw UniqueViolation(message);
      default:
        throw DbError(message);
    }
  }

  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, Statement> statements_;  // destroyed before the connection that they belong to
};

}  // namespace

std::unique_ptr<Connection> open_sqlite(const std::string& path) { return std::make_unique<SqliteConnection>(path); }

}  // namespace gyre::db
