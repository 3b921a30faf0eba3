#include "agent/enrol.hpp"

#include <unistd.h>

#include <boost/describe.hpp>

#include "base/files.hpp"
#include "base/log.hpp"
#include "http/client.hpp"
#include "json/codec.hpp"
#include "link/authority.hpp"
#include "link/join_token.hpp"

namespace gyre::agent {
namespace {

std::filesystem::path identity_file(const std::filesystem::path& data_dir) { return data_dir / "identity.json"; }

// ---- what stands in files and on the wire ----

struct IdentityFile {
  HostId host;
  std::string key, certificate, ca;
  std::vector<std::string> servers;
};
BOOST_DESCRIBE_STRUCT(IdentityFile, (), (host, key, certificate, ca, servers))

struct JoinRequest {
  std::string token, csr, hostname;
};
BOOST_DESCRIBE_STRUCT(JoinRequest, (), (token, csr, hostname))

struct JoinAnswer {
  HostId hostId;
  std::string certificate, ca;
  std::vector<std::string> agentsAddresses;  // HOST:PORT each
};
BOOST_DESCRIBE_STRUCT(JoinAnswer, (), (hostId, certificate, ca, agentsAddresses))

struct Problem {
  std::optional<std::string> title, detail, fix;
};
BOOST_DESCRIBE_STRUCT(Problem, (), (title, detail, fix))

// HOST of http(s)://HOST[:PORT][/...], with the brackets of an IPv6 address.
std::string host_of(std::string_view url) {
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('/'));
  if (url.starts_with('[')) return std::string(url.substr(0, url.find(']') + 1));
  return std::string(url.substr(0, url.find(':')));
}

// A server that listens everywhere knows only its port; then it is where we reached its API.
std::string reachable(const std::string& address, const std::string& server_url) {
  for (const std::string_view everywhere : {"0.0.0.0:", "[::]:", "*:", ":"})
    if (address.starts_with(everywhere)) return host_of(server_url) + ":" + address.substr(everywhere.size());
  return address;
}

std::string machine_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

tl::unexpected<Error> refused(std::string detail, std::string fix) {
  return fail(Reason::join_refused, {{"detail", std::move(detail)}, {"fix", std::move(fix)}});
}

tl::unexpected<Error> refused(const http::ClientResponse& answer) {
  const auto problem = json::decode<Problem>(answer.body, json::UnknownKeys::ignore).value_or(Problem{});
  const auto said = problem.detail ? problem.detail : problem.title;
  return refused(said.value_or("status " + std::to_string(answer.status)),
                 problem.fix.value_or("make a new token with `gyre host token` and try again"));
}

Result<http::ClientResponse> ask(const JoinOptions& options, const link::JoinToken& token, const std::string& csr_pem) {
  const auto name = options.host_name.empty() ? machine_name() : options.host_name;
  auto base = options.server;
  while (base.ends_with('/')) base.pop_back();
  http::ClientRequest request;
  request.method = "POST";
  request.url = base + "/v1/hosts/join";
  request.headers = {{"Accept", "application/json"},
                     {"Accept-Language", options.language == Language::ko ? "ko" : "en"}};
  request.body = json::encode(JoinRequest{.token = token.text, .csr = csr_pem, .hostname = name});
  request.ca_pem = options.ca_pem;
  request.ca_fingerprint = token.ca_fingerprint;
  request.body_limit = 256 * 1024;
  return http::fetch(request);
}

}  // namespace

std::filesystem::path lock_file(const std::filesystem::path& data_dir) { return data_dir / "agent.lock"; }

Result<Identity> load_identity(const std::filesystem::path& data_dir) {
  const auto path = identity_file(data_dir);
  const auto text = TRY(read_file(path));
  if (!text) return fail(Reason::not_joined, {{"path", data_dir.string()}});
  const auto unusable = [&path](std::string detail) {
    return fail(Reason::identity_unusable, {{"what", path.string()}, {"detail", std::move(detail)}});
  };
  auto file = json::decode<IdentityFile>(*text, json::UnknownKeys::ignore);
  if (!file) return unusable(file.error().message());
  const auto facts = TRY(link::read_certificate(file->certificate));
  if (facts.host != file->host) return unusable("its certificate is for another host");
  if (file->servers.empty() || file->key.empty() || file->ca.empty()) return unusable("it is incomplete");
  return Identity{.host = std::move(file->host),
                  .credentials = {.key_pem = std::move(file->key),
                                  .certificate_pem = std::move(file->certificate),
                                  .ca_pem = std::move(file->ca)},
                  .servers = std::move(file->servers)};
}

Result<> store_identity(const std::filesystem::path& data_dir, const Identity& identity) {
  const IdentityFile file{.host = identity.host,
                          .key = identity.credentials.key_pem,
                          .certificate = identity.credentials.certificate_pem,
                          .ca = identity.credentials.ca_pem,
                          .servers = identity.servers};
  return write_private_file(identity_file(data_dir), json::encode(file) + "\n");
}

Result<> retire_identity(const std::filesystem::path& data_dir) {
  std::error_code error;
  std::filesystem::rename(identity_file(data_dir), data_dir / "identity.retired.json", error);
  if (error)
    return fail(Reason::file_unusable, {{"path", identity_file(data_dir).string()}, {"detail", error.message()}});
  return {};
}

