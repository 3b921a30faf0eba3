#include "cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <set>
#include <sstream>

namespace gyre::cli {
namespace {

// The parser keeps the words of a check in the type's name, as "TEXT:{en,ko}".
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> out;
  const auto open = type.find('{'), close = type.find('}', open == std::string::npos ? 0 : open);
  if (open == std::string::npos || close == std::string::npos) return out;
  std::istringstream items(type.substr(open + 1, close - open - 1));
  for (std::string item; std::getline(items, item, ',');) out.push_back(item);
  return out;
}

// Within '...' of a POSIX shell.
std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// fish keeps \ and ' escaped by a backslash within '...'.
std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += (c == '\'' || c == '\\' ? "\\" : "") + std::string(1, c);
  return out + "'";
}

// Every command of the tree: its path ("pod create"), itself, and the options that hold there.
struct Place {
  std::string path;
  const CommandWords* command;
  std::vector<const OptionWords*> options;
};
void collect(std::vector<Place>& out, const CommandWords& command, const std::string& path,
             std::vector<const OptionWords*> above) {
  for (const auto& option : command.options) {
    const bool flag = !option.long_names.empty() || !option.short_names.empty();
    if (flag) above.push_back(&option);
  }
  out.push_back({path, &command, above});
  for (const auto& next : command.commands)
    collect(out, next, path.empty() ? next.name : path + " " + next.name, above);
}

std::vector<Place> places_of(const CommandWords& tree) {
  std::vector<Place> out;
  collect(out, tree, "", {});
  return out;
}

// "--name" and "-n" of every option that is followed by a value.
std::string value_flags(const std::vector<Place>& places) {
  std::set<std::string> flags;
  for (const auto& place : places)
    for (const auto* option : place.options) {
      if (!option->takes_value) continue;
      for (const auto& name : option->long_names) flags.insert("--" + name);
      for (const auto& name : option->short_names) flags.insert("-" + name);
    }
  std::string out = " ";
  for (const auto& flag : flags) out += flag + " ";
  return out;
}

// Which command the words before the cursor name: $path. A word behind an option that takes a value is none.
std::string path_loop(const std::vector<Place>& places, const std::string& words) {
  std::string out =
      "  local word path='' skip=''\n"
      "  for word in " +
      words +
      "; do\n"
      "    if [ -n \"$skip\" ]; then skip=''; continue; fi\n"
      "    case \"$word\" in\n"
      "      -*) case " +
      shell_quoted(value_flags(places)) +
      " in *\" $word \"*) skip=1 ;; esac ;;\n"
      "      *) case \"${path:+$path }$word\" in\n";
  for (const auto& place : places)
    if (!place.path.empty()) out += "        " + shell_quoted(place.path) + ") path=\"${path:+$path }$word\" ;;\n";
  return out + "      esac ;;\n    esac\n  done\n";
}

// case "$previous" of the options whose values are known.
std::string value_cases(const std::vector<Place>& places, const std::function<std::string(const std::string&)>& offer) {
  std::string out;
  std::set<std::string> seen;
  for (const auto& place : places)
    for (const auto* option : place.options) {
      if (!option->takes_value) continue;
      for (const auto& name : option->long_names) {
        std::string choices;
        for (const auto& choice : option->choices) choices += (choices.empty() ? "" : " ") + choice;
        if (!seen.insert(name).second) continue;
        std::string names = "--" + name;
        for (const auto& letter : option->short_names)
          if (seen.insert("-" + letter).second) names += "|-" + letter;
        if (!choices.empty()) out += "    " + names + ") " + offer(choices) + " ;;\n";
      }
    }
  return out;
}

std::string bash_script(const CommandWords& tree) {
  const auto places = places_of(tree);
  std::string out =
      "_gyre() {\n" + path_loop(places, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"") +
      "  local words='' current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n" +
      value_cases(places,
                  [](const std::string& choices) {
                    return "COMPREPLY=($(compgen -W " + shell_quoted(choices) + " -- \"$current\")); return";
                  }) +
      "  esac\n"
      "  if [ -n \"$skip\" ]; then COMPREPLY=($(compgen -f -- \"$current\")); return; fi\n"
      "  case \"$path\" in\n";
  for (const auto& place : places) {
    std::string words;
    for (const auto& command : place.command->commands) words += command.name + " ";
    for (const auto& option : place.command->options)  // a positional with known words, as the shell of `completion`
      if (option.long_names.empty() && option.short_names.empty())
        for (const auto& choice : option.choices) words += choice + " ";
    for (const auto* option : place.options)
      for (const auto& name : option->long_names) words += "--" + name + " ";
    out += "    " + shell_quoted(place.path) + ") words=" + shell_quoted(words) + " ;;\n";
  }
  return out +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -F _gyre gyre\n";
}

