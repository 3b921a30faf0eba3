#include "volumes/volume_directories.hpp"

#include <filesystem>

#include "base/check.hpp"
#include "base/folder_size.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

// An id of ours and nothing else: a name with a slash would be another directory.
void check_name(const std::string& name) {
  CHECK(!name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos);
}

std::string make(const std::string& shared_path, const std::string& name) {
  check_name(name);
  std::error_code problem;
  if (!fs::is_directory(shared_path, problem)) return shared_path + " is not a directory";
  fs::create_directory(fs::path(shared_path) / name, problem);
  return problem ? problem.message() : "";
}

std::string remove(const std::string& shared_path, const std::string& name) {
  check_name(name);
  std::error_code problem;
  if (!fs::is_directory(shared_path, problem)) return shared_path + " is not a directory";
  fs::remove_all(fs::path(shared_path) / name, problem);
  return problem ? problem.message() : "";
}

tl::expected<std::int64_t, std::string> used(const std::string& shared_path, const std::string& name) {
  check_name(name);
  return bytes_under((fs::path(shared_path) / name).string());
}

}  // namespace

VolumeDirectories real_volume_directories() { return {make, remove, used}; }

}  // namespace gyre
