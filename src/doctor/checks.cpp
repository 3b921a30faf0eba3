#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>

#include "base/files.hpp"
#include "doctor/doctor.hpp"
#include "doctor/sockets.hpp"
#include "engine/docker_wire.hpp"
#include "engine/network_guard.hpp"
#include "http/client.hpp"

namespace gyre::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t gb = 1'000'000'000;
constexpr std::int64_t disk_too_little = 5 * gb, disk_little = 30 * gb;  // an image of PyTorch has some 10 GB
constexpr std::uint64_t files_needed = 65'536;                           // each forwarded connection holds two
constexpr Duration clock_warn{2'000}, clock_fail{30'000};                // certificates and tokens have times in them
constexpr Duration server_certificate_soon = std::chrono::days(14), agent_certificate_soon = std::chrono::days(1);

Finding ok(std::string check, Args seen = {}) { return {std::move(check), Level::ok, std::nullopt, std::move(seen)}; }
Finding warn(std::string check, Reason reason, Args args = {}) {
  return {std::move(check), Level::warn, reason, std::move(args)};
}
Finding bad(std::string check, Reason reason, Args args = {}) {
  return {std::move(check), Level::fail, reason, std::move(args)};
}
Finding bad(std::string check, const Error& error) { return bad(std::move(check), error.reason, error.args); }

std::string file_text(const std::string& path) {
  const auto text = read_file(path);
  return text && *text ? **text : std::string();
}

std::string size_text(std::int64_t bytes) {
  char out[32];
  std::snprintf(out, sizeof out, "%.1f GB", static_cast<double>(bytes) / static_cast<double>(gb));
  return out;
}

std::string day_text(Time time) { return rfc3339(time).substr(0, 10); }

// ---- the container engine ----

struct Engine {
  engine::EngineInfo info;
  std::string data;        // where it keeps images and containers
  std::string filesystem;  // "extfs", "xfs", as the engine calls it
};

std::optional<Engine> examine_engine(const Machine& machine, std::vector<Finding>& out) {
  const auto& socket = machine.engine_socket;
  struct stat status {};
  if (::stat(socket.c_str(), &status) != 0) {
    // A folder on the way that may not be entered (of another user's engine) hides the socket.
    const auto reason = errno == EACCES ? Reason::engine_socket_forbidden : Reason::engine_socket_missing;
    out.push_back(bad("engine", reason, {{"socket", socket}}));
    return std::nullopt;
  }
  if (::access(socket.c_str(), R_OK | W_OK) != 0) {
    out.push_back(bad("engine", Reason::engine_socket_forbidden, {{"socket", socket}}));
    return std::nullopt;
  }
  const auto get = [&](const std::string& path) {
    http::ClientRequest request;
    request.url = "http://engine" + path;
    request.unix_socket = socket;
    request.timeout = Duration(5'000);
    return http::fetch(request);
  };
  const auto version = get("/version"), info = get("/info");
  for (const auto* answer : {&version, &info}) {
    if (*answer && (*answer)->ok()) continue;
    const auto detail = *answer ? "HTTP " + std::to_string((*answer)->status) : (*answer).error().message(Language::en);
    out.push_back(bad("engine", Reason::engine_unreachable, {{"detail", detail}}));
    return std::nullopt;
  }
  Engine engine;
  engine.info = engine::docker::read_info(version->body, info->body, file_text(machine.root + "/proc/self/mounts"));
  if (const auto spoken = engine::docker::negotiate(engine.info.api_version); !spoken) {
    out.push_back(bad("engine", spoken.error()));
    return std::nullopt;
  }
  boost::system::error_code ignored;
  const auto facts = boost::json::parse(info->body, ignored);
  if (const auto* root = facts.is_object() ? facts.get_object().if_contains("DockerRootDir") : nullptr)
    if (root->is_string()) engine.data = root->get_string();
  if (const auto* driver = facts.is_object() ? facts.get_object().if_contains("DriverStatus") : nullptr)
    if (driver->is_array())
      for (const auto& pair : driver->get_array())
        if (pair.is_array() && pair.get_array().size() == 2 && pair.get_array()[0] == "Backing Filesystem" &&
            pair.get_array()[1].is_string())
          engine.filesystem = pair.get_array()[1].get_string();
  out.push_back(
      ok("engine", {{"engine", engine.info.name}, {"version", engine.info.version}, {"api", engine.info.api_version}}));
  if (!engine.info.live_restore)
    out.push_back(warn("live_restore", Reason::live_restore_off, {{"engine", engine.info.name}}));
  else
    out.push_back(ok("live_restore"));
  return engine;
}

// ---- the kernel ----

// Version 1 still runs pods, but not all that a pod may use is bounded as one.
Finding examine_cgroup(const Machine& machine) {
  const auto folder = machine.root + "/sys/fs/cgroup";
  const auto file = folder + "/cgroup.controllers";
  if (::access(file.c_str(), R_OK) != 0) return warn("cgroup", Reason::cgroup_too_old, {{"path", folder}});
  std::istringstream words(file_text(file));
  std::set<std::string> there;
  for (std::string word; words >> word;) there.insert(word);
  std::string missing;
  for (const char* needed : {"cpu", "memory", "pids"})
    if (!there.contains(needed)) missing += (missing.empty() ? "" : ",") + std::string(needed);
  if (!missing.empty()) return bad("cgroup", Reason::cgroup_controllers_missing, {{"controllers", missing}});
  return ok("cgroup");
}

Finding examine_files(const Machine& machine) {
  std::uint64_t limit = 0;
  if (machine.file_limit) {
    limit = machine.file_limit();
  } else {
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) limit = files.rlim_max;
  }
  if (limit >= files_needed) return ok("files", {{"limit", std::to_string(limit)}});
  return warn("files", Reason::file_limit_low,
              {{"limit", std::to_string(limit)}, {"needed", std::to_string(files_needed)}});
}

