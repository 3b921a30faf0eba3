// The columns of each kind of thing that is listed. Keys never change: scripts name them in --columns and read them at
// the head of CSV.
#include <boost/json.hpp>

#include "cli/output.hpp"
#include "cli/views.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::function<Cell(const Row&)> field(std::string name, std::string when_empty = "") {
  return [name = std::move(name), when_empty = std::move(when_empty)](const Row& row) {
    auto text = field_text(row.value, name);
    return Cell{text.empty() ? when_empty : std::move(text)};
  };
}

std::function<std::string(const json::value&)> plain(std::string name) {
  return [name = std::move(name)](const json::value& value) { return field_text(value, name); };
}

std::function<Cell(const Row&)> age(std::string name) {
  return [name = std::move(name)](const Row& row) { return Cell{age_of(row.value, name, row.now, row.language)}; };
}

std::function<Cell(const Row&)> status(std::string prefix) {
  return [prefix = std::move(prefix)](const Row& row) {
    const auto name = text_of(row.value, "status");
    return Cell{say_named(prefix, name, row.language), tone_of_status(name)};
  };
}

std::function<Cell(const Row&)> yes_or_no(std::string name) {
  return [name = std::move(name)](const Row& row) {
    return Cell{say(flag_of(row.value, name) ? Word::yes : Word::no, row.language)};
  };
}

std::string bucket_of(const json::value& sync) {
  const auto prefix = text_of(sync, "prefix");
  return "s3://" + text_of(sync, "bucket") + (prefix.empty() ? "" : "/" + prefix);
}

Cell ports_of(const Row& row) {
  std::string out;
  for (const auto& port : list_of(row.value, "ports")) {
    auto text = port.is_string() ? std::string(port.get_string()) : json::serialize(port);
    const auto mapped = whole_of(part_of(row.value, "portMappings"), text.substr(0, text.find('/')));
    if (mapped != 0) text += " → " + text_of(row.value, "publicIp") + ":" + std::to_string(mapped);
    out += (out.empty() ? "" : ", ") + text;
  }
  return {out.empty() ? "-" : out};
}

struct HostGpus {
  std::string text;  // "2 × NVIDIA A40, 1 × NVIDIA L4"
  int used = 0;
  std::size_t all = 0;
};
HostGpus host_gpus(const json::value& host, Language language) {
  HostGpus out;
  std::vector<std::pair<std::string, int>> types;  // in the order of the host's GPUs
  bool pretended = false;
  const auto& gpus = list_of(host, "gpus");
  for (const auto& gpu : gpus) {
    const auto type = text_of(gpu, "gpuTypeId");
    if (types.empty() || types.back().first != type) types.emplace_back(type, 0);
    ++types.back().second;
    out.used += text_of(gpu, "podId").empty() ? 0 : 1;
    pretended = pretended || flag_of(gpu, "simulated");
  }
  for (const auto& [type, count] : types)
    out.text += (out.text.empty() ? "" : ", ") + std::to_string(count) + " × " + type;
  if (pretended) out.text += " (" + say(Word::simulated, language) + ")";
  out.all = gpus.size();
  return out;
}

Cell host_engine(const Row& row) {
  const auto& engine = part_of(row.value, "engine");
  if (flag_of(engine, "reachable")) return {text_of(engine, "name") + " " + text_of(engine, "version")};
  const auto error = text_of(engine, "error");
  return {error.empty() ? "-" : error, Tone::bad};
}

std::function<Cell(const Row&)> used_of_all(std::string used, std::string all, std::string unit = "") {
  return [used = std::move(used), all = std::move(all), unit = std::move(unit)](const Row& row) {
    return Cell{short_number(number_of(row.value, used)) + "/" + short_number(number_of(row.value, all)) + unit};
  };
}

}  // namespace

