// What a request line and its headers say in text: targets, queries, languages, request ids.
#include <algorithm>
#include <charconv>

#include "http/message.hpp"
#include "json/utf8.hpp"

namespace gyre::http {
namespace {

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Cuts what stands before `separator` off the front; the rest is empty after the last piece.
std::string_view next_piece(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto piece = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return piece;
}

tl::unexpected<Error> unreadable(Detail detail) {
  return fail(Reason::bad_request, in_both_languages("detail", detail));
}

enum class Part { path, query };

Result<std::string> decoded(std::string_view text, Part part) {
  const bool path = part == Part::path;
  auto out = percent_decoded(text);
  if (!out) return unreadable(path ? Detail::path_percent : Detail::query_percent);
  if (out->find('\0') != std::string::npos) return unreadable(path ? Detail::path_zero : Detail::query_zero);
  if (!json::is_utf8(*out)) return unreadable(path ? Detail::path_utf8 : Detail::query_utf8);
  return std::move(*out);
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (!high || !low) return std::nullopt;
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

Result<Query> Query::parse(std::string_view text) {
  Query query;
  while (!text.empty()) {
    auto value = next_piece(text, '&');
    if (value.empty()) continue;
    const auto name = next_piece(value, '=');
    const auto spaced = [](std::string_view part) {
      std::string out(part);
      std::replace(out.begin(), out.end(), '+', ' ');
      return out;
    };
    auto item = std::make_pair(TRY(decoded(spaced(name), Part::query)), TRY(decoded(spaced(value), Part::query)));
    query.items_.push_back(std::move(item));
  }
  return query;
}

std::optional<std::string> Query::get(std::string_view name) const {
  for (const auto& [item, value] : items_)
    if (item == name) return value;
  return std::nullopt;
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& [item, value] : items_)
    if (item == name) out.push_back(value);
  return out;
}

bool Query::flag(std::string_view name) const {
  const auto value = get(name);
  return value && (value->empty() || *value == "true" || *value == "1");
}

std::string Query::text() const {
  std::string out;
  for (const auto& [name, value] : items_) {
    if (!out.empty()) out += '&';
    out += percent_encoded(name) + '=' + percent_encoded(value);
  }
  return out;
}

void Query::set(std::string_view name, std::string value) {
  remove(name);
  items_.emplace_back(std::string(name), std::move(value));
}

void Query::remove(std::string_view name) {
  std::erase_if(items_, [&](const auto& item) { return item.first == name; });
}

Result<void> set_target(Request& request, std::string_view target) {
  if (!target.starts_with('/')) {  // the absolute form that proxies use
    const auto scheme = target.find("://");
    if (scheme == std::string_view::npos) return unreadable(Detail::target_slash);
    const auto path = target.find_first_of("/?#", scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  auto rest = target;
  const auto path = next_piece(rest, '?');
  auto query = TRY(Query::parse(rest));
  request.path = path.empty() ? "/" : TRY(decoded(path, Part::path));
  request.query = std::move(query);
  return {};
}

Language preferred_language(std::string_view accept_language) {
  struct Choice {
    Language language = Language::en;
    int q = 0;  // thousandths
  } best;
  while (!accept_language.empty()) {
    auto parameters = next_piece(accept_language, ',');
    const auto range = trimmed(next_piece(parameters, ';'));
    int q = 1000;
    while (!parameters.empty()) {
      auto value = trimmed(next_piece(parameters, ';'));
      const auto name = trimmed(next_piece(value, '='));
      if (name != "q" && name != "Q") continue;
      double weight = 0;
      value = trimmed(value);
      const auto read = std::from_chars(value.data(), value.data() + value.size(), weight, std::chars_format::fixed);
      q = read.ec == std::errc{} && weight >= 0 && weight <= 1 ? static_cast<int>(weight * 1000) : 0;
    }
    const auto primary = range.substr(0, range.find('-'));
    const auto is = [&](std::string_view tag) {
      return std::equal(primary.begin(), primary.end(), tag.begin(), tag.end(),
                        [](char a, char b) { return (a | 0x20) == b; });
    };
    if (q <= best.q) continue;
    if (is("ko")) best = {Language::ko, q};
    if (is("en") || primary == "*") best = {Language::en, q};
  }
  return best.language;
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace gyre::http
