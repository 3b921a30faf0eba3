#include <memory>
#include <string>

#include "base/check.hpp"
#include "http/request_parser.hpp"
#include "targets.hpp"

namespace gyre::fuzz {
namespace {

constexpr http::RequestParser::Limits limits{.header_bytes = 1024, .body_bytes = 2048};

struct Read {
  std::string outcome;   // the parts of each request that was taken
  std::size_t used = 0;  // bytes of the input
};

// Reads requests one after the other as a connection does; `piece` bytes arrive at a time.
Read read_all(std::string_view bytes, std::size_t piece) {
  Read out;
  auto parser = std::make_unique<http::RequestParser>(limits);
  std::size_t arrived = 0;
  for (int requests = 0; requests < 16;) {
    CHECK(parser->body_bytes() <= limits.body_bytes);
    if (parser->state() == http::RequestParser::State::failed) {
      CHECK(!parser->error().message(Language::ko).empty());
      return out;  // when a mistake is seen, and which of several, may depend on how much has arrived
    }
    if (parser->state() == http::RequestParser::State::done) {
      const auto request = parser->take();
      CHECK(request.body.size() <= limits.body_bytes);
      CHECK(request.path.starts_with('/'));
      out.outcome += std::string(http::method_text(request.method)) + " " + request.path + " " +
                     std::to_string(request.body.size()) + " " + request.body + "\n";
      parser = std::make_unique<http::RequestParser>(limits);
      ++requests;
      continue;
    }
    if (arrived < bytes.size()) arrived = std::min(bytes.size(), arrived + piece);
    const auto used = parser->feed(bytes.substr(out.used, arrived - out.used));
    CHECK(used <= arrived - out.used);
    out.used += used;
    const bool waits =
        parser->state() == http::RequestParser::State::head || parser->state() == http::RequestParser::State::body;
    if (waits && used == 0 && arrived == bytes.size()) return out;  // it wants more than there is
  }
  return out;
}

}  // namespace

// However a network cuts the bytes, they are the same requests: what differs could be smuggled past a proxy.
void request(std::string_view bytes) {
  if (bytes.size() > 8192) return;
  const auto whole = read_all(bytes, bytes.size() + 1);
  const auto single = read_all(bytes, 1);
  CHECK(whole.outcome == single.outcome);
}

}  // namespace gyre::fuzz