const Kind& pod_kind() {
  static const Kind kind{
      .columns =
          {{.key = "id", .title = Word::col_id, .shown = field("id"), .least_width = 14},
           {.key = "name", .title = Word::col_name, .shown = field("name"), .least_width = 8},
           {.key = "status", .title = Word::col_status, .shown = status("status_"), .least_width = 8},
           {.key = "gpu",
            .title = Word::col_gpu,
            .shown = [](const Row& row) { return Cell{gpus_of(row.value, row.language)}; },
            .plain = [](const json::value& pod) { return gpus_of(pod, Language::en); },
            .least_width = 5},
           {.key = "bid",
            .title = Word::label_bid,
            .shown = [](const Row& row) { return Cell{dollars_of(row.value, "bidPerGpu")}; },
            .plain = [](const json::value& pod) { return dollars_of(pod, "bidPerGpu"); },
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "host",
            .title = Word::col_host,
            .shown = field("hostName", "-"),
            .plain = plain("hostName"),
            .least_width = 5},
           {.key = "image",
            .title = Word::col_image,
            .shown = [](const Row& row) { return Cell{image_of(row.value)}; },
            .plain = image_of,
            .least_width = 8},
           {.key = "ports", .title = Word::label_ports, .shown = ports_of, .wide = true, .least_width = 8},
           {.key = "vcpu",
            .title = Word::col_vcpu,
            .shown = field("vcpuCount"),
            .plain = plain("vcpuCount"),
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "memory",
            .title = Word::col_memory,
            .shown = [](const Row& row) { return Cell{std::to_string(whole_of(row.value, "memoryInGb")) + " GB"}; },
            .plain = plain("memoryInGb"),
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "disk",
            .title = Word::label_disk,
            .shown =
                [](const Row& row) { return Cell{std::to_string(whole_of(row.value, "containerDiskInGb")) + " GB"}; },
            .plain = plain("containerDiskInGb"),
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "volume",
            .title = Word::label_volume,
            .shown = [](const Row& row) { return Cell{std::to_string(whole_of(row.value, "volumeInGb")) + " GB"}; },
            .plain = plain("volumeInGb"),
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "age",
            .title = Word::col_age,
            .shown = age("createdAt"),
            .plain = plain("createdAt"),
            .to_the_right = true,
            .least_width = 4},
           {.key = "why",
            .title = Word::col_why,
            .shown = [](const Row& row) { return Cell{why_of(row.value)}; },
            .plain = plain("reason.code"),
            .least_width = 8}},
      .none = Word::no_pods,
      .page = pod_page};
  return kind;
}

const Kind& host_kind() {
  static const Kind kind{
      .columns =
          {{.key = "id", .title = Word::col_id, .shown = field("id"), .least_width = 14},
           {.key = "name", .title = Word::col_name, .shown = field("name"), .least_width = 8},
           {.key = "status", .title = Word::col_status, .shown = status("host_"), .least_width = 8},
           {.key = "engine",
            .title = Word::col_engine,
            .shown = host_engine,
            .plain =
                [](const json::value& host) {
                  return field_text(host, "engine.name") + " " + field_text(host, "engine.version");
                },
            .least_width = 8},
           {.key = "gpu",
            .title = Word::col_gpu,
            .shown =
                [](const Row& row) {
                  auto gpus = host_gpus(row.value, row.language);
                  return Cell{gpus.text.empty() ? "-" : std::move(gpus.text)};
                },
            .plain = [](const json::value& host) { return host_gpus(host, Language::en).text; },
            .least_width = 8},
           {.key = "gpus_used",
            .title = Word::col_gpus_used,
            .shown =
                [](const Row& row) {
                  const auto gpus = host_gpus(row.value, row.language);
                  return Cell{gpus.all == 0 ? "-" : std::to_string(gpus.used) + "/" + std::to_string(gpus.all)};
                },
            .plain = [](const json::value& host) { return std::to_string(host_gpus(host, Language::en).used); },
            .to_the_right = true,
            .least_width = 4},
           {.key = "vcpu",
            .title = Word::col_vcpu,
            .shown = used_of_all("vcpuUsed", "vcpuCount"),
            .plain = plain("vcpuCount"),
            .to_the_right = true,
            .least_width = 4},
           {.key = "memory",
            .title = Word::col_memory,
            .shown = used_of_all("memoryUsedInGb", "memoryInGb", " GB"),
            .plain = plain("memoryInGb"),
            .to_the_right = true,
            .least_width = 4},
           {.key = "disk",
            .title = Word::col_disk,
            .shown = used_of_all("diskUsedInGb", "diskInGb", " GB"),
            .plain = plain("diskInGb"),
            .wide = true,
            .to_the_right = true,
            .least_width = 4},
           {.key = "driver",
            .title = Word::label_driver,
            .shown = field("driverVersion", "-"),
            .plain = plain("driverVersion"),
            .wide = true},
           {.key = "agent",
            .title = Word::label_agent,
            .shown = field("agentVersion"),
            .plain = plain("agentVersion"),
            .wide = true},
           {.key = "address",
            .title = Word::label_url,
            .shown = field("publicAddress", "-"),
            .plain = plain("publicAddress"),
            .wide = true},
           {.key = "pods", .title = Word::col_pods, .shown = field("pods"), .to_the_right = true, .least_width = 2},
           {.key = "seen",
            .title = Word::col_seen,
            .shown = age("lastSeenAt"),
            .plain = plain("lastSeenAt"),
            .to_the_right = true,
            .least_width = 3}},
      .none = Word::no_hosts,
      .page = host_page};
  return kind;
}

