#include "base/files.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gyre {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gyre-files-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~Files() override { std::filesystem::remove_all(folder); }
  static int mode(const std::filesystem::path& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 ? static_cast<int>(facts.st_mode & 0777) : -1;
  }
  std::filesystem::path folder;
};

TEST_F(Files, AWrittenFileIsReadBackAndOnlyItsOwnerMay) {
  ASSERT_TRUE(write_private_file(folder / "key", "one"));
  ASSERT_TRUE(write_private_file(folder / "key", "two"));
  EXPECT_EQ(read_file(folder / "key").value(), "two");
  EXPECT_EQ(mode(folder / "key"), 0600);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "no temporary file is left";
  ASSERT_TRUE(write_public_file(folder / "crt", "three"));
  EXPECT_EQ(mode(folder / "crt"), 0644);
}

TEST_F(Files, AMissingFileIsNotAnErrorButAFolderThatIsMissingIs) {
  EXPECT_EQ(read_file(folder / "absent").value(), std::nullopt);
  const auto written = write_private_file(folder / "no" / "key", "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().reason, Reason::file_unusable);
}

TEST_F(Files, AFileOverTheLimitIsRefused) {
  ASSERT_TRUE(write_private_file(folder / "big", std::string(100, 'x')));
  EXPECT_TRUE(read_file(folder / "big", 100));
  EXPECT_FALSE(read_file(folder / "big", 99));
}

TEST_F(Files, ANewFolderBelongsToItsOwnerAlone) {
  ASSERT_TRUE(make_private_folder(folder / "a" / "b"));
  ASSERT_TRUE(make_private_folder(folder / "a" / "b"));
  EXPECT_EQ(mode(folder / "a" / "b"), 0700);
}

TEST_F(Files, ALockIsHeldByOneAndEndsWithItsHolder) {
  auto first = FileLock::try_lock(folder / "lock");
  ASSERT_TRUE(first && *first);
  auto second = FileLock::try_lock(folder / "lock");
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, nullptr);
  first->reset();
  second = FileLock::try_lock(folder / "lock");
  ASSERT_TRUE(second);
  EXPECT_NE(*second, nullptr);
}

TEST_F(Files, ALockOfADeadProcessIsFree) {
  const auto child = ::fork();
  if (child == 0) {
    auto lock = FileLock::try_lock(folder / "lock");
    ::_exit(lock && *lock ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto lock = FileLock::try_lock(folder / "lock");
  ASSERT_TRUE(lock);
  EXPECT_NE(*lock, nullptr);
}

}  // namespace
}  // namespace gyre
