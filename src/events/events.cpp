#include "events/events.hpp"

#include <boost/json.hpp>

#include "base/check.hpp"

namespace gyre {
namespace {

std::string args_to_json(const Args& args) {
  boost::json::array pairs;  // pairs, not an object: order and repetition stay
  for (const auto& [name, value] : args) pairs.push_back(boost::json::array{name, value});
  return boost::json::serialize(pairs);
}

Args args_from_json(std::string_view text) {
  Args args;
  const auto pairs = boost::json::parse(text);
  for (const auto& pair : pairs.as_array())
    args.emplace_back(std::string(pair.at(0).as_string()), std::string(pair.at(1).as_string()));
  return args;
}

struct Row {
  EventId id = 0;
  WorkspaceId workspace;
  Time at;
  std::string kind;
  std::optional<PodId> pod;
  std::optional<HostId> host;
  std::optional<std::string> reason;
  std::string args, data;
};
BOOST_DESCRIBE_STRUCT(Row, (), (id, workspace, at, kind, pod, host, reason, args, data))

Event to_event(Row row) {
  Event event{row.id,
              std::move(row.workspace),
              row.at,
              std::move(row.kind),
              std::move(row.pod),
              std::move(row.host),
              std::nullopt,
              args_from_json(row.args),
              std::move(row.data)};
  if (row.reason) event.reason = reason_from_text(*row.reason);
  return event;
}

}  // namespace

Events::Events(Core& core) : core_(core) {}

EventId Events::append(Event event) {
  CHECK(core_.db().depth() > 0);
  event.at = core_.now();
  std::optional<std::string> reason;
  if (event.reason) reason = std::string(reason_text(*event.reason));
  // The next id comes from the table, not from memory: a rolled-back one is given again, and nobody has seen it.
  event.id = core_.db().value<EventId>(
      "INSERT INTO events (id, workspace, at, kind, pod, host, reason, args, data) VALUES "
      "((SELECT COALESCE(MAX(id), 0) + 1 FROM events), $1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
      event.workspace, event.at, event.kind, event.pod, event.host, reason, args_to_json(event.args), event.data);
  const auto id = event.id;
  core_.after_commit(alive_.guard([this, event = std::move(event)] {
    for (const auto& listener : listeners_) listener(event);
  }));
  return id;
}

void Events::on_append(std::function<void(const Event&)> listener) { listeners_.push_back(std::move(listener)); }

std::vector<Event> Events::list(const EventQuery& query) const {
  std::vector<Row> rows;
  if (query.pod)
    rows =
        core_.db().all<Row>("SELECT * FROM events WHERE pod = $1 AND workspace = $2 AND id > $3 ORDER BY id LIMIT $4",
                            *query.pod, query.workspace, query.after, query.limit);
  else
    rows = core_.db().all<Row>("SELECT * FROM events WHERE workspace = $1 AND id > $2 ORDER BY id LIMIT $3",
                               query.workspace, query.after, query.limit);
  std::vector<Event> events;
  events.reserve(rows.size());
  for (auto& row : rows) events.push_back(to_event(std::move(row)));
  return events;
}

Events::Range Events::range() const {
  return {core_.db().value<EventId>("SELECT COALESCE(MIN(id), 0) FROM events"),
          core_.db().value<EventId>("SELECT COALESCE(MAX(id), 0) FROM events")};
}

std::int64_t Events::forget(Time before, int limit) {
  return core_.db().exec(
      "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 AND id < (SELECT MAX(id) FROM events) "
      "ORDER BY at, id LIMIT $2)",
      before, limit);
}

}  // namespace gyre
