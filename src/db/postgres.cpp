// PostgreSQL 15 behind db::Connection, over libpq. One connection belongs to one thread at a time.
#include <libpq-fe.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "base/log.hpp"
#include "db/backends.hpp"

namespace gyre::db {
namespace {

// The server's own numbers for the types that we speak (pg_type.dat); they are part of its protocol and never change.
namespace oid {
constexpr Oid boolean = 16, int8 = 20, int2 = 21, int4 = 23, text = 25, float4 = 700, float8 = 701, unknown = 705,
              bpchar = 1042, varchar = 1043, void_ = 2278, numeric = 1700, name = 19;
}

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Answer = std::unique_ptr<PGresult, Clear>;

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

std::string trimmed(std::string words) {
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return words;
}

std::string big_endian(std::uint64_t bits) {
  std::string bytes(8, '\0');
  for (int i = 7; i >= 0; --i, bits >>= 8) bytes[static_cast<std::size_t>(i)] = static_cast<char>(bits & 0xff);
  return bytes;
}

// The parameters of one call, in the form that libpq takes. Numbers travel in binary, so that nothing is lost or
// rounded.
struct Parameters {
  std::string types;  // one letter each: the same text with other types is another statement
  std::vector<Oid> oids;
  std::vector<std::string> bytes;
  std::vector<const char*> values;
  std::vector<int> lengths, formats;

  explicit Parameters(const std::vector<Value>& given) : bytes(given.size()) {
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (const auto* whole = std::get_if<std::int64_t>(&given[i])) {
        add('i', oid::int8, 1, bytes[i] = big_endian(std::bit_cast<std::uint64_t>(*whole)));
      } else if (const auto* real = std::get_if<double>(&given[i])) {
        add('d', oid::float8, 1, bytes[i] = big_endian(std::bit_cast<std::uint64_t>(*real)));
      } else if (const auto* text = std::get_if<std::string>(&given[i])) {
        require_text(*text);
        add('t', oid::text, 0, *text);
      } else {
        types += 'n';  // its type follows from where it stands
        oids.push_back(0);
        values.push_back(nullptr);
        lengths.push_back(0);
        formats.push_back(0);
      }
    }
  }

  int count() const { return static_cast<int>(values.size()); }

 private:
  void add(char letter, Oid type, int format, const std::string& content) {
    types += letter;
    oids.push_back(type);
    values.push_back(content.c_str());
    lengths.push_back(static_cast<int>(content.size()));
    formats.push_back(format);
  }
};

// The N of the highest $N in the statement. The server takes more parameters than a statement uses without a word;
// SQLite does not, and one that is not used is a mistake.
int highest_parameter(std::string_view sql) {
  int highest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'') quoted = !quoted;
    if (sql[i] != '$' || quoted) continue;
    int number = 0;
    while (i + 1 < sql.size() && sql[i + 1] >= '0' && sql[i + 1] <= '9' && number < 100'000)
      number = number * 10 + (sql[++i] - '0');
    highest = std::max(highest, number);
  }
  return highest;
}

template <class Number>
Number parsed(std::string_view text) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) throw DbError("not a number: " + std::string(text));
  return number;
}

class PostgresConnection final : public Connection {
 public:
  explicit PostgresConnection(const std::string& url) {
    // The address comes last and may say otherwise. A server that vanished is noticed within half a minute: everything
    // waits for this one connection.
    const char* names[] = {"connect_timeout",
                           "keepalives_idle",
                           "keepalives_interval",
                           "keepalives_count",
                           "tcp_user_timeout",
                           "application_name",
                           "dbname",
                           nullptr};
    const char* values[] = {"10", "10", "5", "3", "30000", "gyre", url.c_str(), nullptr};
    handle_.reset(PQconnectdbParams(names, values, 1));
    if (!handle_ || PQstatus(handle_.get()) != CONNECTION_OK) throw DbError("cannot connect to PostgreSQL: " + words());
    prepare_session();
    if (value<std::string>("SELECT CAST(datcollate AS TEXT) FROM pg_database WHERE datname = current_database()") !=
        "C")
      log::warn(
          "the database does not sort text by byte; names may be listed in another order than with LC_COLLATE 'C'");
  }

