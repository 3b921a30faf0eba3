#include "engine/leftovers.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

namespace gyre::engine {
namespace {

constexpr std::size_t id_size = 64;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> words_of(const std::string& command_line) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < command_line.size();) {
    const auto end = std::min(command_line.find('\0', begin), command_line.size());
    out.push_back(command_line.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// The one that stays: `... start` and `... delete` are short calls of the same program.
bool is_shim_of(const std::string& container_id, const std::string& command_line) {
  const auto words = words_of(command_line);
  if (words.empty() || !std::filesystem::path(words.front()).filename().string().starts_with("containerd-shim"))
    return false;
  if (words.back() == "start" || words.back() == "delete") return false;
  const auto id = std::find(words.begin(), words.end(), "-id");
  return id != words.end() && std::next(id) != words.end() && *std::next(id) == container_id;
}

// From `PID (NAME) STATE PARENT ...`, where NAME is anything; nothing for one that has ended.
std::optional<std::int64_t> parent_of(const std::string& stat) {
  const auto after_name = stat.rfind(") ");
  if (after_name == std::string::npos || after_name + 4 >= stat.size()) return std::nullopt;
  if (stat[after_name + 2] == 'Z' || stat[after_name + 2] == 'X') return std::nullopt;
  std::int64_t parent = 0;
  const auto* begin = stat.data() + after_name + 4;
  if (std::from_chars(begin, stat.data() + stat.size(), parent).ec != std::errc()) return std::nullopt;
  return parent;
}

// Through a descriptor, and looked at again once it is held: a number that was given out again hits nobody.
template <class IsIt>
void kill_if(std::int64_t pid, IsIt is_it) {
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (descriptor < 0) return;
  if (is_it()) ::syscall(SYS_pidfd_send_signal, descriptor, SIGKILL, nullptr, 0);
  ::close(descriptor);
}

}  // namespace

std::vector<Leftover> find_leftovers(const std::string& container_id, const std::string& proc) {
  std::vector<Leftover> out;
  if (container_id.size() != id_size) return out;               // a name, or part of an id
  std::vector<std::pair<std::int64_t, std::int64_t>> children;  // (parent, process)
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(proc, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    const auto name = entry->path().filename().string();
    std::int64_t pid = 0;
    const auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || last != name.data() + name.size()) continue;
    const auto parent = parent_of(text_of(entry->path() / "stat"));
    if (!parent) continue;
    children.emplace_back(*parent, pid);
    if (is_shim_of(container_id, text_of(entry->path() / "cmdline"))) out.push_back({pid, {}});
  }
  for (auto& shim : out)
    for (const auto& [parent, process] : children)
      if (parent == shim.shim) shim.processes.push_back(process);
  for (auto& shim : out) std::sort(shim.processes.begin(), shim.processes.end());
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.shim < b.shim; });
  return out;
}

void kill_leftovers(const std::string& container_id) {
  for (const auto& [shim, processes] : find_leftovers(container_id)) {
    const auto folder = [](std::int64_t pid) { return std::filesystem::path("/proc") / std::to_string(pid); };
    const auto still_shim = [&, at = shim] { return is_shim_of(container_id, text_of(folder(at) / "cmdline")); };
    for (const auto process : processes)
      kill_if(process, [&, at = shim] { return parent_of(text_of(folder(process) / "stat")) == at && still_shim(); });
    kill_if(shim, still_shim);
  }
}

}  // namespace gyre::engine
