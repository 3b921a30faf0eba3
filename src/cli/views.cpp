#include "cli/views.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <cstdio>

namespace gyre::cli {

namespace json = boost::json;

// ---- reading ----

const json::value& part_of(const json::value& object, std::string_view name) {
  static const json::value nothing;
  const auto* fields = object.if_object();
  const auto* found = fields ? fields->if_contains(name) : nullptr;
  return found ? *found : nothing;
}

std::string text_of(const json::value& object, std::string_view name) {
  const auto& part = part_of(object, name);
  return part.is_string() ? std::string(part.as_string()) : std::string();
}

std::int64_t whole_of(const json::value& object, std::string_view name) {
  return static_cast<std::int64_t>(number_of(object, name));
}

double number_of(const json::value& object, std::string_view name) {
  const auto& part = part_of(object, name);
  if (part.is_int64()) return static_cast<double>(part.get_int64());
  if (part.is_uint64()) return static_cast<double>(part.get_uint64());
  return part.is_double() ? part.get_double() : 0;
}

bool flag_of(const json::value& object, std::string_view name) {
  const auto& part = part_of(object, name);
  return part.is_bool() && part.get_bool();
}

const json::array& list_of(const json::value& object, std::string_view name) {
  static const json::array none;
  const auto& part = part_of(object, name);
  return part.is_array() ? part.get_array() : none;
}

namespace {

std::string joined(const json::array& items, std::string_view between = ", ") {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += between;
    out += item.is_string() ? std::string(item.as_string()) : json::serialize(item);
  }
  return out;
}

// "Name      value" lines; the names take as many cells as the longest of them.
class Page {
 public:
  void add(std::string name, std::string value) {
    if (!value.empty()) lines_.emplace_back(std::move(name), std::move(value));
  }
  void more(std::string value) { lines_.emplace_back("", std::move(value)); }  // belongs to the line before
  std::string print() const {
    std::size_t most = 0;
    for (const auto& [name, value] : lines_) most = std::max(most, display_width(name));
    std::string out;
    for (const auto& [name, value] : lines_)
      out += name + std::string(most - display_width(name) + 2, ' ') + value + "\n";
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

// A list under one name.
void add_lines(Page& page, const std::string& name, const std::vector<std::string>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) i == 0 ? page.add(name, values[i]) : page.more(values[i]);
}

std::string fixed(double value, int digits) {
  char out[32];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

std::vector<std::string> refusals_of(const json::array& hosts) {
  std::vector<std::string> out;
  for (const auto& host : hosts) {
    const auto name = text_of(host, "name").empty() ? text_of(host, "id") : text_of(host, "name");
    out.push_back(printable(name + ": " + text_of(part_of(host, "reason"), "text")));
  }
  return out;
}

}  // namespace

// ---- writing ----

std::string image_of(const json::value& pod) {
  const auto name = text_of(pod, "imageName");
  return name.empty() ? text_of(pod, "image") : name;
}

std::string gpus_of(const json::value& pod, Language language) {
  const auto count = whole_of(pod, "gpuCount");
  if (count == 0) return say(Word::cpu_pod, language);
  auto type = text_of(part_of(pod, "gpu"), "id");
  if (type.empty()) type = text_of(part_of(pod, "gpu"), "displayName");
  auto out = std::to_string(count) + (type.empty() ? " GPU" : " × " + type);
  std::string notes;
  for (const auto& [name, word] : {std::pair("interruptible", Word::spot), std::pair("simulated", Word::simulated)})
    if (flag_of(pod, name)) notes += (notes.empty() ? "" : ", ") + say(word, language);
  return notes.empty() ? out : out + " (" + notes + ")";
}

std::string dollars_of(const json::value& object, std::string_view name) {
  const auto& amount = part_of(object, name);
  if (!amount.is_number()) return "";
  char out[64];
  const auto end = std::to_chars(out, out + sizeof out, amount.to_number<double>(), std::chars_format::fixed).ptr;
  return {out, end};
}

std::string age_of(const json::value& object, std::string_view name, Time now, Language language) {
  const auto at = parse_rfc3339(text_of(object, name));
  return at ? age_text(*at, now, language) : std::string("-");
}

std::string short_number(double value) {
  auto out = fixed(value, 1);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::string_view units[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fixed(value, unit == 0 || value >= 100 ? 0 : 1) + " " + std::string(units[unit]);
}

std::string age_text(Time from, Time now, Language language) {
  const auto seconds = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - from).count());
  const auto write = [&](Word word, std::int64_t n) { return say(word, language, {{"n", std::to_string(n)}}); };
  if (seconds < 120) return write(Word::ago_seconds, seconds);
  if (seconds < 2 * 3600) return write(Word::ago_minutes, seconds / 60);
  if (seconds < 48 * 3600) return write(Word::ago_hours, seconds / 3600);
  return write(Word::ago_days, seconds / 86'400);
}

Tone tone_of_status(std::string_view status) {
  if (status == "running" || status == "listed" || status == "SUCCEEDED") return Tone::good;
  if (status == "failed" || status == "host_lost" || status == "offline" || status == "FAILED") return Tone::bad;
  if (status == "stopped" || status == "deleted" || status == "deleting" || status == "retired" ||
      status == "CANCELLED")
    return Tone::dim;
  return Tone::waiting;
}

std::string why_of(const json::value& pod) {
  auto why = text_of(part_of(pod, "reason"), "text");
  if (!why.empty()) return why;
  const auto& hosts = list_of(part_of(pod, "queue"), "hosts");
  const auto refusals = refusals_of(hosts);
  for (const auto& refusal : refusals) why += (why.empty() ? "" : "; ") + refusal;
  return why;
}

Stage stage_of(const json::value& pod, Language language) {
  const auto status = text_of(pod, "status");
  Stage out{say_named("status_", status, language), ""};
  const auto& progress = part_of(pod, "progress");
  const auto done = whole_of(progress, "bytesDone"), total = whole_of(progress, "bytesTotal");
  if (status == "provisioning" && (total > 0 || done > 0)) {
    Args args{{"percent", std::to_string(whole_of(progress, "percent"))},
              {"done", bytes_text(done)},
              {"total", bytes_text(total)},
              {"rate", bytes_text(whole_of(progress, "bytesPerSecond"))}};
    out.detail = say(part_of(progress, "percent").is_number() ? Word::pulling : Word::pulling_unknown, language, args);
    if (part_of(progress, "secondsLeft").is_number()) {
      const auto left = age_text(Time{}, Time(std::chrono::seconds(whole_of(progress, "secondsLeft"))), language);
      out.detail += ", " + say(Word::time_left, language, {{"time", left}});
    }
    out.stage += " · " + text_of(progress, "phase");
    return out;
  }
  const auto position = whole_of(part_of(pod, "queue"), "position");
  if (status == "queued" && position > 0)
    out.stage += " (" + say(Word::queue_position, language, {{"position", std::to_string(position)}}) + ")";
  out.detail = why_of(pod);
  if (const auto until = text_of(part_of(pod, "reason"), "until"); !until.empty())
    out.detail += (out.detail.empty() ? "" : ", ") + say(Word::expected_until, language, {{"time", until}});
  // Another reason is news worth a line of its own.
  if (const auto code = text_of(part_of(pod, "reason"), "code"); !code.empty() && out.detail.empty()) out.detail = code;
  return out;
}

std::string pod_page(const json::value& pod, Time now, const Terminal& terminal) {
  const auto language = terminal.language;
  const auto title = [&](Word word) { return say(word, language); };
  const auto status = text_of(pod, "status");
  Page page;
  page.add(title(Word::col_id), text_of(pod, "id"));
  page.add(title(Word::col_name), printable(text_of(pod, "name")));
  page.add(title(Word::col_status),
           colored(say_named("status_", status, language), tone_of_status(status), terminal.color_out));
  const auto& reason = part_of(pod, "reason");
  page.add(title(Word::label_reason), printable(text_of(reason, "text")));
  page.add(title(Word::label_fix), printable(text_of(reason, "fix")));
  page.add(title(Word::label_until), text_of(reason, "until"));
  if (part_of(pod, "progress").is_object()) page.add(title(Word::label_progress), stage_of(pod, language).detail);
  const auto& queue = part_of(pod, "queue");
  if (queue.is_object()) {
    std::vector<std::string> lines{
        say(Word::queue_position, language, {{"position", std::to_string(whole_of(queue, "position"))}})};
    for (auto& refusal : refusals_of(list_of(queue, "hosts"))) lines.push_back(std::move(refusal));
    add_lines(page, title(Word::label_queue), lines);
  }
  page.add(title(Word::col_image), printable(image_of(pod)));
  page.add(title(Word::label_command), printable(joined(list_of(pod, "dockerStartCmd"), " ")));
  page.add(title(Word::col_gpu), gpus_of(pod, language));
  if (const auto bid = dollars_of(pod, "bidPerGpu"); !bid.empty())
    page.add(title(Word::label_bid), say(Word::bid_for_gpu, language, {{"bid", bid}}));
  page.add(title(Word::col_host), printable(text_of(pod, "hostName")));
  std::vector<std::string> ports;
  for (const auto& port : list_of(pod, "ports")) {
    if (!port.is_string()) continue;
    std::string line(port.as_string());
    const auto mapped = whole_of(part_of(pod, "portMappings"), line.substr(0, line.find('/')));
    if (mapped != 0) line += " → " + text_of(pod, "publicIp") + ":" + std::to_string(mapped);
    ports.push_back(printable(line));
  }
  add_lines(page, title(Word::label_ports), ports);
  page.add(title(Word::label_disk), std::to_string(whole_of(pod, "containerDiskInGb")) + " GB");
  if (whole_of(pod, "volumeInGb") > 0)
    page.add(title(Word::label_volume),
             std::to_string(whole_of(pod, "volumeInGb")) + " GB, " + printable(text_of(pod, "volumeMountPath")));
  std::vector<std::string> containers;
  for (const auto& container : list_of(pod, "containers")) {
    auto line = text_of(container, "name") + "  " + text_of(container, "imageName") + "  ";
    if (flag_of(container, "running"))
      line += title(Word::container_running);
    else if (part_of(container, "exitCode").is_number())
      line += say(Word::exited_with, language, {{"code", std::to_string(whole_of(container, "exitCode"))}});
    else
      line += "-";
    if (const auto restarts = whole_of(container, "restarts"); restarts > 0)
      line += ", " + say(Word::container_restarts, language, {{"count", std::to_string(restarts)}});
    if (const auto id = text_of(container, "containerId"); !id.empty()) line += "  " + id.substr(0, 12);
    containers.push_back(printable(line));
  }
  add_lines(page, title(Word::label_containers), containers);
  page.add(title(Word::label_created),
           text_of(pod, "createdAt") + " (" + age_of(pod, "createdAt", now, language) + ")");
  if (!text_of(pod, "lastStartedAt").empty())
    page.add(title(Word::label_started),
             text_of(pod, "lastStartedAt") + " (" + age_of(pod, "lastStartedAt", now, language) + ")");
  for (const auto& [field, label] :
       {std::pair{"stopAt", Word::label_stop_at}, {"terminateAt", Word::label_terminate_at}})
    if (!text_of(pod, field).empty()) page.add(title(label), text_of(pod, field));
  return page.print();
}

std::string host_page(const json::value& host, Time now, const Terminal& terminal) {
  const auto language = terminal.language;
  const auto title = [&](Word word) { return say(word, language); };
  const auto status = text_of(host, "status");
  const auto& engine = part_of(host, "engine");
  Page page;
  page.add(title(Word::col_id), text_of(host, "id"));
  page.add(title(Word::col_name), printable(text_of(host, "name")));
  page.add(title(Word::col_status),
           colored(say_named("host_", status, language), tone_of_status(status), terminal.color_out));
  page.add(title(Word::col_engine), printable(text_of(engine, "name") + " " + text_of(engine, "version")));
  if (!flag_of(engine, "reachable"))
    page.more(colored(printable(text_of(engine, "error")), Tone::bad, terminal.color_out));
  std::vector<std::string> gpus;
  for (const auto& gpu : list_of(host, "gpus")) {
    auto line = text_of(gpu, "uuid") + "  " + text_of(gpu, "gpuTypeId") + "  " +
                short_number(number_of(gpu, "memoryInGb")) + " GB";
    if (flag_of(gpu, "simulated")) line += "  " + title(Word::simulated);
    if (const auto pod = text_of(gpu, "podId"); !pod.empty()) line += "  → " + pod;
    gpus.push_back(printable(line));
  }
  add_lines(page, title(Word::col_gpu), gpus);
  page.add(title(Word::col_vcpu),
           short_number(number_of(host, "vcpuUsed")) + "/" + short_number(number_of(host, "vcpuCount")));
  page.add(title(Word::col_memory),
           short_number(number_of(host, "memoryUsedInGb")) + "/" + short_number(number_of(host, "memoryInGb")) + " GB");
  auto driver = text_of(host, "driverVersion");
  if (const auto cuda = text_of(host, "cudaVersion"); !cuda.empty()) driver += " (CUDA " + cuda + ")";
  page.add(title(Word::label_driver), printable(driver));
  page.add(title(Word::label_agent), printable(text_of(host, "agentVersion")));
  page.add(title(Word::col_pods), std::to_string(whole_of(host, "pods")));
  page.add(title(Word::label_stray), printable(joined(list_of(host, "stray"))));
  page.add(title(Word::col_seen), age_of(host, "lastSeenAt", now, language));
  return page.print();
}

std::string dry_run_page(const json::value& answer, const Terminal& terminal) {
  if (flag_of(answer, "fits")) {
    auto host = text_of(answer, "hostName");
    if (host.empty()) host = text_of(answer, "hostId");
    const auto gpu = text_of(answer, "gpuTypeId");
    Args args{{"host", printable(host)}, {"gpus", gpu.empty() ? terminal.word(Word::no_gpus) : printable(gpu)}};
    const auto interrupts = whole_of(answer, "interruptsPods");
    args.emplace_back("count", std::to_string(interrupts));
    return terminal.word(interrupts > 0 ? Word::dry_run_interrupts : Word::dry_run_fits, args) + "\n";
  }
  auto out = terminal.word(Word::dry_run_waits) + "\n";
  for (const auto& refusal : refusals_of(list_of(answer, "hosts"))) out += "  " + refusal + "\n";
  return out;
}

}  // namespace gyre::cli
