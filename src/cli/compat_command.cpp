#include "cli/compat_command.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <boost/json.hpp>

#include "base/files.hpp"
#include "cli/compat_clients.hpp"
#include "cli/findings.hpp"
#include "cli/output.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string host_of(std::string_view url) {
  url.remove_prefix(std::min(url.find("://") + 3, url.size()));
  if (url.starts_with('[')) return std::string(url.substr(1, url.find(']') - 1));
  return std::string(url.substr(0, url.find_first_of(":/")));
}

// What the name means on this machine, /etc/hosts included; IPv4 first. The error is getaddrinfo's own.
tl::expected<std::string, std::string> address_of(const std::string& name) {
  addrinfo wish{};
  wish.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int problem = ::getaddrinfo(name.c_str(), nullptr, &wish, &found); problem != 0)
    return tl::unexpected(std::string(::gai_strerror(problem)));
  std::string out;
  for (const auto* one = found; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST] = "";
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (out.empty() || (out.find(':') != std::string::npos && one->ai_family == AF_INET)) out = text;
  }
  ::freeaddrinfo(found);
  return out;
}

Result<CompatPlace> place_of(const CompatFlags& flags, const Context& context) {
  CompatPlace out{context.server, flags.address, flags.authority};
  if (!out.address.empty()) return out;
  const auto found = address_of(host_of(context.server));
  if (!found) return fail(Reason::server_unreachable, {{"server", context.server}, {"detail", found.error()}});
  out.address = *found;
  return out;
}

class Check {
 public:
  Check(const Terminal& terminal, CompatPlace place, const Context& context,
        const std::map<std::string, std::string>& environment)
      : terminal_(terminal), place_(std::move(place)), context_(context), environment_(environment) {}

  int run(const std::vector<const CompatClient*>& clients) {
    if (look_at_server()) {
      look_at_key();
      for (const auto* client : clients) look_at(*client);
    }
    show_findings(terminal_, std::chrono::floor<Duration>(std::chrono::system_clock::now()), findings_);
    return failed_ ? exit_failed : exit_ok;
  }

 private:
  void well(std::string_view check, Word words, const Args& args) {
    findings_.push_back(finding(check, "ok", std::nullopt, args, terminal_.word(words, args), terminal_.language));
  }
  bool bad(std::string_view check, Reason reason, const Args& args) {
    findings_.push_back(finding(check, "fail", reason, args, "", terminal_.language));
    failed_ = true;
    return false;
  }

