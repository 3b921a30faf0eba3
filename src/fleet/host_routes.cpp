#include "fleet/host_routes.hpp"

#include "http/page.hpp"

namespace gyre {

struct GpuReadingView {
  int utilisationPercent = 0, temperatureCelsius = 0, powerWatts = 0;
  std::int64_t memoryUsedInMb = 0, eccErrorsUncorrected = 0;
  std::vector<std::string> events;
};
BOOST_DESCRIBE_STRUCT(GpuReadingView, (),
                      (utilisationPercent, temperatureCelsius, powerWatts, memoryUsedInMb, eccErrorsUncorrected,
                       events))
json::Fields fields(const GpuReadingView*) {
  return {{"utilisationPercent", "of the last sample", "37"},
          {"temperatureCelsius", "of the chip", "61"},
          {"powerWatts", "drawn now", "180"},
          {"memoryUsedInMb", "memory in use, in MB", "3950"},
          {"eccErrorsUncorrected", "since the driver was loaded", "0"},
          {"events", "what the driver reported since the last sample, such as XID 79", "[]"}};
}

struct HostGpuView {
  std::string uuid, gpuTypeId;
  std::int64_t memoryInGb = 0;
  bool simulated = false, present = true;
  std::optional<std::string> podId;
  std::optional<GpuReadingView> reading;
};
BOOST_DESCRIBE_STRUCT(HostGpuView, (), (uuid, gpuTypeId, memoryInGb, simulated, present, podId, reading))
json::Fields fields(const HostGpuView*) {
  return {{"uuid", "as the driver names it", R"("GPU-5a1e")"},
          {"gpuTypeId", "GPU type", R"("NVIDIA A40")"},
          {"memoryInGb", "memory in GB", "48"},
          {"simulated", "there is no such device", "false"},
          {"present", "the agent shows it", "true"},
          {"podId", "the pod that has it", R"("2s56cp0pof1rmt")"},
          {"reading", "last sample", "null"}};
}

struct EngineView {
  std::string name, version;
  bool reachable = false;
  std::string error;
};
BOOST_DESCRIBE_STRUCT(EngineView, (), (name, version, reachable, error))
json::Fields fields(const EngineView*) {
  return {{"name", "docker or podman", R"("docker")"},
          {"version", "its version", R"("20.10.24")"},
          {"reachable", "it answered the agent's last question", "true"},
          {"error", "its words when it did not", R"("")"}};
}

struct HostView {
  std::string id, name, status;
  bool online = false;
  EngineView engine;
  std::vector<HostGpuView> gpus;
  double vcpuCount = 0, vcpuUsed = 0;
  std::int64_t memoryInGb = 0, memoryUsedInGb = 0, diskInGb = 0, diskUsedInGb = 0;
  std::string cudaVersion, driverVersion, agentVersion, os, kernel, publicAddress;
  std::optional<Time> lastSeenAt;
  Time createdAt{};
  int pods = 0;
  std::vector<std::string> stray;
  bool simulated = false;
  std::string dataCenterId;
};
BOOST_DESCRIBE_STRUCT(HostView, (),
                      (id, name, status, online, engine, gpus, vcpuCount, vcpuUsed, memoryInGb, memoryUsedInGb,
                       diskInGb, diskUsedInGb, cudaVersion, driverVersion, agentVersion, os, kernel, publicAddress,
                       lastSeenAt, createdAt, pods, stray, simulated, dataCenterId))
json::Fields fields(const HostView*) {
  return {{"id", "host id", R"("h7x2k9q4m1p0aa")"},
          {"name", "name given when it joined", R"("gpu-1")"},
          {"status", "registered, listed, draining, retired, or offline when it does not answer", R"("listed")"},
          {"online", "it reported within the last 45 s", "true"},
          {"engine", "its container engine", R"({"name":"docker","version":"20.10.24","reachable":true,"error":""})"},
          {"gpus", "its GPUs", "[]"},
          {"vcpuCount", "vCPUs it offers", "32"},
          {"vcpuUsed", "vCPUs given to pods", "8"},
          {"memoryInGb", "memory it offers, in GB", "128"},
          {"memoryUsedInGb", "memory given to pods, in GB", "32"},
          {"diskInGb", "disk it offers, in GB", "1000"},
          {"diskUsedInGb", "disk promised to pods, in GB", "70"},
          {"cudaVersion", "highest CUDA version its driver supports", R"("12.4")"},
          {"driverVersion", "NVIDIA driver", R"("550.54.14")"},
          {"agentVersion", "version of its agent", R"("0.1.0")"},
          {"os", "operating system", R"("Debian GNU/Linux 12")"},
          {"kernel", "kernel", R"("6.1.0-18-amd64")"},
          {"publicAddress", "where mapped TCP ports are reached", R"("203.0.113.7")"},
          {"lastSeenAt", "when it last reported", R"("2026-01-31T12:00:00.000Z")"},
          {"createdAt", "when it joined", R"("2026-01-31T11:00:00.000Z")"},
          {"pods", "pods that hold something of it, stopped ones with a volume included", "1"},
          {"stray", "containers that carry our label and belong to no known pod; left alone", "[]"},
          {"simulated", "some of its GPUs are simulated", "false"},
          {"dataCenterId", "where it is", R"("LOCAL")"}};
}

struct CreateJoinToken {
  std::optional<std::string> name, dataCenterId;
};
BOOST_DESCRIBE_STRUCT(CreateJoinToken, (), (name, dataCenterId))
json::Fields fields(const CreateJoinToken*) {
  return {{"name", "what the new host shall be called; its own host name without it", R"("gpu-1")"},
          {"dataCenterId", "where the new host is; LOCAL without it", R"("LOCAL")"}};
}

struct UpdateHost {
  std::string dataCenterId;
};
BOOST_DESCRIBE_STRUCT(UpdateHost, (), (dataCenterId))
json::Fields fields(const UpdateHost*) {
  return {{"dataCenterId", "where it is (GET /v1/catalog/datacenters)", R"("LOCAL")"}};
}

struct JoinTokenView {
  std::string token;
  Time expiresAt{};
  std::string command;
};
BOOST_DESCRIBE_STRUCT(JoinTokenView, (), (token, expiresAt, command))
json::Fields fields(const JoinTokenView*) {
  return {{"token", "for one host, shown once", R"("gjt_example")"},
          {"expiresAt", "an hour from now", R"("2026-01-31T13:00:00.000Z")"},
          {"command", "what to run on the new host",
           R"("gyre agent join --server https://gyre.example.com --token gjt_example")"}};
}

struct JoinHost {
  std::string token, csr, hostname;
};
BOOST_DESCRIBE_STRUCT(JoinHost, (), (token, csr, hostname))
json::Fields fields(const JoinHost*) {
  return {{"token", "from POST /v1/hosts/tokens", R"("gjt_example")"},
          {"csr", "certificate request of the agent, PEM", R"("-----BEGIN CERTIFICATE REQUEST-----")"},
          {"hostname", "the machine's name", R"("gpu-1")"}};
}

struct JoinedView {
  std::string hostId, certificate, ca;
  std::vector<std::string> agentsAddresses;
};
BOOST_DESCRIBE_STRUCT(JoinedView, (), (hostId, certificate, ca, agentsAddresses))
json::Fields fields(const JoinedView*) {
  return {{"hostId", "id of the new host", R"("h7x2k9q4m1p0aa")"},
          {"certificate", "the agent's certificate, PEM", R"("-----BEGIN CERTIFICATE-----")"},
          {"ca", "the authority that signed it, PEM; its digest is in the token", R"("-----BEGIN CERTIFICATE-----")"},
          {"agentsAddresses", "where the agent connects to, tried in turn", R"(["gyre.example.com:8443"])"}};
}

namespace {

using http::Access;
using http::Method;
using http::Request;
using http::Response;
using http::Route;

constexpr std::int64_t gb = 1'000'000'000;
std::int64_t in_gb(std::int64_t bytes) { return (bytes + gb / 2) / gb; }

HostView view(const HostService& hosts, const Host& host, const std::vector<Allocation>& allocations, Time now,
              Duration uptime) {
  HostView out;
  out.id = host.id.str();
  out.name = host.name;
  out.online = host.online;
  out.status = host.state == HostState::listed && !host.online ? "offline" : std::string(enum_text(host.state));
  out.engine = {host.engine_name, host.engine_version, host.engine_reachable, host.engine_error};
  const auto* live = hosts.live(host.id);
  for (const auto& gpu : hosts.store().gpus(host.id)) {
    HostGpuView shown{gpu.uuid,     gpu.type_id, in_gb(gpu.memory_bytes), gpu.simulated, gpu.present,
                      std::nullopt, std::nullopt};
    if (gpu.pod) shown.podId = gpu.pod->str();
    if (live)
      for (const auto& reading : live->readings)
        if (reading.uuid == gpu.uuid)
          shown.reading =
              GpuReadingView{reading.utilisation_percent,           reading.temperature_celsius,    reading.power_watts,
                             reading.memory_used_bytes / 1'000'000, reading.ecc_errors_uncorrected, reading.events};
    out.simulated = out.simulated || gpu.simulated;
    out.gpus.push_back(std::move(shown));
  }
  out.vcpuCount = host.cpus;
  out.memoryInGb = in_gb(host.memory_bytes);
  out.diskInGb = in_gb(host.disk_bytes);
  for (const auto& held : allocations) {
    if (held.host != host.id) continue;
    ++out.pods;
    out.vcpuUsed += held.vcpus;
    out.memoryUsedInGb += in_gb(held.memory_bytes);
    out.diskUsedInGb += in_gb(held.disk_bytes);
  }
  out.cudaVersion = host.cuda_version;
  out.driverVersion = host.driver_version;
  out.agentVersion = host.agent_version;
  out.os = host.os;
  out.kernel = host.kernel;
  out.publicAddress = host.public_address;
  // Idle reports are not written down one by one: while it is online the moment lives in memory.
  out.lastSeenAt =
      host.online && live && live->sequence > 0 ? std::optional(now - (uptime - live->last_report)) : host.last_seen_at;
  out.createdAt = host.created_at;
  if (live) out.stray = live->strays;
  out.dataCenterId = host.data_center;
  return out;
}

}  // namespace

std::vector<Route> host_routes(HostService& hosts, json::UnknownKeys unknown, std::string public_url,
                               std::string ca_certificate, std::vector<std::string> agents_addresses) {
  const std::string tag = "Hosts";
  const auto show = [&hosts](const Host& host) {
    return json::encode(view(hosts, host, hosts.store().allocations(), hosts.now(), hosts.uptime()));
  };
  const auto verb = [&hosts, show](Result<Host> (HostService::*call)(const Caller&, const HostId&)) {
    return [&hosts, show, call](const Request& request) -> Result<Response> {
      return http::json_response(200, show(TRY((hosts.*call)(request.caller, HostId(request.param("id"))))));
    };
  };
  return {
      Route{.method = Method::get,
            .path = "/v1/hosts",
            .access = Access::admin,
            .summary = "List hosts",
            .description = "By id; retired ones are not listed.",
            .tag = tag,
            .query = http::page_parameters(),
            .answer = json::schema_list<HostView>(),
            .errors = {Reason::bad_cursor},
            .handler = [&hosts](const Request& request) -> Result<Response> {
              const auto page = TRY(http::page_of(request, "id", 1));
              auto found =
                  hosts.list(request.caller, page.after ? page.after->front() : "", static_cast<int>(page.limit) + 1);
              const bool more = found.size() > static_cast<std::size_t>(page.limit);
              if (more) found.pop_back();
              const auto allocations = hosts.store().allocations();
              std::vector<HostView> views;
              for (const auto& host : found)
                views.push_back(view(hosts, host, allocations, hosts.now(), hosts.uptime()));
              auto response = http::json_response(200, json::encode(views));
              if (more) http::add_next(response, request, page, {found.back().id.str()});
              return response;
            }},
      Route{.method = Method::get,
            .path = "/v1/hosts/{id}",
            .access = Access::admin,
            .summary = "Get a host",
            .description = "What it is, what it offers, and what of it is given to pods.",
            .tag = tag,
            .answer = json::schema<HostView>(),
            .errors = {Reason::host_not_found},
            .handler = [&hosts, show](const Request& request) -> Result<Response> {
              return http::json_response(200, show(TRY(hosts.get(request.caller, HostId(request.param("id"))))));
            }},
      Route{
          .method = Method::post,
          .path = "/v1/hosts/tokens",
          .access = Access::admin,
          .summary = "Make a join token",
          .description = "For one host, valid for an hour. The answer has the command to run on the host.",
          .tag = tag,
          .body = json::schema<CreateJoinToken>(),
          .status = 201,
          .answer = json::schema<JoinTokenView>(),
          .errors = {Reason::invalid_field},
          .handler = [&hosts, unknown, public_url](const Request& request) -> Result<Response> {
            const auto input = TRY(json::decode<CreateJoinToken>(request.body.empty() ? "{}" : request.body, unknown));
            const auto made = TRY(hosts.make_join_token(request.caller, input.name.value_or(""),
                                                        input.dataCenterId.value_or(local_data_center)));
            return http::json_response(
                201, json::encode(JoinTokenView{made.token, made.expires_at,
                                                "gyre agent join --server " + public_url + " --token " + made.token}));
          }},
      Route{.method = Method::post,
            .path = "/v1/hosts/join",
            .access = Access::open,
            .summary = "Join as a host",
            .description = "Used by `gyre agent join`: the token is the credential.",
            .tag = tag,
            .body = json::schema<JoinHost>(),
            .status = 201,
            .answer = json::schema<JoinedView>(),
            .errors = {Reason::join_token_invalid, Reason::invalid_field},
            .handler = [&hosts, unknown, ca_certificate, agents_addresses](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<JoinHost>(request.body, unknown));
              const auto joined = TRY(hosts.join(input.token, input.csr, input.hostname));
              return http::json_response(201, json::encode(JoinedView{joined.host.str(), joined.identity.certificate,
                                                                      ca_certificate, agents_addresses}));
            }},
      Route{.method = Method::patch,
            .path = "/v1/hosts/{id}",
            .access = Access::admin,
            .summary = "Say where a host is",
            .description = "Only while no pod holds anything of it: pods and network volumes stay in one data centre.",
            .tag = tag,
            .body = json::schema<UpdateHost>(),
            .answer = json::schema<HostView>(),
            .errors = {Reason::host_not_found, Reason::host_keeps_pods, Reason::invalid_field, Reason::missing_field,
                       Reason::unknown_field},
            .handler = [&hosts, show, unknown](const Request& request) -> Result<Response> {
              const auto input = TRY(json::decode<UpdateHost>(request.body, unknown));
              return http::json_response(
                  200, show(TRY(hosts.relocate(request.caller, HostId(request.param("id")), input.dataCenterId))));
            }},
      Route{.method = Method::post,
            .path = "/v1/hosts/{id}/drain",
            .access = Access::admin,
            .summary = "Drain a host",
            .description = "It takes no new pods; those on it go on.",
            .tag = tag,
            .answer = json::schema<HostView>(),
            .errors = {Reason::host_not_found, Reason::host_transition_refused},
            .handler = verb(&HostService::drain)},
      Route{.method = Method::post,
            .path = "/v1/hosts/{id}/undrain",
            .access = Access::admin,
            .summary = "List a drained host again",
            .description = "It takes pods again.",
            .tag = tag,
            .answer = json::schema<HostView>(),
            .errors = {Reason::host_not_found, Reason::host_transition_refused},
            .handler = verb(&HostService::undrain)},
      Route{.method = Method::del,
            .path = "/v1/hosts/{id}",
            .access = Access::admin,
            .summary = "Retire a host",
            .description = "For good: its agent's certificate no longer counts. Refused while pods hold something of "
                           "it, unless force is given.",
            .tag = tag,
            .query = {{"force", "also with pods on it; they fail and their volumes are lost", "true"}},
            .status = 204,
            .errors = {Reason::host_not_found, Reason::host_in_use, Reason::host_transition_refused},
            .handler = [&hosts](const Request& request) -> Result<Response> {
              TRY(hosts.retire(request.caller, HostId(request.param("id")), request.query.flag("force")));
              return Response{.status = 204};
            }},
  };
}

}  // namespace gyre
