#include "base/folder_size.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace gyre {
namespace {

namespace fs = std::filesystem;

class FolderSize : public testing::Test {
 protected:
  FolderSize() { fs::create_directories(folder_ / "deep/er"); }
  ~FolderSize() override { fs::remove_all(folder_); }
  void write(const std::string& name, std::size_t bytes) {
    std::ofstream(folder_ / name) << std::string(bytes, 'x');
    ::sync();  // a file system may give out blocks late
  }
  std::int64_t bytes() const { return bytes_under(folder_.string()).value(); }

  fs::path folder_ = fs::temp_directory_path() / ("gyre-folder-size-" + std::to_string(::getpid()));
};

TEST_F(FolderSize, CountsWhatLiesDeep) {
  const auto empty = bytes();
  write("deep/er/file", 3'000'000);
  EXPECT_GE(bytes(), empty + 3'000'000);
  EXPECT_LT(bytes(), empty + 4'000'000);
}

TEST_F(FolderSize, AFileOfSeveralNamesIsOneAndALinkIsNotFollowed) {
  write("file", 3'000'000);
  const auto once = bytes();
  fs::create_hard_link(folder_ / "file", folder_ / "deep/again");
  fs::create_directory_symlink("/usr", folder_ / "deep/usr");
  EXPECT_LT(bytes(), once + 1'000'000);
}

TEST_F(FolderSize, WhatCannotBeReadIsSaid) {
  const auto answer = bytes_under((folder_ / "nowhere").string());
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().find("nowhere"), std::string::npos);
}

}  // namespace
}  // namespace gyre
