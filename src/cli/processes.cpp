#include "cli/processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.hpp"

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgot to say that these are C
}
extern char** environ;

namespace gyre::cli {
namespace {

constexpr off_t log_kept_bytes = 16 << 20;  // a larger log is put aside once, when the process starts anew

tl::unexpected<Error> cannot(const std::string& file, int error) {
  return fail(Reason::file_unusable, {{"path", file}, {"detail", std::strerror(error)}});
}

// poll() that a signal does not end. True when the descriptor has something.
bool readable(int descriptor, Duration most) {
  const auto until = std::chrono::steady_clock::now() + most;
  for (;;) {
    const auto left = std::chrono::duration_cast<Duration>(until - std::chrono::steady_clock::now()).count();
    pollfd wait{descriptor, POLLIN, 0};
    const int count = ::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(0, left)));
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}
Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

std::optional<Process> Process::of(pid_t id) {
  if (id <= 0) return std::nullopt;
  Descriptor descriptor(::pidfd_open(id, 0));
  if (!descriptor.open()) return std::nullopt;
  return Process(id, std::move(descriptor));
}

bool Process::signal(int number) const { return ::pidfd_send_signal(descriptor_.number(), number, nullptr, 0) == 0; }

bool Process::wait(Duration most) const { return readable(descriptor_.number(), most); }

bool Process::ended_well() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
    return false;
  return info.si_code == CLD_EXITED && info.si_status == 0;
}

std::string Process::how_it_ended() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) return "?";
  return (info.si_code == CLD_EXITED ? "exit code " : "signal ") + std::to_string(info.si_status);
}

Result<Started> start(const Start& what) {
  struct stat status {};
  if (::stat(what.log.c_str(), &status) == 0 && status.st_size > log_kept_bytes)
    ::rename(what.log.c_str(), (what.log + ".1").c_str());
  const Descriptor log(::open(what.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.open()) return cannot(what.log, errno);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return cannot("pipe", errno);
  Descriptor ready(ends[0]);
  const Descriptor child_end(ends[1]);

  std::string binary = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> arguments = what.arguments;
  std::vector<char*> argv{binary.data()};
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, log.number(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, log.number(), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, child_end.number(), 3);
  posix_spawn_file_actions_addchdir_np(&files, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  pid_t id = 0;
  const int error = ::posix_spawn(&id, binary.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return cannot(binary, error);
  auto process = Process::of(id);
  if (!process) return cannot(binary, errno);
  return Started{std::move(*process), std::move(ready)};
}

std::optional<std::string> read_ready(const Started& started, Duration most) {
  const auto until = std::chrono::steady_clock::now() + most;
  std::string text;
  for (;;) {
    const auto left = std::chrono::duration_cast<Duration>(until - std::chrono::steady_clock::now());
    if (left <= Duration(0) || !readable(started.ready.number(), left)) return std::nullopt;
    char buffer[4096];
    const auto count = ::read(started.ready.number(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

std::optional<Process> holder(const std::string& lock_file) {
  const Descriptor file(::open(lock_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return std::nullopt;
  if (::flock(file.number(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;  // let go of again when it is closed
  char text[32] = {};
  const auto count = ::pread(file.number(), text, sizeof text - 1, 0);
  pid_t id = 0;
  if (count <= 0 || std::from_chars(text, text + count, id).ec != std::errc{}) return std::nullopt;
  return Process::of(id);
}

Result<Descriptor> lock(const std::string& lock_file) {
  Descriptor file(::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.open()) return cannot(lock_file, errno);
  while (::flock(file.number(), LOCK_EX) != 0)
    if (errno != EINTR) return cannot(lock_file, errno);
  return file;
}

std::string last_words(const std::string& log) {
  std::ifstream in(log);
  in.seekg(0, std::ios::end);
  const auto size = static_cast<std::int64_t>(in.tellg());
  in.seekg(std::max<std::int64_t>(0, size - 8192));
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  boost::system::error_code error;
  const auto parsed = boost::json::parse(last, error);
  const auto* object = parsed.if_object();
  if (!object) return last;
  std::string out;
  for (const char* name : {"message", "problem", "detail"})
    if (const auto* value = object->if_contains(name); value && value->is_string())
      out += (out.empty() ? "" : ": ") + std::string(value->as_string());
  return out;
}

}  // namespace gyre::cli
