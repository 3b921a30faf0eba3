#include "edge/head.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gyre::edge {
namespace {

constexpr std::size_t lines_max = 256;

constexpr auto token_table = [] {
  std::array<bool, 256> out{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    out[static_cast<unsigned char>(c)] = true;
  return out;
}();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return token_table[static_cast<unsigned char>(c)]; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same(std::string_view a, std::string_view b) {  // `b` is in lower case
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == y; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_field_text(std::string_view text) {  // no control characters but tab
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  });
}

template <class Each>
void each_of_list(std::string_view list, Each each) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (const auto item = trimmed(list.substr(0, comma)); !item.empty()) each(item);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

struct Framing {
  std::optional<std::uint64_t> length;
  int lengths = 0, codings = 0;
  bool chunked = false, close = false, keep = false;
};

// The lines after the first; empty string: all is well, else what is wrong.
std::string read_lines(std::string_view rest, std::vector<HeaderLine>& lines, Framing& framing,
                       std::vector<std::string_view>& hop_by_hop) {
  for (;;) {
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos) return "a line does not end";
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.empty()) return rest.empty() ? "" : "there is something after the head";
    if (lines.size() >= lines_max) return "more than 256 header lines";
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return "a header line without a colon";
    const auto name = line.substr(0, colon);
    const auto value = trimmed(line.substr(colon + 1));
    if (!is_token(name)) return "a header name has characters that no name may have";
    if (!is_field_text(value)) return "a header value has control characters";
    lines.push_back({name, value});
    if (same(name, "content-length")) {
      ++framing.lengths;
      std::uint64_t number = 0;
      const auto read = std::from_chars(value.data(), value.data() + value.size(), number);
      if (value.empty() || read.ec != std::errc{} || read.ptr != value.data() + value.size() || number > (1ULL << 62))
        return "a Content-Length that is not a number";
      framing.length = number;
    } else if (same(name, "transfer-encoding")) {
      ++framing.codings;
      framing.chunked = same(value, "chunked");
      if (!framing.chunked) return "a transfer coding other than `chunked`";
    } else if (same(name, "connection")) {
      std::string wrong;
      each_of_list(value, [&](std::string_view item) {
        if (same(item, "close"))
          framing.close = true;
        else if (same(item, "keep-alive"))
          framing.keep = true;
        else if (is_token(item))
          hop_by_hop.push_back(item);
        else
          wrong = "a Connection header that cannot be read";
      });
      if (!wrong.empty()) return wrong;
    }
  }
}

std::string framing_trouble(const Framing& framing, bool http11) {
  if (framing.lengths > 1) return "more than one Content-Length";
  if (framing.codings > 1) return "more than one Transfer-Encoding";
  if (framing.chunked && framing.length) return "both a Content-Length and a Transfer-Encoding";
  if (framing.chunked && !http11) return "a Transfer-Encoding in HTTP/1.0";
  return {};
}

Error unreadable(std::string detail) { return {Reason::proxy_request_unreadable, {{"detail", std::move(detail)}}, {}}; }
Error broken(std::string detail) { return {Reason::proxy_broken_answer, {{"detail", std::move(detail)}}, {}}; }

bool is_target(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}

// Headers that are about one hop, whatever Connection says (RFC 9110, 7.6.1). Transfer-Encoding stays: the body's
// chunks are passed on as they are. Upgrade is written by hand.
bool is_about_one_hop(std::string_view name) {
  switch (name.size()) {
    case 2:
      return same(name, "te");
    case 7:
      return same(name, "upgrade");
    case 10:
      return same(name, "connection") || same(name, "keep-alive");
    case 16:
      return same(name, "proxy-connection");
    case 18:
      return same(name, "proxy-authenticate");
    case 19:
      return same(name, "proxy-authorization");
    default:
      return false;
  }
}

// What Connection names goes too, except what frames or addresses the message: naming those is a known trick.
bool is_named(const std::vector<std::string_view>& names, std::string_view name) {
  if (names.empty()) return false;
  for (const std::string_view kept : {"host", "content-length", "transfer-encoding", "cookie", "authorization"})
    if (same(name, kept)) return false;
  return std::any_of(names.begin(), names.end(), [&](std::string_view one) {
    return one.size() == name.size() &&
           std::equal(one.begin(), one.end(), name.begin(), [](char a, char b) { return lower(a) == lower(b); });
  });
}

