#include "server/config.hpp"

#include <arpa/inet.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/enum_text.hpp"
#include "base/image_reference.hpp"

extern char** environ;

namespace gyre::server {
namespace {

using Values = std::vector<std::string>;
using Problem = std::optional<std::string>;

// ---- text to values and back ----

std::optional<std::int64_t> parse_whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};
// The larger unit first: it is the one that a value is printed in when it divides evenly.
constexpr Unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
constexpr Unit duration_units[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

std::optional<std::int64_t> parse_with_units(std::string_view text, std::span<const Unit> units, bool bare_allowed) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_whole(text.substr(0, digits));
  if (!number || *number < 0) return std::nullopt;
  const auto suffix = text.substr(digits);
  if (suffix.empty()) return bare_allowed ? number : std::nullopt;
  for (const auto& unit : units)
    if (suffix == unit.suffix) {
      if (*number > INT64_MAX / unit.factor) return std::nullopt;
      return *number * unit.factor;
    }
  return std::nullopt;
}

std::string with_units(std::int64_t value, std::span<const Unit> units) {
  for (const auto& unit : units)
    if (value != 0 && value % unit.factor == 0) return std::to_string(value / unit.factor) + std::string(unit.suffix);
  return std::to_string(value) + (units.back().factor == 1 ? std::string(units.back().suffix) : "");
}

bool is_address_or_network(std::string_view text) {
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  in6_addr bytes{};
  int bits_max = 0;
  if (inet_pton(AF_INET, address.c_str(), &bytes) == 1)
    bits_max = 32;
  else if (inet_pton(AF_INET6, address.c_str(), &bytes) == 1)
    bits_max = 128;
  else
    return false;
  if (slash == std::string_view::npos) return true;
  const auto bits = parse_whole(text.substr(slash + 1));
  return bits && *bits >= 0 && *bits <= bits_max;
}

bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto rest = text.substr(scheme.size());
    return !rest.empty() && rest.find_first_of("/?# @") == std::string_view::npos;
  }
  return false;
}

// ---- setters and getters: one small template per kind of value, instantiated with the member ----

template <auto Member>
Problem set_text(Config& config, const Values& values) {
  config.*Member = values.front();
  return {};
}
template <auto Member>
Values get_text(const Config& config) {
  return {config.*Member};
}
template <auto Member>
Values get_list(const Config& config) {
  return config.*Member;
}

Problem check_host_port(std::string_view value) {
  if (parse_host_port(value)) return {};
  return "expected HOST:PORT, as 127.0.0.1:8080 or [::1]:8080";
}
template <auto Member>
Problem set_address(Config& config, const Values& values) {
  if (auto problem = check_host_port(values.front())) return problem;
  config.*Member = values.front();
  return {};
}
// May be empty: then there is none.
Problem set_ssh_listen(Config& config, const Values& values) {
  if (!values.front().empty())
    if (auto problem = check_host_port(values.front())) return problem;
  config.ssh_listen = values.front();
  return {};
}
template <auto Member>
Problem set_addresses(Config& config, const Values& values) {
  for (const auto& value : values)
    if (auto problem = check_host_port(value)) return problem;
  for (auto at = values.begin(); at != values.end(); ++at)
    if (std::find(values.begin(), at, *at) != at) return *at + " stands there twice";
  config.*Member = values;
  return {};
}
template <auto Member>
Problem set_at_least_one_address(Config& config, const Values& values) {
  if (values.empty()) return "expected at least one HOST:PORT";
  return set_addresses<Member>(config, values);
}

template <auto Member, std::int64_t Least, std::int64_t Most>
Problem set_count(Config& config, const Values& values) {
  const auto number = parse_whole(values.front());
  if (!number || *number < Least || *number > Most)
    return "expected a whole number from " + std::to_string(Least) + " to " + std::to_string(Most);
  config.*Member = static_cast<int>(*number);
  return {};
}
template <auto Member>
Values get_count(const Config& config) {
  return {std::to_string(config.*Member)};
}

template <auto Member, std::int64_t Least, std::int64_t Most>
Problem set_size(Config& config, const Values& values) {
  const auto bytes = parse_with_units(values.front(), size_units, true);
  if (!bytes || *bytes < Least || *bytes > Most)
    return "expected a size from " + with_units(Least, size_units) + " to " + with_units(Most, size_units);
  config.*Member = *bytes;
  return {};
}
template <auto Member>
Values get_size(const Config& config) {
  return {with_units(config.*Member, size_units)};
}

template <auto Member, std::int64_t Least, std::int64_t Most>  // milliseconds
Problem set_duration(Config& config, const Values& values) {
  const auto time = parse_with_units(values.front(), duration_units, false);
  if (!time || *time < Least || *time > Most)
    return "expected a time from " + with_units(Least, duration_units) + " to " + with_units(Most, duration_units) +
           ", with a unit: ms, s, m, h or d";
  config.*Member = Duration(*time);
  return {};
}
template <auto Member>
Values get_duration(const Config& config) {
  return {with_units((config.*Member).count(), duration_units)};
}

