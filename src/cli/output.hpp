// What a listing or get command prints: one description of the columns of each kind of thing, and one place that turns
// it into a table, JSON, YAML, CSV or names. Programs get the server's own fields and words, people ours.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

struct Row {
  const boost::json::value& value;
  Time now;
  Language language;
};

struct Column {
  std::string key;  // for --columns, --filter and the head of CSV: "status"
  Word title;
  std::function<Cell(const Row&)> shown;                          // for people
  std::function<std::string(const boost::json::value&)> plain{};  // for programs; absent: the field called `key`
  bool wide = false;                                              // shown by -o wide, or when asked for
  bool to_the_right = false;
  std::size_t least_width = 6;

  std::string text(const boost::json::value& value) const;  // `plain`, or what stands for it
};

struct Kind {
  std::vector<Column> columns;
  Word none;               // said when there is nothing to list
  std::string name{"id"};  // the field by which other commands find it again: -o name
  // The page of one; absent: a table of one row.
  std::function<std::string(const boost::json::value&, Time, const Terminal&)> page{};

  const Column* find(std::string_view key) const;
};

struct ListFlags {
  std::vector<std::string> columns;  // keys of columns, or paths of fields: "gpu.id"
  std::vector<std::string> filters;  // NAME=VALUE or NAME!=VALUE; several of one name: any of them
};

// The field at a dotted path as text: "gpu.id", "ports" ("a, b"). Empty when it is not there.
std::string field_text(const boost::json::value& object, std::string_view path);

// Those rows that pass all filters. Refuses what is no NAME=VALUE (bad_argument).
Result<boost::json::array> filtered(const boost::json::array& rows, const Kind& kind,
                                    const std::vector<std::string>& filters);

// Prints and returns the exit code. `flags.filters` are those that the server has not applied already.
int show_list(const Terminal& terminal, Time now, const Kind& kind, const boost::json::array& rows,
              const ListFlags& flags);
int show_one(const Terminal& terminal, Time now, const Kind& kind, const boost::json::value& value);
// After an order: one line for people, the thing itself for programs.
void tell(const Terminal& terminal, Time now, const Kind& kind, const boost::json::value& value,
          const std::string& sentence);
// An answer that is no thing of a kind, as {"id":..., "deleted":true}: its fields for programs, `sentence` for people.
void tell(const Terminal& terminal, const boost::json::object& answer, const std::string& sentence,
          const std::string& name = "id");

std::string yaml_of(const boost::json::value& value);
std::string csv_line(const std::vector<std::string>& cells);  // RFC 4180, and no cell that a spreadsheet would run

const Kind& pod_kind();
const Kind& host_kind();
const Kind& gpu_kind();  // what hosts have
const Kind& data_center_kind();
const Kind& gpu_type_kind();  // what the catalogue knows
const Kind& gpu_price_kind();
const Kind& key_kind();
const Kind& sync_kind();
const Kind& template_kind();
const Kind& secret_kind();
const Kind& registry_kind();
const Kind& volume_kind();
const Kind& endpoint_kind();
const Kind& image_kind();
const Kind& context_kind();

}  // namespace gyre::cli
