// Who may hand the core a request now. One key that floods the server is told to wait (429) while everyone else is
// served; when the whole server has more in hand than it should, the next requests of whoever has the most there are
// turned away (503), each with a Retry-After. Decided on the I/O threads, before the core sees anything.
//
// A client is told apart by its credential, as sent: checking it is the core's work, and a flood of wrong ones is a
// flood too. Without one it is its address.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/time.hpp"
#include "http/message.hpp"

namespace gyre::http {

struct AdmissionLimits {
  double requests_per_second = 200;         // of one client, over time
  double burst = 400;                       // ... and at once after a pause
  std::size_t in_hand_per_client = 128;     // given to the core and not answered yet
  std::size_t in_hand = 1024;               // of all clients; a client that has none in hand gets twice this room
  std::size_t clients_remembered = 20'000;  // bound of the table; the longest idle one is forgotten first
};

class Admission {
 public:
  explicit Admission(AdmissionLimits limits) : limits_(limits) {}

  // Holds a place in hand until it is destroyed, from any thread; must not outlive the Admission.
  class Ticket {
   public:
    Ticket(Admission& from, std::string client) : from_(&from), client_(std::move(client)) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket() { from_->leave(client_); }

   private:
    Admission* from_;
    std::string client_;
  };

  // too_many_requests or overloaded, with the seconds to wait.
  Result<std::shared_ptr<Ticket>> enter(const std::string& client, Duration uptime);

  struct Counters {
    std::uint64_t admitted = 0, told_to_wait = 0, shed = 0;
    std::size_t in_hand = 0, clients = 0;
  };
  Counters counters() const;
  std::string policy() const;  // of one client, as a RateLimit-Policy header says it: "requests";q=400;w=2
  void set_limits(AdmissionLimits limits);

 private:
  struct Client {
    double tokens = 0;
    Duration counted_at{};
    std::size_t in_hand = 0;
    std::list<std::string>::iterator place;  // in idle_order_
  };
  void leave(const std::string& client);
  Client& client_of(const std::string& name, Duration uptime);

  mutable std::mutex mutex_;
  AdmissionLimits limits_;
  std::unordered_map<std::string, Client> clients_;
  std::list<std::string> idle_order_;  // the longest idle first
  Counters counters_;
};

// A digest of the credential that the request carries, else its address. Never the credential itself.
std::string client_of(const Request& request);

}  // namespace gyre::http