constexpr std::string_view level_names[] = {"debug", "info", "warn", "error"};
Problem set_log_level(Config& config, const Values& values) {
  const auto* found = std::find(std::begin(level_names), std::end(level_names), values.front());
  if (found == std::end(level_names)) return "expected debug, info, warn or error";
  config.log_level = static_cast<log::Level>(found - std::begin(level_names));
  return {};
}
Values get_log_level(const Config& config) {
  return {std::string(level_names[static_cast<std::size_t>(config.log_level)])};
}

Problem set_unknown_fields(Config& config, const Values& values) {
  const auto choice = enum_from_text<UnknownFields>(values.front());
  if (!choice) return "expected refuse or ignore";
  config.unknown_fields = *choice;
  return {};
}
Values get_unknown_fields(const Config& config) { return {std::string(enum_text(config.unknown_fields))}; }

template <bool Config::*Member>
Problem set_flag(Config& config, const Values& values) {
  if (values.front() != "true" && values.front() != "false") return "expected true or false";
  config.*Member = values.front() == "true";
  return {};
}
template <bool Config::*Member>
Values get_flag(const Config& config) {
  return {config.*Member ? "true" : "false"};
}

Problem set_shared_paths(Config& config, const Values& values) {
  config.shared_paths.clear();
  for (const auto& value : values) {
    const auto equals = value.find('=');
    const auto data_center = value.substr(0, equals);
    const auto path = equals == std::string::npos ? std::string() : value.substr(equals + 1);
    const bool named = !data_center.empty() && data_center.size() <= 40 &&
                       data_center.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == std::string::npos;
    if (!named || !path.starts_with('/')) return value + " is not DATACENTER=/PATH, as LOCAL=/srv/volumes";
    if (!config.shared_paths.emplace(data_center, path).second) return data_center + " stands there twice";
  }
  return {};
}
Problem set_trusted_registries(Config& config, const Values& values) {
  for (const auto& value : values)
    if (!parse_image_reference(value + "/any/image")) return "expected HOST or HOST:PORT, not \"" + value + "\"";
  config.trusted_registries = values;
  return std::nullopt;
}

Problem set_sync_image(Config& config, const Values& values) {
  const auto image = parse_image_reference(values.front());
  if (!image) return image.error().message();
  config.sync_image = values.front();
  return std::nullopt;
}

Values get_shared_paths(const Config& config) {
  Values out;
  for (const auto& [data_center, path] : config.shared_paths) out.push_back(data_center + "=" + path);
  return out;
}

Problem set_data_dir(Config& config, const Values& values) {
  if (values.front().empty()) return "expected a path";
  config.data_dir = std::filesystem::absolute(values.front()).lexically_normal().string();
  return {};
}
Problem set_public_url(Config& config, const Values& values) {
  if (!values.front().empty() && !is_origin(values.front()))
    return "expected http:// or https:// and a host without a path, as https://gyre.example.com";
  config.public_url = values.front();
  return {};
}
Problem set_proxy_domain(Config& config, const Values& values) {
  const auto& domain = values.front();
  const bool plain = !domain.empty() && domain.size() <= 200 && domain.front() != '.' && domain.back() != '.' &&
                     domain.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") == std::string::npos;
  if (!plain) return "expected a host name in lower case, as proxy.example.com";
  config.proxy_domain = domain;
  return {};
}
Problem set_database(Config& config, const Values& values) {
  const std::string_view url = values.front();
  if (!url.empty() && !url.starts_with("sqlite:") && !url.starts_with("postgresql://") &&
      !url.starts_with("postgres://"))
    return "expected sqlite:///PATH or postgresql://USER@HOST/NAME";
  config.database = url;
  return {};
}
Problem set_trusted_proxies(Config& config, const Values& values) {
  for (const auto& value : values)
    if (!is_address_or_network(value)) return value + " is neither an address nor a network, as 10.0.0.0/8";
  config.trusted_proxies = values;
  return {};
}

constexpr std::string_view path_type = "path", addresses_type = "list of HOST:PORT", address_type = "HOST:PORT",
                           size_type = "size: bytes, KiB, MiB or GiB", count_type = "whole number",
                           time_type = "time: ms, s, m, h or d", flag_type = "true or false";
constexpr std::int64_t second = 1'000, hour = 3'600'000, day = 86'400'000;

