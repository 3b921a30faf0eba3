// The control plane, put together: one function builds everything, serves, and closes in order.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "server/config.hpp"

namespace gyre::server {

// What a server that has come up knows about itself.
struct Ready {
  std::string url;                  // how users reach it: public_url, or made from what it listens on
  std::string local_url;            // how this machine reaches it
  std::vector<std::string> listen;  // HOST:PORT as bound
  std::string agents;               // HOST:PORT of the agents' port as bound
  std::string ssh;                  // HOST:PORT of the SSH gateway as bound; empty: there is none
  std::string network_volumes;      // the folder of those in this server's data centre; empty: none
  std::string login;                // a link that logs the administrator in once; empty when they have a password
};

struct ServerOptions {
  Config config;
  ConfigSources sources;       // read again on SIGHUP
  std::string first_key_file;  // when named: holds a valid key of the administrator once the server is ready
  std::function<void(const Ready&)> ready;
};

// Runs until SIGTERM or SIGINT, on the calling thread. An error is a start that did not come about; once it has been
// ready, it ends well. A second signal ends the process at once.
Result<> run_server(const ServerOptions& options);

// The file in the data directory that says where a ready server is; not there when none is.
std::string ready_file(const std::string& data_dir);
std::string lock_file(const std::string& data_dir);

}  // namespace gyre::server
