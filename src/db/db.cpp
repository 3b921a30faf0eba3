#include "db/db.hpp"

#include "db/backends.hpp"

namespace gyre::db {
namespace {

std::string savepoint(int level) { return "level_" + std::to_string(level); }

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// The length of the UTF-8 sequence at the front, or 0 when it is not one (RFC 3629: no surrogates, nothing overlong).
std::size_t utf8_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

}  // namespace

void Connection::copy_to(const std::string&) { throw DbError("only an SQLite database is copied to a file"); }

void Connection::begin() {
  if (depth_ == 0 && fence_) {
    begin_fenced(*fence_);
  } else if (depth_ == 0) {
    control(is_postgres() ? "BEGIN ISOLATION LEVEL SERIALIZABLE" : "BEGIN IMMEDIATE");
  } else {
    require_transaction();
    control("SAVEPOINT " + savepoint(depth_));
  }
  ++depth_;
}

void Connection::begin_fenced(const Fence& fence) {
  control("BEGIN IMMEDIATE");
  bool open = false;
  try {
    const auto rows = run(fence.check, {}).rows;
    open = !rows.empty() && Convert<bool>::from(rows.front().front());
  } catch (...) {
    control("ROLLBACK");
    throw;
  }
  if (open) return;
  control("ROLLBACK");
  throw Fenced(std::string(fenced_words));
}

// When it throws, the level is still open and the caller rolls it back.
void Connection::commit() {
  require_transaction();
  if (depth_ == 1)
    control("COMMIT");
  else
    control("RELEASE SAVEPOINT " + savepoint(depth_ - 1));
  --depth_;
  if (depth_ == 0) undo_.clear();
  for (auto undo = undo_.rbegin(); undo != undo_.rend() && undo->depth > depth_; ++undo) undo->depth = depth_;
}

// Counts down even when the database does not answer: the transaction is gone either way.
void Connection::rollback() {
  const int level = --depth_;
  undone();
  if (!in_transaction())
    return;  // the database ended it by itself (disk full, connection lost): nothing is left to undo
  if (level == 0) {
    control("ROLLBACK");
  } else {
    control("ROLLBACK TO SAVEPOINT " + savepoint(level));
    control("RELEASE SAVEPOINT " + savepoint(level));
  }
}

void Connection::if_undone(std::function<void()> mend) {
  if (depth_ > 0) undo_.push_back({depth_, std::move(mend)});
}

void Connection::undone() {
  while (!undo_.empty() && undo_.back().depth > depth_) {
    undo_.back().mend();
    undo_.pop_back();
  }
}

void Connection::require_transaction() const {
  if (depth_ > 0 && !in_transaction()) throw DbError("the transaction is gone: the database has rolled it back");
}

std::unique_ptr<Connection> open(const std::string& url) {
  std::string_view rest = url;
  if (take_prefix(rest, "sqlite::memory:") && rest.empty()) return open_sqlite(":memory:");
  rest = url;
  if (take_prefix(rest, "sqlite://") && !rest.empty()) return open_sqlite(std::string(rest));
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return open_postgres(url);
  // The address may hold a password: it is not repeated here.
  throw DbError("the database address must be sqlite:///path/to/file or postgresql://user@host/name");
}

void require_text(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto length = utf8_sequence(text.substr(at));
    if (length == 0 || text[at] == '\0') throw DbError("text is not UTF-8 without NUL at byte " + std::to_string(at));
    at += length;
  }
}

}  // namespace gyre::db
