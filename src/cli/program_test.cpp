#include "cli/program.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace gyre::cli {
namespace {

bool has_hangul(const std::string& text) {
  // U+AC00 to U+D7A3 begin with these three bytes in UTF-8.
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xEA && byte <= 0xED;
  });
}

// Each command and option with where it stands: "pod create --name".
void each(const CommandWords& command, const std::string& path,
          const std::function<void(const std::string& where, const std::string& help)>& look) {
  look(path, command.help);
  for (const auto& option : command.options)
    look(path + " " + (option.long_names.empty() ? option.name : "--" + option.long_names.front()), option.help);
  for (const auto& next : command.commands) each(next, path + " " + next.name, look);
}

TEST(Help, EachCommandAndOptionHasHelpInBothLanguages) {
  int looked_at = 0;
  each(command_words(Language::en), "gyre", [&](const std::string& where, const std::string& help) {
    ++looked_at;
    EXPECT_FALSE(help.empty()) << where << " has no help";
    EXPECT_FALSE(has_hangul(help)) << where << ": " << help;
  });
  each(command_words(Language::ko), "gyre", [&](const std::string& where, const std::string& help) {
    // Words of other programs' making may be all there is to say: "bash, zsh".
    EXPECT_TRUE(has_hangul(help) || help == "name, createdAt 또는 -createdAt") << where << ": " << help;
  });
  EXPECT_GT(looked_at, 150);
}

TEST(Help, BothLanguagesHaveTheSameCommands) {
  std::vector<std::string> en, ko;
  each(command_words(Language::en), "gyre", [&](const std::string& where, const std::string&) { en.push_back(where); });
  each(command_words(Language::ko), "gyre", [&](const std::string& where, const std::string&) { ko.push_back(where); });
  EXPECT_EQ(en, ko);
}

TEST(Completion, EveryCommandIsInEveryShellsScript) {
  const auto tree = command_words(Language::en);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = completion_script(tree, shell);
    for (const char* path : {"pod create", "key disable", "context use", "gpu list", "host drain"})
      EXPECT_NE(script.find(path), std::string::npos) << shell << " does not know " << path;
  }
}

}  // namespace
}  // namespace gyre::cli
