// The agent's end of tunnels: connections to ports of its pods, carried to the server. One thread of their own carries
// all bytes; the core only says where to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "link/carry.hpp"
#include "runtime/runtime.hpp"

namespace gyre::agent {

class Tunnels {
 public:
  static constexpr int open_max = 20'000;
  static constexpr std::chrono::seconds connect_time{5};

  // Opens the carry of a token, or says why not and answers null. Called on the core thread.
  using Open = std::function<std::shared_ptr<link::Carry>(const std::string& token, const std::optional<Error>& why)>;

  Tunnels(Runtime& runtime, Open open);
  ~Tunnels();  // cuts off what is left

  // Connects to a port of this machine and carries it, or tells the server why it cannot. Core thread.
  struct Target {
    std::string pod, address;
    int container_port = 0, port = 0;
  };
  void open(const std::string& token, const Result<Target>& target);

  int open_now() const;  // any thread

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace gyre::agent
