// Each finding is provoked once, on a machine that is well but for that.
#include "doctor/doctor.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "http/canned_server.hpp"

namespace gyre::doctor {
namespace {

namespace fs = std::filesystem;

// Answers GET /version and /info on a unix socket, one connection at a time, until it goes.
class FakeEngine {
 public:
  FakeEngine(const std::string& path, std::string version, std::string info)
      : version_(std::move(version)), info_(std::move(info)) {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeEngine() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

 private:
  void serve() {
    for (int peer; (peer = ::accept(listener_, nullptr, nullptr)) >= 0; ::close(peer)) {
      char buffer[4096];
      const auto got = ::read(peer, buffer, sizeof buffer);
      const std::string request(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      const auto& body = request.find("GET /version") == 0 ? version_ : info_;
      const auto answer = std::string(body.empty() ? "HTTP/1.1 500 broken\r\n" : "HTTP/1.1 200 OK\r\n") +
                          "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
      [[maybe_unused]] const auto written = ::write(peer, answer.data(), answer.size());
    }
  }
  std::string version_, info_;
  int listener_ = -1;
  std::thread thread_;
};

constexpr const char* good_version = R"({"Version":"20.10.24","ApiVersion":"1.41"})";
constexpr const char* good_info =
    R"({"Driver":"btrfs","LiveRestoreEnabled":true,"DockerRootDir":"/data/docker","Runtimes":{"nvidia":{},"runc":{}},)"
    R"("DriverStatus":[["Backing Filesystem","extfs"]]})";

struct Certificate {
  std::string pem, key;
};
Certificate make_certificate(int days) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> x509(X509_new(), X509_free);
  X509_set_version(x509.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -3600);
  X509_time_adj_ex(X509_getm_notAfter(x509.get()), days, 60, nullptr);
  X509_set_pubkey(x509.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x509.get(), X509_get_subject_name(x509.get()));
  const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> name(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1"), X509_EXTENSION_free);
  X509_add_ext(x509.get(), name.get(), -1);
  X509_sign(x509.get(), key.get(), EVP_sha256());
  const auto text = [](auto write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), BIO_free);
    write(out.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
  };
  return {text([&](BIO* out) { PEM_write_bio_X509(out, x509.get()); }),
          text([&](BIO* out) { PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); })};
}

// Taken once, so that what is compared with it does not depend on how long a test runs.
Time now() {
  static const Time started = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  return started;
}

std::string http_date(Time time) {
  const auto seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::time_point(time));
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char out[64];
  std::strftime(out, sizeof out, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return out;
}

http::CannedServer::Answer ready_at(Time their_clock) {
  return [date = http_date(their_clock)](const std::string&, const http::CannedServer::Send& send) {
    send("HTTP/1.1 200 OK\r\nDate: " + date + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
  };
}

class Doctor : public testing::Test {
 protected:
  Doctor() {
    std::string pattern = (fs::temp_directory_path() / "gyre-doctor-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    ::setenv("GYRE_NVML_STATE", (folder / "nvml").c_str(), 1);
    nvml("driver 535.129.03\ncuda 12020\ngpu GPU-1 name=NVIDIA_A40 memory=48305799168\n");
    file("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    file("proc/self/mounts", "");
    program("iptables", "exit 0");
    program("iptables-restore", "cat > /dev/null; exit 0");
    machine.root = folder.string();
    machine.engine_socket = (folder / "engine.sock").string();
    machine.nvml_library = GYRE_NVML_DOUBLE;
    machine.search_path = (folder / "bin").string();
    machine.disk = [this](const std::string&) { return std::optional(disk); };
    machine.file_limit = [] { return std::uint64_t{1'048'576}; };
    machine.listen_address = "127.0.0.1";
    machine.server = server.url();
    machine.now = now;
  }
  ~Doctor() override {
    ::unsetenv("GYRE_NVML_STATE");
    fs::remove_all(folder);
  }
  void nvml(const std::string& state) { std::ofstream(folder / "nvml") << state; }
  void file(const fs::path& path, const std::string& text) {
    fs::create_directories((folder / path).parent_path());
    std::ofstream(folder / path) << text;
  }
  void program(const std::string& name, const std::string& script) {
    file(fs::path("bin") / name, "#!/bin/sh\n" + script + "\n");
    ::chmod((folder / "bin" / name).c_str(), 0755);
  }
  void start_engine(const char* version = good_version, const char* info = good_info) {
    engine.emplace(machine.engine_socket, version, info);
  }
  // The one finding that is not ok; a test that expects one fails when there are others.
  Finding trouble() {
    findings = examine(machine);
    std::vector<Finding> found;
    for (const auto& finding : findings)
      if (finding.level != Level::ok) found.push_back(finding);
    std::string all;
    for (const auto& finding : found) all += finding.check + "=" + std::string(reason_text(*finding.reason)) + " ";
    EXPECT_EQ(found.size(), 1u) << all;
    return found.empty() ? Finding{} : found.front();
  }
  void expect(const Finding& finding, const std::string& check, Level level, Reason reason) {
    EXPECT_EQ(finding.check, check);
    EXPECT_EQ(finding.level, level) << check;
    ASSERT_TRUE(finding.reason) << check;
    EXPECT_EQ(reason_text(*finding.reason), reason_text(reason));
    for (const auto language : {Language::en, Language::ko}) {
      EXPECT_EQ(sentence(reason, finding.args, language).find('{'), std::string::npos)
          << sentence(reason, finding.args, language);
      EXPECT_FALSE(way_out(reason, finding.args, language).empty()) << "how is it mended?";
    }
  }

  fs::path folder;
  Disk disk{500'000'000'000, 1'000'000'000'000};
  http::CannedServer server{ready_at(now())};
  Machine machine;
  std::optional<FakeEngine> engine;
  std::vector<Finding> findings;
};

TEST_F(Doctor, AMachineThatIsWellHasNothingToMend) {
  start_engine();
  const auto all = examine(machine);
  EXPECT_EQ(worst(all), Level::ok);
  std::set<std::string> checks;
  for (const auto& finding : all) checks.insert(finding.check);
  EXPECT_EQ(checks, (std::set<std::string>{"engine", "live_restore", "cgroup", "disk", "disk_limit", "gpu",
                                           "gpu_toolkit", "network_guard", "ports", "files", "server", "clock"}));
}

// ---- the engine ----

TEST_F(Doctor, NoEngine) { expect(trouble(), "engine", Level::fail, Reason::engine_socket_missing); }

// Runs it as somebody who is not root; of this thread alone, as the kernel's own call sees it.
void as_nobody(const std::function<void()>& run) {
  if (::geteuid() != 0) return run();
  std::thread([&] {
    constexpr long nobody = 65'534;
    CHECK(::syscall(SYS_setgroups, 0, nullptr) == 0);
    CHECK(::syscall(SYS_setresgid, nobody, nobody, nobody) == 0);
    CHECK(::syscall(SYS_setresuid, nobody, nobody, nobody) == 0);
    run();
  }).join();
}

TEST_F(Doctor, AnEngineThatThisUserMayNotUse) {
  start_engine();
  fs::permissions(folder, fs::perms(0755));
  ::chmod(machine.engine_socket.c_str(), 0);  // its folder may be entered
  as_nobody([&] { findings = examine(machine); });
  expect(findings.at(0), "engine", Level::fail, Reason::engine_socket_forbidden);
}

TEST_F(Doctor, AnEngineInAFolderThatThisUserMayNotEnter) {
  const auto inner = folder / "inner";
  fs::create_directory(inner);
  machine.engine_socket = (inner / "engine.sock").string();
  start_engine();
  fs::permissions(folder, fs::perms(0755));
  fs::permissions(inner, fs::perms(0));
  as_nobody([&] { findings = examine(machine); });
  fs::permissions(inner, fs::perms(0700));
  expect(findings.at(0), "engine", Level::fail, Reason::engine_socket_forbidden);
}

TEST_F(Doctor, AnEngineThatDoesNotAnswer) {
  file("engine.sock", "no socket at all");
  expect(trouble(), "engine", Level::fail, Reason::engine_unreachable);
}

TEST_F(Doctor, AnEngineThatAnswersNonsense) {
  start_engine("", "");
  expect(trouble(), "engine", Level::fail, Reason::engine_unreachable);
}

TEST_F(Doctor, AnEngineThatIsTooOld) {
  start_engine(R"({"Version":"18.09","ApiVersion":"1.39"})");
  expect(trouble(), "engine", Level::fail, Reason::engine_too_old);
}

TEST_F(Doctor, ContainersThatFallWithTheirEngine) {
  start_engine(good_version, R"({"Driver":"btrfs","LiveRestoreEnabled":false,"Runtimes":{"nvidia":{}}})");
  expect(trouble(), "live_restore", Level::warn, Reason::live_restore_off);
}

// ---- the kernel ----

TEST_F(Doctor, ControlGroupsOfVersionOne) {
  start_engine();
  fs::remove(folder / "sys/fs/cgroup/cgroup.controllers");
  expect(trouble(), "cgroup", Level::warn, Reason::cgroup_too_old);
}

TEST_F(Doctor, AKernelWithoutTheMemoryController) {
  start_engine();
  file("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n");
  const auto found = trouble();
  expect(found, "cgroup", Level::fail, Reason::cgroup_controllers_missing);
  EXPECT_EQ(found.args.front().second, "memory,pids");
}

TEST_F(Doctor, TooFewOpenFiles) {
  start_engine();
  machine.file_limit = [] { return std::uint64_t{1024}; };
  expect(trouble(), "files", Level::warn, Reason::file_limit_low);
}

TEST_F(Doctor, NoIptables) {
  start_engine();
  fs::remove(folder / "bin/iptables-restore");
  expect(trouble(), "network_guard", Level::fail, Reason::guard_tools_missing);
}

TEST_F(Doctor, AKernelThatTakesNoRules) {
  start_engine();
  program("iptables-restore", "cat > /dev/null; echo 'can not initialize table raw: Table does not exist' >&2; exit 3");
  const auto found = trouble();
  expect(found, "network_guard", Level::fail, Reason::guard_unusable);
  EXPECT_NE(found.args.front().second.find("Table does not exist"), std::string::npos) << found.args.front().second;
}

// ---- the disk ----

TEST_F(Doctor, ADiskThatIsNearlyFullOrFull) {
  start_engine();
  disk.free_bytes = 20'000'000'000;
  expect(trouble(), "disk", Level::warn, Reason::disk_space_low);
  disk.free_bytes = 1'000'000'000;
  expect(trouble(), "disk", Level::fail, Reason::disk_space_low);
}

TEST_F(Doctor, AFileSystemThatCannotBoundContainers) {
  start_engine(
      good_version,
      R"({"Driver":"overlay2","LiveRestoreEnabled":true,"DockerRootDir":"/data/docker","Runtimes":{"nvidia":{}},)"
      R"("DriverStatus":[["Backing Filesystem","extfs"]]})");
  const auto found = trouble();
  expect(found, "disk_limit", Level::warn, Reason::disk_not_bounded);
  EXPECT_EQ(found.args.front().second, "extfs");
}

TEST_F(Doctor, ABtrfsWhoseKernelHasStoppedCounting) {
  start_engine(
      good_version,
      R"({"Driver":"btrfs","LiveRestoreEnabled":true,"DockerRootDir":"/data/docker","Runtimes":{"nvidia":{}}})");
  file("sys/fs/btrfs/one/qgroups/inconsistent", "0\n");
  findings = examine(machine);
  EXPECT_EQ(worst(findings), Level::ok);
  file("sys/fs/btrfs/two/qgroups/inconsistent", "1\n");
  const auto found = trouble();
  expect(found, "disk_limit", Level::warn, Reason::disk_not_counted);
  EXPECT_EQ(found.args.front().second, "/data/docker");
}

// ---- GPUs ----

TEST_F(Doctor, NoGpuAtAll) {
  start_engine();
  machine.nvml_library = "libnosuch-ml.so.1";
  expect(trouble(), "gpu", Level::warn, Reason::gpu_absent);
}

// GPUs that have fallen off the bus before anybody looked have no name and are in no list.
TEST_F(Doctor, AGpuThatIsLostAmongOthers) {
  start_engine();
  nvml(
      "driver 535.129.03\ncuda 12020\ngpu GPU-1 name=NVIDIA_A40 memory=48305799168\n"
      "gpu GPU-2 name=NVIDIA_A40 memory=48305799168 lost=1\n");
  const auto found = trouble();
  expect(found, "gpu", Level::fail, Reason::gpu_does_not_answer);
  EXPECT_EQ(found.args.front().second, "1");
}

TEST_F(Doctor, GpusOfWhichNoneAnswers) {
  start_engine();
  nvml("driver 535.129.03\ncuda 12020\ngpu GPU-1 name=NVIDIA_A40 memory=48305799168 lost=1\n");
  const auto found = trouble();
  expect(found, "gpu", Level::fail, Reason::gpu_does_not_answer);
  EXPECT_EQ(found.args.front().second, "0");
}

TEST_F(Doctor, CardsWithoutTheirDriver) {
  start_engine();
  machine.nvml_library = "libnosuch-ml.so.1";
  file("sys/bus/pci/devices/0000:3b:00.0/vendor", "0x10de\n");
  file("sys/bus/pci/devices/0000:3b:00.0/class", "0x030200\n");
  const auto found = trouble();
  expect(found, "gpu", Level::fail, Reason::gpu_driver_missing);
  EXPECT_EQ(found.args.front().second, "1");
}

TEST_F(Doctor, AnEngineThatCannotGiveGpus) {
  start_engine(good_version, R"({"Driver":"btrfs","LiveRestoreEnabled":true,"Runtimes":{"runc":{}}})");
  expect(trouble(), "gpu_toolkit", Level::fail, Reason::gpu_toolkit_missing);
}

TEST_F(Doctor, ACdiFileIsAsGoodAsTheRuntime) {
  start_engine(good_version,
               R"({"Driver":"btrfs","LiveRestoreEnabled":true,"Runtimes":{"runc":{}},"CDISpecDirs":["/etc/cdi"]})");
  expect(trouble(), "gpu_toolkit", Level::fail, Reason::gpu_toolkit_missing);
  file("etc/cdi/nvidia.yaml", "cdiVersion: 0.5.0\n");
  EXPECT_EQ(worst(examine(machine)), Level::ok);
}

// ---- ports, server, clock, certificates ----

TEST_F(Doctor, AnAddressThatIsNotOfThisMachine) {
  start_engine();
  machine.listen_address = "192.0.2.200";
  expect(trouble(), "ports", Level::fail, Reason::ports_not_open);
}

TEST_F(Doctor, APortThatIsTaken) {
  start_engine();
  machine.ports = {server.port()};
  expect(trouble(), "port", Level::fail, Reason::address_in_use);
}

TEST_F(Doctor, NoServerKnown) {
  start_engine();
  machine.server.clear();
  expect(trouble(), "server", Level::warn, Reason::no_server_to_check);
}

TEST_F(Doctor, AServerThatIsNotThere) {
  start_engine();
  machine.server = "http://127.0.0.1:1";
  expect(trouble(), "server", Level::fail, Reason::server_unreachable);
}

TEST_F(Doctor, AServerThatDoesNotProveWhoItIs) {
  start_engine();
  const auto made = make_certificate(365);
  http::CannedServer tls(ready_at(now()), made.pem, made.key);
  machine.server = tls.url();
  expect(trouble(), "server", Level::fail, Reason::server_not_trusted);
}

TEST_F(Doctor, AServersCertificateThatEndsSoon) {
  start_engine();
  const auto made = make_certificate(3);
  http::CannedServer tls(ready_at(now()), made.pem, made.key);
  machine.server = tls.url();
  machine.server_ca_pem = made.pem;
  expect(trouble(), "server_certificate", Level::warn, Reason::certificate_ends_soon);
}

TEST_F(Doctor, AServersCertificateThatIsFine) {
  start_engine();
  const auto made = make_certificate(365);
  http::CannedServer tls(ready_at(now()), made.pem, made.key);
  machine.server = tls.url();
  machine.server_ca_pem = made.pem;
  findings = examine(machine);
  EXPECT_EQ(worst(findings), Level::ok);
  EXPECT_TRUE(std::any_of(findings.begin(), findings.end(),
                          [](const Finding& finding) { return finding.check == "server_certificate"; }));
}

TEST_F(Doctor, AClockThatIsWrong) {
  start_engine();
  http::CannedServer ahead(ready_at(now() + std::chrono::seconds(12)));
  machine.server = ahead.url();
  expect(trouble(), "clock", Level::warn, Reason::clock_differs);
  http::CannedServer behind(ready_at(now() - std::chrono::minutes(5)));
  machine.server = behind.url();
  expect(trouble(), "clock", Level::fail, Reason::clock_differs);
}

TEST_F(Doctor, AnAgentsPortBehindAFirewall) {
  start_engine();
  machine.agents_ports = {"127.0.0.1:1"};
  expect(trouble(), "agents_port", Level::fail, Reason::agents_port_unreachable);
  machine.agents_ports = {"127.0.0.1:" + std::to_string(server.port())};
  EXPECT_EQ(worst(examine(machine)), Level::ok);
}

TEST_F(Doctor, AnAgentsCertificateThatEndsSoonOrHasEnded) {
  start_engine();
  machine.agent_certificate_pem = make_certificate(0).pem;
  expect(trouble(), "agent_certificate", Level::warn, Reason::certificate_ends_soon);
  machine.server.clear();
  machine.now = [] { return now() + std::chrono::days(400); };
  findings = examine(machine);
  const auto last = findings.back();
  expect(last, "agent_certificate", Level::fail, Reason::certificate_has_ended);
}

}  // namespace
}  // namespace gyre::doctor
