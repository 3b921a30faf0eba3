// Every committed input through its target, with any compiler: what once crashed never does again.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "targets.hpp"

namespace gyre::fuzz {
namespace {

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadWithoutACrash) {
  int inputs = 0;
  for (const auto& file : std::filesystem::directory_iterator("fuzz/corpus/" + std::string(GetParam().name))) {
    SCOPED_TRACE(file.path());
    std::ifstream in(file.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    GetParam().run(bytes.str());
    // Cut and damaged copies are inputs too.
    const auto whole = bytes.str();
    for (std::size_t cut = 0; cut < whole.size(); cut += 1 + whole.size() / 16) GetParam().run(whole.substr(0, cut));
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 16) {
      auto damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x5A);
      GetParam().run(damaged);
    }
    ++inputs;
  }
  EXPECT_GE(inputs, 3) << "a corpus to begin with";
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(all_targets),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace gyre::fuzz
