// Who the client is when reverse proxies stand before us. Only what a configured proxy says is believed: anybody else
// could write the same headers.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace gyre::http {

class TrustedProxies {
 public:
  // "10.0.0.0/8", "127.0.0.1", "fd00::/8". invalid_field with the index for anything else.
  static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

  bool trusts(std::string_view address) const;

  struct Client {
    std::string address;
    bool secure = false;
  };
  // Of X-Forwarded-For the last address that is not one of our proxies; of X-Forwarded-Proto what the last proxy said.
  // `peer` is who holds the connection, `tls` whether it came over TLS.
  Client client(std::string_view peer, bool tls, const Headers& headers) const;

 private:
  struct Network {
    std::array<unsigned char, 16> address{};  // IPv4 as ::ffff:a.b.c.d
    int bits = 128;
  };
  std::vector<Network> networks_;
};

// An address in the form that counts connections per remote: IPv6 by its /64, of which one customer has all.
std::string remote_group(std::string_view address);

}  // namespace gyre::http
