// What the agent must not forget: the last order of each pod, what became of it, and the numbers that only grow. A
// small SQLite file of its own, with a schema version of its own. It holds registry passwords (a restarted pod must be
// able to pull), hence mode 0600, which db::open gives it. Losing it is survivable: containers carry labels, and the
// server sends its orders again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/plan.hpp"
#include "db/db.hpp"
#include "link/messages.hpp"

namespace gyre::agent {

class Journal {
 public:
  // Makes or updates the schema. Throws DbError when a newer agent has written it, or the file cannot be used; so do
  // all other methods when it cannot be written.
  explicit Journal(db::Connection& db);

  struct Entry {
    PodId pod;
    std::int64_t generation = 0;          // the highest ever obeyed
    std::optional<link::PodOrder> order;  // absent: forgotten, or written so that this version cannot read it
    Memory memory;                        // `due` counts from `uptime`, as given to load()
    std::optional<Time> forgotten_at;     // the server has recorded its deletion
  };
  std::vector<Entry> load(Time now, Duration uptime) const;

  void save(const link::PodOrder& order, const Memory& memory, Time now, Duration uptime);  // one durable row
  void forget(const PodId& pod, std::int64_t generation, Time now);                         // keeps the generation only
  void drop_forgotten(Time before);

  // Programs in containers that may still run, by the engine's name for them: written before each starts. `left_at` is
  // when an agent first found that nobody can come back to it. A table that older agents do not look at.
  struct Program {
    std::string exec;
    PodId pod;
    std::optional<Time> left_at;
  };
  std::vector<Program> programs() const;
  void save(const Program& program);
  void forget_program(const std::string& exec);

  std::optional<std::string> fact(const std::string& name) const;
  void set_fact(const std::string& name, const std::string& value);

  // The next number of a series that only grows, across restarts too. Reserved in blocks, so that not every report
  // costs a write. A new journal starts from the wall clock, so that a lost one does not make the series start again.
  // Never throws once it has given a number: a journal that cannot be written must not silence the agent.
  std::uint64_t next_sequence(Time now);

 private:
  db::Connection& db_;
  std::uint64_t next_ = 0, reserved_until_ = 0;
};

}  // namespace gyre::agent
