#include "cli/exec_commands.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/exec_client.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {
namespace {

namespace fs = std::filesystem;

// The pod's id, from its id or its name.
Outcome<std::string> id_of(Commands& c, const std::string& pod) {
  const auto get = [&](const std::string& target) -> Outcome<boost::json::value> {
    Call call;
    call.target = target;
    const auto answer = c.api.call(call);
    if (!answer) return tl::unexpected(answer.error());
    boost::system::error_code ignored;
    return boost::json::parse(answer->body, ignored);
  };
  const auto by_id = get("/v1/pods/" + http::url_encode(pod));
  if (by_id) return text_of(*by_id, "id");
  if (by_id.error().exit != exit_not_found) return tl::unexpected(by_id.error());
  const auto by_name = get("/v1/pods?name=" + http::url_encode(pod));
  if (!by_name || !by_name->is_array() || by_name->get_array().empty()) return tl::unexpected(by_id.error());
  const auto& found = by_name->get_array();
  if (found.size() == 1) return text_of(found.front(), "id");
  std::string ids;
  for (const auto& one : found) ids += (ids.empty() ? "" : ", ") + text_of(one, "id");
  Args args{{"count", std::to_string(found.size())}, {"name", pod}, {"ids", ids}};
  return tl::unexpected(Failure::from(Error{Reason::name_not_unique, std::move(args), ""}, c.terminal.language));
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto size = ::write(file, bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

Failure copy_failed(const Commands& c, const std::string& detail) {
  return Failure::from(Error{Reason::copy_failed, {{"detail", detail}}, {}}, c.terminal.language);
}

// `tar` of this machine, with one end of a pipe as its input or output.
class LocalTar {
 public:
  LocalTar(std::vector<std::string> arguments, int its_end) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    const int theirs = its_end == STDIN_FILENO ? ends[0] : ends[1];
    file_ = its_end == STDIN_FILENO ? ends[1] : ends[0];
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs, its_end);
    if (::posix_spawnp(&child_, "tar", &actions, nullptr, argv.data(), environ) != 0) child_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(theirs);
  }
  ~LocalTar() { finish(); }
  LocalTar(const LocalTar&) = delete;
  LocalTar& operator=(const LocalTar&) = delete;

  int file() const { return file_; }
  bool started() const { return child_ > 0; }
  bool finish() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    if (child_ <= 0) return ok_;
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
    }
    child_ = -1;
    ok_ = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return ok_;
  }

 private:
  int file_ = -1;
  pid_t child_ = -1;
  bool ok_ = false;
};

// Into the folder $1 if it is one, else under the name $1. $2 is what the archive's one entry is called.
constexpr const char* unpack = R"sh(set -e
if [ -d "$1" ]; then exec tar -xf - -C "$1"; fi
to=$(dirname -- "$1"); mkdir -p -- "$to"; new="$to/.gyre-cp-$$"; mkdir -- "$new"
trap 'rm -rf -- "$new"' EXIT
tar -xf - -C "$new"; mv -f -- "$new/$2" "$1")sh";
constexpr const char* pack = R"sh(cd -- "$(dirname -- "$1")" && exec tar -cf - -- "$(basename -- "$1")")sh";

int upload(Commands& c, const std::string& pod, const std::string& container, const fs::path& from,
           const std::string& to) {
  std::error_code problem;
  const auto source = fs::absolute(from, problem).lexically_normal();
  const auto clean = source.has_filename() ? source : source.parent_path();
  if (!fs::exists(fs::symlink_status(clean, problem)))
    return c.terminal.report(copy_failed(c, from.string() + ": " + std::strerror(ENOENT)));
  const auto name = clean.filename().string();
  LocalTar tar({"tar", "-cf", "-", "-C", clean.parent_path().string(), "--", name}, STDOUT_FILENO);
  if (!tar.started()) return c.terminal.report(copy_failed(c, "tar is not installed here"));
  std::string words;
  ExecWish wish;
  wish.pod = pod;
  wish.container = container;
  wish.command = {"sh", "-c", unpack, "gyre-cp", to, name};
  wish.input = tar.file();
  wish.output = [&](bool, std::string_view bytes) {
    words += bytes.substr(0, 1000 - std::min<std::size_t>(1000, words.size()));
    return true;
  };
  const auto code = run_exec(c, wish);
  const bool packed = tar.finish();
  if (!code) return c.terminal.report(code.error());
  if (*code != 0 || !packed)
    return c.terminal.report(copy_failed(c, words.empty() ? "tar ended with " + std::to_string(*code) : words));
  return exit_ok;
}

