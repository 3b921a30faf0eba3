#include "base/folder_size.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <utility>

namespace gyre {

tl::expected<std::int64_t, std::string> bytes_under(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code problem;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::none, problem);
  if (problem) return tl::unexpected(folder + ": " + problem.message());
  std::int64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> seen;  // of those with several names only
  for (; entry != fs::recursive_directory_iterator(); entry.increment(problem)) {
    if (problem) return tl::unexpected(folder + ": " + problem.message());
    struct ::stat facts {};
    if (::lstat(entry->path().c_str(), &facts) != 0) continue;  // deleted meanwhile
    if (!S_ISDIR(facts.st_mode) && facts.st_nlink > 1 && !seen.insert({facts.st_dev, facts.st_ino}).second) continue;
    bytes += static_cast<std::int64_t>(facts.st_blocks) * 512;
  }
  if (problem) return tl::unexpected(folder + ": " + problem.message());
  return bytes;
}

}  // namespace gyre
