// How a request says who it is from: where keys and session tokens stand in it, and whether a browser that sends its
// cookie by itself was told to by a page of ours. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "http/message.hpp"

namespace gyre {

inline constexpr std::string_view session_cookie_name = "gyre_session";

// `Authorization: Bearer KEY`, raw `Authorization: KEY` or `?api_key=KEY`, in this order. Present but empty is a key
// too (a wrong one): a client that meant to send a key is not let in by its cookie.
std::optional<std::string> api_key_of(const http::Request& request);

std::optional<std::string> session_token_of(const http::Request& request);

// Whose page made the browser send this request.
enum class Site {
  ours,     // says X-Gyre-CSRF, which no other site's page can send, or the browser vouches for the same origin
  unknown,  // no browser, or one that says nothing
  foreign,  // another site, another port, a sandboxed frame
};
Site site_of(const http::Request& request);

bool is_safe(http::Method method);  // changes nothing: GET, HEAD, OPTIONS

// Set-Cookie values. Not for scripts (HttpOnly), not with requests that other sites start (Lax).
std::string session_cookie(std::string_view token, Duration life, bool secure);
std::string no_session_cookie(bool secure);

}  // namespace gyre
