// Help pages at /help: what to do when a key leaked, a disk is full, a pod does not come up. Plain pages without
// scripts, in Korean and English, that travel inside the binary and need no log-in: who needs them may have none.
#pragma once

#include <string_view>
#include <vector>

#include "http/router.hpp"

namespace gyre::server {

// A page as it lies in help/: what goes into <main>, with its <h1> first.
struct HelpPage {
  std::string_view name;  // "leaked-key.ko.html"
  std::string_view content;
};
const std::vector<HelpPage>& help_pages();

// GET /help and /help/{topic}; `?lang=ko` wins over Accept-Language.
std::vector<http::Route> help_routes();

}  // namespace gyre::server
