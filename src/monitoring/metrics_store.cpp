#include "monitoring/metrics_store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <stdexcept>

#include "base/log.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr int schema_version = 1;
constexpr int series_bits = 32;  // of a row's id; the block's number stands above them, so that rows lie by time
constexpr int forget_at_once = 20'000;
constexpr Duration future_max = 1h;

// A table's rows are its integer keys in order: new blocks go to the end of the file's tree, old ones leave at its
// beginning.
constexpr const char* schema = R"(
CREATE TABLE series (number INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind INTEGER NOT NULL, part TEXT NOT NULL,
                     last_block INTEGER NOT NULL, UNIQUE (owner, kind, part));
CREATE INDEX series_by_last_block ON series (last_block);
CREATE TABLE fine (id INTEGER PRIMARY KEY, block BLOB NOT NULL);
CREATE TABLE coarse (id INTEGER PRIMARY KEY, block BLOB NOT NULL);
PRAGMA user_version = 1;
)";

struct Trouble : std::runtime_error {
  Trouble(int with_code, const std::string& words) : std::runtime_error(words), code(with_code & 0xff) {}
  int code;
  // Our own statements are right: where one does not parse, the file's idea of its tables is damaged.
  bool damaged() const { return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR; }
};

struct CloseHandle {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// One statement, for the length of one use.
class Query {
 public:
  Query(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  ~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& with(std::int64_t value) {
    must(sqlite3_bind_int64(statement_, ++bound_, value));
    return *this;
  }
  Query& with(const std::string& text) {
    must(sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    return *this;
  }
  Query& with_bytes(std::string_view bytes) {
    must(sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
    return *this;
  }
  bool next() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) must(code);
    return false;
  }
  void run() {
    while (next()) continue;
  }
  std::int64_t whole(int column) const { return sqlite3_column_int64(statement_, column); }
  std::string bytes(int column) const {
    const auto* at = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    return {at ? at : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  void must(int code) const {
    if (code != SQLITE_OK) throw Trouble(code, sqlite3_errmsg(db_));
  }
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

std::int64_t row_id(std::int64_t block, std::int64_t series) { return (block << series_bits) | series; }

}  // namespace

std::string owner_of(const PodId& pod) { return "pod:" + pod.str(); }
std::string owner_of(const HostId& host) { return "host:" + host.str(); }

struct MetricsStore::Impl {
  Impl(fs::path the_file, StoreLimits the_limits) : file(std::move(the_file)), limits(the_limits) {}

  fs::path file;
  StoreLimits limits;
  std::mutex mutex;
  std::unique_ptr<sqlite3, CloseHandle> db;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> statements;
  struct Known {
    std::int64_t number = 0, last_block = 0;
  };
  std::map<SeriesName, Known> series;
  std::int64_t next_number = 1;

  bool in_memory() const { return file == ":memory:"; }

  void close() {
    statements.clear();
    db.reset();
    series.clear();
  }

  void open_file() {
    close();
    if (!in_memory()) {
      const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (made < 0) throw Trouble(SQLITE_CANTOPEN, file.string() + " cannot be opened");
      ::close(made);
    }
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &opened,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    db.reset(opened);
    if (code != SQLITE_OK) throw Trouble(code, sqlite3_errstr(code));
    sqlite3_busy_timeout(opened, 5'000);
    // NORMAL: after a power cut the last seconds may be missing, the file is whole. That is the bargain here.
    script(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216;"
        "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -65536");
    const auto version = number("PRAGMA user_version");
    if (version == 0) script(std::string("BEGIN;") + schema + "COMMIT");
    if (version > schema_version) throw Trouble(SQLITE_NOTADB, "a newer Gyre has written it");
    const auto page = std::max<std::int64_t>(512, number("PRAGMA page_size"));
    script("PRAGMA max_page_count = " + std::to_string(std::max<std::int64_t>(64, limits.bytes_max / page)));
    next_number = 1;
    auto all = query("SELECT number, owner, kind, part, last_block FROM series");
    while (all.next()) {
      next_number = std::max(next_number, all.whole(0) + 1);
      series[{all.bytes(1), static_cast<link::MetricKind>(all.whole(2)), all.bytes(3)}] = {all.whole(0), all.whole(4)};
    }
  }

  // Whatever it was, it is kept beside for whoever wants to look; one of them, so that trouble does not fill the disk.
  void begin_anew(const std::string& why) {
    close();
    log::error("the file of measured values is damaged; a new one is begun",
               {{"file", file.string()}, {"detail", why}});
    std::error_code ignored;
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(file.string() + suffix, ignored);
    fs::rename(file, file.string() + ".damaged", ignored);
    if (ignored) fs::remove(file, ignored);
    open_file();
  }

  void script(const std::string& sql) {
    char* words = nullptr;
    const int code = sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, &words);
    const std::string message = words ? words : sqlite3_errstr(code);
    sqlite3_free(words);
    if (code != SQLITE_OK) throw Trouble(code, message);
  }

  Query query(std::string_view sql) {
    auto found = statements.find(sql);
    if (found == statements.end()) {
      sqlite3_stmt* made = nullptr;
      const int code = sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                          &made, nullptr);
      if (code != SQLITE_OK) throw Trouble(code, sqlite3_errmsg(db.get()));
      found = statements.emplace(std::string(sql), std::unique_ptr<sqlite3_stmt, Finalize>(made)).first;
    }
    return {db.get(), found->second.get()};
  }
  std::int64_t number(std::string_view sql) {
    auto one = query(sql);
    return one.next() ? one.whole(0) : 0;
  }

  // Runs `work`; what the file itself is to blame for is mended once and tried again.
  template <class Work>
  auto guarded(Work work) -> Result<decltype(work())> {
    const std::lock_guard lock(mutex);
    std::string detail;
    for (int attempt = 0; attempt < 3; ++attempt) try {
        if (!db) open_file();
        return work();
      } catch (const Trouble& trouble) {
        detail = trouble.what();
        if (db && sqlite3_get_autocommit(db.get()) == 0) sqlite3_exec(db.get(), "ROLLBACK", nullptr, nullptr, nullptr);
        try {
          if (trouble.damaged() && !in_memory())
            begin_anew(detail);
          else if (trouble.code == SQLITE_FULL)
            make_room();
          else
            break;
          load_series_again();
        } catch (const Trouble& worse) {
          detail = worse.what();
          close();
          break;
        }
      }
    return fail(Reason::metrics_unavailable, {{"detail", detail}});
  }

  // What a transaction that was rolled back had told us is not so.
  void load_series_again() {
    if (in_memory()) {
      series.clear();
      auto all = query("SELECT number, owner, kind, part, last_block FROM series");
      while (all.next())
        series[{all.bytes(1), static_cast<link::MetricKind>(all.whole(2)), all.bytes(3)}] = {all.whole(0),
                                                                                             all.whole(4)};
      return;
    }
    open_file();
  }

  // The file is as large as it may be: the oldest tenth of each tier goes.
  void make_room() {
    script("BEGIN IMMEDIATE");
    for (const char* table : {"fine", "coarse"}) {
      const auto count = number(std::string("SELECT COUNT(*) FROM ") + table);
      script(std::string("DELETE FROM ") + table + " WHERE id IN (SELECT id FROM " + table + " ORDER BY id LIMIT " +
             std::to_string(std::max<std::int64_t>(1, count / 10)) + ")");
    }
    script("COMMIT");
  }

  Known* known(const SeriesName& name, std::int64_t block) {
    auto found = series.find(name);
    if (found == series.end()) {
      if (static_cast<std::int64_t>(series.size()) >= limits.series_max) return nullptr;
      query("INSERT INTO series (number, owner, kind, part, last_block) VALUES (?, ?, ?, ?, ?)")
          .with(next_number)
          .with(name.owner)
          .with(static_cast<std::int64_t>(name.kind))
          .with(name.part)
          .with(block)
          .run();
      found = series.emplace(name, Known{next_number++, block}).first;
    } else if (found->second.last_block < block) {
      query("UPDATE series SET last_block = ? WHERE number = ?").with(block).with(found->second.number).run();
      found->second.last_block = block;
    }
    return &found->second;
  }

  Block load(bool fine, std::int64_t id) {
    const int slots = fine ? fine_tier.slots : coarse_tier.slots;
    auto row = query(fine ? "SELECT block FROM fine WHERE id = ?" : "SELECT block FROM coarse WHERE id = ?");
    row.with(id);
    if (row.next())
      if (auto block = Block::decode(row.bytes(0), slots)) return std::move(*block);
    return Block(slots);
  }
  void save(bool fine, std::int64_t id, const Block& block) {
    query(fine ? "INSERT INTO fine (id, block) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET block = excluded.block"
               : "INSERT INTO coarse (id, block) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET block = excluded.block")
        .with(id)
        .with_bytes(block.encode())
        .run();
  }

  void forget(Time now) {
    const auto fine_from = block_of(fine_tier, now - fine_tier.kept) - 1;  // one of grace for windows that begin there
    const auto coarse_from = block_of(coarse_tier, now - coarse_tier.kept) - 1;
    query("DELETE FROM fine WHERE id IN (SELECT id FROM fine WHERE id < ? ORDER BY id LIMIT ?)")
        .with(row_id(fine_from, 0))
        .with(forget_at_once)
        .run();
    query("DELETE FROM coarse WHERE id IN (SELECT id FROM coarse WHERE id < ? ORDER BY id LIMIT ?)")
        .with(row_id(coarse_from, 0))
        .with(forget_at_once)
        .run();
    bool gone = false;
    auto old = query(
        "DELETE FROM series WHERE number IN (SELECT number FROM series WHERE last_block < ? LIMIT 1000) "
        "RETURNING number");
    old.with(coarse_from);
    std::vector<std::int64_t> numbers;
    while (old.next()) numbers.push_back(old.whole(0)), gone = true;
    if (gone)
      std::erase_if(series, [&](const auto& one) {
        return std::find(numbers.begin(), numbers.end(), one.second.number) != numbers.end();
      });
  }

  bool write(const std::vector<MeasuredSlot>& slots, Time now) {
    script("BEGIN IMMEDIATE");
    std::map<std::int64_t, Block> fine, coarse;  // by row id, so that rows are written in the order they lie in
    std::map<std::int64_t, bool> changed;
    for (const auto& slot : slots) {
      if (slot.start > now + future_max || slot.start < now - fine_tier.kept || slot.samples <= 0) continue;
      const auto* at = known(slot.series, block_of(coarse_tier, slot.start));
      if (!at) continue;
      const auto id = row_id(block_of(fine_tier, slot.start), at->number);
      auto found = fine.find(id);
      if (found == fine.end()) found = fine.emplace(id, load(true, id)).first;
      changed[id] |= found->second.put(slot_of(fine_tier, slot.start), slot.samples, slot.values);
    }
    for (const auto& [id, block] : fine) {
      if (!changed[id]) continue;
      save(true, id, block);
      // The coarse slot is made anew from its block each time: late and doubled values come out right by themselves.
      const auto start = start_of(fine_tier, id >> series_bits, 0);
      const auto coarse_id = row_id(block_of(coarse_tier, start), id & ((std::int64_t{1} << series_bits) - 1));
      auto found = coarse.find(coarse_id);
      if (found == coarse.end()) found = coarse.emplace(coarse_id, load(false, coarse_id)).first;
      found->second.set(slot_of(coarse_tier, start), block.filled(), block.mean());
    }
    for (const auto& [id, block] : coarse) save(false, id, block);
    forget(now);
    script("COMMIT");
    return true;
  }

  std::vector<StoredSeries> read(const std::string& owner, const Tier& tier, Time from, Time to) {
    const bool fine = tier == fine_tier;
    std::vector<StoredSeries> out;
    for (auto it = series.lower_bound({owner, link::MetricKind{}, ""}); it != series.end() && it->first.owner == owner;
         ++it) {
      StoredSeries one{it->first, {}};
      for (auto block = block_of(tier, from); start_of(tier, block, 0) < to; ++block) {
        auto row = query(fine ? "SELECT block FROM fine WHERE id = ?" : "SELECT block FROM coarse WHERE id = ?");
        row.with(row_id(block, it->second.number));
        if (!row.next()) continue;
        const auto read = Block::decode(row.bytes(0), tier.slots);
        if (!read) continue;
        for (int slot = 0; slot < read->slots(); ++slot) {
          const auto start = start_of(tier, block, slot);
          if (read->samples(slot) == 0 || start < from || start >= to) continue;
          SeriesPoint point{start, fine ? 1 : read->samples(slot), {}};
          for (int channel = 0; channel < read->channels(); ++channel)
            point.values.push_back(read->value(slot, channel));
          one.points.push_back(std::move(point));
        }
      }
      if (!one.points.empty()) out.push_back(std::move(one));
    }
    return out;
  }
};

MetricsStore::MetricsStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsStore::~MetricsStore() = default;

Result<std::unique_ptr<MetricsStore>> MetricsStore::open(const fs::path& file, StoreLimits limits) {
  auto impl = std::make_unique<Impl>(file, limits);
  TRY(impl->guarded([] { return true; }));
  return std::unique_ptr<MetricsStore>(new MetricsStore(std::move(impl)));
}

Result<> MetricsStore::write(const std::vector<MeasuredSlot>& slots, Time now) {
  TRY(impl_->guarded([&] { return impl_->write(slots, now); }));
  return {};
}

Result<std::vector<StoredSeries>> MetricsStore::read(const std::string& owner, const Tier& tier, Time from, Time to) {
  return impl_->guarded([&] { return impl_->read(owner, tier, from, to); });
}

Result<MetricsStore::Size> MetricsStore::size() {
  return impl_->guarded([&] {
    Size out;
    out.bytes = impl_->number("PRAGMA page_count") * impl_->number("PRAGMA page_size");
    out.series = impl_->number("SELECT COUNT(*) FROM series");
    out.fine_blocks = impl_->number("SELECT COUNT(*) FROM fine");
    out.coarse_blocks = impl_->number("SELECT COUNT(*) FROM coarse");
    return out;
  });
}

}  // namespace gyre