  Rows run(std::string_view sql, const std::vector<Value>& parameters) override {
    require_transaction();
    reconnect_if_lost();
    const Parameters bound(parameters);
    const auto& statement = prepared(sql, bound);
    return to_rows(checked(PQexecPrepared(handle_.get(), statement.c_str(), bound.count(), bound.values.data(),
                                          bound.lengths.data(), bound.formats.data(), 0)));
  }

  void script(std::string_view sql) override {
    require_transaction();
    reconnect_if_lost();
    checked(PQexec(handle_.get(), std::string(sql).c_str()));
  }

  bool is_postgres() const override { return true; }

 private:
  void control(std::string_view sql) override {
    const bool first = depth() == 0 && sql.starts_with("BEGIN");
    if (first) reconnect_if_lost();
    Answer answer(PQexec(handle_.get(), std::string(sql).c_str()));
    // The server may have gone while nobody spoke to it, and only this statement noticed. Nothing has happened yet, so
    // one more try is safe here, and nowhere else.
    if (first && lost()) {
      reconnect_if_lost();
      answer.reset(PQexec(handle_.get(), std::string(sql).c_str()));
    }
    answer = checked(answer.release());
    // COMMIT of a transaction that has failed succeeds, with these words.
    if (sql == "COMMIT" && std::string_view(PQcmdStatus(answer.get())) != "COMMIT")
      throw DbError("the transaction was rolled back instead of committed");
  }

  // One round trip for all of it. The simple protocol plans one statement after the other, so the check's snapshot is
  // newer than the lock.
  void begin_fenced(const Fence& fence) override {
    const auto sql = "BEGIN ISOLATION LEVEL SERIALIZABLE; " + fence.lock + "; " + fence.check;
    reconnect_if_lost();
    Answer answer(PQexec(handle_.get(), sql.c_str()));
    if (lost()) {  // as in `control`: nothing has happened yet
      reconnect_if_lost();
      answer.reset(PQexec(handle_.get(), sql.c_str()));
    }
    try {
      answer = checked(answer.release());
    } catch (const DbError&) {
      abandon();
      throw;
    }
    const auto rows = to_rows(answer).rows;
    if (!rows.empty() && Convert<bool>::from(rows.front().front())) return;
    abandon();
    throw Fenced(std::string(fenced_words));
  }

  // Ends what a begin that did not succeed has left open.
  void abandon() {
    if (!lost() && in_transaction()) PQclear(PQexec(handle_.get(), "ROLLBACK"));
  }