const Kind& gpu_kind() {
  static const Kind kind{
      .columns =
          {{.key = "id",
            .title = Word::col_gpu,
            .shown =
                [](const Row& row) {
                  auto text = text_of(row.value, "id");
                  if (flag_of(row.value, "simulated")) text += " (" + say(Word::simulated, row.language) + ")";
                  return Cell{std::move(text)};
                },
            .least_width = 8},
           {.key = "memory",
            .title = Word::col_memory,
            .shown = [](const Row& row) { return Cell{std::to_string(whole_of(row.value, "memoryInGb")) + " GB"}; },
            .plain = plain("memoryInGb"),
            .to_the_right = true,
            .least_width = 4},
           {.key = "free",
            .title = Word::col_free,
            .shown =
                [](const Row& row) {
                  const auto free = whole_of(row.value, "free");
                  return Cell{std::to_string(free), free > 0 ? Tone::good : Tone::waiting};
                },
            .to_the_right = true,
            .least_width = 4},
           {.key = "total", .title = Word::col_total, .shown = field("total"), .to_the_right = true, .least_width = 4},
           {.key = "most",
            .title = Word::col_most_at_once,
            .shown = field("mostFreeOnOneHost"),
            .plain = plain("mostFreeOnOneHost"),
            .to_the_right = true,
            .least_width = 4}},
      .none = Word::no_gpu_types};
  return kind;
}

const Kind& sync_kind() {
  static const Kind kind{
      .columns = {{.key = "id", .title = Word::col_id, .shown = field("id"), .least_width = 14},
                  {.key = "pod", .title = Word::col_pod, .shown = field("podId"), .least_width = 14},
                  {.key = "status", .title = Word::col_status, .shown = status("sync_"), .least_width = 9},
                  {.key = "direction",
                   .title = Word::col_direction,
                   .shown =
                       [](const Row& row) {
                         const bool up = text_of(row.value, "direction") == "TO_CLOUD";
                         return Cell{text_of(row.value, "path") + (up ? " → " : " ← ") + bucket_of(row.value)};
                       },
                   .plain = plain("direction"),
                   .least_width = 12},
                  {.key = "age",
                   .title = Word::col_age,
                   .shown = age("createdAt"),
                   .plain = plain("createdAt"),
                   .to_the_right = true,
                   .least_width = 3},
                  {.key = "why",
                   .title = Word::col_why,
                   .shown = [](const Row& row) { return Cell{text_of(part_of(row.value, "reason"), "text")}; },
                   .least_width = 8}},
      .none = Word::no_syncs};
  return kind;
}

