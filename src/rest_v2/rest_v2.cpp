#include "rest_v2/rest_v2.hpp"

#include <algorithm>
#include <charconv>

#include "rest_v2/parts.hpp"

namespace gyre::rest_v2 {

const std::vector<std::string_view>& reserved_words() {
  static const std::vector<std::string_view> words{"pods",       "serverless", "templates", "network-volumes",
                                                   "registries", "catalog",    "billing",   "clusters",
                                                   "account",    "sandboxes",  "tags",      "openapi.json"};
  return words;
}

Result<http::Response> wrapped(std::string_view name, Result<http::Response> list) {
  if (list) list->body = "{\"" + std::string(name) + "\":" + list->body + "}";
  return list;
}

Error renamed(Error error, const Names& names) {
  for (const auto& [theirs, here] : names) {
    if (!error.field.starts_with(theirs)) continue;
    const auto rest = error.field.substr(theirs.size());
    if (!rest.empty() && rest.front() != '.' && rest.front() != '[') continue;
    // An element of a list of ours that is one value here: "gpuTypeIds[0]" is "gpu.id".
    const bool single = here.ends_with("!");
    const auto field = single ? std::string(here.substr(0, here.size() - 1)) : std::string(here) + rest;
    for (auto& [name, value] : error.args)
      if (value == error.field) value = field;
    error.field = field;
    break;
  }
  return error;
}

Result<std::optional<std::string>> choice(const http::Request& request, const std::string& name,
                                          const std::vector<std::string>& choices) {
  auto text = request.query.get(name);
  if (!text || std::find(choices.begin(), choices.end(), *text) != choices.end()) return text;
  return invalid(name, Detail::one_of, {{"choices", joined(choices)}});
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

Result<std::optional<int>> number(const http::Request& request, const std::string& name, int low, int high) {
  const auto text = request.query.get(name);
  if (!text) return std::optional<int>();
  int value = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (problem != std::errc{} || end != text->data() + text->size() || value < low || value > high)
    return invalid(name, Detail::number_between, {{"low", std::to_string(low)}, {"high", std::to_string(high)}});
  return std::optional<int>(value);
}

struct RestV2::Impl {
  Impl(Core& core, PodService& pods, Events& events, EventFeed& feed, Resources& resources,
       const MonitoringService& monitoring, Config of)
      : config(std::move(of)), logs(core.runtime()), services{core,      pods,       events, feed,
                                                              resources, monitoring, logs,   config} {}

  Config config;
  LogEvents logs;
  Services services;
};

RestV2::RestV2(Core& core, PodService& pods, Events& events, EventFeed& feed, Resources& resources,
               const MonitoringService& monitoring, Config config)
    : impl_(std::make_unique<Impl>(core, pods, events, feed, resources, monitoring, std::move(config))) {}
RestV2::~RestV2() = default;

std::vector<http::Route> RestV2::routes() {
  std::vector<http::Route> out;
  for (auto part : {pod_routes(impl_->services), template_routes(impl_->services), serverless_routes(impl_->services),
                    storage_routes(impl_->services), account_routes(impl_->services), catalog_routes(impl_->services)})
    for (auto& route : part) out.push_back(std::move(route));
  return out;
}

void RestV2::close_all() { impl_->logs.close_all(); }

}  // namespace gyre::rest_v2