  bool in_transaction() const override {
    const auto status = PQtransactionStatus(handle_.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
  }

  bool lost() const { return PQstatus(handle_.get()) == CONNECTION_BAD; }

  // A primary that was made a standby keeps its connections and refuses every write: the new primary is found by
  // connecting anew, with an address that names all of them and target_session_attrs=read-write.
  bool must_reconnect() const { return lost() || (read_only_ && !in_transaction()); }

  // Only outside a transaction: what a lost connection had not committed is gone, and its caller must hear so.
  void reconnect_if_lost() {
    if (!must_reconnect()) return;
    if (depth() > 0) throw DbError("the connection to PostgreSQL is lost");
    statements_.clear();
    read_only_ = false;
    PQreset(handle_.get());
    if (lost()) throw DbError("cannot connect to PostgreSQL: " + words());
    prepare_session();
    log::info("connected to PostgreSQL again");
  }

  void prepare_session() {
    PQsetNoticeProcessor(
        handle_.get(),
        [](void*, const char* notice) {
          log::debug("PostgreSQL", {{"notice", trimmed(notice)}});
        },
        nullptr);
    checked(
        PQexec(handle_.get(), "SET client_encoding = 'UTF8'; SET extra_float_digits = 1; SET lock_timeout = '10s'"));
  }

  const std::string& prepared(std::string_view sql, const Parameters& bound) {
    auto key = bound.types + ':';
    key += sql;
    const auto found = statements_.find(key);
    if (found != statements_.end()) return found->second;
    // Not in a failed transaction, where the server would refuse it.
    if (statements_.size() >= statements_max && PQtransactionStatus(handle_.get()) != PQTRANS_INERROR) {
      checked(PQexec(handle_.get(), "DEALLOCATE ALL"));
      statements_.clear();
    }
    if (highest_parameter(sql) != bound.count())
      throw DbError(std::to_string(highest_parameter(sql)) + " parameters expected, " + std::to_string(bound.count()) +
                    " given: " + std::string(sql));
    auto name = "s" + std::to_string(++prepared_);
    checked(PQprepare(handle_.get(), name.c_str(), std::string(sql).c_str(), bound.count(), bound.oids.data()));
    return statements_.emplace(std::move(key), std::move(name)).first->second;
  }

  Answer checked(PGresult* result) {
    Answer answer(result);
    const auto status = PQresultStatus(answer.get());  // of a null pointer: PGRES_FATAL_ERROR
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) return answer;
    if (lost()) throw DbError("the connection to PostgreSQL is lost: " + words());
    const char* state = answer ? PQresultErrorField(answer.get(), PG_DIAG_SQLSTATE) : nullptr;
    const char* primary = answer ? PQresultErrorField(answer.get(), PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    auto message = primary ? std::string(primary) : words();
    if (state) message += std::string(" [") + state + "]";
    if (state && std::string_view(state) == "25006") read_only_ = true;
    if (state && std::string_view(state) == "23505") throw UniqueViolation(message);
    throw DbError(message);
  }

  std::string words() const { return handle_ ? trimmed(PQerrorMessage(handle_.get())) : "out of memory"; }

  static Rows to_rows(const Answer& answer) {
    const PGresult* result = answer.get();
    Rows out;
    const int columns = PQnfields(result);
    for (int i = 0; i < columns; ++i) out.columns.emplace_back(PQfname(result, i));
    out.rows.reserve(static_cast<std::size_t>(PQntuples(result)));
    for (int row = 0; row < PQntuples(result); ++row) {
      std::vector<Value> values;
      values.reserve(out.columns.size());
      for (int i = 0; i < columns; ++i) values.push_back(to_value(result, row, i));
      out.rows.push_back(std::move(values));
    }
    // For SELECT the server counts what it gave back: that is not a change.
    if (!std::string_view(PQcmdStatus(answer.get())).starts_with("SELECT")) {
      const std::string_view count = PQcmdTuples(answer.get());
      if (!count.empty()) out.changed = parsed<std::int64_t>(count);
    }
    return out;
  }

  static Value to_value(const PGresult* result, int row, int column) {
    if (PQgetisnull(result, row, column)) return std::monostate{};
    const std::string_view text(PQgetvalue(result, row, column),
                                static_cast<std::size_t>(PQgetlength(result, row, column)));
    switch (PQftype(result, column)) {
      case oid::int2:
      case oid::int4:
      case oid::int8:
        return parsed<std::int64_t>(text);
      case oid::boolean:
        return std::int64_t{text == "t"};  // as SQLite answers a comparison
      case oid::float4:
      case oid::float8:
        return parsed<double>(text);
      case oid::numeric:  // SUM of BIGINT is one
        if (text.find_first_of(".eN") == std::string_view::npos) return parsed<std::int64_t>(text);
        return parsed<double>(text);
      case oid::text:
      case oid::varchar:
      case oid::bpchar:
      case oid::name:
      case oid::unknown:
        return std::string(text);
      case oid::void_:
        return std::monostate{};
      default:
        throw DbError(std::string("column ") + PQfname(result, column) + " has a type that we do not speak");
    }
  }

  std::unique_ptr<PGconn, Finish> handle_;
  std::unordered_map<std::string, std::string> statements_;  // types and text -> its name on the server
  std::uint64_t prepared_ = 0;
  bool read_only_ = false;  // the server has refused to write
};

}  // namespace

std::unique_ptr<Connection> open_postgres(const std::string& url) { return std::make_unique<PostgresConnection>(url); }

}  // namespace gyre::db