const Kind& key_kind() {
  static const Kind kind{
      .columns = {{.key = "id", .title = Word::col_id, .shown = field("id"), .least_width = 14},
                  {.key = "name", .title = Word::col_name, .shown = field("name"), .least_width = 8},
                  {.key = "scope",
                   .title = Word::col_may,
                   .shown =
                       [](const Row& row) {
                         const bool read_only = text_of(row.value, "scope") == "READ";
                         return Cell{say(read_only ? Word::may_read : Word::may_write, row.language)};
                       },
                   .least_width = 4},
                  {.key = "enabled",
                   .title = Word::col_enabled,
                   .shown =
                       [](const Row& row) {
                         const bool on = flag_of(row.value, "enabled");
                         return Cell{say(on ? Word::yes : Word::no, row.language), on ? Tone::good : Tone::dim};
                       },
                   .least_width = 3},
                  {.key = "ends",
                   .title = Word::col_key_end,
                   .shown = [](const Row& row) { return Cell{"…" + text_of(row.value, "lastCharacters")}; },
                   .plain = plain("lastCharacters"),
                   .least_width = 5},
                  {.key = "created",
                   .title = Word::col_age,
                   .shown = age("createdAt"),
                   .plain = plain("createdAt"),
                   .to_the_right = true,
                   .least_width = 3},
                  {.key = "used",
                   .title = Word::col_used,
                   .shown = age("lastUsedAt"),
                   .plain = plain("lastUsedAt"),
                   .to_the_right = true,
                   .least_width = 3}},
      .none = Word::no_keys};
  return kind;
}

namespace {

Column named(std::string key, Word title, std::string name, std::size_t least_width = 6) {
  return {.key = std::move(key),
          .title = title,
          .shown = field(name, "-"),
          .plain = plain(name),
          .least_width = least_width};
}
Column in_gb(std::string key, Word title, std::string name) {
  return {.key = std::move(key),
          .title = title,
          .shown = [name](const Row& row) { return Cell{std::to_string(whole_of(row.value, name)) + " GB"}; },
          .plain = plain(name),
          .to_the_right = true,
          .least_width = 4};
}
Column yes(std::string key, Word title, std::string name) {
  return {.key = std::move(key), .title = title, .shown = yes_or_no(name), .plain = plain(name), .least_width = 3};
}
Column in_dollars(std::string key, Word title, std::string name) {
  return {.key = std::move(key),
          .title = title,
          .shown =
              [name](const Row& row) {
                auto amount = dollars_of(row.value, name);
                return Cell{amount.empty() ? "-" : std::move(amount)};
              },
          .plain = [name](const json::value& value) { return dollars_of(value, name); },
          .to_the_right = true,
          .least_width = 4};
}
Column number(std::string key, Word title, std::string name) {
  return {.key = std::move(key),
          .title = title,
          .shown = field(name),
          .plain = plain(name),
          .to_the_right = true,
          .least_width = 3};
}
Column made_ago() {
  return {.key = "age",
          .title = Word::col_age,
          .shown = age("createdAt"),
          .plain = plain("createdAt"),
          .to_the_right = true,
          .least_width = 3};
}
const Column id_column{.key = "id", .title = Word::col_id, .shown = field("id"), .least_width = 10};
const Column name_column{.key = "name", .title = Word::col_name, .shown = field("name"), .least_width = 8};

}  // namespace

const Kind& data_center_kind() {
  static const Kind kind{.columns = {named("id", Word::col_id, "id", 8), named("name", Word::col_name, "name"),
                                     named("location", Word::col_location, "location"),
                                     named("country", Word::col_country, "countryCode")},
                         .none = Word::no_data_centers};
  return kind;
}

const Kind& gpu_type_kind() {
  static const Kind kind{
      .columns = {named("id", Word::col_id, "id", 8), named("name", Word::col_name, "displayName"),
                  in_gb("memory", Word::col_memory, "memoryInGb"), named("pool", Word::col_gpu_pool, "pool"),
                  in_dollars("secure", Word::col_secure, "securePrice"),
                  in_dollars("community", Word::col_community, "communityPrice"),
                  in_dollars("secureSpot", Word::col_secure_spot, "secureSpotPrice"),
                  in_dollars("communitySpot", Word::col_community_spot, "communitySpotPrice"),
                  number("free", Word::col_free, "availableCount"), number("total", Word::col_total, "totalCount")},
      .none = Word::no_gpu_types};
  return kind;
}

