// The port to the database: typed parameters in, described structs out, by column name. One dialect for both backends
// (SQLite 3.40 and PostgreSQL 15): BIGINT, DOUBLE PRECISION, TEXT; $1, RETURNING, ON CONFLICT; JSON as TEXT; times as
// milliseconds; booleans as 0/1. A broken database throws DbError; a wrong answer from it (an unknown enum text, a NULL
// where the member is not optional) is a bug and throws too.
#pragma once

#include <boost/describe.hpp>
#include <boost/mp11.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/enum_text.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

namespace gyre::db {

struct DbError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A UNIQUE or PRIMARY KEY constraint refused the row. What is tried may be tried again with other values.
struct UniqueViolation : DbError {
  using DbError::DbError;
};

// The fence of a connection has refused a transaction: somebody else may write now. Nothing of it has happened.
struct Fenced : DbError {
  using DbError::DbError;
};

using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

// Text that is compared and stored byte by byte; everything else converts to and from one of Value's alternatives.
template <class T>
struct Convert;

template <class T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <Integer T>
struct Convert<T> {
  static Value to(T value) { return whole<std::int64_t>(value); }
  static T from(const Value& value) { return whole<T>(std::get<std::int64_t>(value)); }

 private:
  template <class To, class From>
  static To whole(From value) {
    if (!std::in_range<To>(value)) throw DbError("a number does not fit: " + std::to_string(value));
    return static_cast<To>(value);
  }
};
template <>
struct Convert<bool> {
  static Value to(bool value) { return std::int64_t{value}; }
  static bool from(const Value& value) { return std::get<std::int64_t>(value) != 0; }
};
template <>
struct Convert<double> {
  static Value to(double value) { return value; }
  static double from(const Value& value) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole);
    return std::get<double>(value);
  }
};
template <>
struct Convert<std::string> {
  static Value to(std::string value) { return value; }
  static std::string from(const Value& value) { return std::get<std::string>(value); }
};
template <class Tag>
struct Convert<Id<Tag>> {
  static Value to(const Id<Tag>& id) { return id.str(); }
  static Id<Tag> from(const Value& value) { return Id<Tag>(std::get<std::string>(value)); }
};
template <>
struct Convert<Time> {
  static Value to(Time time) { return static_cast<std::int64_t>(time.time_since_epoch().count()); }
  static Time from(const Value& value) { return Time(Duration(std::get<std::int64_t>(value))); }
};
template <>
struct Convert<Duration> {
  static Value to(Duration duration) { return static_cast<std::int64_t>(duration.count()); }
  static Duration from(const Value& value) { return Duration(std::get<std::int64_t>(value)); }
};
template <DescribedEnum E>
struct Convert<E> {
  static Value to(E value) { return std::string(enum_text(value)); }
  static E from(const Value& value) {
    const auto found = enum_from_text<E>(std::get<std::string>(value));
    if (!found) throw DbError("unknown enum text in the database: " + std::get<std::string>(value));
    return *found;
  }
};
template <class T>
struct Convert<std::optional<T>> {
  static Value to(const std::optional<T>& value) { return value ? Convert<T>::to(*value) : Value{}; }
  static std::optional<T> from(const Value& value) {
    if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
    return Convert<T>::from(value);
  }
};

template <class T>
Value to_value(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return std::string(std::string_view(value));
  else
    return Convert<T>::to(value);
}

// What a statement gives back: column names once, then the rows.
struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  std::int64_t changed = 0;  // rows inserted, updated or deleted
};

class Connection {
 public:
  virtual ~Connection() = default;
  virtual Rows run(std::string_view sql,
                   const std::vector<Value>& parameters) = 0;  // one statement, prepared and cached
  virtual void script(std::string_view sql) = 0;               // several statements, no parameters
  virtual bool is_postgres() const = 0;
  // All of an SQLite database as it is at one moment, into a new file (0600); readers and writers go on meanwhile.
  // Throws DbError, also for PostgreSQL, which has pg_dump for it.
  virtual void copy_to(const std::string& file);

  template <class... P>
  std::int64_t exec(std::string_view sql, const P&... parameters) {
    return run(sql, {to_value(parameters)...}).changed;
  }
  template <class T, class... P>
  std::vector<T> all(std::string_view sql, const P&... parameters);
  template <class T, class... P>
  std::optional<T> one(std::string_view sql, const P&... parameters);  // the first row, if there is any
  template <class T, class... P>
  T value(std::string_view sql, const P&... parameters);  // the first column of the only row

  // Transactions nest: the outermost begins and commits, inner ones are savepoints.
  void begin();
  void commit();
  void rollback();
  int depth() const { return depth_; }
  // Calls `mend` if what the open transaction has done so far is undone, be it one level alone: for who keeps in memory
  // what rows say. Never called once the outermost has committed, nor when no transaction is open; must not throw.
  void if_undone(std::function<void()> mend);

