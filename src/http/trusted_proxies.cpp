#include "http/trusted_proxies.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace gyre::http {
namespace {

using Bytes = std::array<unsigned char, 16>;
struct Address {
  Bytes bytes{};
  bool v4 = false;
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string terminated(text);
  Address out;
  if (::inet_pton(AF_INET6, terminated.c_str(), out.bytes.data()) == 1) {
    constexpr Bytes mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    out.v4 = std::equal(out.bytes.begin(), out.bytes.begin() + 12, mapped.begin());
    return out;
  }
  if (::inet_pton(AF_INET, terminated.c_str(), out.bytes.data() + 12) != 1) return std::nullopt;
  out.bytes[10] = out.bytes[11] = 0xff;
  out.v4 = true;
  return out;
}

std::string text_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.v4)
    ::inet_ntop(AF_INET, address.bytes.data() + 12, text.data(), text.size());
  else
    ::inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  return text.data();
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// "1.2.3.4", "1.2.3.4:567", "[::1]:567", "::1": proxies write all of these.
std::optional<Address> parse_hop(std::string_view hop) {
  if (hop.starts_with('[')) return parse_address(hop.substr(1, hop.find(']') - 1));
  if (const auto colon = hop.find(':'); colon != std::string_view::npos && hop.find(':', colon + 1) == hop.npos)
    hop = hop.substr(0, colon);
  return parse_address(hop);
}

bool inside(const Bytes& address, const Bytes& network, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole), network.begin())) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<unsigned char>(0xff << (8 - bits % 8));
  return (address[whole] & mask) == (network[whole] & mask);
}

// All values of a header that may stand more than once, as one list.
std::vector<std::string_view> hops(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> out;
  for (const auto& [header, value] : headers.lines()) {
    if (!same_header_name(header, name)) continue;
    std::string_view rest = value;
    for (;;) {
      const auto comma = rest.find(',');
      out.push_back(trimmed(rest.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return out;
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
  TrustedProxies out;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const std::string_view text = networks[i];
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    const auto wrong = [&] { return invalid("trusted_proxies[" + std::to_string(i) + "]", Detail::network); };
    if (!address) return wrong();
    Network network{address->bytes, 128};
    if (slash != std::string_view::npos) {
      const auto length = text.substr(slash + 1);
      const int bits_max = address->v4 ? 32 : 128;
      int bits = 0;
      const auto read = std::from_chars(length.data(), length.data() + length.size(), bits);
      if (read.ec != std::errc{} || read.ptr != length.data() + length.size() || bits < 0 || bits > bits_max)
        return wrong();
      network.bits = bits + (128 - bits_max);
    }
    out.networks_.push_back(network);
  }
  return out;
}

bool TrustedProxies::trusts(std::string_view address) const {
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const Network& network) { return inside(parsed->bytes, network.address, network.bits); });
}

TrustedProxies::Client TrustedProxies::client(std::string_view peer, bool tls, const Headers& headers) const {
  Client out{std::string(peer), tls};
  if (networks_.empty() || !trusts(peer)) return out;
  const auto protocols = hops(headers, "X-Forwarded-Proto");
  if (!protocols.empty()) out.secure = protocols.back() == "https";
  const auto path = hops(headers, "X-Forwarded-For");
  for (auto hop = path.rbegin(); hop != path.rend(); ++hop) {
    const auto address = parse_hop(*hop);
    if (!address) break;  // "unknown", or somebody's joke: the last that could be read counts
    out.address = text_of(*address);
    if (!trusts(out.address)) break;
  }
  return out;
}

std::string remote_group(std::string_view address) {
  auto parsed = parse_address(address);
  if (!parsed) return std::string(address);
  if (parsed->v4) return text_of(*parsed);
  std::fill(parsed->bytes.begin() + 8, parsed->bytes.end(), 0);
  return text_of(*parsed) + "/64";
}

}  // namespace gyre::http
