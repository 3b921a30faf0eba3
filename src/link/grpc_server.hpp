// The server's end of the agent link over gRPC with mutual TLS. Who a host is, is what its certificate says. Everything
// is decided in core tasks; gRPC's own threads only convert and post.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "link/authority.hpp"
#include "link/carry.hpp"
#include "link/link.hpp"
#include "link/outbox.hpp"
#include "runtime/core.hpp"

namespace gyre::link {

// What the link asks the fleet about a host; both are called within a core task.
struct Admission {
  // May this certificate (64 hex digits of its SHA-256) speak for this host? After a renewal both the old and the new
  // one must do, until the old one expires: the answer that carried the new one may have been lost.
  std::function<bool(const HostId& host, const std::string& fingerprint)> is_known;
  // A new certificate for the host (Authority::sign), on record as one of its own before the task's commit.
  std::function<Result<IssuedCertificate>(const HostId& host, const std::string& csr_pem)> renew;
};

struct GrpcServerConfig {
  std::string listen = "0.0.0.0:7443";  // HOST:PORT; port 0: a free one
  std::vector<std::string> names;       // host names and addresses for the server's certificate
  Duration certificate_check{6h};       // how often its age is looked at
  Duration certificate_life = server_certificate_life;
  Duration certificate_reload{60s};  // how soon a changed file is used for new connections; at least 1 s
  Duration keepalive{20s};           // a silent connection is asked for a sign of life, and closed after half of it
  StreamLimits limits;
  int carries_per_host = 20'000;  // open at the same time
};

class GrpcServer final : public AgentLink, public CarryDesk {
 public:
  // The core, the authority and the events must outlive the server; the authority also the runtime's workers.
  GrpcServer(Core& core, const Authority& authority, GrpcServerConfig config, Admission admission);
  // Ends all connections (agents come back by themselves) and waits until gRPC has let go. `agent_disconnected` is not
  // called for them: whoever starts anew begins with nobody connected.
  ~GrpcServer() override;

  // Begins to listen. The port, or an error: agents_port_unusable, file_unusable, identity_unusable. Core thread.
  Result<int> start(AgentEvents& events);

  void send(const HostId& host, ServerMessage message) override;
  bool connected(const HostId& host) const override;
  void disconnect(const HostId& host) override;
  std::string address_of(const HostId& host) const override;

  void expect(const HostId& host, const std::string& token, Arrived arrived) override;  // any thread
  void forget(const std::string& token) override;                                       // any thread

  struct Counters {
    std::size_t connected = 0;
    std::uint64_t accepted = 0, refused = 0, replaced = 0, closed_as_slow = 0, received = 0, sent = 0;
    std::size_t carries = 0;  // open now
  };
  Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::link
