// A server that does not lead yet: its door is open, so that whoever spreads load can ask it, and behind the door is
// only the way to the leader. Nothing of the control plane exists meanwhile: a leader begins from the rows alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/server.hpp"
#include "leadership/candidate.hpp"

namespace gyre::server {

struct Won {
  std::unique_ptr<db::Connection> database;  // with its fence
  Epoch epoch = 0;
};

struct StandbyOptions {
  http::ServerOptions http;
  std::string holder, url;  // what the lease will say of this server
  LeaseTimes times;
  std::function<void(const std::vector<http::Server::Bound>&)> listening;  // not called when the lease was free at once
};

// Blocks until this server leads; nothing when SIGTERM or SIGINT came first. Errors: those of http::Server::start,
// database_unusable (at the first look; later ones are tried again for ever).
Result<std::optional<Won>> stand_by(std::unique_ptr<db::Connection> database, const StandbyOptions& options);

// What a server that stands by answers. `leader` is empty when nobody leads.
http::Response answer_of_standby(const http::Request& request, const std::string& leader);

}  // namespace gyre::server
