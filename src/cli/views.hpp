// The server's JSON as people read it: the page of one pod or host, one line of progress (lists are in output.hpp).
// Reads only what it shows and takes whatever is missing as absent, so that an older command line reads a newer server.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace gyre::cli {

// ---- reading ----
std::string text_of(const boost::json::value& object, std::string_view name);    // "" when absent, null or no text
std::int64_t whole_of(const boost::json::value& object, std::string_view name);  // 0 when absent
double number_of(const boost::json::value& object, std::string_view name);
bool flag_of(const boost::json::value& object, std::string_view name);
const boost::json::value& part_of(const boost::json::value& object, std::string_view name);  // null when absent
const boost::json::array& list_of(const boost::json::value& object, std::string_view name);  // empty when absent

// ---- writing ----
std::string bytes_text(std::int64_t bytes);                    // "12.4 MB"
std::string age_text(Time from, Time now, Language language);  // "3m", "3분"
std::string short_number(double value);                        // 12 -> "12", 12.5 -> "12.5"
std::string image_of(const boost::json::value& pod);
std::string gpus_of(const boost::json::value& pod, Language language);            // "2 × NVIDIA A40 (simulated)"
std::string dollars_of(const boost::json::value& object, std::string_view name);  // "0.25", as it was written; "" none
// How long ago the field of that name was; "-" when it is absent.
std::string age_of(const boost::json::value& object, std::string_view name, Time now, Language language);
Tone tone_of_status(std::string_view status);  // of pods and hosts

// Where a pod's start is. `stage` changes seldom, `detail` all the time.
struct Stage {
  std::string stage, detail;
};
Stage stage_of(const boost::json::value& pod, Language language);

// "waits: every GPU of this kind is taken": the reason's words, with those of the queue. Empty when there is nothing to
// say.
std::string why_of(const boost::json::value& pod);

std::string pod_page(const boost::json::value& pod, Time now, const Terminal& terminal);
std::string host_page(const boost::json::value& host, Time now, const Terminal& terminal);
std::string dry_run_page(const boost::json::value& answer, const Terminal& terminal);

}  // namespace gyre::cli