int download(Commands& c, const std::string& pod, const std::string& container, const std::string& from,
             const fs::path& to) {
  std::error_code problem;
  const bool into = fs::is_directory(to, problem);
  const auto folder = into ? to : fs::absolute(to, problem).parent_path();
  // Beside its place first: half of a file never stands under the name that was wanted.
  auto pattern = (folder / ".gyre-cp-XXXXXX").string();
  if (!::mkdtemp(pattern.data()))
    return c.terminal.report(copy_failed(c, folder.string() + ": " + std::strerror(errno)));
  const fs::path made(pattern);
  struct Cleanup {
    fs::path path;
    ~Cleanup() {
      std::error_code ignored;
      fs::remove_all(path, ignored);
    }
  } cleanup{made};
  LocalTar tar({"tar", "-xf", "-", "-C", made.string()}, STDIN_FILENO);
  if (!tar.started()) return c.terminal.report(copy_failed(c, "tar is not installed here"));
  std::string words;
  ExecWish wish;
  wish.pod = pod;
  wish.container = container;
  wish.command = {"sh", "-c", pack, "gyre-cp", from};
  wish.output = [&](bool error, std::string_view bytes) {
    if (!error) return write_all(tar.file(), bytes);
    words += bytes.substr(0, 1000 - std::min<std::size_t>(1000, words.size()));
    return true;
  };
  const auto code = run_exec(c, wish);
  const bool unpacked = tar.finish();
  if (!code) return c.terminal.report(code.error());
  if (*code != 0 || !unpacked)
    return c.terminal.report(copy_failed(c, words.empty() ? "tar ended with " + std::to_string(*code) : words));
  for (const auto& entry : fs::directory_iterator(made, problem)) {
    const auto place = into ? to / entry.path().filename() : to;
    fs::rename(entry.path(), place, problem);
    if (problem) return c.terminal.report(copy_failed(c, place.string() + ": " + problem.message()));
  }
  return exit_ok;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> in_pod(const std::string& path) {
  const auto colon = path.find(':'), slash = path.find('/');
  if (colon == std::string::npos || colon == 0 || slash < colon || path.front() == '.') return std::nullopt;
  return std::pair(path.substr(0, colon), path.substr(colon + 1));
}

int pod_exec(Commands& c, const std::string& pod, const PodExecFlags& flags) {
  const auto wrong = [&](const char* argument, const char* detail) {
    Args args{{"argument", argument}, {"detail", detail}};
    return c.terminal.report(Failure::from(Error{Reason::bad_argument, std::move(args), ""}, c.terminal.language));
  };
  if (flags.command.empty()) return wrong("COMMAND", "name the program to run, after --");
  if (flags.tty && flags.input && !c.terminal.in_is_tty)
    return wrong("-t", "standard input is no terminal; use -i alone");
  const auto id = id_of(c, pod);
  if (!id) return c.terminal.report(id.error());
  ExecWish wish;
  wish.pod = *id;
  wish.container = flags.container;
  wish.command = flags.command;
  wish.tty = flags.tty;
  wish.input = flags.input ? STDIN_FILENO : -1;
  wish.output = [](bool error, std::string_view bytes) {
    return write_all(error ? STDERR_FILENO : STDOUT_FILENO, bytes);
  };
  const auto code = run_exec(c, wish);
  if (code) return *code;
  if (code.error().detail.empty()) return code.error().exit;  // nothing to say: interrupted, or nobody reads
  return c.terminal.report(code.error());
}

int pod_copy(Commands& c, const std::string& from, const std::string& to, const std::string& container) {
  const auto source = in_pod(from), target = in_pod(to);
  if (source.has_value() == target.has_value() || (source && source->second.empty()) ||
      (target && target->second.empty())) {
    Args args{{"argument", "cp"}, {"detail", "one of the two is POD:PATH"}};
    return c.terminal.report(Failure::from(Error{Reason::bad_argument, std::move(args), ""}, c.terminal.language));
  }
  const auto id = id_of(c, source ? source->first : target->first);
  if (!id) return c.terminal.report(id.error());
  return source ? download(c, *id, container, source->second, to) : upload(c, *id, container, from, target->second);
}

}  // namespace gyre::cli