  // Two statements that every outermost transaction begins with, in one round trip. `lock` is a LOCK TABLE, which
  // SQLite leaves out, as its BEGIN IMMEDIATE is one; `check` gives one row with one comparison. Unless that is true,
  // `begin` throws Fenced and no transaction is open. PostgreSQL takes the snapshot of a transaction after the lock:
  // who holds a conflicting lock while they change what `check` reads knows that no transaction with the old answer
  // commits later.
  struct Fence {
    std::string lock, check;
  };
  void set_fence(Fence fence) { fence_ = std::move(fence); }

 protected:
  // Backends call this before a statement: a database may roll everything back by itself (disk full, connection lost),
  // and what then ran would be committed alone, outside the transaction that its caller believes in.
  void require_transaction() const;

 private:
  virtual void control(std::string_view sql) = 0;  // BEGIN, COMMIT, SAVEPOINT, ...
  virtual bool in_transaction() const = 0;         // what the database itself thinks
  // Begins the outermost transaction and looks at the fence; when it throws, no transaction is open.
  virtual void begin_fenced(const Fence& fence);

  struct Undo {
    int depth = 0;  // of the level that it belongs to, 1 for the outermost
    std::function<void()> mend;
  };
  void undone();  // the levels above `depth_` are

  int depth_ = 0;
  std::vector<Undo> undo_;  // depths do not fall
  std::optional<Fence> fence_;
};

// Commits when `work` returns a value, rolls back on an error or an exception. `work` returns a Result.
template <class Work>
auto transact(Connection& db, Work&& work) -> decltype(work()) {
  db.begin();
  auto result = [&] {
    try {
      auto made = work();
      if (made) db.commit();
      return made;
    } catch (...) {
      try {
        db.rollback();
      } catch (const DbError&) {  // what went wrong first is what the caller should hear
      }
      throw;
    }
  }();
  if (!result) db.rollback();
  return result;
}

// "sqlite:///path/gyre.db", "sqlite::memory:" or "postgresql://user@host/name". SQLite opens with WAL and
// synchronous=FULL. Throws DbError with the database's own words.
std::unique_ptr<Connection> open(const std::string& url);

// Brings the schema up to the migrations built into this binary. A database that a newer Gyre has written is taken as
// it is when its steps say that we can live with them (migrations.hpp), so that an upgrade can go back one step;
// otherwise refused (DbError), as one whose applied migrations differ from ours. Returns the schema's version as we
// know it.
int migrate(Connection& db);

// --- implementation of the templates ---

namespace detail {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value && !DescribedEnum<T>;

template <Described T>
std::vector<T> to_structs(const Rows& rows) {
  using Members = boost::describe::describe_members<T, boost::describe::mod_any_access>;
  std::vector<std::size_t> column_of;  // per member; found by name once, not per row
  boost::mp11::mp_for_each<Members>([&](auto member) {
    for (std::size_t i = 0; i < rows.columns.size(); ++i)
      if (rows.columns[i] == member.name) {
        column_of.push_back(i);
        return;
      }
    throw DbError(std::string("the query has no column ") + member.name);
  });
  std::vector<T> out;
  out.reserve(rows.rows.size());
  for (const auto& row : rows.rows) {
    T made;
    std::size_t next = 0;
    boost::mp11::mp_for_each<Members>([&](auto member) {
      using Field = std::remove_reference_t<decltype(made.*member.pointer)>;
      try {
        made.*member.pointer = Convert<Field>::from(row[column_of[next]]);
      } catch (const std::bad_variant_access&) {
        throw DbError(std::string("column ") + member.name + " has another type than its member");
      }
      ++next;
    });
    out.push_back(std::move(made));
  }
  return out;
}

}  // namespace detail

template <class T, class... P>
std::vector<T> Connection::all(std::string_view sql, const P&... parameters) {
  const auto rows = run(sql, {to_value(parameters)...});
  if constexpr (detail::Described<T>) {
    return detail::to_structs<T>(rows);
  } else {
    std::vector<T> out;
    for (const auto& row : rows.rows) try {
        out.push_back(Convert<T>::from(row.at(0)));
      } catch (const std::bad_variant_access&) {
        throw DbError("column " + rows.columns.at(0) + " has another type than was asked for");
      }
    return out;
  }
}

template <class T, class... P>
std::optional<T> Connection::one(std::string_view sql, const P&... parameters) {
  auto found = all<T>(sql, parameters...);
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

template <class T, class... P>
T Connection::value(std::string_view sql, const P&... parameters) {
  auto found = all<T>(sql, parameters...);
  if (found.empty()) throw DbError("the query gave no row: " + std::string(sql));
  return std::move(found.front());
}

}  // namespace gyre::db
