#include "cli/output.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <map>

#include "cli/views.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

// As YAML and people write it; Boost writes 0.0 as "0E0", which YAML reads as text.
std::string number_text(double number) {
  char buffer[32];
  const auto [end, problem] = std::to_chars(buffer, buffer + sizeof buffer, number);
  std::string out(buffer, end);
  if (out.find_first_of(".n") == std::string::npos) out.insert(std::min(out.find('e'), out.size()), ".0");
  return out;
}

std::string scalar_text(const json::value& value) {
  if (value.is_null()) return {};
  if (value.is_double()) return number_text(value.get_double());
  if (value.is_string()) return std::string(value.get_string());
  if (!value.is_array()) return json::serialize(value);
  std::string out;
  for (const auto& item : value.get_array()) out += (out.empty() ? "" : ", ") + scalar_text(item);
  return out;
}

// A column as asked for by its key; one that no kind describes is the field of that path.
Result<Column> column_of(const Kind& kind, const std::string& key) {
  if (const auto* known = kind.find(key)) return *known;
  const bool path = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_';
  });
  if (!path) {
    std::string all;
    for (const auto& column : kind.columns) all += (all.empty() ? "" : ", ") + column.key;
    return fail(Reason::bad_argument, {{"argument", "--columns"}, {"detail", "\"" + key + "\"; there are " + all}});
  }
  Column column;
  column.key = key;
  column.title = Word::empty;
  column.shown = [key](const Row& row) { return Cell{field_text(row.value, key)}; };
  return column;
}

Result<std::vector<Column>> columns_of(const Kind& kind, const std::vector<std::string>& wanted, bool wide) {
  std::vector<Column> out;
  for (const auto& key : wanted) out.push_back(TRY(column_of(kind, key)));
  if (!out.empty()) return out;
  for (const auto& column : kind.columns)
    if (wide || !column.wide) out.push_back(column);
  return out;
}

std::string title_of(const Column& column, Language language) {
  return column.title == Word::empty ? column.key : say(column.title, language);
}

Table table_of(const std::vector<Column>& columns, const json::array& rows, Time now, Language language) {
  std::vector<Table::Column> heads;
  for (const auto& column : columns)
    heads.push_back({title_of(column, language), column.to_the_right, column.least_width});
  Table table(std::move(heads));
  for (const auto& row : rows) {
    std::vector<Cell> cells;
    for (const auto& column : columns) cells.push_back(column.shown(Row{row, now, language}));
    table.add(std::move(cells));
  }
  return table;
}

std::string csv_of(const std::vector<Column>& columns, const json::array& rows) {
  std::vector<std::string> cells;
  for (const auto& column : columns) cells.push_back(column.key);
  auto out = csv_line(cells);
  for (const auto& row : rows) {
    cells.clear();
    for (const auto& column : columns) cells.push_back(column.text(row));
    out += csv_line(cells);
  }
  return out;
}

// Words that YAML 1.1 readers take for something other than text.
bool is_yaml_word(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view word : {"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
    if (lower == word) return true;
  return false;
}

// Text that needs no quotes: begins with a letter and holds nothing that YAML reads in another way. All other text is
// written as JSON writes it, which YAML reads too.
std::string yaml_text(std::string_view text) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == '/' || c >= 0x80;
  };
  const bool bare = !text.empty() && std::isalpha(static_cast<unsigned char>(text.front())) != 0 &&
                    std::all_of(text.begin(), text.end(), plain) && !is_yaml_word(text);
  return bare ? std::string(text) : json::serialize(json::string(text));
}

void write_yaml(std::string& out, const json::value& value, std::size_t depth, bool in_list);

bool is_block(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

void write_yaml_fields(std::string& out, const json::object& fields, std::size_t depth, bool in_list) {
  bool first = in_list;  // the first field stands behind the dash
  for (const auto& field : fields) {
    if (!first) out += std::string(depth * 2, ' ');
    first = false;
    out += yaml_text(std::string_view(field.key())) + ":";
    if (is_block(field.value())) {
      out += "\n";
      write_yaml(out, field.value(), depth + 1, false);
    } else {
      out += " ";
      write_yaml(out, field.value(), depth, false);
    }
  }
}

void write_yaml(std::string& out, const json::value& value, std::size_t depth, bool in_list) {
  if (!is_block(value)) {
    if (value.is_string())
      out += yaml_text(std::string_view(value.get_string()));
    else
      out += value.is_double() ? number_text(value.get_double()) : json::serialize(value);
    out += "\n";
  } else if (value.is_object()) {
    write_yaml_fields(out, value.get_object(), depth, in_list);
  } else {
    bool first = in_list;
    for (const auto& item : value.get_array()) {
      if (!first) out += std::string(depth * 2, ' ');
      first = false;
      out += "- ";
      write_yaml(out, item, depth + 1, true);
    }
  }
}

// What programs get of one thing; false when people are to get something else.
bool print_plainly(const Terminal& terminal, const json::value& value, const std::string& name) {
  switch (terminal.format) {
    case Format::json:
    case Format::jsonl:
      terminal.print(json::serialize(value) + "\n");
      return true;
    case Format::yaml:
      terminal.print(yaml_of(value));
      return true;
    case Format::name:
      terminal.print(printable(field_text(value, name)) + "\n");
      return true;
    case Format::csv:
    case Format::table:
    case Format::wide:
      return false;
  }
  return false;
}

}  // namespace