const Key table[] = {
    {.name = "data_dir",
     .type = path_type,
     .description = "Where this server keeps its database, certificates and lock. /var/lib/gyre for root, else "
                    "~/.local/share/gyre.",
     .korean = "데이터베이스, 인증서, 잠금 파일을 두는 곳. root는 /var/lib/gyre, 아니면 ~/.local/share/gyre.",
     .set = set_data_dir,
     .get = get_text<&Config::data_dir>},
    {.name = "listen",
     .type = addresses_type,
     .list = true,
     .description = "Where the API and the console are served. Port 0 lets the system choose one.",
     .korean = "API와 콘솔을 여는 주소. 포트 0이면 시스템이 골라요.",
     .set = set_at_least_one_address<&Config::listen>,
     .get = get_list<&Config::listen>},
    {.name = "public_url",
     .type = "origin, as https://gyre.example.com",
     .description =
         "How users reach this server: used in links, cookies and join commands. Made from `listen` when empty.",
     .korean = "사용자가 접속하는 주소. 링크, 쿠키, 참여 명령에 써요. 비우면 `listen`에서 만들어요.",
     .set = set_public_url,
     .get = get_text<&Config::public_url>},
    {.name = "database",
     .type = "sqlite:///PATH or postgresql://USER@HOST/NAME",
     .secret = true,
     .description = "Where the state lives. SQLite in the data directory when empty.",
     .korean = "상태를 저장하는 곳. 비우면 데이터 폴더의 SQLite.",
     .set = set_database,
     .get = get_text<&Config::database>},
    {.name = "tls.certificate",
     .type = path_type,

     .description = "PEM certificate chain of the API; the file is read again on SIGHUP. Without it the API is plain "
                    "HTTP, which is meant for this "
                    "machine or behind a proxy.",
     .korean = "API의 PEM 인증서 체인. SIGHUP을 받으면 다시 읽어요. 없으면 평문 HTTP이고, 이 기기 안이나 프록시 "
               "뒤에서만 쓰세요.",
     .set = set_text<&Config::tls_certificate>,
     .get = get_text<&Config::tls_certificate>},
    {.name = "tls.key",
     .type = path_type,

     .description = "PEM private key that belongs to tls.certificate; the file is read again on SIGHUP.",
     .korean = "tls.certificate에 맞는 PEM 개인 키. SIGHUP을 받으면 다시 읽어요.",
     .set = set_text<&Config::tls_key>,
     .get = get_text<&Config::tls_key>},
    {.name = "agents.listen",
     .type = address_type,
     .description = "Where host agents connect (gRPC with mutual TLS). Use 0.0.0.0:PORT to take in other machines.",
     .korean = "호스트 에이전트가 접속하는 주소(상호 TLS gRPC). 다른 기기도 받으려면 0.0.0.0:PORT.",
     .set = set_address<&Config::agents_listen>,
     .get = get_text<&Config::agents_listen>},
    {.name = "agents.advertise",
     .type = addresses_type,
     .list = true,
     .description =
         "Addresses that agents are told to connect to, and that this server's agent certificate names; with "
         "several servers on one PostgreSQL, those of all. Made from public_url and agents.listen when empty.",
     .korean = "에이전트에게 알려 주고 서버의 에이전트용 인증서에 적는 주소. PostgreSQL 하나를 여러 서버가 쓰면 모든 "
               "서버의 주소. 비우면 public_url과 agents.listen에서 만들어요.",
     .set = set_addresses<&Config::agents_advertise>,
     .get = get_list<&Config::agents_advertise>},
    {.name = "limits.body_bytes",
     .type = size_type,
     .description = "Largest body of a request; more is answered with 413.",
     .korean = "요청 본문의 최대 크기. 넘으면 413으로 답해요.",
     .set = set_size<&Config::body_bytes, 1 << 10, 1 << 30>,
     .get = get_size<&Config::body_bytes>},
    {.name = "limits.header_bytes",
     .type = size_type,
     .description = "Largest head of a request (request line and headers).",
     .korean = "요청 머리(요청 줄과 헤더)의 최대 크기.",
     .set = set_size<&Config::header_bytes, 1 << 10, 1 << 20>,
     .get = get_size<&Config::header_bytes>},
    {.name = "limits.connections",
     .type = count_type,
     .description = "Connections open at once; above it new ones are turned away.",
     .korean = "동시에 열 수 있는 연결 수. 넘으면 새 연결을 돌려보내요.",
     .set = set_count<&Config::connections, 1, 1'000'000>,
     .get = get_count<&Config::connections>},
    {.name = "limits.connections_per_address",
     .type = count_type,
     .description = "Connections open at once from one address.",
     .korean = "한 주소에서 동시에 열 수 있는 연결 수.",
     .set = set_count<&Config::connections_per_address, 1, 1'000'000>,
     .get = get_count<&Config::connections_per_address>},
    {.name = "limits.requests_per_second",
     .type = count_type,
     .description = "Requests a second of one client (an API key, a session, else an address), over time; more are "
                    "answered with 429.",
     .korean = "한 클라이언트(API 키, 세션, 없으면 주소)의 초당 요청 수. 넘으면 429로 답해요.",
     .set = set_count<&Config::requests_per_second, 1, 1'000'000>,
     .get = get_count<&Config::requests_per_second>},
    {.name = "limits.requests_at_once",
     .type = count_type,
     .description = "Requests that one client may send at once after a pause.",
     .korean = "한 클라이언트가 쉬었다가 한꺼번에 보낼 수 있는 요청 수.",
     .set = set_count<&Config::requests_at_once, 1, 1'000'000>,
     .get = get_count<&Config::requests_at_once>},
    {.name = "limits.requests_in_hand",
     .type = count_type,
     .description = "Requests of all clients that wait for their answer; above it 503, twice that for a client that "
                    "has none waiting.",
     .korean = "답을 기다리는 모든 요청의 수. 넘으면 503으로 답하고, 기다리는 요청이 없는 클라이언트에게는 두 배까지 "
               "허용해요.",
     .set = set_count<&Config::requests_in_hand, 1, 100'000>,
     .get = get_count<&Config::requests_in_hand>},
    {.name = "limits.requests_in_hand_per_client",
     .type = count_type,
     .description = "Requests of one client that wait for their answer; more are answered with 429.",
     .korean = "답을 기다리는 한 클라이언트의 요청 수. 넘으면 429로 답해요.",
     .set = set_count<&Config::requests_in_hand_per_client, 1, 100'000>,
     .get = get_count<&Config::requests_in_hand_per_client>},
    {.name = "limits.pods_per_workspace",
     .type = count_type,
     .description = "Pods that a workspace may have at a time, whatever their state; more are answered with 429.",
     .korean = "한 작업 공간이 가질 수 있는 파드 수(상태와 무관). 넘으면 429로 답해요.",
     .set = set_count<&Config::pods_per_workspace, 1, 10'000'000>,
     .get = get_count<&Config::pods_per_workspace>},
    {.name = "limits.header_timeout",
     .type = time_type,
     .description = "How long a client may take to send the head of a request.",
     .korean = "요청 머리를 다 보낼 때까지 기다리는 시간.",
     .set = set_duration<&Config::header_timeout, second, hour>,
     .get = get_duration<&Config::header_timeout>},
    {.name = "limits.body_timeout",
     .type = time_type,
     .description = "How long a client may take to send the body of a request.",
     .korean = "요청 본문을 다 보낼 때까지 기다리는 시간.",
     .set = set_duration<&Config::body_timeout, second, hour>,
     .get = get_duration<&Config::body_timeout>},
    {.name = "limits.idle_timeout",
     .type = time_type,
     .description = "How long a kept-alive connection may rest between requests.",
     .korean = "이어 둔 연결이 요청 없이 쉴 수 있는 시간.",
     .set = set_duration<&Config::idle_timeout, second, hour>,
     .get = get_duration<&Config::idle_timeout>},
    {.name = "limits.drain_timeout",
     .type = time_type,
     .description = "How long requests in flight may take to end when the server stops; then they are cut.",
     .korean = "서버가 멈출 때 진행 중인 요청이 끝나기를 기다리는 시간. 지나면 끊어요.",
     .set = set_duration<&Config::drain_timeout, 0, hour>,
     .get = get_duration<&Config::drain_timeout>},
    {.name = "proxy.domain",
     .type = "host name",
     .description = "HTTP ports of pods are served at POD-PORT.DOMAIN. Browsers find *.localhost on this machine by "
                    "themselves; for others give a domain whose wildcard record, and certificate, lead here. Not that "
                    "of public_url: pods must not share its cookies.",
     .korean = "파드의 HTTP 포트를 POD-PORT.DOMAIN에서 열어요. *.localhost는 이 기기의 브라우저가 스스로 찾아요. 다른 "
               "기기를 위해서는 와일드카드 레코드와 인증서가 이 서버를 가리키는 도메인을 정하세요. 파드가 쿠키를 나눠 "
               "갖지 않도록 public_url과 다른 도메인이어야 해요.",
     .set = set_proxy_domain,
     .get = get_text<&Config::proxy_domain>},
    {.name = "proxy.answer_timeout",
     .type = time_type,
     .description = "How long a pod may take to begin its answer; then the proxy answers 524.",
     .korean = "파드가 답을 시작하기까지 기다리는 시간. 지나면 프록시가 524로 답해요.",
     .set = set_duration<&Config::proxy_answer_timeout, second, hour>,
     .get = get_duration<&Config::proxy_answer_timeout>},
    {.name = "proxy.requests_per_pod",
     .type = count_type,
     .description = "Requests and WebSockets open at once to one pod; above it 503.",
     .korean = "한 파드에 동시에 열 수 있는 요청과 웹소켓 수. 넘으면 503으로 답해요.",
     .set = set_count<&Config::proxy_requests_per_pod, 1, 1'000'000>,
     .get = get_count<&Config::proxy_requests_per_pod>},
    {.name = "proxy.requests_per_workspace",
     .type = count_type,
     .description = "Requests and WebSockets open at once to all pods of one workspace; above it 429.",
     .korean = "한 워크스페이스의 모든 파드에 동시에 열 수 있는 요청과 웹소켓 수. 넘으면 429로 답해요.",
     .set = set_count<&Config::proxy_requests_per_workspace, 1, 1'000'000>,
     .get = get_count<&Config::proxy_requests_per_workspace>},
    {.name = "ssh.listen",
     .type = "HOST:PORT",
     .description = "Where the SSH gateway to pods listens, as 0.0.0.0:2222 (docs/ssh.md). Empty: there is none.",
     .korean = "파드로 들어가는 SSH 게이트웨이의 주소. 0.0.0.0:2222처럼 적어요(docs/ssh.md). 비우면 열지 않아요.",
     .set = set_ssh_listen,
     .get = get_text<&Config::ssh_listen>},
    {.name = "ssh.host_key",
     .type = path_type,
     .description = "The gateway's private key in OpenSSH's format; made when it is not there. ssh_host_ed25519_key in "
                    "the data directory when empty. With several servers, the same file on all.",
     .korean = "게이트웨이의 OpenSSH 형식 비밀 키. 없으면 만들어요. 비우면 데이터 폴더의 ssh_host_ed25519_key. 서버가 "
               "여럿이면 모두 같은 파일을 쓰세요.",
     .set = set_text<&Config::ssh_host_key>,
     .get = get_text<&Config::ssh_host_key>},
    {.name = "ssh.connections",
     .type = count_type,
     .description = "SSH connections open at once; above it new ones are turned away.",
     .korean = "동시에 열 수 있는 SSH 연결 수. 넘으면 새 연결을 돌려보내요.",
     .set = set_count<&Config::ssh_connections, 1, 10'000>,
     .get = get_count<&Config::ssh_connections>},
    {.name = "ssh.connections_per_address",
     .type = count_type,
     .description = "SSH connections open at once from one address.",
     .korean = "한 주소에서 동시에 열 수 있는 SSH 연결 수.",
     .set = set_count<&Config::ssh_connections_per_address, 1, 10'000>,
     .get = get_count<&Config::ssh_connections_per_address>},
    {.name = "ssh.idle_timeout",
     .type = time_type,
     .description = "How long an SSH connection may rest, without a byte either way.",
     .korean = "SSH 연결이 양쪽으로 한 바이트도 없이 쉴 수 있는 시간.",
     .set = set_duration<&Config::ssh_idle_timeout, second, 30 * 24 * hour>,
     .get = get_duration<&Config::ssh_idle_timeout>},
    {.name = "log.level",
     .type = "debug, info, warn or error",
     .reloadable = true,
     .description = "What is logged, to standard error, one JSON object a line.",
     .korean = "무엇을 기록할지. 표준 오류에 한 줄에 JSON 하나씩 써요.",
     .set = set_log_level,
     .get = get_log_level},
    {.name = "trusted_proxies",
     .type = "list of addresses or networks",
     .list = true,
     .description = "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
     .korean = "X-Forwarded-For와 X-Forwarded-Proto를 믿을 프록시.",
     .set = set_trusted_proxies,
     .get = get_list<&Config::trusted_proxies>},
    {.name = "compat.unknown_fields",
     .type = "refuse or ignore",
     .description =
         "What a field of a request body that this version does not know gets: a 400 that names it, or nothing.",
     .korean = "이 버전이 모르는 요청 필드를 어떻게 할지. 이름을 밝혀 400으로 거절하거나 무시해요.",
     .set = set_unknown_fields,
     .get = get_unknown_fields},
    {.name = "compat.listen",
     .type = addresses_type,
     .list = true,
     .description = "Where this server also answers, with TLS, clients that have RunPod's host names built in, as "
                    "0.0.0.0:443 (docs/compat.md). Empty: nowhere else.",
     .korean = "RunPod의 호스트 이름이 코드에 박혀 있는 클라이언트를 TLS로 따로 받을 주소. 0.0.0.0:443처럼 적어요"
               "(docs/compat.md). 비우면 따로 받지 않아요.",
     .set = set_addresses<&Config::compat_listen>,
     .get = get_list<&Config::compat_listen>},
    {.name = "compat.certificate",
     .type = path_type,
     .description = "PEM certificate chain for those names, of an authority of your own; gyre compat says how to make "
                    "it. Read again on SIGHUP. Where `listen` has TLS, too, clients who ask for one of these names are "
                    "shown it there.",
     .korean = "그 이름들을 위한 자체 인증 기관의 PEM 인증서 체인. 만드는 방법은 gyre compat이 알려 줘요. SIGHUP을 "
               "받으면 다시 읽어요. `listen`에도 TLS가 있으면 이 이름을 찾는 클라이언트에게는 거기서도 이 인증서를 "
               "보여요.",
     .set = set_text<&Config::compat_certificate>,
     .get = get_text<&Config::compat_certificate>},
    {.name = "compat.key",
     .type = path_type,
     .description = "PEM private key that belongs to compat.certificate; read again on SIGHUP.",
     .korean = "compat.certificate에 맞는 PEM 개인 키. SIGHUP을 받으면 다시 읽어요.",
     .set = set_text<&Config::compat_key>,
     .get = get_text<&Config::compat_key>},
    {.name = "retention.events",
     .type = time_type,

     .description = "How long events are kept for GET /v1/events and the history of pods.",
     .korean = "GET /v1/events와 파드의 이력에 쓰는 이벤트를 보관하는 기간.",
     .set = set_duration<&Config::events_kept, hour, 3650 * day>,
     .get = get_duration<&Config::events_kept>},
    {.name = "catalog.simulated_stock",
     .type = flag_type,
     .description = "Whether simulated GPUs count as stock in the catalogue, as on a machine to try things out.",
     .korean = "모의 GPU를 카탈로그의 재고로 셀지. 시험용 기기에서 쓰세요.",
     .set = set_flag<&Config::simulated_stock>,
     .get = get_flag<&Config::simulated_stock>},
    {.name = "volumes.shared_paths",
     .type = "list of DATACENTER=PATH",
     .list = true,
     .description = "Where network volumes are: for each data centre a path on storage that this server and its hosts "
                    "share. Without one there are no network volumes.",
     .korean = "네트워크 볼륨을 두는 곳. 데이터 센터마다 서버와 호스트가 함께 쓰는 저장소의 경로. 없으면 네트워크 "
               "볼륨을 쓸 수 없어요.",
     .set = set_shared_paths,
     .get = get_shared_paths},
    {.name = "images.trusted_registries",
     .type = "list of HOST or HOST:PORT",
     .list = true,
     .description =
         "Registries of your own: asked about images also at private addresses, and without TLS where they speak "
         "none. Others are asked at public addresses only.",
     .korean = "직접 운영하는 레지스트리. 이미지를 확인할 때 사설 주소로도 연결하고, TLS가 없으면 없이 연결해요. 다른 "
               "레지스트리는 공개 주소로만 연결해요.",
     .set = set_trusted_registries,
     .get = get_list<&Config::trusted_registries>},
    {.name = "cloud_sync.image",
     .type = "image with rclone as /usr/bin/rclone or in its PATH",
     .description = "What copies between a pod's volume and a bucket. Hosts pull it like any image.",
     .korean = "파드의 볼륨과 버킷 사이를 복사하는 이미지. 호스트가 다른 이미지처럼 내려받아요.",
     .set = set_sync_image,
     .get = get_text<&Config::sync_image>},
};