Result<Identity> join(const JoinOptions& options, Time now) {
  const auto token = TRY(link::parse_join_token(options.token));
  TRY(make_private_folder(options.data_dir));
  const auto lock = TRY(FileLock::try_lock(lock_file(options.data_dir)));
  if (!lock) return fail(Reason::agent_already_running, {{"path", options.data_dir.string()}});
  if (!options.replace) {
    const auto present = load_identity(options.data_dir);
    if (present)
      return fail(Reason::already_joined, {{"path", options.data_dir.string()}, {"host", present->host.str()}});
    if (present.error().reason != Reason::not_joined) return fail(present.error());
  }

  const auto made = link::make_key_and_request(options.host_name.empty() ? machine_name() : options.host_name);
  const auto answer = TRY(ask(options, token, made.csr_pem));
  if (!answer.ok()) return refused(answer);

  auto said = json::decode<JoinAnswer>(answer.body, json::UnknownKeys::ignore);
  const auto authority = link::read_certificate(said ? said->ca : std::string());
  if (!said || !authority || said->hostId.empty() || said->agentsAddresses.empty())
    return refused("its answer cannot be read", "check that " + options.server + " is the address of a Gyre server");
  // Whoever sits in between may have the token, but cannot make an authority with this fingerprint.
  if (!authority->fingerprint.starts_with(token.ca_fingerprint))
    return fail(Reason::server_identity_mismatch, {{"server", options.server}});
  TRY(link::check_issued(said->certificate, made.key_pem, said->ca, now));
  if (TRY(link::read_certificate(said->certificate)).host != said->hostId)
    return refused("its certificate is for another host", "try again with a new token");

  Identity identity{.host = said->hostId,
                    .credentials = {.key_pem = made.key_pem, .certificate_pem = said->certificate, .ca_pem = said->ca},
                    .servers = said->agentsAddresses};
  for (auto& server : identity.servers) server = reachable(server, options.server);
  TRY(store_identity(options.data_dir, identity));
  return identity;
}

struct Renewal::Impl {
  Impl(Runtime& r, link::GrpcClient& l, std::filesystem::path d, Identity i, Duration every)
      : runtime(r), link(l), data_dir(std::move(d)), identity(std::move(i)), look_every(every), timer(r) {}

  Runtime& runtime;
  link::GrpcClient& link;
  const std::filesystem::path data_dir;
  Identity identity;
  const Duration look_every;
  bool busy = false;
  Timer timer;
  Alive alive;

  void look() {
    const auto facts = link::read_certificate(identity.credentials.certificate_pem);
    if (busy || !facts || !facts->due_for_renewal(runtime.now())) return;
    if (!link.connected()) {
      if (facts->not_after <= runtime.now())
        log::error("this host's certificate has expired; join again with a new token", {{"host", identity.host.str()}});
      return;
    }
    busy = true;
    const auto asked = std::make_shared<link::KeyAndRequest>();
    runtime.work([asked, host = identity.host.str()] { *asked = link::make_key_and_request(host); },
                 alive.guard([this, asked] { ask(asked); }));
  }

  void ask(const std::shared_ptr<link::KeyAndRequest>& asked) {
    link.renew(asked->csr_pem, alive.guard([this, asked](Result<link::IssuedCertificate> issued) {
      if (!issued) return give_up(issued.error());
      auto renewed = std::make_shared<Identity>(identity);
      renewed->credentials = {.key_pem = asked->key_pem,
                              .certificate_pem = std::move(issued->certificate_pem),
                              .ca_pem = std::move(issued->ca_pem)};
      keep(std::move(renewed));
    }));
  }

  // Stored first, used then: a crash in between leaves a certificate that the server knows.
  void keep(std::shared_ptr<Identity> renewed) {
    const auto stored = std::make_shared<Result<>>();
    auto slow = [stored, renewed, dir = data_dir, now = runtime.now()] {
      const auto& with = renewed->credentials;
      *stored = link::check_issued(with.certificate_pem, with.key_pem, with.ca_pem, now);
      if (*stored) *stored = store_identity(dir, *renewed);
    };
    runtime.work(std::move(slow), alive.guard([this, stored, renewed] {
      if (!*stored) return give_up(stored->error());
      busy = false;
      identity = *renewed;
      const auto facts = link::read_certificate(identity.credentials.certificate_pem);
      log::info("this host has a new certificate", {{"until", rfc3339(facts->not_after)}});
      link.use(identity.credentials);
    }));
  }

  void give_up(const Error& error) {
    busy = false;
    log::warn("the certificate could not be renewed; it is tried again", {{"problem", error.message()}});
  }
};

Renewal::Renewal(Runtime& runtime, link::GrpcClient& link, std::filesystem::path data_dir, Identity identity,
                 Duration look_every)
    : impl_(std::make_unique<Impl>(runtime, link, std::move(data_dir), std::move(identity), look_every)) {}
Renewal::~Renewal() = default;

void Renewal::start() {
  impl_->timer.repeat(impl_->look_every, [impl = impl_.get()] { impl->look(); });
}

}  // namespace gyre::agent
