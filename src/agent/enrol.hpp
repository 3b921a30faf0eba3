// How a host becomes one of an installation's, and stays it: the identity in the agent's data folder, joining with a
// token, and renewing the certificate while there is time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "link/grpc_client.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

// Who this host is, in one file of the data folder (`identity.json`, mode 0600), so that key and certificate always
// belong together.
struct Identity {
  HostId host;
  link::Credentials credentials;
  std::vector<std::string> servers;  // HOST:PORT of the agents' port
};

Result<Identity> load_identity(const std::filesystem::path& data_dir);  // errors: not_joined, identity_unusable
Result<> store_identity(const std::filesystem::path& data_dir, const Identity& identity);
// The server has let the host go for good: the identity is put aside as `identity.retired.json`.
Result<> retire_identity(const std::filesystem::path& data_dir);

// Held by whoever works with the folder: one agent at a time, and no join under a running one.
std::filesystem::path lock_file(const std::filesystem::path& data_dir);

struct JoinOptions {
  std::string server;  // http(s)://HOST[:PORT] of the API
  std::string token;
  std::filesystem::path data_dir;    // made when missing
  std::string host_name;             // what the server shall call it; empty: the machine's own name
  std::string ca_pem;                // trust these for HTTPS instead of the system's authorities
  bool replace = false;              // forget the identity that the folder holds
  Language language = Language::en;  // of the server's words
};

// Spends the token and stores the identity. Blocking. Errors: join_token_malformed (field token), already_joined,
// agent_already_running, server_unreachable and the like, join_refused (with the server's words and way out),
// server_identity_mismatch (the answer is not from the installation that made the token; nothing is stored).
Result<Identity> join(const JoinOptions& options, Time now);

// Keeps the certificate fresh: in the last third of its life asks for another over the live connection, stores it and
// connects with it. What fails is tried again at the next look. Core thread only.
class Renewal {
 public:
  // All must outlive the renewal.
  Renewal(Runtime& runtime, link::GrpcClient& link, std::filesystem::path data_dir, Identity identity,
          Duration look_every = 10min);
  ~Renewal();
  void start();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::agent