const Key* find_key(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](const Key& key) { return key.name == name; });
  return found == std::end(table) ? nullptr : found;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest_key(std::string_view name) {
  const auto* nearest = std::min_element(std::begin(table), std::end(table), [&](const Key& a, const Key& b) {
    return edit_distance(name, a.name) < edit_distance(name, b.name);
  });
  return std::string(nearest->name);
}

std::string joined(const Values& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + value;
  return out;
}

// "postgresql://user:secret@host/db" -> "postgresql://user:***@host/db"
std::string without_password(std::string value) {
  const auto scheme = value.find("://");
  if (scheme == std::string::npos) return value;
  const auto at = value.rfind('@');
  const auto colon = value.find(':', scheme + 3);
  if (at != std::string::npos && colon < at) value.replace(colon + 1, at - colon - 1, "***");
  for (std::size_t word = 0; (word = value.find("password=", word)) != std::string::npos;) {
    word += 9;
    const auto end = std::min(value.find('&', word), value.size());
    value.replace(word, end - word, "***");
  }
  return value;
}

Values split_list(std::string_view text) {
  Values out;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) out.emplace_back(part);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

// ---- the file ----

class FileReader {
 public:
  FileReader(std::string file, std::vector<Setting>& settings, std::vector<Error>& errors)
      : file_(std::move(file)),
        name_(std::filesystem::path(file_).filename().string()),
        settings_(settings),
        errors_(errors) {}