// name:help, where a colon in the name would end it.
std::string zsh_item(const std::string& name, const std::string& help) { return shell_quoted(name + ":" + help); }

std::string zsh_script(const CommandWords& tree) {
  const auto places = places_of(tree);
  std::string out =
      "#compdef gyre\n_gyre() {\n  emulate -L zsh\n" + path_loop(places, "\"${(@)words[2,CURRENT-1]}\"") +
      "  local -a commands options\n"
      "  case \"${words[CURRENT-1]}\" in\n" +
      value_cases(places, [](const std::string& choices) { return "compadd -- " + choices + "; return"; }) +
      "  esac\n"
      "  if [ -n \"$skip\" ]; then _files; return; fi\n"
      "  case \"$path\" in\n";
  for (const auto& place : places) {
    std::string commands, options;
    for (const auto& command : place.command->commands) commands += " " + zsh_item(command.name, command.help);
    for (const auto& option : place.command->options)
      if (option.long_names.empty() && option.short_names.empty())
        for (const auto& choice : option.choices) commands += " " + zsh_item(choice, option.help);
    for (const auto* option : place.options)
      for (const auto& name : option->long_names) options += " " + zsh_item("--" + name, option->help);
    out += "    " + shell_quoted(place.path) + ") commands=(" + commands + "); options=(" + options + ") ;;\n";
  }
  return out +
         "  esac\n"
         "  (( $#commands )) && _describe -t commands command commands\n"
         "  _describe -o -t options option options\n"
         "}\n"
         "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"
         "if [ \"$funcstack[1]\" = _gyre ]; then _gyre \"$@\"; else compdef _gyre gyre; fi\n";
}

std::string fish_script(const CommandWords& tree) {
  const auto places = places_of(tree);
  std::string paths;
  for (const auto& place : places)
    if (!place.path.empty()) paths += " " + fish_quoted(place.path);
  std::string out =
      "function __gyre_at\n"
      "  set -l path ''\n"
      "  set -l skip 0\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    if test $skip = 1\n"
      "      set skip 0\n"
      "    else if string match -q -- '-*' $word\n"
      "      if string match -q -- \"* $word *\" " +
      fish_quoted(value_flags(places)) +
      "\n"
      "        set skip 1\n"
      "      end\n"
      "    else if contains -- (string trim -- \"$path $word\")" +
      paths +
      "\n"
      "      set path (string trim -- \"$path $word\")\n"
      "    end\n"
      "  end\n"
      "  test \"$path\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c gyre -f\n";
  for (const auto& place : places) {
    const auto here = "complete -c gyre -n " + fish_quoted("__gyre_at " + fish_quoted(place.path));
    for (const auto& command : place.command->commands)
      out += here + " -a " + fish_quoted(command.name) + " -d " + fish_quoted(command.help) + "\n";
    for (const auto& option : place.command->options) {
      std::string choices;
      for (const auto& choice : option.choices) choices += (choices.empty() ? "" : " ") + choice;
      if (option.long_names.empty() && option.short_names.empty()) {
        if (!choices.empty()) out += here + " -a " + fish_quoted(choices) + " -d " + fish_quoted(option.help) + "\n";
        continue;
      }
      // What the whole program understands is offered everywhere.
      out += place.path.empty() ? "complete -c gyre" : here;
      for (const auto& name : option.long_names) out += " -l " + name;
      for (const auto& name : option.short_names) out += " -s " + name;
      if (option.takes_value) out += choices.empty() ? " -r -F" : " -x -a " + fish_quoted(choices);
      out += " -d " + fish_quoted(option.help) + "\n";
    }
  }
  return out;
}

}  // namespace

CommandWords words_of(const CLI::App& app) {
  CommandWords out;
  out.name = app.get_name();
  out.help = app.get_description();
  for (const auto* option : app.get_options()) {
    OptionWords words;
    words.long_names = option->get_lnames();
    words.short_names = option->get_snames();
    words.name = option->get_name();
    words.help = option->get_description();
    words.takes_value = option->get_expected_max() > 0 && option->get_type_size_max() > 0;
    words.choices = choices_of(option->get_type_name());
    out.options.push_back(std::move(words));
  }
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out.commands.push_back(words_of(*command));
  return out;
}

std::string completion_script(const CommandWords& tree, const std::string& shell) {
  if (shell == "zsh") return zsh_script(tree);
  return shell == "fish" ? fish_script(tree) : bash_script(tree);
}

}  // namespace gyre::cli
