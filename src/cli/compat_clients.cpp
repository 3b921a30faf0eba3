#include "cli/compat_clients.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>

namespace gyre::cli {

namespace json = boost::json;

namespace {

constexpr std::string_view graphql_host = "api.runpod.io", jobs_host = "api.runpod.ai", rest_host = "rest.runpod.io";
constexpr std::string_view machines_authorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::string_view own_authority = "/usr/local/share/ca-certificates/gyre-compat-ca.crt";

// An authority that can sign names of runpod.io and runpod.ai and nothing else: whoever steals its key can read no
// other site's visitors.
constexpr std::string_view make_authority = R"(cat > gyre-compat.cnf <<'END'
[req]
distinguished_name = name
prompt = no
[name]
CN = Gyre for clients made for RunPod
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical,permitted;DNS:runpod.io,permitted;DNS:runpod.ai
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:api.runpod.io,DNS:api.runpod.ai,DNS:rest.runpod.io
END
install -m 600 /dev/null gyre-compat-ca.key
install -m 600 /dev/null gyre-compat.key
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -config gyre-compat.cnf \
  -extensions authority -keyout gyre-compat-ca.key -out gyre-compat-ca.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config gyre-compat.cnf \
  -keyout gyre-compat.key -out gyre-compat.csr
openssl x509 -req -in gyre-compat.csr -CA gyre-compat-ca.crt -CAkey gyre-compat-ca.key -days 800 \
  -extfile gyre-compat.cnf -extensions server -out gyre-compat.crt
)";
constexpr std::string_view configuration = R"(compat:
  listen: ["0.0.0.0:443"]
  certificate: /etc/gyre/gyre-compat.crt
  key: /etc/gyre/gyre-compat.key
)";
constexpr std::string_view install_authority =
    R"(sudo install -m 644 gyre-compat-ca.crt /usr/local/share/ca-certificates/
sudo update-ca-certificates
)";

