// Small files that must be whole or absent, and that no one else may read: keys, identities, pid and lock files.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gyre {

// As many open files as this process may have: every connection is one.
void raise_file_limit();

// Replaces the file in one step (temporary file, fsync, rename, fsync of the folder), mode 0600: after a crash it is
// the old or the new one. The folder must exist. Error: file_unusable.
Result<> write_private_file(const std::filesystem::path& path, std::string_view content);

// The same for what others may read (mode 0644): certificates.
Result<> write_public_file(const std::filesystem::path& path, std::string_view content);

// The content; empty optional when there is no such file. Error: file_unusable (unreadable, or over `limit` bytes).
Result<std::optional<std::string>> read_file(const std::filesystem::path& path, std::size_t limit = 1 << 20);

// Makes the folder and its parents, mode 0700 for the last when it is new. Error: file_unusable.
Result<> make_private_folder(const std::filesystem::path& path);

// Holds an advisory lock on a file for the life of the object, whatever way the process ends; our process id stands in
// the file. Empty: another process holds it. Error: file_unusable.
class FileLock {
 public:
  static Result<std::unique_ptr<FileLock>> try_lock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace gyre