bool says_who_asked(std::string_view name) {
  switch (name.size()) {
    case 9:
      return same(name, "forwarded") || same(name, "x-real-ip");
    case 15:
      return same(name, "x-forwarded-for");
    case 16:
      return same(name, "x-forwarded-host") || same(name, "x-forwarded-port");
    case 17:
      return same(name, "x-forwarded-proto");
    default:
      return false;
  }
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::size_t end_of_head(std::string_view bytes) {
  const auto at = bytes.find("\r\n\r\n");
  return at == std::string_view::npos ? at : at + 4;
}

Result<RequestHead> parse_request(std::string_view head) {
  RequestHead out;
  const auto end = head.find("\r\n");
  if (end == std::string_view::npos) return fail(unreadable("the first line does not end"));
  const auto line = head.substr(0, end);
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(unreadable("the first line is no request line"));
  out.method = line.substr(0, first);
  out.target = line.substr(first + 1, last - first - 1);
  const auto version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(unreadable("it is neither HTTP/1.1 nor HTTP/1.0"));
  if (!is_token(out.method)) return fail(unreadable("the method is no word"));
  if (!is_target(out.target)) return fail(unreadable("the path has blanks or control characters"));
  if (same(out.method, "connect")) return fail(unreadable("CONNECT is not for this proxy"));
  out.http11 = version == "HTTP/1.1";
  Framing framing;
  out.lines.reserve(24);
  if (auto wrong = read_lines(head.substr(end + 2), out.lines, framing, out.hop_by_hop); !wrong.empty())
    return fail(unreadable(std::move(wrong)));
  if (auto wrong = framing_trouble(framing, out.http11); !wrong.empty()) return fail(unreadable(std::move(wrong)));
  int hosts = 0;
  std::string_view upgrade;
  for (const auto& [name, value] : out.lines) {
    if (same(name, "host")) {
      ++hosts;
      out.host = value;
    } else if (same(name, "upgrade")) {
      upgrade = value;
    }
  }
  if (hosts != 1) return fail(unreadable("it must have one Host header"));
  if (out.target.front() != '/' && out.target != "*") {
    // "http://host/path" would let the path and the Host header name two different pods.
    constexpr std::string_view scheme = "http://";
    if (out.target.size() <= scheme.size() || !same(out.target.substr(0, scheme.size()), scheme))
      return fail(unreadable("the path does not begin with a slash"));
    const auto rest = out.target.substr(scheme.size());
    const auto slash = std::min(rest.find_first_of("/?"), rest.size());
    if (rest.substr(0, slash) != out.host) return fail(unreadable("the path and the Host header name different hosts"));
    out.target = slash == rest.size() ? std::string_view("/") : rest.substr(slash);
    if (out.target.front() != '/') return fail(unreadable("the path does not begin with a slash"));
  }
  const bool asks = std::any_of(out.hop_by_hop.begin(), out.hop_by_hop.end(),
                                [](std::string_view name) { return same(name, "upgrade"); });
  if (asks && out.http11 && !upgrade.empty()) out.upgrade = upgrade;
  out.body = framing.chunked ? Body::chunked : framing.length.value_or(0) > 0 ? Body::counted : Body::none;
  out.length = framing.length.value_or(0);
  // After an upgrade the bytes are no HTTP any more: a body before them would let two readers differ on where they
  // begin.
  if (!out.upgrade.empty() && out.body != Body::none) return fail(unreadable("an upgrade with a body"));
  out.keep_alive = out.http11 ? !framing.close : framing.keep && !framing.close;
  return out;
}

Result<ResponseHead> parse_response(std::string_view head, std::string_view method) {
  ResponseHead out;
  const auto end = head.find("\r\n");
  if (end == std::string_view::npos) return fail(broken("the first line does not end"));
  const auto line = head.substr(0, end);
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
      (line.size() > 12 && line[12] != ' '))
    return fail(broken("the first line is no status line"));
  const auto digits = line.substr(9, 3);
  const auto read = std::from_chars(digits.data(), digits.data() + 3, out.status);
  if (read.ec != std::errc{} || read.ptr != digits.data() + 3 || out.status < 100)
    return fail(broken("the status is no number"));
  out.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (!is_field_text(out.reason)) return fail(broken("the status line has control characters"));
  out.http11 = line[7] == '1';
  Framing framing;
  out.lines.reserve(24);
  if (auto wrong = read_lines(head.substr(end + 2), out.lines, framing, out.hop_by_hop); !wrong.empty())
    return fail(broken(std::move(wrong)));
  if (auto wrong = framing_trouble(framing, out.http11); !wrong.empty()) return fail(broken(std::move(wrong)));
  const bool no_body = out.status < 200 || out.status == 204 || out.status == 304 || method == "HEAD";
  if (no_body)
    out.body = Body::none;
  else if (framing.chunked)
    out.body = Body::chunked;
  else if (framing.length)
    out.body = *framing.length > 0 ? Body::counted : Body::none;
  else
    out.body = Body::until_close;
  out.length = framing.length.value_or(0);
  out.keep_alive = (out.http11 ? !framing.close : framing.keep && !framing.close) && out.body != Body::until_close;
  return out;
}

