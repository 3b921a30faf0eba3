// The agent's end of the link over gRPC with mutual TLS. Dials out, and dials again for ever: what runs on the host
// does not depend on it. All calls and callbacks on the runtime's core thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "link/authority.hpp"
#include "link/carry.hpp"
#include "link/link.hpp"
#include "link/outbox.hpp"
#include "runtime/runtime.hpp"

namespace gyre::link {

// What proves the host to the server, and the server to the host.
struct Credentials {
  std::string key_pem, certificate_pem, ca_pem;
};

struct GrpcClientConfig {
  std::vector<std::string> servers;  // HOST:PORT, at least one; tried in turn, beginning with the one that served last
  Credentials credentials;
  Duration retry_first{1s}, retry_max{30s};  // pause after all addresses failed; doubled each time, each with jitter
  Duration answer_within{20s};               // from dialling to being let in
  Duration keepalive{20s};  // a silent connection is asked for a sign of life, so that a NAT's forgetting is noticed
  StreamLimits limits;
};

class GrpcClient final : public ServerLink {
 public:
  GrpcClient(Runtime& runtime, GrpcClientConfig config);
  ~GrpcClient() override;  // hangs up and waits until gRPC has let go; no callback comes afterwards

  void start(ServerEvents& events);  // the events must outlive the client

  void send(AgentMessage message) override;
  bool connected() const override;

  // A new certificate, over the connection there is. `done` exactly once, unless the client is destroyed before.
  // Errors: unavailable (not connected, or lost on the way), host_refused, certificate_request_invalid.
  void renew(std::string csr_pem, std::function<void(Result<IssuedCertificate>)> done);

  // The agent's end of a carry that the server asked for with this token. With `why` it only says so, and the answer is
  // null; also when there is no connection. Core thread; the carry's own calls on any.
  std::shared_ptr<Carry> carry(const std::string& token, const std::optional<Error>& why = {});

  // Connects anew with these, at once.
  void use(Credentials credentials);

  struct Counters {
    std::uint64_t dialled = 0, connected = 0, received = 0, sent = 0;
  };
  Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::link
