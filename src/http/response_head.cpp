#include "http/response_head.hpp"

#include <array>
#include <charconv>

#include "base/log.hpp"

namespace gyre::http {
namespace {

bool is_ours(std::string_view name) {
  for (const auto* ours : {"Date", "Connection", "Content-Length", "Transfer-Encoding", "X-Request-Id", "Keep-Alive"})
    if (same_header_name(name, ours)) return true;
  return false;
}

// What a handler made of a user's words must not become a header, or a body, of its own.
bool fits_a_line(std::string_view name, std::string_view value) {
  const auto token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  const auto text = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); };
  return !name.empty() && std::all_of(name.begin(), name.end(), token) && std::all_of(value.begin(), value.end(), text);
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

void two_digits(std::string& out, unsigned value) {
  out += static_cast<char>('0' + value / 10);
  out += static_cast<char>('0' + value % 10);
}

}  // namespace

std::string http_date(Time time) {
  using namespace std::chrono;
  constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<seconds>(time - day));
  std::string out(weekdays[weekday(day).c_encoding()]);
  out += ", ";
  two_digits(out, static_cast<unsigned>(date.day()));
  out += ' ';
  out += months[static_cast<unsigned>(date.month()) - 1];
  out += ' ' + std::to_string(static_cast<int>(date.year())) + ' ';
  two_digits(out, static_cast<unsigned>(clock.hours().count()));
  out += ':';
  two_digits(out, static_cast<unsigned>(clock.minutes().count()));
  out += ':';
  two_digits(out, static_cast<unsigned>(clock.seconds().count()));
  return out + " GMT";
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string response_head(const Response& response, const Framing& framing, std::string_view request_id, Time now) {
  std::string out;
  out.reserve(256);
  out += "HTTP/1.1 " + std::to_string(response.status) + ' ';
  out += status_text(response.status);
  out += "\r\n";
  for (const auto& [name, value] : response.headers.lines()) {
    if (is_ours(name)) continue;
    if (!fits_a_line(name, value)) {
      log::error("a response header was left out: it is not one line of text", {{"header", name}});
      continue;
    }
    add(out, name, value);
  }
  add(out, "Date", http_date(now));
  add(out, "X-Request-Id", request_id);
  if (framing.length && status_has_body(response.status)) add(out, "Content-Length", std::to_string(*framing.length));
  if (framing.chunked) add(out, "Transfer-Encoding", "chunked");
  if (framing.upgrade)
    add(out, "Connection", "Upgrade");
  else if (framing.close)
    add(out, "Connection", "close");
  else if (!framing.http11)
    add(out, "Connection", "keep-alive");
  out += "\r\n";
  return out;
}

void append_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), bytes.size(), 16).ptr;
  out.append(digits.data(), end);
  out += "\r\n";
  out += bytes;
  out += "\r\n";
}

}  // namespace gyre::http
