#include "agent/meter.hpp"

#include <algorithm>
#include <cmath>

namespace gyre::agent {
namespace {

using link::not_measured;

constexpr double mega = 1e6;

float in_mb(std::int64_t bytes) { return static_cast<float>(static_cast<double>(bytes) / mega); }
float in_mb(const std::optional<std::int64_t>& bytes) { return bytes ? in_mb(*bytes) : not_measured; }

Time slot_of(Time at) {
  const auto since_1970 = at.time_since_epoch();
  auto rest = since_1970 % link::metric_slot;
  if (rest < Duration(0)) rest += link::metric_slot;
  return at - rest;
}

// Counters that went back belong to another life of the container: no rate.
float rate(std::int64_t before, std::int64_t after, double per) {
  if (after < before || per <= 0) return not_measured;
  return static_cast<float>(static_cast<double>(after - before) / per);
}

struct Rates {
  float cpu = not_measured, received = not_measured, sent = not_measured;
};

}  // namespace

void Meter::add(const Look& look) {
  link::MetricSlot sample{look.at, 1, {}};
  std::map<PodId, std::vector<const Container*>> of_pod;
  for (const auto& container : look.containers) of_pod[container.pod].push_back(&container);

  std::map<std::string, Before> seen;
  for (const auto& pod : look.pods) {
    float cpu = 0, memory = 0, received = not_measured, sent = not_measured;
    const auto& containers = of_pod[pod.id];
    for (const auto* container : containers) {
      float own_memory = not_measured;
      Rates own;
      if (container->stats) {
        own_memory = in_mb(container->stats->memory_bytes);
        const auto before = before_.find(container->id);
        const auto span = before == before_.end() ? Duration(0) : container->looked_at - before->second.at;
        if (span > Duration(0) && span <= longest_gap) {
          const auto& was = before->second.stats;
          const auto& is = *container->stats;
          const double ms = static_cast<double>(span.count());
          own.cpu = rate(was.cpu_microseconds, is.cpu_microseconds, ms * 1000 * container->vcpus / 100);
          own.received = rate(was.received_bytes, is.received_bytes, ms / 8);  // bytes to bits, ms to s, bits to Kb
          own.sent = rate(was.sent_bytes, is.sent_bytes, ms / 8);
        }
        seen[container->id] = {container->looked_at, *container->stats};
      }
      cpu += own.cpu;  // with one that is not known the sum is not known
      memory += own_memory;
      if (container == containers.front()) received = own.received, sent = own.sent;
      if (containers.size() > 1)
        sample.subjects.push_back({link::MetricKind::container, pod.id, container->name, {own.cpu, own_memory}});
    }
    if (containers.empty()) cpu = memory = not_measured;
    sample.subjects.push_back(
        {link::MetricKind::pod,
         pod.id,
         {},
         {cpu, memory, received, sent, in_mb(pod.container_disk_bytes), in_mb(pod.volume_bytes)}});
  }
  before_ = std::move(seen);
  for (const auto& gpu : look.gpus)
    sample.subjects.push_back({link::MetricKind::gpu,
                               gpu.pod,
                               gpu.uuid,
                               {static_cast<float>(gpu.utilisation_percent), in_mb(gpu.memory_bytes),
                                static_cast<float>(gpu.temperature_celsius), static_cast<float>(gpu.power_watts)}});
  if (look.host) {
    float cpu = not_measured;
    if (host_before_)
      cpu = rate(host_before_->cpu_busy_ticks, look.host->cpu_busy_ticks,
                 static_cast<double>(look.host->cpu_all_ticks - host_before_->cpu_all_ticks) / 100);
    sample.subjects.push_back({link::MetricKind::host,
                               PodId(),
                               {},
                               {cpu, in_mb(look.host->memory_bytes), in_mb(look.host->disk_free_bytes)}});
  }
  host_before_ = look.host;

  const auto start = slot_of(look.at);
  if (open_start_ && *open_start_ != start) close_slot();
  open_start_ = start;
  ++open_samples_;
  for (const auto& subject : sample.subjects) count(subject);
  last_ = std::move(sample);
}

void Meter::count(const link::MetricSubject& subject) {
  auto& sums = open_[{subject.kind, subject.pod, subject.part}];
  sums.resize(std::max(sums.size(), subject.values.size()));
  for (std::size_t i = 0; i < subject.values.size(); ++i) {
    if (std::isnan(subject.values[i])) continue;
    sums[i].sum += static_cast<double>(subject.values[i]);
    ++sums[i].count;
  }
}

link::MetricSlot Meter::open_slot() const {
  link::MetricSlot out{*open_start_, open_samples_, {}};
  for (const auto& [key, sums] : open_) {
    link::MetricSubject subject{std::get<0>(key), std::get<1>(key), std::get<2>(key), {}};
    for (const auto& sum : sums)
      subject.values.push_back(sum.count == 0 ? not_measured : static_cast<float>(sum.sum / sum.count));
    out.subjects.push_back(std::move(subject));
  }
  return out;
}

void Meter::close_slot() {
  kept_.push_back({open_slot(), 0, Duration(0)});
  kept_subjects_ += kept_.back().slot.subjects.size();
  while (kept_.size() > slots_max || (kept_subjects_ > subjects_max && kept_.size() > 1)) {
    kept_subjects_ -= kept_.front().slot.subjects.size();
    kept_.pop_front();
  }
  open_.clear();
  open_samples_ = 0;
}

link::Metrics Meter::message(Duration uptime) {
  link::Metrics out;
  out.number = ++number_;
  std::size_t subjects = 0;
  for (auto& kept : kept_) {
    if (out.slots.size() >= slots_per_message || subjects >= subjects_per_message) break;
    if (kept.said_in != 0 && uptime - kept.said_at < say_again_after) continue;
    kept.said_in = out.number;
    kept.said_at = uptime;
    subjects += kept.slot.subjects.size();
    out.slots.push_back(kept.slot);
  }
  if (open_start_ && open_samples_ > 0) out.slots.push_back(open_slot());  // so far; said again as it grows
  out.now = std::exchange(last_, std::nullopt);
  return out;
}

void Meter::taken(std::uint64_t number) {
  if (number == 0) return;
  std::erase_if(kept_, [&](const Kept& kept) {
    if (kept.said_in != number) return false;
    kept_subjects_ -= kept.slot.subjects.size();
    return true;
  });
}

void Meter::disconnected() {
  for (auto& kept : kept_) kept.said_in = 0;
}

}  // namespace gyre::agent
