// The seam between the server and its agents: two small ports, one for each end. Production: a gRPC stream with mutual
// TLS that the agent opens (grpc_server.hpp, grpc_client.hpp). Simulation: messages late, twice or never.
#pragma once

#include "link/messages.hpp"

namespace gyre::link {

// The server's end. All calls and callbacks on the core thread.
class AgentLink {
 public:
  virtual ~AgentLink() = default;
  virtual void send(const HostId& host, ServerMessage message) = 0;  // lost when the host is not connected
  virtual bool connected(const HostId& host) const = 0;
  virtual void disconnect(const HostId& host) = 0;  // a retired or duplicate host
  // The address that its connection comes from; empty when not connected, or not known.
  virtual std::string address_of(const HostId&) const { return {}; }
};

// What the server does with what comes; called inside a core task, so that rows may be written.
class AgentEvents {
 public:
  virtual ~AgentEvents() = default;
  virtual void agent_connected(const HostId& host) = 0;
  virtual void agent_disconnected(const HostId& host) = 0;
  virtual void agent_said(const HostId& host, const AgentMessage& message) = 0;
};

// The agent's end. All calls and callbacks on the agent's core thread. Connects and reconnects by itself.
class ServerLink {
 public:
  virtual ~ServerLink() = default;
  virtual void send(AgentMessage message) = 0;  // lost when not connected
  virtual bool connected() const = 0;
};

class ServerEvents {
 public:
  virtual ~ServerEvents() = default;
  virtual void server_connected() = 0;
  virtual void server_disconnected() = 0;
  virtual void server_said(const ServerMessage& message) = 0;
};

}  // namespace gyre::link