using Version = std::array<int, 3>;
std::optional<Version> parse_version(std::string_view text) {
  Version out{0, 0, 0};
  if (text.starts_with('v')) text.remove_prefix(1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
    if (problem != std::errc{} || out[i] < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return out;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

std::vector<std::string_view> all_hosts(const std::vector<const CompatClient*>& clients) {
  std::vector<std::string_view> out;
  for (const auto* client : clients)
    for (const auto host : client->hosts)
      if (std::find(out.begin(), out.end(), host) == out.end()) out.push_back(host);
  return out;
}

json::object environment_of(const CompatClient& client, const CompatPlace& place) {
  json::object out;
  for (const auto& [name, value] : client.variables) out[name] = filled(value, place);
  for (const auto variable : client.trust) out[variable] = authority_file(variable, place);
  return out;
}

json::value text_or_null(std::string text) { return text.empty() ? json::value() : json::value(std::move(text)); }

std::string indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += "      " + std::string(text.substr(0, end)) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace

const std::vector<CompatClient>& compat_clients() {
  static const std::vector<CompatClient> all{
      {.name = "runpod",
       .registry = "PyPI",
       .from = "1.7.0",
       .variables = {{"RUNPOD_API_BASE_URL", "{server}"}, {"RUNPOD_ENDPOINT_BASE_URL", "{server}/v2"}},
       .note = Word::compat_note_jobs},
      {.name = "runpod",
       .registry = "PyPI",
       .below = "1.7.0",
       .hosts = {graphql_host, jobs_host},
       .trust = {"REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"},
       .note = Word::compat_note_jobs},
      {.name = "runpodctl",
       .registry = "Go",
       .from = "2.5.0",
       .variables = {{"RUNPOD_API_URL", "{server}/v1"}, {"RUNPOD_GRAPHQL_URL", "{server}/graphql"}}},
      {.name = "runpodctl",
       .registry = "Go",
       .from = "2.0.0",
       .below = "2.5.0",
       .variables = {{"RUNPOD_API_URL", "{server}/v1"}},
       .file = {"~/.runpod/config.toml",
                "apikey = \"...\"\napiurl = \"{server}/graphql\"\nrestapiurl = \"{server}/v1\"\n"}},
      {.name = "runpodctl",
       .registry = "Go",
       .from = "1.6.0",
       .below = "2.0.0",
       .variables = {{"RUNPOD_API_URL", "{server}/graphql"}}},
      {.name = "runpodctl",
       .registry = "Go",
       .below = "1.6.0",
       .command = "runpodctl config --apiKey ... --apiUrl {server}/graphql"},
      {.name = "runpod-sdk",
       .registry = "npm",
       .from = "1.0.0",
       .code = "runpodSdk(RUNPOD_API_KEY, { baseUrl: \"{server}/v2\" })",
       .note = Word::compat_note_jobs},
      {.name = "@runpod/mcp-server",
       .registry = "npm",
       .from = "4.0.0",
       .variables = {{"RUNPOD_API_BASE_URL", "{server}"}}},
      {.name = "@runpod/mcp-server",
       .registry = "npm",
       .from = "3.0.0",
       .below = "4.0.0",
       .variables = {{"RUNPOD_REST_VERSION", "v1"},
                     {"RUNPOD_REST_API_URL", "{server}/v1"},
                     {"RUNPOD_SERVERLESS_API_URL", "{server}/v2"},
                     {"RUNPOD_PUBLIC_GRAPHQL_URL", "{server}/graphql"},
                     {"RUNPOD_AUTHED_GRAPHQL_URL", "{server}/graphql"}}},
      {.name = "@runpod/mcp-server",
       .registry = "npm",
       .below = "2.0.0",
       .hosts = {rest_host},
       .trust = {"NODE_EXTRA_CA_CERTS"}}};
  return all;
}

bool has_version(const CompatClient& client, std::string_view version) {
  const auto wanted = parse_version(version);
  if (!wanted) return false;
  return (client.from.empty() || *parse_version(client.from) <= *wanted) &&
         (client.below.empty() || *wanted < *parse_version(client.below));
}

std::string versions_of(const CompatClient& client, Language language) {
  const Args args{{"from", std::string(client.from)}, {"below", std::string(client.below)}};
  if (client.below.empty()) return say(Word::compat_versions_from, language, args);
  return say(client.from.empty() ? Word::compat_versions_below : Word::compat_versions_between, language, args);
}

Result<std::vector<const CompatClient*>> compat_clients_named(const std::vector<std::string>& names) {
  std::vector<const CompatClient*> out;
  const auto take = [&out](const CompatClient& client) {
    if (std::find(out.begin(), out.end(), &client) == out.end()) out.push_back(&client);
  };
  for (const auto& name : names) {
    const auto at = name.find('@', 1);  // a name of npm may begin with one
    bool found = false;
    for (const auto& client : compat_clients()) {
      const bool meant = name.substr(0, at) == client.name &&
                         (at == std::string::npos || has_version(client, std::string_view(name).substr(at + 1)));
      if (meant) take(client);
      found = found || meant;
    }
    if (found) continue;
    std::string known;
    for (const auto& client : compat_clients())
      if (!known.ends_with(client.name)) known += (known.empty() ? "" : ", ") + std::string(client.name);
    return fail(Reason::client_unknown, {{"name", name}, {"known", known}});
  }
  if (names.empty())
    for (const auto& client : compat_clients()) take(client);
  return out;
}

std::string filled(std::string_view value, const CompatPlace& place) {
  std::string out(value);
  constexpr std::string_view server = "{server}";
  for (std::size_t at = 0; (at = out.find(server, at)) != std::string::npos; at += place.server.size())
    out.replace(at, server.size(), place.server);
  return out;
}

std::string authority_file(std::string_view variable, const CompatPlace& place) {
  if (!place.authority.empty()) return place.authority;
  // Node's is beside those that it knows; the others' is all that they trust.
  return std::string(variable == "NODE_EXTRA_CA_CERTS" ? own_authority : machines_authorities);
}

std::string hosts_line(const CompatPlace& place, const std::vector<std::string_view>& names) {
  std::string out = place.address;
  for (const auto name : names) out += " " + std::string(name);
  return out;
}

json::object compat_recipe(const std::vector<const CompatClient*>& clients, const CompatPlace& place,
                           Language language) {
  json::array list;
  for (const auto* client : clients) {
    json::object one{{"client", client->name},
                     {"registry", client->registry},
                     {"versions", versions_of(*client, language)},
                     {"environment", environment_of(*client, place)}};
    json::array hosts;
    for (const auto host : client->hosts) hosts.emplace_back(host);
    one["hosts"] = std::move(hosts);
    one["file"] = client->file.name.empty()
                      ? json::value()
                      : json::object{{"path", client->file.name}, {"content", filled(client->file.value, place)}};
    one["command"] = text_or_null(filled(client->command, place));
    one["code"] = text_or_null(filled(client->code, place));
    one["note"] = client->note ? json::value(say(*client->note, language)) : json::value();
    list.push_back(std::move(one));
  }
  const auto hosts = all_hosts(clients);
  json::object out{{"server", place.server}, {"address", place.address}, {"clients", std::move(list)}};
  out["hostsLine"] = hosts.empty() ? json::value() : json::value(hosts_line(place, hosts));
  out["makeAuthority"] = hosts.empty() ? json::value() : json::value(make_authority);
  out["configuration"] = hosts.empty() ? json::value() : json::value(configuration);
  out["installAuthority"] = hosts.empty() || !place.authority.empty() ? json::value() : json::value(install_authority);
  return out;
}

std::string compat_page(const std::vector<const CompatClient*>& clients, const CompatPlace& place, Language language) {
  std::string out;
  for (const auto* client : clients) {
    out += std::string(client->name) + " (" + std::string(client->registry) + "), " + versions_of(*client, language) +
           "\n";
    if (client->hard_coded()) {
      std::string names;
      for (const auto host : client->hosts) names += (names.empty() ? "" : ", ") + std::string(host);
      out += "    " + say(Word::compat_page_built_in, language, {{"names", names}}) + "\n";
    }
    for (const auto& variable : environment_of(*client, place))
      out += "    export " + std::string(variable.key()) + "=" + std::string(variable.value().as_string()) + "\n";
    if (!client->file.name.empty()) {
      out += "    " + say(Word::compat_page_file, language, {{"file", std::string(client->file.name)}}) + "\n";
      out += indented(filled(client->file.value, place));
    }
    if (!client->command.empty()) out += "    " + filled(client->command, place) + "\n";
    if (!client->code.empty())
      out += "    " + say(Word::compat_page_code, language) + " " + filled(client->code, place) + "\n";
    if (client->note) out += "    " + say(*client->note, language) + "\n";
    out += "\n";
  }
  if (const auto hosts = all_hosts(clients); !hosts.empty()) {
    // At the line's beginning, as a shell needs what goes on until END.
    const auto block = [&](Word word, std::string_view text) {
      out += "# " + say(word, language) + "\n" + std::string(text) + "\n";
    };
    out += say(Word::compat_page_once, language) + "\n\n";
    block(Word::compat_page_authority, make_authority);
    block(Word::compat_page_configuration, configuration);
    out += say(Word::compat_page_each, language) + "\n\n";
    block(Word::compat_page_hosts, hosts_line(place, hosts) + "\n");
    if (place.authority.empty()) block(Word::compat_page_install, install_authority);
  }
  out += say(Word::compat_page_check, language) + "\n";
  return out;
}

}  // namespace gyre::cli
