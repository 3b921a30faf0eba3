// The verbs of hosts: enrol, look, drain, retire; and the first ear for what agents say. What concerns pods is passed
// on to the HostListener (pods/), so that the fleet need not know them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/caller.hpp"
#include "events/events.hpp"
#include "fleet/host_store.hpp"
#include "link/link.hpp"
#include "runtime/core.hpp"

namespace gyre {

// Called inside the core task in which it happened; rows may be written.
class HostListener {
 public:
  virtual ~HostListener() = default;
  virtual void host_reported(const HostId& host, const link::Report& report) = 0;  // newer than any seen before
  virtual void host_offline(const HostId& host) = 0;
  virtual void host_retired(const HostId& host) = 0;
  virtual void capacity_changed() = 0;  // something may fit now that did not before
  virtual void channel_said(const HostId& host, const link::AgentMessage& message) = 0;  // of a channel
  virtual void channels_lost(const HostId& host) = 0;                                    // the connection broke
};

// What agents measured: taken as it comes, on the core thread, with no row to write.
using MetricsListener = std::function<void(const HostId& host, const link::Metrics& metrics)>;

struct SignedIdentity {
  std::string certificate;  // PEM
  std::string fingerprint;  // sha256, hex
};

struct FleetConfig {
  Duration offline_after{45'000};       // three missed heartbeats of 15 s
  Duration join_token_life{3'600'000};  // single use, one hour
  std::string ca_certificate;           // PEM; given to agents when they join
  std::string ca_digest;                // first 16 hex digits of the sha256 of the CA certificate; part of every token
  std::vector<std::string> agents_addresses;  // host:port that agents dial
  std::function<Result<SignedIdentity>(const std::string& csr, const HostId& host)> sign;
};

// What is known of a host only while this server runs; the next report brings it back.
struct HostLive {
  Duration last_report{};  // uptime of this server
  std::uint64_t sequence = 0;
  bool connected = false;
  std::vector<std::string> strays;
  std::vector<link::GpuReadingFacts> readings;
  bool offline_noted = false;  // its silence is on record, or it was offline before
  // What its row says, as far as reports may change it; while a report says the same, the row is not read.
  struct Row {
    bool engine_reachable = false;
    std::string engine_error, boot_id;
    Time seen_written_at{};
  };
  std::optional<Row> row;
  std::string network;         // as its agent names it (link::HostFacts)
  bool lends_volumes = false;  // what link::HostFacts says of these two
  bool network_volumes = false;
  std::optional<link::HostFacts> written;  // what its rows were last made from: the same again changes nothing
  std::string address;                     // that its connection came from
};

class HostService final : public link::AgentEvents {
 public:
  // All references must outlive the service.
  HostService(Core& core, Events& events, link::AgentLink& link, FleetConfig config);

  // Before the first agent speaks; they are told in the order they came.
  void add_listener(HostListener& listener) { listeners_.push_back(&listener); }
  void set_metrics_listener(MetricsListener listener) { metrics_listener_ = std::move(listener); }

  struct NewToken {
    std::string token;
    Time expires_at;
  };
  Result<NewToken> make_join_token(const Caller& caller, const std::string& name,
                                   const std::string& data_center = local_data_center);

  struct Joined {
    HostId host;
    SignedIdentity identity;
  };
  Result<Joined> join(const std::string& token, const std::string& csr, const std::string& hostname);
  // A new certificate for a host that proved itself with its present one.
  Result<SignedIdentity> renew(const HostId& host, const std::string& csr);
  // May the bearer of this certificate speak for the host? Its newest one, or the one before: an agent that could not
  // store a renewal goes on with what it has.
  // After a restore from a backup also one that it does not know, once (within a task: it is written down then).
  bool is_known(const HostId& host, const std::string& fingerprint);

  // Operators see every host of the installation, others none: the answer is then as if there were none.
  std::vector<Host> list(const Caller& caller, const std::string& after, int limit) const;
  Result<Host> get(const Caller& caller, const HostId& id) const;
  Result<Host> drain(const Caller& caller, const HostId& id);
  // To another data centre: only while no pod holds anything of it.
  Result<Host> relocate(const Caller& caller, const HostId& id, const std::string& data_center);

  // For the operator.
  Result<DataCenter> add_data_center(const DataCenter& wanted);
  struct DataCenterChange {
    std::optional<std::string> name, location, country;
  };
  Result<DataCenter> change_data_center(const std::string& id, const DataCenterChange& change);
  Result<Host> undrain(const Caller& caller, const HostId& id);
  Result<> retire(const Caller& caller, const HostId& id, bool force);

  HostStore& store() { return store_; }
  const HostStore& store() const { return store_; }
  const HostLive* live(const HostId& host) const;
  Time now() const { return core_.now(); }
  Duration uptime() const { return core_.runtime().uptime(); }
  bool simulated(const HostId& host) const;  // any of its GPUs is

  void agent_connected(const HostId& host) override;
  void agent_disconnected(const HostId& host) override;
  void agent_said(const HostId& host, const link::AgentMessage& message) override;

 private:
  Result<> check_data_center(const std::string& field, const std::string& id) const;
  Result<Host> change(const Caller& caller, const HostId& id, HostEvent event, Reason reason);
  void hello(const HostId& id, const link::HostFacts& facts);
  void report(const HostId& id, const link::Report& report);
  void expire_silent();
  void tell(const Host& host, std::string kind, Reason reason, Args args = {});

  Core& core_;
  Events& events_;
  link::AgentLink& link_;
  FleetConfig config_;
  HostStore store_;
  std::vector<HostListener*> listeners_;
  MetricsListener metrics_listener_;
  std::map<HostId, HostLive> live_;
  bool watching_ = false;  // live_ has every host that the table says is online
  std::unique_ptr<Timer> expiry_;
};

}  // namespace gyre
