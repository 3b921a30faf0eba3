#include "scheduler/placement.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "base/check.hpp"

namespace gyre::scheduler {
namespace {

constexpr double gb = 1e9;
constexpr double share_min_vcpus = 0.1;
// GPUs share nine tenths of their host. The rest is for pods that are started without their GPUs to reach their data,
// and for small pods without GPUs.
constexpr double shared_part = 0.9;
constexpr double rescue_vcpus_max = 2.0;
constexpr std::int64_t rescue_memory_min = 250'000'000, rescue_memory_max = 4'000'000'000;

std::string in_gb(std::int64_t bytes) {
  return std::to_string(static_cast<std::int64_t>(static_cast<double>(bytes) / gb));
}

std::string plain(double value) {
  auto text = std::to_string(std::round(value * 10) / 10);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

bool wants_type(const Request& request, const std::string& type) {
  return request.gpu_types.empty() ||
         std::find(request.gpu_types.begin(), request.gpu_types.end(), type) != request.gpu_types.end();
}

std::string wanted_types(const Request& request) {
  if (request.gpu_types.empty()) return "GPU";
  std::string out;
  for (const auto& type : request.gpu_types) out += (out.empty() ? "" : " / ") + type;
  return out;
}

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " / ") + word;
  return out;
}

bool among(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string pool_in(const std::string& pool, const std::string& data_center) { return pool + "@@" + data_center; }
std::string pool_in_country(const std::string& pool, const std::string& country) { return pool + "@@@" + country; }
std::string pool_on(const std::string& pool, const HostId& host) { return pool + "@" + host.str(); }

bool is_blocked(const Request& request, const Host& host, const std::string& pool,
                const std::set<std::string>& blocked) {
  if (blocked.empty()) return false;
  const bool waits_in_pool = !request.bound_to || request.bid;
  if (waits_in_pool && (blocked.contains(pool) || blocked.contains(pool_in(pool, host.data_center)) ||
                        blocked.contains(pool_in_country(pool, host.country))))
    return true;
  return blocked.contains(pool_on(pool, host.id));
}

// What a host would have if no pod ran on it: the question "could it ever".
Host emptied(Host host) {
  for (auto& gpu : host.gpus) gpu.free = true;
  host.vcpus_free = host.vcpus;
  host.memory_free = host.memory_bytes;
  return host;
}

struct Candidate {
  Placement placement;
  std::string type;
  // Smaller is better, compared in this order.
  std::tuple<std::size_t, std::size_t, std::int64_t, std::int64_t, double> cost;
};

struct Examined {
  std::optional<Candidate> candidate;
  Reason reason{};
  Args args;
};

Examined refuse(Reason reason, Args args = {}) { return {std::nullopt, reason, std::move(args)}; }

// One host for one pod; `blocked` as in `fit`.
Examined examine(const Request& request, const Host& host, const std::set<std::string>& blocked) {
  if (request.bound_to && *request.bound_to != host.id) return refuse(Reason::bound_to_other_host);
  if (!request.data_centers.empty() && !among(request.data_centers, host.data_center))
    return refuse(Reason::host_in_other_data_center,
                  {{"data_center", host.data_center}, {"wanted", listed(request.data_centers)}});
  if (!request.countries.empty() && !among(request.countries, host.country))
    return refuse(Reason::host_in_other_country, {{"data_center", host.data_center},
                                                  {"country", host.country.empty() ? "-" : host.country},
                                                  {"wanted", listed(request.countries)}});
  if (!host.online) return refuse(Reason::host_offline);
  // A pod whose volume is there may start again on a host that takes no new pods.
  if (!host.listed && !request.bound_to) return refuse(Reason::host_not_listed, {{"state", host.state_text}});
  if (!host.engine_up) return refuse(Reason::host_engine_down);
  if (request.network_volume && !host.network_volumes) return refuse(Reason::host_without_network_volumes);
  if (request.gpu_count > 0) {
    if (request.cuda_min && !version_at_least(host.cuda_version, *request.cuda_min))
      return refuse(Reason::cuda_too_old,
                    {{"has", host.cuda_version.empty() ? "-" : host.cuda_version}, {"needed", *request.cuda_min}});
    if (!request.cuda_allowed.empty() &&
        std::none_of(request.cuda_allowed.begin(), request.cuda_allowed.end(),
                     [&](const auto& allowed) { return version_at_least(host.cuda_version, allowed); }))
      return refuse(
          Reason::cuda_too_old,
          {{"has", host.cuda_version.empty() ? "-" : host.cuda_version},
           {"needed", *std::min_element(request.cuda_allowed.begin(), request.cuda_allowed.end(),
                                        [](const auto& a, const auto& b) { return !version_at_least(a, b); })}});
  }
  if (host.disk_free < request.disk_bytes)
    return refuse(Reason::disk_too_little, {{"free", in_gb(host.disk_free)}, {"needed", in_gb(request.disk_bytes)}});

  // Shares: a GPU brings its even part of the host's vCPUs and memory unless the pod asked for amounts of its own.
  const auto gpus_total = static_cast<double>(std::max<std::size_t>(host.gpus.size(), 1));
  const double part = shared_part * request.gpu_count / gpus_total;
  double vcpus = request.vcpus.value_or(request.gpu_count > 0 ? host.vcpus * part : 2.0);
  auto memory = request.memory_bytes.value_or(
      request.gpu_count > 0 ? static_cast<std::int64_t>(static_cast<double>(host.memory_bytes) * part)
                            : std::int64_t{4'000'000'000});
  if (request.gpu_count > 0) {  // an unstated share gives way to what pods without GPUs have taken already
    if (!request.vcpus && host.vcpus_free >= share_min_vcpus) vcpus = std::min(vcpus, host.vcpus_free);
    if (!request.memory_bytes && host.memory_free > 0) memory = std::min(memory, host.memory_free);
  }

  if (request.rescue) {
    vcpus = std::clamp(host.vcpus_free, share_min_vcpus, rescue_vcpus_max);
    memory = std::clamp(host.memory_free, rescue_memory_min, rescue_memory_max);
  }

  const std::size_t center_rank =
      request.centers_in_order ? static_cast<std::size_t>(std::find(request.data_centers.begin(),
                                                                    request.data_centers.end(), host.data_center) -
                                                          request.data_centers.begin())
                               : 0;
  constexpr double rounding = 1e-6;
  const auto resources = [&]() -> Examined {
    if (host.vcpus_free + rounding < vcpus)
      return refuse(Reason::vcpu_too_few,
                    {{"free", plain(host.vcpus_free)}, {"total", plain(host.vcpus)}, {"needed", plain(vcpus)}});
    if (host.memory_free < memory)
      return refuse(
          Reason::memory_too_little,
          {{"free", in_gb(host.memory_free)}, {"total", in_gb(host.memory_bytes)}, {"needed", in_gb(memory)}});
    return {Candidate{}, {}, {}};
  };

  if (request.gpu_count == 0) {
    if (is_blocked(request, host, "CPU", blocked)) return refuse(Reason::earlier_pod_waits, {{"pool", "CPU"}});
    if (auto check = resources(); !check.candidate) return check;
    // Hosts without GPUs first, then the fullest.
    return {Candidate{{host.id, {}, vcpus, memory},
                      "CPU",
                      {0, center_rank, static_cast<std::int64_t>(host.gpus.size()), 0, host.vcpus_free}},
            {},
            {}};
  }

  std::optional<Candidate> best;
  std::optional<Examined> nearest;  // the reason closest to success
  std::set<std::string> types;
  for (const auto& gpu : host.gpus)
    if (wants_type(request, gpu.type_id)) types.insert(gpu.type_id);
  if (types.empty()) return refuse(Reason::gpu_type_absent, {{"wanted", wanted_types(request)}});
  for (const auto& type : types) {
    std::vector<const Gpu*> free;
    std::size_t total = 0;
    std::int64_t memory_of_type = 0;
    for (const auto& gpu : host.gpus) {
      if (gpu.type_id != type) continue;
      memory_of_type = std::max(memory_of_type, gpu.memory_bytes);
      if (gpu.memory_bytes < request.gpu_memory_min) continue;
      ++total;
      if (gpu.free) free.push_back(&gpu);
    }
    if (total == 0) {
      nearest = refuse(Reason::gpu_memory_too_small,
                       {{"has", in_gb(memory_of_type)}, {"needed", in_gb(request.gpu_memory_min)}});
      continue;
    }
    if (free.size() < static_cast<std::size_t>(request.gpu_count)) {
      nearest = refuse(Reason::gpu_too_few, {{"free", std::to_string(free.size())},
                                             {"total", std::to_string(total)},
                                             {"type", type},
                                             {"needed", std::to_string(request.gpu_count)}});
      continue;
    }
    if (is_blocked(request, host, type, blocked)) {
      nearest = refuse(Reason::earlier_pod_waits, {{"pool", type}});
      continue;
    }
    if (auto check = resources(); !check.candidate) {
      nearest = std::move(check);
      continue;
    }
    Placement placement{host.id, {}, vcpus, memory};
    for (int i = 0; i < request.gpu_count; ++i) placement.gpus.push_back(free[static_cast<std::size_t>(i)]->uuid);
    std::size_t rank = 0;
    if (request.types_in_order)
      rank = static_cast<std::size_t>(std::find(request.gpu_types.begin(), request.gpu_types.end(), type) -
                                      request.gpu_types.begin());
    Candidate candidate{std::move(placement),
                        type,
                        {rank, center_rank, static_cast<std::int64_t>(free.size()) - request.gpu_count, memory_of_type,
                         host.vcpus_free}};
    if (!best || candidate.cost < best->cost) best = std::move(candidate);
  }
  if (best) return {std::move(best), {}, {}};
  return *nearest;
}

}  // namespace

std::int64_t precedence(const std::optional<Money>& bid) {
  return bid ? -bid->in_micros() : std::numeric_limits<std::int64_t>::min();
}

Verdict fit(const Request& request, const std::vector<Host>& hosts, const std::set<std::string>& blocked) {
  Verdict verdict;
  std::optional<Candidate> best;
  for (const auto& host : hosts) {
    auto examined = examine(request, host, blocked);
    if (!examined.candidate) {
      verdict.refusals.push_back({host.id, host.name, examined.reason, std::move(examined.args)});
      if (!verdict.possible) verdict.possible = examine(request, emptied(host), {}).candidate.has_value();
      continue;
    }
    verdict.possible = true;
    if (!best || std::tie(examined.candidate->cost, examined.candidate->placement.host) <
                     std::tie(best->cost, best->placement.host))
      best = std::move(examined.candidate);
  }
  if (best) verdict.placement = std::move(best->placement);
  return verdict;
}

void take(std::vector<Host>& hosts, const Request& request, const Placement& placement) {
  const auto host = std::find_if(hosts.begin(), hosts.end(), [&](const auto& h) { return h.id == placement.host; });
  CHECK(host != hosts.end());
  for (auto& gpu : host->gpus)
    if (std::find(placement.gpus.begin(), placement.gpus.end(), gpu.uuid) != placement.gpus.end()) {
      CHECK(gpu.free);
      gpu.free = false;
    }
  host->vcpus_free -= placement.vcpus;
  host->memory_free -= placement.memory_bytes;
  host->disk_free -= request.disk_bytes;
}

namespace {

std::vector<int> numbers(const std::string& version) {
  std::vector<int> out;
  const char* at = version.data();
  const char* end = at + version.size();
  while (at < end) {
    int number = 0;
    const auto [next, problem] = std::from_chars(at, end, number);
    if (problem != std::errc{}) break;
    out.push_back(number);
    at = next < end && *next == '.' ? next + 1 : end;
  }
  return out;
}

}  // namespace

bool version_at_least(const std::string& has, const std::string& needed) {
  return !has.empty() && numbers(has) >= numbers(needed);
}

std::vector<std::string> pools_of(const Request& request, const std::vector<Host>& hosts) {
  if (request.gpu_count == 0) return {"CPU"};
  if (!request.gpu_types.empty()) return request.gpu_types;
  std::set<std::string> types;
  for (const auto& host : hosts)
    for (const auto& gpu : host.gpus)
      if (gpu.memory_bytes >= request.gpu_memory_min) types.insert(gpu.type_id);
  return {types.begin(), types.end()};
}

std::vector<std::string> blocks(const Request& request, const std::vector<std::string>& pools) {
  std::vector<std::string> out;
  for (const auto& pool : pools)
    if (request.bound_to)
      out.push_back(pool_on(pool, *request.bound_to));
    else if (!request.data_centers.empty())
      for (const auto& center : request.data_centers) out.push_back(pool_in(pool, center));
    else if (!request.countries.empty())
      for (const auto& country : request.countries) out.push_back(pool_in_country(pool, country));
    else
      out.push_back(pool);
  return out;
}

std::vector<Verdict> place_queue(const std::vector<Request>& queue, std::vector<Host> hosts) {
  std::vector<Verdict> out;
  std::set<std::string> blocked;
  for (const auto& request : queue) {
    auto verdict = fit(request, hosts, blocked);
    if (verdict.placement)
      take(hosts, request, *verdict.placement);
    else if (verdict.possible)
      // Only a pod that will run one day holds its place; one that no host could ever take must not stop the others.
      for (auto& pool : blocks(request, pools_of(request, hosts))) blocked.insert(std::move(pool));
    out.push_back(std::move(verdict));
  }
  return out;
}

}  // namespace gyre::scheduler
