// What must be true at the moment when a spot pod is told to make room. Looks at the tables alone and works it out by
// itself, so that it does not repeat a mistake of the server's.
#pragma once

#include <string>

#include "pods/pod_store.hpp"

namespace gyre::sim {

// `pod` has just been interrupted, and the tables are as that commit left them. Fails the test with `where` and words.
void check_interruption(db::Connection& db, const Pod& pod, const std::string& where);

}  // namespace gyre::sim
