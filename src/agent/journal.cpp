#include "agent/journal.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "json/codec.hpp"

namespace gyre::link {
BOOST_DESCRIBE_STRUCT(PortOrder, (), (container_port, http))
BOOST_DESCRIBE_STRUCT(ContainerOrder, (), (name, image, entrypoint, command, env, registry_user, registry_password))
BOOST_DESCRIBE_STRUCT(PodSpec, (),
                      (workspace, hostname, containers, ports, gpus, vcpus, memory_bytes, shm_bytes,
                       container_disk_bytes, volume_bytes, volume_path, volume_of, network_volume, restart))
BOOST_DESCRIBE_STRUCT(PodOrder, (), (pod, generation, run, desired, spec, stop_grace))
}  // namespace gyre::link

namespace gyre::agent {
BOOST_DESCRIBE_STRUCT(Pin, (), (digest, id))
BOOST_DESCRIBE_STRUCT(Journal::Program, (), (exec, pod, left_at))
}  // namespace gyre::agent

template <>
struct gyre::json::Wire<gyre::Duration> {
  static bool read(Reader& reader, const boost::json::value& value, Duration& out) {
    std::int64_t milliseconds = 0;
    if (!Wire<std::int64_t>::read(reader, value, milliseconds)) return false;
    out = Duration(milliseconds);
    return true;
  }
  static boost::json::value write(Duration value) { return static_cast<std::int64_t>(value.count()); }
  static boost::json::value schema(Definitions& definitions) { return Wire<std::int64_t>::schema(definitions); }
};

