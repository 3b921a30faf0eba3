// A tunnel as a wire: what a carry brings on the link's threads comes to the loop's.
#pragma once

#include <memory>

#include "http/wire.hpp"
#include "link/carry.hpp"

namespace gyre::edge {

std::shared_ptr<http::Wire> tunnel_wire(http::Loop& loop, std::shared_ptr<link::Carry> carry);

}  // namespace gyre::edge