std::string found_in(const std::string& search_path, const std::string& program) {
  std::istringstream folders(search_path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (const auto file = folder + "/" + program; ::access(file.c_str(), X_OK) == 0) return file;
  return {};
}

Finding examine_guard(const Machine& machine) {
  for (const char* program : {"iptables", "iptables-restore"})
    if (found_in(machine.search_path, program).empty())
      return bad("network_guard", Reason::guard_tools_missing, {{"program", program}});
  const auto tried = engine::test_guard(found_in(machine.search_path, "iptables-restore"));
  if (!tried) return bad("network_guard", Reason::guard_unusable, tried.error().args);
  return ok("network_guard");
}

// ---- the disk ----

std::optional<Disk> real_disk(const std::string& path) {
  struct statvfs disk {};
  if (::statvfs(path.c_str(), &disk) != 0) return std::nullopt;
  const auto block = static_cast<std::int64_t>(disk.f_frsize);
  return Disk{static_cast<std::int64_t>(disk.f_bavail) * block, static_cast<std::int64_t>(disk.f_blocks) * block};
}

// From Linux 6.10 on a subvolume that goes while its quota group is counted anew leaves the groups "inconsistent": no
// limit holds until they are counted again (qgroup_mark_inconsistent in fs/btrfs/qgroup.c). Docker has them counted at
// each removal.
bool btrfs_stopped_counting(const Machine& machine) {
  std::error_code ignored;
  for (const auto& filesystem : fs::directory_iterator(machine.root + "/sys/fs/btrfs", ignored)) {
    const auto said = read_file(filesystem.path() / "qgroups/inconsistent");
    if (said && *said && (*said)->starts_with('1')) return true;
  }
  return false;
}

void examine_disk(const Machine& machine, const std::optional<Engine>& engine, std::vector<Finding>& out) {
  const auto path = engine && !engine->data.empty() ? engine->data : std::string("/");
  if (const auto disk = machine.disk ? machine.disk(path) : real_disk(path)) {
    const Args args{{"path", path}, {"free", size_text(disk->free_bytes)}, {"total", size_text(disk->total_bytes)}};
    if (disk->free_bytes < disk_too_little)
      out.push_back(bad("disk", Reason::disk_space_low, args));
    else if (disk->free_bytes < disk_little)
      out.push_back(warn("disk", Reason::disk_space_low, args));
    else
      out.push_back(ok("disk", args));
  }
  if (!engine) return;
  if (engine->info.storage_driver == "btrfs" && btrfs_stopped_counting(machine))
    out.push_back(warn("disk_limit", Reason::disk_not_counted, {{"path", path}}));
  else if (engine->info.container_disk_limit)
    out.push_back(ok("disk_limit"));
  else
    out.push_back(warn("disk_limit", Reason::disk_not_bounded,
                       {{"filesystem", engine->filesystem.empty() ? engine->info.storage_driver : engine->filesystem},
                        {"path", path}}));
}

// ---- GPUs ----

// What stands in the slots, whatever drivers say: display controllers of NVIDIA.
int nvidia_cards(const Machine& machine) {
  int count = 0;
  std::error_code ignored;
  for (const auto& device : fs::directory_iterator(machine.root + "/sys/bus/pci/devices", ignored)) {
    const auto vendor = file_text(device.path() / "vendor"), kind = file_text(device.path() / "class");
    if (vendor.starts_with("0x10de") && (kind.starts_with("0x0300") || kind.starts_with("0x0302"))) ++count;
  }
  return count;
}

bool has_cdi_file(const Machine& machine) {
  std::error_code ignored;
  for (const char* folder : {"/etc/cdi", "/var/run/cdi"})
    for (const auto& file : fs::directory_iterator(machine.root + folder, ignored))
      if (file.path().filename().string().find("nvidia") != std::string::npos) return true;
  return false;
}

void examine_gpus(const Machine& machine, const std::optional<Engine>& engine, std::vector<Finding>& out) {
  engine::GpuSources sources;
  sources.nvml_library = machine.nvml_library;
  sources.sysfs = machine.root + "/sys";
  const auto probe = engine::system_gpu_probe(sources);
  const auto gpus = probe->gpus();
  const auto driver = probe->driver();
  const int cards = nvidia_cards(machine);
  // One that has fallen off the bus before we came is not in the list: the driver cannot even say what it is.
  std::string lost;
  for (const int index : probe->unreachable()) lost += (lost.empty() ? "" : ", ") + std::to_string(index);
  if (gpus.empty() && lost.empty()) {
    if (cards > 0 && !driver)
      out.push_back(bad("gpu", Reason::gpu_driver_missing, {{"count", std::to_string(cards)}}));
    else
      out.push_back(warn("gpu", Reason::gpu_absent));
    return;
  }
  for (const auto& reading : probe->read())
    if (std::find(reading.events.begin(), reading.events.end(), "lost") != reading.events.end())
      lost += (lost.empty() ? "" : ", ") + reading.uuid;
  if (!lost.empty())
    out.push_back(bad("gpu", Reason::gpu_does_not_answer, {{"gpus", lost}}));
  else
    out.push_back(ok("gpu", {{"count", std::to_string(gpus.size())},
                             {"type", gpus.front().type_id},
                             {"driver", driver ? driver->driver_version : "-"}}));
  if (!driver || !engine) return;
  const bool can_give = engine->info.nvidia_runtime || (engine->info.cdi && has_cdi_file(machine));
  out.push_back(can_give ? ok("gpu_toolkit")
                         : bad("gpu_toolkit", Reason::gpu_toolkit_missing, {{"engine", engine->info.name}}));
}

// ---- ports, server, clock, certificates ----

void examine_ports(const Machine& machine, std::vector<Finding>& out) {
  if (const auto problem = cannot_open(machine.listen_address, 0))
    out.push_back(bad("ports", Reason::ports_not_open, {{"address", machine.listen_address}, {"detail", *problem}}));
  else
    out.push_back(ok("ports", {{"address", machine.listen_address}}));
  for (const int port : machine.ports) {
    const auto address = machine.listen_address + ":" + std::to_string(port);
    if (cannot_open(machine.listen_address, port))
      out.push_back(bad("port", Reason::address_in_use, {{"address", address}}));
    else
      out.push_back(ok("port", {{"address", address}}));
  }
}

std::optional<Time> certificate_end(const std::string& pem) {
  const std::unique_ptr<BIO, int (*)(BIO*)> text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      text ? PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr) : nullptr, X509_free);
  std::tm parts{};
  if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1) return std::nullopt;
  return Time(std::chrono::seconds(::timegm(&parts)));
}