  void read() {
    std::ifstream in(file_);
    if (!in) return add(Reason::config_unreadable, {{"file", file_}, {"detail", std::strerror(errno)}});
    std::stringstream text;
    text << in.rdbuf();
    if (!in) return add(Reason::config_unreadable, {{"file", file_}, {"detail", "it is not a file"}});
    try {
      const auto root = YAML::Load(text.str());
      if (root.IsNull()) return;
      if (!root.IsMap())
        return add(Reason::config_not_yaml, {{"source", where(root)}, {"detail", "expected keys and values"}});
      read_map(root, "");
    } catch (const YAML::Exception& problem) {
      add(Reason::config_not_yaml,
          {{"source", name_ + ":" + std::to_string(problem.mark.line + 1)}, {"detail", problem.msg}});
    }
  }

 private:
  void read_map(const YAML::Node& map, const std::string& prefix) {
    for (const auto& entry : map) {
      const auto name = prefix + entry.first.Scalar();
      const auto source = where(entry.first);
      if (const auto* key = find_key(name)) {
        read_value(*key, entry.second, source);
      } else if (entry.second.IsMap() && leads_to_a_key(name)) {
        read_map(entry.second, name + ".");
      } else {
        Args args{{"source", source}, {"key", name}, {"suggestion", nearest_key(name)}};
        add(Reason::config_unknown_key, std::move(args), name);
      }
    }
  }