std::string Column::text(const json::value& value) const { return plain ? plain(value) : field_text(value, key); }

const Column* Kind::find(std::string_view key) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.key == key; });
  return found == columns.end() ? nullptr : &*found;
}

std::string field_text(const json::value& object, std::string_view path) {
  const auto* value = &object;
  while (!path.empty()) {
    const auto dot = std::min(path.find('.'), path.size());
    value = &part_of(*value, path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return scalar_text(*value);
}

Result<json::array> filtered(const json::array& rows, const Kind& kind, const std::vector<std::string>& filters) {
  struct Wish {
    std::vector<std::string> any_of, none_of;
  };
  std::map<std::string, Wish> wishes;
  for (const auto& filter : filters) {
    const auto equals = filter.find('=');
    const bool negated = equals != std::string::npos && equals > 0 && filter[equals - 1] == '!';
    const auto name = filter.substr(0, equals - (negated ? 1 : 0));
    if (equals == std::string::npos || name.empty())
      return fail(Reason::bad_argument,
                  {{"argument", "--filter"}, {"detail", "expected NAME=VALUE, as status=running"}});
    auto& wish = wishes[name];
    (negated ? wish.none_of : wish.any_of).push_back(filter.substr(equals + 1));
  }
  json::array out;
  for (const auto& row : rows) {
    const bool passes = std::all_of(wishes.begin(), wishes.end(), [&](const auto& entry) {
      const auto* column = kind.find(entry.first);
      const auto text = column ? column->text(row) : field_text(row, entry.first);
      const auto has = [&](const std::vector<std::string>& values) {
        return std::find(values.begin(), values.end(), text) != values.end();
      };
      return (entry.second.any_of.empty() || has(entry.second.any_of)) && !has(entry.second.none_of);
    });
    if (passes) out.push_back(row);
  }
  return out;
}

int show_list(const Terminal& terminal, Time now, const Kind& kind, const json::array& rows, const ListFlags& flags) {
  const auto refuse = [&](const Error& error) { return terminal.report(Failure::from(error, terminal.language)); };
  const auto wanted = filtered(rows, kind, flags.filters);
  if (!wanted) return refuse(wanted.error());
  const auto columns = columns_of(kind, flags.columns, terminal.format == Format::wide);
  if (!columns) return refuse(columns.error());
  switch (terminal.format) {
    case Format::json:
      terminal.print(json::serialize(*wanted) + "\n");
      break;
    case Format::jsonl:
      for (const auto& row : *wanted) terminal.print(json::serialize(row) + "\n");
      break;
    case Format::yaml:
      terminal.print(yaml_of(*wanted));
      break;
    case Format::name:
      for (const auto& row : *wanted) terminal.print(printable(field_text(row, kind.name)) + "\n");
      break;
    case Format::csv:
      terminal.print(csv_of(*columns, *wanted));
      break;
    case Format::table:
    case Format::wide:
      if (wanted->empty())
        terminal.line(terminal.word(rows.empty() ? kind.none : Word::none_yet));
      else
        terminal.show(table_of(*columns, *wanted, now, terminal.language));
  }
  return exit_ok;
}

int show_one(const Terminal& terminal, Time now, const Kind& kind, const json::value& value) {
  if (print_plainly(terminal, value, kind.name)) return exit_ok;
  if (terminal.for_people() && kind.page) {
    terminal.print(kind.page(value, now, terminal));
    return exit_ok;
  }
  return show_list(terminal, now, kind, json::array{value}, {});
}

void tell(const Terminal& terminal, Time now, const Kind& kind, const json::value& value, const std::string& sentence) {
  if (terminal.for_people())
    terminal.print(sentence + "\n");
  else
    show_one(terminal, now, kind, value);
}

void tell(const Terminal& terminal, const json::object& answer, const std::string& sentence, const std::string& name) {
  if (print_plainly(terminal, answer, name)) return;
  if (terminal.for_people()) return terminal.print(sentence + "\n");
  std::vector<std::string> heads, cells;
  for (const auto& field : answer) {
    heads.emplace_back(field.key());
    cells.push_back(scalar_text(field.value()));
  }
  terminal.print(csv_line(heads) + csv_line(cells));
}

std::string yaml_of(const json::value& value) {
  std::string out;
  write_yaml(out, value, 0, false);
  return out;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ",";
    auto cell = cells[i];
    // A name that begins like a formula is text all the same: spreadsheets take a leading ' for "this is text".
    if (!cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos && cell != "-" &&
        !(cell.front() == '-' && cell.size() > 1 && std::isdigit(static_cast<unsigned char>(cell[1])) != 0))
      cell.insert(0, "'");
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      out += cell;
      continue;
    }
    out += '"';
    for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    out += '"';
  }
  return out + "\r\n";
}

}  // namespace gyre::cli
