#include "accounts/credentials.hpp"

#include "accounts/text.hpp"

namespace gyre {
namespace {

std::string cookie(std::string_view value, Duration life, bool secure) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(life).count();
  std::string out(session_cookie_name);
  out.append("=").append(value).append("; Path=/; HttpOnly; SameSite=Lax; Max-Age=").append(std::to_string(seconds));
  if (secure) out += "; Secure";
  return out;
}

}  // namespace

std::optional<std::string> api_key_of(const http::Request& request) {
  if (request.headers.has("Authorization")) {
    auto key = trimmed(request.headers.get("Authorization"));
    constexpr std::string_view scheme = "bearer";
    if (equal_ignoring_case(key.substr(0, scheme.size()), scheme) &&
        (key.size() == scheme.size() || key[scheme.size()] == ' '))
      key = trimmed(key.substr(scheme.size()));
    return std::string(key);
  }
  return request.query.get("api_key");
}

std::optional<std::string> session_token_of(const http::Request& request) {
  auto rest = request.headers.get("Cookie");
  while (!rest.empty()) {
    const auto end = std::min(rest.find(';'), rest.size());
    const auto pair = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != session_cookie_name || equals == std::string_view::npos) continue;
    if (equals + 1 < pair.size()) return std::string(pair.substr(equals + 1));
  }
  return std::nullopt;
}

Site site_of(const http::Request& request) {
  const auto& headers = request.headers;
  if (!headers.get("X-Gyre-CSRF").empty()) return Site::ours;
  if (const auto fetch = headers.get("Sec-Fetch-Site"); !fetch.empty() && fetch != "none")
    return fetch == "same-origin" ? Site::ours : Site::foreign;
  if (headers.has("Origin")) {
    const auto origin = headers.get("Origin");  // "https://gyre.example:8443", or "null"
    const auto scheme_end = origin.find("://");
    if (scheme_end == std::string_view::npos || headers.get("Host").empty()) return Site::foreign;
    // The scheme is not compared: a proxy in front may end TLS.
    return equal_ignoring_case(origin.substr(scheme_end + 3), headers.get("Host")) ? Site::ours : Site::foreign;
  }
  return Site::unknown;
}

bool is_safe(http::Method method) {
  return method == http::Method::get || method == http::Method::head || method == http::Method::options;
}

std::string session_cookie(std::string_view token, Duration life, bool secure) { return cookie(token, life, secure); }
std::string no_session_cookie(bool secure) { return cookie("", 0ms, secure); }

}  // namespace gyre