namespace gyre::agent {
namespace {

constexpr int schema_version = 1;
constexpr std::uint64_t sequence_block = 1000;

// Memory as it is kept: deadlines by the wall clock, since uptime means nothing to the next process.
struct KeptOutcome {
  std::int64_t run = 0;
  OutcomeKind kind = OutcomeKind::failed;
  std::optional<std::string> reason;
  std::map<std::string, std::string> args;
};
BOOST_DESCRIBE_STRUCT(KeptOutcome, (), (run, kind, reason, args))

struct KeptRestarts {
  int count = 0;
  Duration delay{0};
  std::optional<Time> exit_seen, due;
  bool resting = false;
};
BOOST_DESCRIBE_STRUCT(KeptRestarts, (), (count, delay, exit_seen, due, resting))

struct KeptMemory {
  std::int64_t started_run = -1;
  bool rebooted = false;
  std::optional<KeptOutcome> outcome;
  std::map<std::string, KeptRestarts> restarts;
  std::map<std::string, Pin> pins;
};
BOOST_DESCRIBE_STRUCT(KeptMemory, (), (started_run, rebooted, outcome, restarts, pins))

KeptMemory keep(const Memory& memory, Time now, Duration uptime) {
  KeptMemory kept{memory.started_run, memory.rebooted, {}, {}, memory.pins};
  if (memory.outcome) {
    auto& outcome = kept.outcome.emplace();
    outcome.run = memory.outcome->run;
    outcome.kind = memory.outcome->kind;
    if (memory.outcome->reason) outcome.reason = std::string(reason_text(*memory.outcome->reason));
    outcome.args.insert(memory.outcome->args.begin(), memory.outcome->args.end());
  }
  for (const auto& [name, restarts] : memory.restarts)
    kept.restarts[name] = {restarts.count, restarts.delay, restarts.exit_seen, now + (restarts.due - uptime),
                           restarts.resting};
  return kept;
}

Memory remember(const KeptMemory& kept, Time now, Duration uptime) {
  Memory memory{kept.started_run, kept.rebooted, {}, {}, kept.pins};
  if (kept.outcome) {
    auto& outcome = memory.outcome.emplace();
    outcome.run = kept.outcome->run;
    outcome.kind = kept.outcome->kind;
    if (kept.outcome->reason) outcome.reason = reason_from_text(*kept.outcome->reason);
    outcome.args.assign(kept.outcome->args.begin(), kept.outcome->args.end());
  }
  for (const auto& [name, restarts] : kept.restarts) {
    // The wall clock may have jumped in between: never wait longer than the back-off that was meant.
    const auto left = std::clamp(restarts.due.value_or(now) - now, Duration(0), restarts.delay);
    memory.restarts[name] = {restarts.count, restarts.delay, restarts.exit_seen, uptime + left, restarts.resting};
  }
  return memory;
}

struct Row {
  PodId pod;
  std::int64_t generation = 0;
  std::optional<std::string> pod_order;
  std::string memory;
  std::optional<Time> forgotten_at;
};
BOOST_DESCRIBE_STRUCT(Row, (), (pod, generation, pod_order, memory, forgotten_at))

}  // namespace

Journal::Journal(db::Connection& db) : db_(db) {
  db_.exec("CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)");
  db_.exec("CREATE TABLE IF NOT EXISTS programs (exec TEXT PRIMARY KEY, pod TEXT NOT NULL, left_at BIGINT)");
  const auto written = fact("schema_version");
  const int version = written ? std::stoi(*written) : 0;
  if (version > schema_version)
    throw db::DbError("the agent's journal has version " + *written + ", this agent knows version " +
                      std::to_string(schema_version) + ": it was written by a newer agent");
  if (version == schema_version) return;
  db::transact(db_, [&]() -> Result<> {
    db_.exec(
        "CREATE TABLE pods (pod TEXT PRIMARY KEY, generation BIGINT NOT NULL, pod_order TEXT, "
        "memory TEXT NOT NULL, forgotten_at BIGINT)");
    set_fact("schema_version", std::to_string(schema_version));
    return {};
  });
}

std::vector<Journal::Entry> Journal::load(Time now, Duration uptime) const {
  std::vector<Entry> out;
  for (const auto& row :
       db_.all<Row>("SELECT pod, generation, pod_order, memory, forgotten_at FROM pods ORDER BY pod")) {
    Entry entry{row.pod, row.generation, {}, {}, row.forgotten_at};
    const auto memory = json::decode<KeptMemory>(row.memory, json::UnknownKeys::ignore);
    if (memory) entry.memory = remember(*memory, now, uptime);
    if (row.pod_order) {
      auto order = json::decode<link::PodOrder>(*row.pod_order, json::UnknownKeys::ignore);
      // Not a reason to stop: its containers are left alone as strays until the server sends the order again.
      if (order && memory)
        entry.order = std::move(*order);
      else
        log::error("a row of the journal cannot be read", {{"pod", row.pod.str()}});
    }
    out.push_back(std::move(entry));
  }
  return out;
}

void Journal::save(const link::PodOrder& order, const Memory& memory, Time now, Duration uptime) {
  db_.exec(
      "INSERT INTO pods (pod, generation, pod_order, memory, forgotten_at) VALUES ($1, $2, $3, $4, NULL) "
      "ON CONFLICT (pod) DO UPDATE SET generation = $2, pod_order = $3, memory = $4, forgotten_at = NULL",
      order.pod, order.generation, json::encode(order), json::encode(keep(memory, now, uptime)));
}

void Journal::forget(const PodId& pod, std::int64_t generation, Time now) {
  db_.exec(
      "INSERT INTO pods (pod, generation, pod_order, memory, forgotten_at) VALUES ($1, $2, NULL, '{}', $3) "
      "ON CONFLICT (pod) DO UPDATE SET generation = $2, pod_order = NULL, memory = '{}', forgotten_at = $3",
      pod, generation, now);
}

void Journal::drop_forgotten(Time before) { db_.exec("DELETE FROM pods WHERE forgotten_at < $1", before); }

std::vector<Journal::Program> Journal::programs() const {
  return db_.all<Program>("SELECT exec, pod, left_at FROM programs ORDER BY exec");
}

void Journal::save(const Program& program) {
  db_.exec(
      "INSERT INTO programs (exec, pod, left_at) VALUES ($1, $2, $3) ON CONFLICT (exec) DO UPDATE SET left_at = $3",
      program.exec, program.pod, program.left_at);
}

void Journal::forget_program(const std::string& exec) { db_.exec("DELETE FROM programs WHERE exec = $1", exec); }

std::optional<std::string> Journal::fact(const std::string& name) const {
  return db_.one<std::string>("SELECT value FROM facts WHERE name = $1", name);
}

void Journal::set_fact(const std::string& name, const std::string& value) {
  db_.exec("INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2", name, value);
}

std::uint64_t Journal::next_sequence(Time now) {
  if (next_ == 0) {
    const auto kept = fact("sequence_reserved_until");
    next_ = kept ? std::stoull(*kept) : static_cast<std::uint64_t>(now.time_since_epoch().count());
    reserved_until_ = next_;
  }
  if (next_ + sequence_block / 2 >= reserved_until_) {
    try {
      set_fact("sequence_reserved_until", std::to_string(next_ + sequence_block));
      reserved_until_ = next_ + sequence_block;
    } catch (const db::DbError& problem) {
      // Half a block is left, and silence would look like a dead host.
      log::error("the journal cannot be written", {{"problem", problem.what()}});
    }
  }
  return ++next_;
}

}  // namespace gyre::agent