  void read_value(const Key& key, const YAML::Node& value, const std::string& source) {
    const std::string name(key.name);
    if (const auto before = first_.find(name); before != first_.end())
      return add(Reason::config_duplicate_key, {{"source", source}, {"key", name}, {"first", before->second}}, name);
    first_.emplace(name, source);
    Values values;
    if (value.IsScalar()) {
      values.push_back(value.Scalar());
    } else if (value.IsSequence() && key.list) {
      for (const auto& item : value) {
        if (!item.IsScalar()) return bad(name, where(item), "a list or map", "expected a " + std::string(key.type));
        values.push_back(item.Scalar());
      }
    } else if (value.IsNull()) {
      if (!key.list) values.emplace_back();
    } else {
      const std::string kind = value.IsMap() ? "a map" : "a list";
      return bad(name, source, kind, "expected one value: " + std::string(key.type));
    }
    settings_.push_back({name, std::move(values), source});
  }

  static bool leads_to_a_key(std::string_view name) {
    const auto prefix = std::string(name) + ".";
    return std::any_of(std::begin(table), std::end(table),
                       [&](const Key& key) { return key.name.starts_with(prefix); });
  }
  std::string where(const YAML::Node& node) const { return name_ + ":" + std::to_string(node.Mark().line + 1); }
  void bad(const std::string& key, const std::string& source, const std::string& value, std::string detail) {
    add(Reason::config_bad_value, {{"source", source}, {"key", key}, {"value", value}, {"detail", std::move(detail)}},
        key);
  }
  void add(Reason reason, Args args, std::string field = {}) {
    errors_.push_back(Error{reason, std::move(args), std::move(field)});
  }

