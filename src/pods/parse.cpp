#include "pods/parse.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <set>

namespace gyre {
namespace {

constexpr int http_ports_max = 10;
constexpr int tcp_ports_max = 20;
constexpr std::size_t words_max = 1000;

bool one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool letter_or_digit(char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && one_of(text.front(), " \t")) text.remove_prefix(1);
  while (!text.empty() && one_of(text.back(), " \t")) text.remove_suffix(1);
  return text;
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<PortWish> parse_port(std::string_view text, const std::string& field) {
  text = trimmed(text);
  const auto slash = text.find('/');
  const auto port = number(text.substr(0, slash));
  const auto protocol = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  if (!port || (protocol != "http" && protocol != "tcp"))
    return invalid(field, Detail::port, {{"value", std::string(text.substr(0, 60))}});
  if (*port < 1 || *port > 65535) return invalid(field, Detail::port_range, {{"value", std::to_string(*port)}});
  return PortWish{*port, protocol == "http"};
}

Result<std::vector<std::string>> split_ports(std::string_view text, const std::string& field) {
  std::vector<std::string> out;
  if (trimmed(text).empty()) return out;
  for (;;) {
    const auto comma = text.find(',');
    out.emplace_back(trimmed(text.substr(0, comma)));
    if (out.size() > http_ports_max + tcp_ports_max) return invalid(field, Detail::ports_too_many);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

Result<std::vector<PortWish>> parse_ports(const std::vector<std::string>& texts, const std::string& field) {
  std::vector<PortWish> out;
  std::set<int> seen;
  int http = 0, tcp = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto at = field + "[" + std::to_string(i) + "]";
    auto port = TRY(parse_port(texts[i], at));
    if (!seen.insert(port.port).second) return invalid(at, Detail::port_twice, {{"value", std::to_string(port.port)}});
    if (port.http && ++http > http_ports_max)
      return invalid(at, Detail::http_ports_at_most, {{"limit", std::to_string(http_ports_max)}});
    if (!port.http && ++tcp > tcp_ports_max)
      return invalid(at, Detail::tcp_ports_at_most, {{"limit", std::to_string(tcp_ports_max)}});
    out.push_back(port);
  }
  return out;
}

Result<std::vector<std::string>> split_command(std::string_view text, const std::string& field) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') return invalid(field, Detail::zero_in_command);
    if (c == '\'') {
      const auto end = text.find('\'', i + 1);
      if (end == std::string_view::npos)
        return invalid(field, Detail::quote_open, {{"quote", "'"}, {"position", std::to_string(i + 1)}});
      word += text.substr(i + 1, end - i - 1);
      in_word = true;
      i = end;
    } else if (c == '"') {
      const auto opened = i;
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && one_of(text[i + 1], "\"\\$`"))
          word += text[++i];
        else
          word += text[i];
      }
      if (i >= text.size())
        return invalid(field, Detail::quote_open, {{"quote", "\""}, {"position", std::to_string(opened + 1)}});
      in_word = true;
    } else if (c == '\\') {
      if (i + 1 >= text.size()) return invalid(field, Detail::ends_in_backslash);
      if (text[i + 1] != '\n') word += text[i + 1];
      in_word = true;
      ++i;
    } else if (one_of(c, " \t\n\r")) {
      if (in_word) out.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      word += c;
      in_word = true;
    }
  }
  if (in_word) out.push_back(std::move(word));
  if (out.size() > words_max) return invalid(field, Detail::words_at_most, {{"limit", std::to_string(words_max)}});
  return out;
}

std::string command_line(const std::vector<std::string>& words) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@%+,";
  std::string out;
  for (const auto& word : words) {
    if (!out.empty()) out += ' ';
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

Result<CommandWish> parse_docker_args(std::string_view text, const std::string& field) {
  CommandWish out;
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return out;
  if (text[start] != '{') {
    out.command = TRY(split_command(text, field));
    return out;
  }
  boost::system::error_code problem;
  const auto value = boost::json::parse(boost::json::string_view(text.data(), text.size()), problem);
  if (problem || !value.is_object()) return invalid(field, Detail::docker_args_json);
  for (const auto& [key, item] : value.as_object()) {
    if (key != "cmd" && key != "entrypoint") return invalid(field, Detail::docker_args_keys);
    auto& words = (key == "cmd" ? out.command : out.entrypoint).emplace();
    if (!item.is_array()) return invalid(field, Detail::list_of_strings, {{"value", std::string(key)}});
    for (const auto& word : item.as_array()) {
      if (!word.is_string()) return invalid(field, Detail::list_of_strings, {{"value", std::string(key)}});
      words.emplace_back(word.as_string());
    }
    if (words.size() > words_max) return invalid(field, Detail::words_at_most, {{"limit", std::to_string(words_max)}});
    if (words.empty()) (key == "cmd" ? out.command : out.entrypoint).reset();
  }
  return out;
}

Result<> check_cuda(const std::string& version, const std::string& field) {
  const auto dot = version.find('.');
  const bool digits =
      !version.empty() && version.size() <= 6 && version.find_first_not_of("0123456789.") == std::string::npos;
  if (!digits || dot == 0 || dot == std::string::npos || dot + 1 == version.size() ||
      version.find('.', dot + 1) != std::string::npos)
    return invalid(field, Detail::cuda_version);
  return {};
}

bool is_variable_name(std::string_view text) {
  if (text.empty() || text.size() > 255 || (text.front() >= '0' && text.front() <= '9')) return false;
  for (char c : text)
    if (!letter_or_digit(c) && !one_of(c, "_.-")) return false;
  return !one_of(text.front(), ".-");
}

}  // namespace gyre
