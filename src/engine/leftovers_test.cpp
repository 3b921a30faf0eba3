#include "engine/leftovers.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace gyre::engine {
namespace {

const std::string id(64, 'a'), other_id(64, 'b');

class Leftovers : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(proc_);
    std::filesystem::create_directories(proc_ / "sys");
  }
  void TearDown() override { std::filesystem::remove_all(proc_); }

  void process(int pid, int parent, const std::vector<std::string>& words, const std::string& name = "any",
               char state = 'S') {
    const auto folder = proc_ / std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream command(folder / "cmdline", std::ios::binary);
    for (const auto& word : words) command << word << '\0';
    std::ofstream(folder / "stat") << pid << " (" << name << ") " << state << " " << parent << " 1 1 0\n";
  }
  void shim(int pid, const std::string& of, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{
        "/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", of, "-address", "/run/c.sock"};
    words.insert(words.end(), more.begin(), more.end());
    process(pid, 1, words, "containerd-shim");
  }
  std::vector<Leftover> found(const std::string& of = id) const { return find_leftovers(of, proc_.string()); }

  std::filesystem::path proc_ = std::filesystem::path(testing::TempDir()) / ("leftovers-" + std::to_string(::getpid()));
};

TEST_F(Leftovers, AreTheShimOfTheContainerAndItsChildren) {
  shim(10, id);
  process(11, 10, {"/sbin/docker-init", "--", "sh"}, "a name) R 99 (");
  process(12, 11, {"sh"});
  process(13, 10, {"bash"});
  shim(20, other_id);
  process(21, 20, {"sh"});
  EXPECT_EQ(found(), (std::vector<Leftover>{{10, {11, 13}}}));
  EXPECT_EQ(found(other_id), (std::vector<Leftover>{{20, {21}}}));
}

TEST_F(Leftovers, AShortCallOfTheShimIsNone) {
  shim(10, id, {"start"});
  shim(11, id, {"-bundle", "/run/b", "delete"});
  EXPECT_TRUE(found().empty());
}

TEST_F(Leftovers, AnotherProgramThatNamesTheContainerIsNone) {
  process(10, 1, {"runc", "-id", id});
  process(11, 1, {"/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id"});
  process(12, 1, {});
  EXPECT_TRUE(found().empty());
}

TEST_F(Leftovers, PartOfAnIdOrANameFindsNothing) {
  shim(10, "web");
  shim(11, id);
  EXPECT_TRUE(found("web").empty());
  EXPECT_TRUE(found(id.substr(0, 12)).empty());
  EXPECT_TRUE(found("").empty());
}

TEST_F(Leftovers, WhatHasEndedAndWaitsToBeReapedIsNone) {
  process(10, 1, {"/usr/bin/containerd-shim-runc-v2", "-id", id}, "containerd-shim", 'Z');
  EXPECT_TRUE(found().empty());
}

}  // namespace
}  // namespace gyre::engine
