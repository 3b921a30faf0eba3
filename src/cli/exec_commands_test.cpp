#include "cli/exec_commands.hpp"

#include <gtest/gtest.h>

namespace gyre::cli {
namespace {

TEST(Copy, APathOfAPodHasItsNameBeforeTheFirstColon) {
  EXPECT_EQ(in_pod("train:/data/a"), std::pair(std::string("train"), std::string("/data/a")));
  EXPECT_EQ(in_pod("train:a:b"), std::pair(std::string("train"), std::string("a:b")));
  for (const auto* mine : {"a", "./train:/data", "/tmp/a:b", ":/a", "a/b:c", "", "../x:y"})
    EXPECT_FALSE(in_pod(mine)) << mine;
}

}  // namespace
}  // namespace gyre::cli
