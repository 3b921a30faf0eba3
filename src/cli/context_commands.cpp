// gyre context: the servers that are saved here, and which of them is meant.
#include <boost/json.hpp>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "base/files.hpp"
#include "cli/commands.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

int refuse(const ContextCommands& c, const Error& error) {
  return c.terminal.report(Failure::from(error, c.terminal.language));
}

// Never the key itself: what is shown is read over shoulders and pasted into issues.
json::object shown(const std::string& name, const Context& context, bool current) {
  return {{"name", name},
          {"server", context.server},
          {"hasKey", !context.api_key.empty()},
          {"current", current},
          {"dataDir", context.data_dir.empty() ? json::value() : json::value(context.data_dir)}};
}

Error not_found(const std::string& name, const Contexts& contexts) {
  std::string known;
  for (const auto& [other, context] : contexts.by_name) known += (known.empty() ? "" : ", ") + other;
  return Error{Reason::context_not_found, {{"name", name}, {"known", known.empty() ? "-" : known}}, ""};
}

std::string where(const ContextCommands& c, Source source) {
  constexpr Word words[] = {Word::from_flag, Word::from_environment, Word::from_project, Word::from_saved};
  return c.terminal.word(words[static_cast<std::size_t>(source)]);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find_first_of("\r\n")); }

// From a file or from standard input, so that it stands in no list of processes and in no history of a shell.
Result<std::string> key_of(const ContextAddFlags& flags) {
  if (flags.key_file.empty()) return flags.api_key;
  if (flags.key_file == "-") {
    std::string line;
    std::getline(std::cin, line);
    return first_line(line);
  }
  const auto text = TRY(read_file(flags.key_file));
  if (text) return first_line(*text);
  return fail(Reason::bad_argument, {{"argument", "--key-file"}, {"detail", flags.key_file + ": no such file"}});
}

}  // namespace

int context_list(const ContextCommands& c, const ListFlags& flags) {
  const auto contexts = read_contexts(c.file);
  if (!contexts) return refuse(c, contexts.error());
  json::array rows;
  for (const auto& [name, context] : contexts->by_name) rows.push_back(shown(name, context, name == contexts->current));
  return show_list(c.terminal, Time{}, context_kind(), rows, flags);
}

int context_use(const ContextCommands& c, const std::string& name) {
  auto contexts = read_contexts(c.file);
  if (!contexts) return refuse(c, contexts.error());
  const auto found = contexts->by_name.find(name);
  if (found == contexts->by_name.end()) return refuse(c, not_found(name, *contexts));
  contexts->current = name;
  if (const auto saved = write_contexts(c.file, *contexts); !saved) return refuse(c, saved.error());
  tell(c.terminal, Time{}, context_kind(), shown(name, found->second, true),
       c.terminal.word(Word::context_used, {{"name", name}, {"server", found->second.server}}));
  return exit_ok;
}

int context_add(const ContextCommands& c, const ContextAddFlags& flags) {
  auto contexts = read_contexts(c.file);
  if (!contexts) return refuse(c, contexts.error());
  if (!flags.server.starts_with("http://") && !flags.server.starts_with("https://"))
    return refuse(c, Error{Reason::bad_argument,
                           {{"argument", "--server"}, {"detail", "expected http:// or https:// and a host"}},
                           ""});
  if (contexts->by_name.contains(flags.name) && !flags.replace)
    return refuse(c, Error{Reason::context_exists, {{"name", flags.name}}, ""});
  const auto key = key_of(flags);
  if (!key) return refuse(c, key.error());
  remember(*contexts, flags.name, {flags.server, *key, ""});
  if (flags.use) contexts->current = flags.name;
  if (const auto saved = write_contexts(c.file, *contexts); !saved) return refuse(c, saved.error());
  const bool current = contexts->current == flags.name;
  tell(c.terminal, Time{}, context_kind(), shown(flags.name, contexts->by_name[flags.name], current),
       c.terminal.word(Word::context_added, {{"name", flags.name}, {"file", c.file}}));
  return exit_ok;
}

int context_remove(const ContextCommands& c, const std::string& name, bool yes) {
  auto contexts = read_contexts(c.file);
  if (!contexts) return refuse(c, contexts.error());
  const auto found = contexts->by_name.find(name);
  if (found == contexts->by_name.end()) return refuse(c, not_found(name, *contexts));
  const auto question = c.terminal.word(Word::confirm_context, {{"name", name}, {"server", found->second.server}});
  if (!yes && !c.terminal.may_ask) return refuse(c, Error{Reason::confirmation_needed, {}, ""});
  if (!yes && c.terminal.in_is_tty && !c.terminal.confirmed(question)) {
    c.terminal.line(c.terminal.word(Word::not_done));
    return exit_failed;
  }
  contexts->by_name.erase(found);
  if (contexts->current == name) contexts->current.clear();
  if (const auto saved = write_contexts(c.file, *contexts); !saved) return refuse(c, saved.error());
  tell(c.terminal, json::object{{"name", name}, {"removed", true}},
       c.terminal.word(Word::context_removed, {{"name", name}}), "name");
  return exit_ok;
}

int context_show(const ContextCommands& c, const Wishes& wishes) {
  const auto contexts = read_contexts(c.file);
  if (!contexts) return refuse(c, contexts.error());
  std::error_code ignored;
  const auto project = find_project_file(std::filesystem::current_path(ignored).string(), c.environment);
  if (!project) return refuse(c, project.error());
  const auto choice = choose(wishes, c.environment, *contexts, *project);
  if (!choice) return refuse(c, choice.error());
  auto answer = shown(choice->name, choice->context, !choice->name.empty() && choice->name == contexts->current);
  constexpr const char* sources[] = {"flag", "environment", "project", "saved"};
  answer["source"] = sources[static_cast<std::size_t>(choice->source)];
  answer["file"] = choice->source == Source::project ? (*project)->file : c.file;
  if (!c.terminal.for_people()) {
    tell(c.terminal, answer, "", "name");
    return exit_ok;
  }
  const auto name = choice->name.empty() ? "-" : choice->name;
  c.terminal.print(printable(name + "  " + choice->context.server + "  " +
                             c.terminal.word(choice->context.api_key.empty() ? Word::without_key : Word::with_key) +
                             "  (" + where(c, choice->source) + ")") +
                   "\n");
  return exit_ok;
}

}  // namespace gyre::cli