std::optional<Finding> examine_certificate(const std::string& check, const std::string& whose, const std::string& pem,
                                           Duration soon, Time now) {
  const auto end = certificate_end(pem);
  if (!end) return std::nullopt;
  const Args args{{"whose", whose}, {"date", day_text(*end)}};
  if (*end <= now) return bad(check, Reason::certificate_has_ended, args);
  if (*end - now < soon) return warn(check, Reason::certificate_ends_soon, args);
  return ok(check, args);
}

// "Sun, 22 Nov 2026 15:00:00 GMT"
std::optional<Time> http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  if (::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) == nullptr) return std::nullopt;
  return Time(std::chrono::seconds(::timegm(&parts)));
}

Finding examine_clock(Time theirs, Time sent, Time answered) {
  // The header has whole seconds and was written at some moment of the exchange: only what cannot be explained by
  // either counts.
  Duration off{0};
  if (theirs > answered) off = theirs - answered;
  if (theirs + std::chrono::seconds(1) < sent) off = sent - theirs - std::chrono::seconds(1);
  const Args args{{"seconds", std::to_string(off.count() / 1000)}};
  if (off > clock_fail) return bad("clock", Reason::clock_differs, args);
  if (off > clock_warn) return warn("clock", Reason::clock_differs, args);
  return ok("clock");
}