  static http::ClientRequest question(const std::string& url) {
    http::ClientRequest out;
    out.url = url;
    out.connect_timeout = Duration(5'000);
    out.timeout = Duration(10'000);
    out.headers.emplace_back("Accept", "application/json");
    return out;
  }

  // Which installation answers there, before anything secret is said to it. Empty: it is no Gyre.
  static std::string installation_in(const http::ClientResponse& answer) {
    boost::system::error_code problem;
    const auto about = json::parse(answer.body, problem);
    return !answer.ok() || problem ? std::string() : text_of(about, "installation");
  }

  bool look_at_server() {
    const auto answer = http::fetch(question(place_.server + "/.well-known/gyre"));
    if (!answer) return bad("server", answer.error().reason, answer.error().args);
    installation_ = installation_in(*answer);
    if (installation_.empty()) {
      Args args{{"server", place_.server}, {"detail", "HTTP " + std::to_string(answer->status)}};
      return bad("server", Reason::compat_not_gyre, args);
    }
    well("server", Word::compat_ok_server, {{"server", place_.server}});
    return true;
  }

  void look_at_key() {
    if (context_.api_key.empty()) {
      bad("key", Reason::no_key_known, {{"url", place_.server}});
      return;
    }
    auto asked = question(place_.server + "/graphql");
    asked.method = "POST";
    asked.headers.emplace_back("Authorization", "Bearer " + context_.api_key);
    asked.body = R"({"query":"query { myself { id } }"})";
    const auto answer = http::fetch(asked);
    if (!answer)
      bad("key", answer.error().reason, answer.error().args);
    else if (!answer->ok())
      bad("key", Reason::compat_key_refused, {{"server", place_.server}});
    else
      well("key", Word::compat_ok_key, {{"server", place_.server}});
  }

  void look_at(const CompatClient& client) {
    const auto who = std::string(client.name) + " " + versions_of(client, terminal_.language);
    for (const auto& [name, value] : client.variables) look_at_variable(std::string(name), filled(value, place_));
    for (const auto host : client.hosts) {
      const auto leads = look_at_name(std::string(host));
      for (const auto variable : client.trust)
        if (leads) look_at_trust(who, std::string(host), std::string(variable));
    }
  }

  std::string variable(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? std::string() : found->second;
  }

  void look_at_variable(const std::string& name, const std::string& value) {
    auto found = variable(name);
    if (found.empty()) {
      bad("variable", Reason::compat_variable_missing, {{"variable", name}, {"value", value}});
      return;
    }
    const auto shown = found;
    while (found.ends_with('/')) found.pop_back();
    if (found == value)
      well("variable", Word::compat_ok_variable, {{"variable", name}, {"value", value}});
    else
      bad("variable", Reason::compat_variable_differs, {{"variable", name}, {"found", shown}, {"value", value}});
  }

  bool look_at_name(const std::string& name) {
    const auto found = address_of(name);
    if (found) return true;
    return bad("name", Reason::compat_name_unknown,
               {{"name", name}, {"detail", found.error()}, {"line", hosts_line(place_, {name})}});
  }

  // As the client will: this name, with the authorities that this variable names, and no others.
  void look_at_trust(const std::string& client, const std::string& name, const std::string& by) {
    const auto file = variable(by);
    if (file.empty()) {
      bad("trust", Reason::compat_variable_missing, {{"variable", by}, {"value", authority_file(by, place_)}});
      return;
    }
    const auto authorities = read_file(file);
    if (!authorities || !*authorities) {
      const auto detail = authorities ? std::string("it is not there") : authorities.error().message(Language::en);
      bad("trust", Reason::compat_file_unreadable, {{"variable", by}, {"file", file}, {"detail", detail}});
      return;
    }
    auto asked = question("https://" + name + "/.well-known/gyre");
    asked.ca_pem = **authorities;
    const auto answer = http::fetch(asked);
    const auto address = address_of(name).value_or("");
    const bool elsewhere = answer ? installation_in(*answer) != installation_ : address != place_.address;
    if (elsewhere) {
      bad("name", Reason::compat_name_elsewhere,
          {{"name", name}, {"address", address}, {"line", hosts_line(place_, {name})}});
      return;
    }
    if (!answer) {
      const auto detail = text_of_arg(answer.error().args, "detail");
      if (answer.error().reason == Reason::server_not_trusted) {
        bad("trust", Reason::compat_not_trusted,
            {{"client", client}, {"name", name}, {"detail", detail}, {"variable", by}});
        return;
      }
      bad("name", Reason::compat_no_answer, {{"name", name}, {"address", address}, {"detail", detail}});
      return;
    }
    well("name", Word::compat_ok_name, {{"name", name}, {"variable", by}});
  }

  static std::string text_of_arg(const Args& args, std::string_view name) {
    for (const auto& [key, value] : args)
      if (key == name) return value;
    return {};
  }

  const Terminal& terminal_;
  CompatPlace place_;
  const Context& context_;
  const std::map<std::string, std::string>& environment_;
  std::string installation_;
  json::array findings_;
  bool failed_ = false;
};

}  // namespace

int compat_show(const Terminal& terminal, const CompatFlags& flags, const Context& context) {
  const auto clients = compat_clients_named(flags.clients);
  if (!clients) return terminal.report(Failure::from(clients.error(), terminal.language));
  const auto place = place_of(flags, context);
  if (!place) return terminal.report(Failure::from(place.error(), terminal.language));
  if (terminal.for_people())
    terminal.print(compat_page(*clients, *place, terminal.language));
  else
    tell(terminal, compat_recipe(*clients, *place, terminal.language), "", "server");
  return exit_ok;
}

int compat_check(const Terminal& terminal, const CompatFlags& flags, const Context& context,
                 const std::map<std::string, std::string>& environment) {
  const auto clients = compat_clients_named(flags.clients);
  if (!clients) return terminal.report(Failure::from(clients.error(), terminal.language));
  const auto place = place_of(flags, context);
  if (!place) return terminal.report(Failure::from(place.error(), terminal.language));
  return Check(terminal, *place, context, environment).run(*clients);
}

}  // namespace gyre::cli
