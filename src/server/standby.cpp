#include "server/standby.hpp"

#include <signal.h>

#include "base/log.hpp"
#include "runtime/asio_runtime.hpp"
#include "runtime/metrics.hpp"

namespace gyre::server {
namespace {

class Standby {
 public:
  Standby(Candidate& candidate, AsioRuntime& runtime, const StandbyOptions& options)
      : candidate_(candidate), runtime_(runtime), options_(options) {
    watch_process(metrics_);
    metrics_.gauge("gyre_leading", "1 when this server leads, 0 when it stands by.", {}, [] { return 0.0; });
  }

  Result<> run() {
    auto started = http::Server::start(
        options_.http,
        [this](http::Request request, http::Server::Respond respond) {
          dispatch(std::move(request), std::move(respond));
        },
        metrics_);
    if (!started) return fail(started.error());
    const auto http = std::move(*started);
    runtime_.on_signal({SIGTERM, SIGINT}, [this](int) { runtime_.stop(); });
    runtime_.on_signal({SIGHUP}, [this, &server = *http](int) { reload(server); });
    candidate_.start();
    if (options_.listening) options_.listening(http->bound());
    runtime_.run();
    return {};
  }

 private:
  // On an I/O thread. Only the numbers need the core thread.
  void dispatch(http::Request request, http::Server::Respond respond) {
    if (request.path == "/metrics") {
      runtime_.post([this, respond] {
        http::Response out;
        out.headers.set("Content-Type", Metrics::content_type);
        out.headers.set("Cache-Control", "no-store");
        out.body = metrics_.text();
        respond(std::move(out));
      });
      return;
    }
    respond(answer_of_standby(request, candidate_.leader_url()));
  }

  // The certificate may be renewed while nobody needs this server; everything else is read when it leads.
  void reload(http::Server& http) {
    if (!http.has_tls()) return;
    const auto read = http.reload_tls();
    log::info("certificate", {{"read", read ? "again" : read.error().message()}});
  }

  Candidate& candidate_;
  AsioRuntime& runtime_;
  const StandbyOptions& options_;
  Metrics metrics_;
};

}  // namespace

http::Response answer_of_standby(const http::Request& request, const std::string& leader) {
  if (request.path == "/healthz") {
    http::Response out;
    out.headers.set("Content-Type", "text/plain; charset=utf-8");
    out.headers.set("Cache-Control", "no-store");
    out.body = "ok, standing by\n";
    return out;
  }
  // Not a redirect: clients drop the Authorization header, and some the body, on the way to another host.
  const auto why =
      leader.empty() ? Error{Reason::no_leader, {}, ""} : Error{Reason::standing_by, {{"leader", leader}}, ""};
  auto out = http::problem(why, request);
  out.headers.set("Retry-After", "1");
  return out;
}

Result<std::optional<Won>> stand_by(std::unique_ptr<db::Connection> database, const StandbyOptions& options) {
  AsioRuntime runtime;
  std::optional<Won> out;
  Candidate candidate(runtime, std::move(database), options.holder, options.url, options.times,
                      [&](std::unique_ptr<db::Connection> connection, Epoch epoch) {
                        out = Won{std::move(connection), epoch};
                        runtime.stop();
                      });
  try {
    if (const auto epoch = candidate.try_at_once()) return Won{candidate.connection(), *epoch};
  } catch (const db::DbError& problem) {
    return fail(Reason::database_unusable, {{"detail", problem.what()}});
  }
  TRY(Standby(candidate, runtime, options).run());
  return out;
}

}  // namespace gyre::server