void examine_server(const Machine& machine, std::vector<Finding>& out) {
  if (machine.server.empty()) {
    out.push_back(warn("server", Reason::no_server_to_check));
    return;
  }
  http::ClientRequest request;
  request.url = machine.server + "/readyz";
  request.ca_pem = machine.server_ca_pem;
  request.connect_timeout = Duration(5'000);
  request.timeout = Duration(10'000);
  const auto sent = machine.now();
  const auto answer = http::fetch(request);
  const auto answered = machine.now();
  if (!answer) {
    out.push_back(bad("server", answer.error()));
    return;
  }
  out.push_back(ok("server", {{"server", machine.server}}));
  if (!answer->certificate_pem.empty())
    if (auto finding = examine_certificate("server_certificate", machine.server, answer->certificate_pem,
                                           server_certificate_soon, answered))
      out.push_back(std::move(*finding));
  if (const auto theirs = http_date(answer->header("Date"))) out.push_back(examine_clock(*theirs, sent, answered));
}

void examine_agent(const Machine& machine, std::vector<Finding>& out) {
  for (const auto& address : machine.agents_ports) {
    if (const auto problem = cannot_reach(address))
      out.push_back(bad("agents_port", Reason::agents_port_unreachable, {{"address", address}, {"detail", *problem}}));
    else
      out.push_back(ok("agents_port", {{"address", address}}));
  }
  if (!machine.agent_certificate_pem.empty())
    if (auto finding = examine_certificate("agent_certificate", "gyre agent", machine.agent_certificate_pem,
                                           agent_certificate_soon, machine.now()))
      out.push_back(std::move(*finding));
}

}  // namespace

std::vector<Finding> examine(const Machine& machine) {
  std::vector<Finding> out;
  const auto engine = examine_engine(machine, out);
  out.push_back(examine_cgroup(machine));
  examine_disk(machine, engine, out);
  examine_gpus(machine, engine, out);
  out.push_back(examine_guard(machine));
  examine_ports(machine, out);
  out.push_back(examine_files(machine));
  examine_server(machine, out);
  examine_agent(machine, out);
  return out;
}

Level worst(const std::vector<Finding>& findings) {
  Level out = Level::ok;
  for (const auto& finding : findings) out = std::max(out, finding.level);
  return out;
}

}  // namespace gyre::doctor
