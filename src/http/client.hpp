// A small blocking HTTP client over libcurl: for the command line and for an agent that joins. It is never called on
// the core thread. TLS is always verified; redirects are not followed, so that a key never travels to another host.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::http {

struct ClientRequest {
  std::string method = "GET";
  std::string url;          // http:// or https://
  std::string unix_socket;  // speak through this socket instead of the network; the host in `url` is then only a name
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // sent with a Content-Length when not empty, or when the method is POST, PUT or PATCH

  Duration connect_timeout{10'000};
  Duration timeout{60'000};                   // of the whole exchange; 0: none, which is what a followed stream wants
  Duration silence_timeout{0};                // give up when no byte came for so long (whole seconds); 0: wait for ever
  std::size_t body_limit = 16 * 1024 * 1024;  // of an answer that is collected; a streamed one has no limit

  std::string ca_pem;  // trust these authorities; empty: those of the file SSL_CERT_FILE names, else the system's
  // Also trust a chain that carries an authority whose certificate's SHA-256 (lower-case hex, of the DER) begins with
  // this. How a join token vouches for a server with a certificate of its own making. Empty: nothing more is trusted.
  std::string ca_fingerprint;

  // Connect to no address of this machine or of a private network, whatever the name means: for names that a stranger
  // gave. Refused ones are server_unreachable.
  bool only_public_addresses = false;

  std::stop_token stop;  // a request to stop ends the exchange at once, with Reason::request_cancelled
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // of the final answer, as sent
  std::string body;
  std::string certificate_pem;  // the server's own, with https

  bool ok() const { return status >= 200 && status < 300; }
  std::string_view header(std::string_view name) const;  // the first; names compare without case; empty when absent
};

// Sends and waits. Any answer of the server, 500 included, is a value. Errors: server_unreachable, server_not_trusted,
// answer_too_large, answer_timed_out, request_cancelled, invalid_field (url).
Result<ClientResponse> fetch(const ClientRequest& request);

// The same, giving the body of a 2xx answer to `chunk` as it comes (ClientResponse::body stays empty then); any other
// answer's body is collected. `chunk` runs on the calling thread; when it returns false the exchange ends and what came
// so far is the answer.
using Chunk = std::function<bool(std::string_view bytes)>;
Result<ClientResponse> fetch(const ClientRequest& request, const Chunk& chunk);

// Is it an address of the public internet? Not this machine's own, nor a private, link-local, shared (RFC 6598),
// multicast or reserved one; IPv4 inside IPv6 counts as what it is.
bool is_public_address(const std::string& address);

// Percent-encodes everything but letters, digits and -._~ : one path segment or query value.
std::string url_encode(std::string_view text);

}  // namespace gyre::http
