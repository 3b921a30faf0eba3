// The command line's own words, in English and Korean, and which of the two the user reads.
#pragma once

#include <map>
#include <string>

#include "base/reasons.hpp"

namespace gyre::cli {

enum class Word {
#define WORD(name, en, ko) name,
#include "cli/words.def"
#undef WORD
};

// The word with its {placeholders} filled.
std::string say(Word word, Language language, const Args& args = {});

// A word by its name ("status_running"); the text itself when there is none, so that a newer server's states still
// show.
std::string say_named(const std::string& prefix, const std::string& name, Language language, const Args& args = {});

// From --lang, GYRE_LANG, LC_ALL, LC_MESSAGES, LANG, in this order; English when none says Korean.
Language language_of(const std::string& flag, const std::map<std::string, std::string>& environment);

}  // namespace gyre::cli