  std::string file_, name_;
  std::vector<Setting>& settings_;
  std::vector<Error>& errors_;
  std::map<std::string, std::string> first_;  // key -> where it stood first
};

// ---- the environment ----

// Names of ours that are not the server's: the command line's, the agent's and the tests'.
bool belongs_to_another(std::string_view name) {
  for (const std::string_view other : {"GYRE_SERVER", "GYRE_API_KEY", "GYRE_CONFIG", "GYRE_LANG", "GYRE_CONTEXT"})
    if (name == other) return true;
  for (const std::string_view prefix : {"GYRE_TEST_", "GYRE_AGENT_", "GYRE_BENCH_", "GYRE_POD_"})
    if (name.starts_with(prefix)) return true;
  return false;
}

void read_environment(const std::map<std::string, std::string>& environment, std::vector<Setting>& settings,
                      std::vector<std::string>& warnings) {
  for (const auto& [name, value] : environment) {
    if (!name.starts_with("GYRE_") || belongs_to_another(name)) continue;
    const auto* key =
        std::find_if(std::begin(table), std::end(table), [&](const Key& k) { return k.environment() == name; });
    if (key == std::end(table)) {
      std::string as_key = name.substr(5);
      std::transform(as_key.begin(), as_key.end(), as_key.begin(), [](unsigned char c) { return std::tolower(c); });
      warnings.push_back(name + " in the environment is not a setting; did you mean " +
                         find_key(nearest_key(as_key))->environment() + "?");
      continue;
    }
    settings.push_back({std::string(key->name), key->list ? split_list(value) : Values{value}, name});
  }
}

// ---- checks of several keys together ----

void check_together(const Loaded& loaded, std::vector<Error>& errors) {
  const auto& config = loaded.config;
  const auto source = [&](std::string_view key) {
    const auto found = loaded.source_of.find(key);
    return found == loaded.source_of.end() ? std::string("default") : found->second;
  };
  const auto missing = [&](const std::string& key, const std::string& other) {
    errors.push_back(
        Error{Reason::config_missing_value, {{"source", source(key)}, {"key", key}, {"other", other}}, other});
  };
  if (!config.tls_certificate.empty() && config.tls_key.empty()) missing("tls.certificate", "tls.key");
  if (config.tls_certificate.empty() && !config.tls_key.empty()) missing("tls.key", "tls.certificate");
  if (!config.compat_certificate.empty() && config.compat_key.empty()) missing("compat.certificate", "compat.key");
  if (config.compat_certificate.empty() && !config.compat_key.empty()) missing("compat.key", "compat.certificate");
  if (!config.compat_listen.empty() && config.compat_certificate.empty())
    missing("compat.listen", "compat.certificate");
  if (!config.compat_certificate.empty() && config.compat_listen.empty() && config.tls_certificate.empty())
    missing("compat.certificate", "compat.listen");
  for (const auto& [key, file] :
       {std::pair{"tls.certificate", config.tls_certificate}, std::pair{"tls.key", config.tls_key},
        std::pair{"compat.certificate", config.compat_certificate}, std::pair{"compat.key", config.compat_key}}) {
    if (file.empty() || ::access(file.c_str(), R_OK) == 0) continue;
    Args args{{"source", source(key)}, {"key", key}, {"value", file}, {"detail", std::strerror(errno)}};
    errors.push_back(Error{Reason::config_bad_value, std::move(args), key});
  }
}

std::string yaml_quoted(const std::string& value) {
  YAML::Emitter out;
  out << value;
  return out.c_str();
}

}  // namespace

std::string Key::environment() const {
  std::string out = "GYRE_";
  for (const char c : name) out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string Key::flag() const {
  std::string out = "--";
  for (const char c : name) out += c == '.' || c == '_' ? '-' : c;
  return out;
}

std::span<const Key> keys() { return table; }

std::optional<HostPort> parse_host_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto port = parse_whole(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65'535) return std::nullopt;
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
    in6_addr bytes{};
    if (inet_pton(AF_INET6, std::string(host).c_str(), &bytes) != 1) return std::nullopt;
  } else if (host.find_first_of(":/[] ") != std::string_view::npos) {
    return std::nullopt;
  }
  return HostPort{std::string(host), static_cast<int>(*port)};
}

