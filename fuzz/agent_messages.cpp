#include "agent/v1/agent.pb.h"
#include "base/check.hpp"
#include "link/convert.hpp"
#include "targets.hpp"

namespace gyre::fuzz {
namespace {

// What was understood is understood the same when it is sent on.
template <class Wire>
void there_and_back(std::string_view bytes) {
  Wire in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto message = link::from_wire(in);
  if (!message) return;
  Wire out;
  link::to_wire(*message, out);
  const auto again = link::from_wire(out);
  CHECK(again);
  Wire twice;
  link::to_wire(*again, twice);
  CHECK(twice.DebugString() == out.DebugString());  // text, because a number may be NaN, which equals nothing
}

}  // namespace

void agent_messages(std::string_view bytes) {
  if (bytes.size() > 1 << 20) return;
  there_and_back<agent::v1::AgentToServer>(bytes);
  there_and_back<agent::v1::ServerToAgent>(bytes);
}

}  // namespace gyre::fuzz
