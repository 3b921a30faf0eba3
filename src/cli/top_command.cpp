#include "cli/top_command.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "cli/views.hpp"
#include "cli/wait.hpp"
#include "http/client.hpp"

namespace gyre::cli {
namespace {

namespace json = boost::json;

constexpr Duration refresh_every{5000};
constexpr Duration now_is{60'000};  // values older than this are not now

Outcome<json::value> ask(Commands& c, const std::string& target) {
  Call call;
  call.target = target;
  const auto answer = c.api.call(call);
  if (!answer) return tl::unexpected(answer.error());
  boost::system::error_code error;
  auto value = json::parse(answer->body, error);
  if (!error) return value;
  Args args{{"url", c.api.url()}, {"detail", error.message()}};
  return tl::unexpected(Failure::from(Error{Reason::answer_unreadable, std::move(args), ""}, c.terminal.language));
}

// By id, or by name when only one has it; empty: all that run.
Outcome<json::array> chosen(Commands& c, const std::string& wanted) {
  if (!wanted.empty()) {
    auto by_id = ask(c, "/v1/pods/" + http::url_encode(wanted));
    if (by_id) return json::array{*by_id};
    if (by_id.error().exit != exit_not_found) return tl::unexpected(by_id.error());
    const auto named = ask(c, "/v1/pods?limit=1000&name=" + http::url_encode(wanted));
    if (!named) return tl::unexpected(named.error());
    if (!named->is_array() || named->get_array().empty()) return tl::unexpected(by_id.error());
    if (named->get_array().size() == 1) return named->get_array();
    std::string ids;
    for (const auto& one : named->get_array()) ids += (ids.empty() ? "" : ", ") + text_of(one, "id");
    Args args{{"name", wanted}, {"count", std::to_string(named->get_array().size())}, {"ids", ids}};
    return tl::unexpected(Failure::from(Error{Reason::name_not_unique, std::move(args), ""}, c.terminal.language));
  }
  const auto all = ask(c, "/v1/pods?limit=1000&status=running");
  if (!all) return tl::unexpected(all.error());
  return all->is_array() ? all->get_array() : json::array();
}

struct Numbers {
  std::optional<double> last, low, high, mean;
};
Numbers of_values(const json::array& values) {
  Numbers out;
  double sum = 0;
  std::size_t count = 0;
  for (const auto& value : values) {
    if (!value.is_number()) continue;
    const auto number = value.to_number<double>();
    out.last = number;
    out.low = std::min(out.low.value_or(number), number);
    out.high = std::max(out.high.value_or(number), number);
    sum += number;
    ++count;
  }
  if (count > 0) out.mean = sum / static_cast<double>(count);
  return out;
}

// All series of that name; those of several GPUs are shown beside each other.
std::vector<Numbers> series(const json::value& chart, std::string_view name) {
  std::vector<Numbers> out;
  for (const auto& one : list_of(chart, "series"))
    if (text_of(one, "name") == name && text_of(one, "container").empty())
      out.push_back(of_values(list_of(one, "values")));
  return out;
}

std::string number_text(double value, const std::string& unit) {
  char text[48];
  std::snprintf(text, sizeof text, std::abs(value) < 10 ? "%.1f%s" : "%.0f%s", value, unit.c_str());
  return text;
}

std::string cell(const std::vector<Numbers>& all, const std::string& unit, bool range) {
  std::string out;
  for (const auto& one : all) {
    if (!out.empty()) out += " ";
    if (!one.last) {
      out += "-";
    } else if (range) {
      out +=
          number_text(*one.mean, "") + " (" + number_text(*one.low, "") + "-" + number_text(*one.high, "") + ")" + unit;
    } else {
      out += number_text(*one.last, unit);
    }
  }
  return out.empty() ? "-" : out;
}

Outcome<json::array> charts(Commands& c, const json::array& pods, const std::string& query) {
  json::array out;
  for (const auto& pod : pods) {
    auto chart = ask(c, "/v1/pods/" + http::url_encode(text_of(pod, "id")) + "/metrics?" + query);
    if (!chart && chart.error().exit == exit_not_found) continue;  // deleted meanwhile
    if (!chart) return tl::unexpected(chart.error());
    out.push_back(std::move(*chart));
  }
  return out;
}

Table table_of(const json::array& all, const Terminal& terminal, bool range) {
  Table table({{terminal.word(Word::col_name), false, 8},
               {terminal.word(Word::col_id), false, 14},
               {"CPU", true, 4},
               {terminal.word(Word::col_memory), true, 6},
               {"GPU", true, 4},
               {terminal.word(Word::col_gpu_memory), true, 6},
               {terminal.word(Word::col_received), true, 6},
               {terminal.word(Word::col_sent), true, 6},
               {terminal.word(Word::col_disk), true, 6},
               {terminal.word(Word::col_volume), true, 6}});
  for (const auto& chart : all) {
    const auto text = [&](std::string_view name, const char* unit) { return cell(series(chart, name), unit, range); };
    table.add({{printable(text_of(chart, "name"))},
               {text_of(chart, "id"), Tone::dim},
               {text("cpu", "%")},
               {text("memory", " MB")},
               {text("gpuUtilisation", "%")},
               {text("gpuMemory", " MB")},
               {text("networkReceived", " Kbps")},
               {text("networkSent", " Kbps")},
               {text("containerDisk", " MB")},
               {text("volume", " MB")}});
  }
  return table;
}

}  // namespace

int pod_top(Commands& c, const std::string& pod, const std::string& range, bool once) {
  const bool live = range.empty() && !once && c.terminal.out_is_tty && c.terminal.format == Format::table;
  const auto query =
      range.empty() ? "from=" + std::to_string(now_is.count() / 1000) + "s&step=10s"
                    : "step=" + std::string(range.ends_with('d') ? "1h" : "10m") + "&from=" + http::url_encode(range);
  for (;;) {
    const auto pods = chosen(c, pod);
    if (!pods) return c.terminal.report(pods.error());
    const auto all = charts(c, *pods, query);
    if (!all) return c.terminal.report(all.error());
    if (c.terminal.format == Format::json) {
      c.terminal.print(json::serialize(*all) + "\n");
      return exit_ok;
    }
    if (live) c.terminal.print("\x1b[H\x1b[J");
    if (all->empty())
      c.terminal.line(c.terminal.word(Word::top_nothing_runs));
    else
      c.terminal.show(table_of(*all, c.terminal, !range.empty()));
    if (!live) return exit_ok;
    if (interrupted_within(c.stop, refresh_every)) return exit_ok;
  }
}

}  // namespace gyre::cli