std::string default_data_dir() {
  if (::geteuid() == 0) return "/var/lib/gyre";
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return std::string(data) + "/gyre";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.local/share/gyre";
  return "/var/lib/gyre";
}

std::string Config::database_url() const { return database.empty() ? "sqlite://" + data_dir + "/gyre.db" : database; }

std::string Config::ssh_host_key_file() const {
  return ssh_host_key.empty() ? data_dir + "/ssh_host_ed25519_key" : ssh_host_key;
}

std::map<std::string, std::string> process_environment() {
  std::map<std::string, std::string> out;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text = *line;
    const auto equals = text.find('=');
    if (text.starts_with("GYRE_") && equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

tl::expected<Loaded, std::vector<Error>> load(const ConfigSources& sources) {
  Loaded loaded;
  loaded.config.data_dir = default_data_dir();
  std::vector<Setting> settings;  // in rising precedence
  std::vector<Error> errors;
  if (!sources.file.empty()) FileReader(sources.file, settings, errors).read();
  read_environment(sources.environment, settings, loaded.warnings);
  settings.insert(settings.end(), sources.flags.begin(), sources.flags.end());

  for (const auto& setting : settings) {
    const auto* key = find_key(setting.key);
    if (!key) {
      Args args{{"source", setting.source}, {"key", setting.key}, {"suggestion", nearest_key(setting.key)}};
      errors.push_back(Error{Reason::config_unknown_key, std::move(args), setting.key});
      continue;
    }
    auto values = setting.values;
    if (!key->list && values.empty()) values.emplace_back();
    if (auto problem = key->set(loaded.config, values)) {
      const auto shown = key->secret ? std::string("not usable") : "\"" + joined(values) + "\"";
      Args args{{"source", setting.source}, {"key", setting.key}, {"value", shown}, {"detail", *problem}};
      errors.push_back(Error{Reason::config_bad_value, std::move(args), setting.key});
    }
    loaded.source_of[setting.key] = setting.source;
  }
  check_together(loaded, errors);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  return loaded;
}

Reload compare(const Config& running, const Config& wanted) {
  Reload out;
  for (const auto& key : table)
    if (key.get(running) != key.get(wanted)) (key.reloadable ? out.applied : out.needs_restart).emplace_back(key.name);
  return out;
}

std::string print_config(const Loaded& loaded) {
  std::ostringstream out;
  std::string section;
  for (const auto& key : table) {
    const auto dot = key.name.find('.');
    const std::string_view group = dot == std::string_view::npos ? "" : key.name.substr(0, dot);
    if (group != section && !group.empty()) out << "\n" << group << ":\n";
    if (group.empty()) out << "\n";
    section = group;
    const std::string_view indent = group.empty() ? "" : "  ";
    const auto leaf = group.empty() ? key.name : key.name.substr(dot + 1);
    const auto source = loaded.source_of.find(key.name);
    out << indent << "# " << key.description << "\n"
        << indent << "# " << key.type << "; " << key.environment() << "; " << key.flag()
        << (key.reloadable ? "; reloaded by SIGHUP" : "") << "; from "
        << (source == loaded.source_of.end() ? "default" : source->second) << "\n"
        << indent << leaf << ":";
    const auto values = key.get(loaded.config);
    if (key.list) {
      out << " [";
      for (std::size_t i = 0; i < values.size(); ++i) out << (i ? ", " : "") << '"' << values[i] << '"';
      out << "]\n";
    } else {
      const auto shown = key.secret ? without_password(values.front()) : values.front();
      out << " " << yaml_quoted(shown) << "\n";
    }
  }
  return out.str().substr(1);
}

std::string configuration_document() {
  std::ostringstream out;
  out << "# Configuration of the server\n\n"
         "Made by `gyre server --print-config-document`; a test compares this page with the table in "
         "`src/server/config.cpp`.\n\n"
         "A value comes from the file (`--config FILE`, or `GYRE_CONFIG`, or `/etc/gyre/gyre.yaml` when it exists), "
         "then "
         "from the environment, then from flags; the later wins. Lists are YAML lists in the file, and separated by "
         "commas "
         "elsewhere. An unknown key is refused, with the nearest known one named. `gyre server --print-config` prints "
         "what "
         "holds and where each value came from, as a file that can be used.\n\n"
         "On SIGHUP the file is read again: keys marked *reload* take effect at once, changes of the others are logged "
         "as "
         "waiting for a restart, and a file with a mistake changes nothing.\n\n"
         "| Key | Type | Default | Environment | Flag | Reload | What it is |\n|---|---|---|---|---|---|---|\n";
  Config defaults;
  for (const auto& key : table) {
    const auto value = joined(key.get(defaults));
    out << "| `" << key.name << "` | " << key.type << " | " << (value.empty() ? "" : "`" + value + "`") << " | `"
        << key.environment() << "` | `" << key.flag() << "` | " << (key.reloadable ? "reload" : "") << " | "
        << key.description << " |\n";
  }
  return out.str();
}

}  // namespace gyre::server