std::string write_request(const RequestHead& head, const Asker& asker) {
  std::string out;
  std::size_t size = 256 + head.target.size();
  for (const auto& [name, value] : head.lines) size += name.size() + value.size() + 4;
  out.reserve(size);
  out.append(head.method).append(" ").append(head.target).append(head.http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  for (const auto& [name, value] : head.lines) {
    if (is_about_one_hop(name) || says_who_asked(name) || is_named(head.hop_by_hop, name)) continue;
    add(out, name, value);
  }
  if (!head.upgrade.empty()) {
    add(out, "Connection", "Upgrade");
    add(out, "Upgrade", head.upgrade);
  }
  const bool v6 = asker.address.find(':') != std::string_view::npos;
  const std::string_view protocol = asker.secure ? "https" : "http";
  std::string chain(asker.forwarded_for);
  if (!chain.empty()) chain += ", ";
  chain += asker.address;
  add(out, "X-Forwarded-For", chain);
  add(out, "X-Forwarded-Proto", protocol);
  add(out, "X-Forwarded-Host", head.host);
  std::string forwarded = "for=";
  forwarded.append(v6 ? "\"[" : "").append(asker.address).append(v6 ? "]\"" : "");
  forwarded.append(";host=\"").append(head.host).append("\";proto=").append(protocol);
  add(out, "Forwarded", forwarded);
  out += "\r\n";
  return out;
}

std::string write_response(const ResponseHead& head, bool client_http11, bool close) {
  std::string out;
  std::size_t size = 128;
  for (const auto& [name, value] : head.lines) size += name.size() + value.size() + 4;
  out.reserve(size);
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(head.reason).append("\r\n");
  std::string_view upgrade;
  for (const auto& [name, value] : head.lines) {
    if (same(name, "upgrade")) upgrade = value;
    // The pod's trailers and trailing extensions end here; what has no body says no length of chunks.
    if (is_about_one_hop(name) || is_named(head.hop_by_hop, name)) continue;
    if (head.status < 200 && (same(name, "content-length") || same(name, "transfer-encoding"))) continue;
    if (head.status == 204 && (same(name, "content-length") || same(name, "transfer-encoding"))) continue;
    add(out, name, value);
  }
  if (head.status == 101) {
    add(out, "Connection", "Upgrade");
    if (!upgrade.empty()) add(out, "Upgrade", upgrade);
  } else if (head.status >= 200) {
    if (close)
      add(out, "Connection", "close");
    else if (!client_http11)
      add(out, "Connection", "keep-alive");
  }
  out += "\r\n";
  return out;
}

std::optional<Name> parse_host(std::string_view host, std::string_view domain) {
  if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    const auto port = host.substr(colon + 1);
    if (!std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
    host = host.substr(0, colon);
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (domain.empty() || host.size() < domain.size() || !same(host.substr(host.size() - domain.size()), domain))
    return std::nullopt;
  if (host.size() == domain.size()) return Name{};
  if (host[host.size() - domain.size() - 1] != '.') return std::nullopt;
  const auto label = host.substr(0, host.size() - domain.size() - 1);
  const auto dash = label.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return Name{};
  Name out;
  for (const char c : label.substr(0, dash)) out.pod += lower(c);
  const auto digits = label.substr(dash + 1);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  const bool number = !digits.empty() && digits.front() != '0' && read.ec == std::errc{} &&
                      read.ptr == digits.data() + digits.size() && out.port > 0 && out.port < 65536;
  return number ? out : Name{};
}

}  // namespace gyre::edge
