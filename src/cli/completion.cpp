#include "cli/completion.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

namespace gyre::cli {
namespace {

// One case per command: its path, then what may follow.
void add_cases(std::ostringstream& out, const CLI::App& app, const std::string& path) {
  std::string words;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    words += command->get_name() + " ";
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent())
    for (const auto* option : level->get_options())
      for (const auto& name : option->get_lnames()) words += "--" + name + " ";
  out << "    '" << path << "') words='" << words << "' ;;\n";
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    add_cases(out, *command, path + (path.empty() ? "" : " ") + command->get_name());
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  std::ostringstream out;
  if (shell == "zsh") out << "autoload -U +X bashcompinit && bashcompinit\n";
  out << "_gyre() {\n"
         "  local word path='' words=''\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    case \"$word\" in -*) ;; *) case \" pod host agent \" in\n"
         "      *\" ${path:-none} \"*) path=\"$path $word\" ;;\n"
         "      *) [ -n \"$path\" ] || path=\"$word\" ;;\n"
         "    esac ;; esac\n"
         "  done\n"
         "  case \"$path\" in\n";
  add_cases(out, app, "");
  out << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -F _gyre gyre\n";
  return out.str();
}

}  // namespace gyre::cli
