// A router over a real database and virtual time, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include "db/db.hpp"
#include "db/test_database.hpp"
#include "http/router.hpp"
#include "sim/sim_runtime.hpp"

namespace gyre::http {

// Who a request says it is ("Authorization: writer"); there are no secrets here.
inline Result<Caller> caller_named(std::string_view name) {
  Caller caller;
  caller.account = AccountId("a1");
  caller.workspace = WorkspaceId("w1");
  if (name == "reader") return caller;
  if (name == "read_only_operator") {
    caller.operator_of_installation = true;
    return caller;
  }
  caller.scope = Scope::read_write;
  if (name == "writer") return caller;
  if (name == "stranger") {
    caller.workspace = WorkspaceId("w2");
    return caller;
  }
  if (name == "operator") {
    caller.operator_of_installation = true;
    return caller;
  }
  if (name == "browser") {
    caller.session = SessionId("s1");
    return caller;
  }
  if (name == "pod" || name == "other_pod") {
    caller.scope = Scope::pod;
    caller.pod = PodId(name == "pod" ? "p1" : "p2");
    return caller;
  }
  return fail(Reason::not_logged_in);
}

struct World {
  explicit World(db::Backend backend = db::Backend::sqlite_memory) : database(backend) {
    if (!database.available()) return;
    db = database.connect();
    db::migrate(*db);
    db->script("CREATE TABLE things (id TEXT PRIMARY KEY)");
    core.emplace(runtime, *db);
    router.emplace(*core, [](const Request& request) { return caller_named(request.headers.get("Authorization")); });
  }

  // As the server does it: a task of the core; the answer after its commit.
  Response call(Request request) {
    std::optional<Response> answer;
    core->post("http", [&] {
      auto response = std::make_shared<Response>(router->dispatch(std::move(request)));
      core->after_commit([&answer, response] { answer = std::move(*response); });
    });
    runtime.run_until_idle(1s);
    if (!answer) throw std::logic_error("no answer came");
    return std::move(*answer);
  }

  Response call(Method method, std::string_view target, std::string_view who = "writer", std::string body = {},
                std::vector<std::pair<std::string, std::string>> headers = {}) {
    Request request;
    request.method = method;
    if (const auto set = set_target(request, target); !set) throw std::logic_error(set.error().message());
    if (!who.empty()) request.headers.add("Authorization", std::string(who));
    for (auto& [name, value] : headers) request.headers.add(name, value);
    request.body = std::move(body);
    return call(std::move(request));
  }

  std::int64_t things() { return db->value<std::int64_t>("SELECT count(*) FROM things"); }

  db::TestDatabase database;
  std::unique_ptr<db::Connection> db;
  sim::SimRuntime runtime;
  std::optional<Core> core;
  std::optional<Router> router;
};

inline Response ok(std::string body = "{}") { return json_response(200, std::move(body)); }

inline Route route(Method method, std::string path, Access access, Handler handler) {
  Route made;
  made.method = method;
  made.path = std::move(path);
  made.access = access;
  made.summary = "Do something";
  made.tag = "Things";
  made.handler = std::move(handler);
  return made;
}

}  // namespace gyre::http