const Kind& gpu_price_kind() {
  static const Kind kind{
      .columns = {named("from", Word::col_from, "from", 20), in_dollars("secure", Word::col_secure, "securePrice"),
                  in_dollars("community", Word::col_community, "communityPrice"),
                  in_dollars("secureSpot", Word::col_secure_spot, "secureSpotPrice"),
                  in_dollars("communitySpot", Word::col_community_spot, "communitySpotPrice")},
      .none = Word::no_gpu_prices,
      .name = "from"};
  return kind;
}

const Kind& template_kind() {
  static const Kind kind{
      .columns = {id_column, name_column, named("image", Word::col_image, "imageName", 8),
                  in_gb("disk", Word::col_disk, "containerDiskInGb"), in_gb("volume", Word::col_volume, "volumeInGb"),
                  yes("serverless", Word::col_serverless, "isServerless"), made_ago()},
      .none = Word::no_templates};
  return kind;
}

const Kind& secret_kind() {
  static const Kind kind{
      .columns = {id_column, name_column, named("description", Word::col_description, "description"), made_ago()},
      .none = Word::no_secrets};
  return kind;
}

const Kind& registry_kind() {
  static const Kind kind{.columns = {id_column, name_column}, .none = Word::no_registries};
  return kind;
}

const Kind& volume_kind() {
  static const Kind kind{.columns = {id_column, name_column, in_gb("size", Word::col_size, "size"),
                                     named("dataCenter", Word::col_data_center, "dataCenterId"),
                                     yes("ready", Word::col_ready, "ready"), made_ago()},
                         .none = Word::no_volumes};
  return kind;
}

const Kind& endpoint_kind() {
  static const Kind kind{.columns = {id_column,
                                     name_column,
                                     named("template", Word::col_template, "templateId"),
                                     named("gpu", Word::col_gpu, "gpuTypeIds"),
                                     {.key = "workers",
                                      .title = Word::col_workers,
                                      .shown =
                                          [](const Row& row) {
                                            return Cell{std::to_string(whole_of(row.value, "workersMin")) + " – " +
                                                        std::to_string(whole_of(row.value, "workersMax"))};
                                          },
                                      .plain = plain("workersMax"),
                                      .least_width = 5},
                                     made_ago()},
                         .none = Word::no_endpoints};
  return kind;
}

const Kind& image_kind() {
  static const Kind kind{
      .columns = {named("image", Word::col_image, "image", 12),
                  named("platform", Word::col_platform, "platform"),
                  {.key = "size",
                   .title = Word::col_size,
                   .shown = [](const Row& row) { return Cell{bytes_text(whole_of(row.value, "bytes"))}; },
                   .plain = plain("bytes"),
                   .to_the_right = true,
                   .least_width = 6},
                  named("ports", Word::label_ports, "ports"),
                  named("digest", Word::col_digest, "digest", 12)},
      .none = Word::no_images,
      .name = "image"};
  return kind;
}

const Kind& context_kind() {
  static const Kind kind{
      .columns = {{.key = "current",
                   .title = Word::col_current,
                   .shown =
                       [](const Row& row) {
                         return Cell{flag_of(row.value, "current") ? "*" : "", Tone::good};
                       },
                   .least_width = 1},
                  {.key = "name", .title = Word::col_name, .shown = field("name"), .least_width = 8},
                  {.key = "server", .title = Word::col_server, .shown = field("server"), .least_width = 12},
                  {.key = "key",
                   .title = Word::label_api_key,
                   .shown = yes_or_no("hasKey"),
                   .plain = plain("hasKey"),
                   .least_width = 3},
                  {.key = "data",
                   .title = Word::label_data_dir,
                   .shown = field("dataDir", "-"),
                   .plain = plain("dataDir"),
                   .wide = true}},
      .none = Word::no_contexts,
      .name = "name"};
  return kind;
}

}  // namespace gyre::cli
