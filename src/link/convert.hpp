// Between the plain messages and their form on the wire, both ways. The only code that knows both; messages.hpp and
// agent.proto change together with it. Nothing a peer sends can make these throw or crash.
#pragma once

#include <optional>

#include "link/messages.hpp"

namespace gyre::agent::v1 {
class ServerToAgent;
class AgentToServer;
class Why;
}  // namespace gyre::agent::v1

namespace gyre::link {

namespace wire = gyre::agent::v1;

// Text that is not valid UTF-8 where the wire demands it gets U+FFFD for each wrong byte.
void to_wire(const ServerMessage& message, wire::ServerToAgent& out);
void to_wire(const AgentMessage& message, wire::AgentToServer& out);

// Empty: a message of a newer peer that this version does not know, or an order whose desired state it cannot read.
// Unknown codes inside a message become what agent.proto says at each enum.
std::optional<ServerMessage> from_wire(const wire::ServerToAgent& in);
std::optional<AgentMessage> from_wire(const wire::AgentToServer& in);

// A reason by its code; one that this version does not know becomes internal_error, with the code among its arguments.
void why_to_wire(Reason reason, const Args& args, wire::Why& out);
Reason why_from_wire(const wire::Why& in, Args& args);

}  // namespace gyre::link
