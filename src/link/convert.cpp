#include "link/convert.hpp"

#include <type_traits>

#include "agent/v1/agent.pb.h"
#include "json/utf8.hpp"

namespace gyre::link {
namespace {

// A proto3 string must be UTF-8, or the receiver refuses the whole message.
std::string utf8(std::string_view text) { return json::valid_utf8(text); }

std::int64_t milliseconds(Time time) { return time.time_since_epoch().count(); }
Time time_of(std::int64_t milliseconds_since_1970) { return Time(Duration(milliseconds_since_1970)); }

template <class Out>
void add_texts(const std::vector<std::string>& texts, Out& out) {
  for (const auto& text : texts) out.Add(utf8(text));
}
template <class In>
std::vector<std::string> texts(const In& in) {
  return {in.begin(), in.end()};
}

// ---- enums: our order and theirs need not agree, so each is spelled out ----

wire::Desired to_wire(Desired desired) {
  switch (desired) {
    case Desired::running:
      return wire::DESIRED_RUNNING;
    case Desired::stopped:
      return wire::DESIRED_STOPPED;
    case Desired::deleted:
      return wire::DESIRED_DELETED;
  }
  return wire::DESIRED_UNSPECIFIED;
}
std::optional<Desired> desired_of(wire::Desired desired) {
  switch (desired) {
    case wire::DESIRED_RUNNING:
      return Desired::running;
    case wire::DESIRED_STOPPED:
      return Desired::stopped;
    case wire::DESIRED_DELETED:
      return Desired::deleted;
    default:
      return std::nullopt;
  }
}

wire::RestartPolicy to_wire(RestartPolicy policy) {
  switch (policy) {
    case RestartPolicy::always:
      return wire::RESTART_POLICY_ALWAYS;
    case RestartPolicy::on_failure:
      return wire::RESTART_POLICY_ON_FAILURE;
    case RestartPolicy::never:
      return wire::RESTART_POLICY_NEVER;
  }
  return wire::RESTART_POLICY_UNSPECIFIED;
}
RestartPolicy restart_of(wire::RestartPolicy policy) {
  switch (policy) {
    case wire::RESTART_POLICY_ON_FAILURE:
      return RestartPolicy::on_failure;
    case wire::RESTART_POLICY_NEVER:
      return RestartPolicy::never;
    default:
      return RestartPolicy::always;
  }
}

wire::PodPhase to_wire(PodPhase phase) {
  switch (phase) {
    case PodPhase::accepted:
      return wire::POD_PHASE_ACCEPTED;
    case PodPhase::pulling:
      return wire::POD_PHASE_PULLING;
    case PodPhase::starting:
      return wire::POD_PHASE_STARTING;
    case PodPhase::running:
      return wire::POD_PHASE_RUNNING;
    case PodPhase::backing_off:
      return wire::POD_PHASE_BACKING_OFF;
    case PodPhase::stopping:
      return wire::POD_PHASE_STOPPING;
    case PodPhase::stopped:
      return wire::POD_PHASE_STOPPED;
    case PodPhase::exited:
      return wire::POD_PHASE_EXITED;
    case PodPhase::failed:
      return wire::POD_PHASE_FAILED;
    case PodPhase::deleted:
      return wire::POD_PHASE_DELETED;
  }
  return wire::POD_PHASE_UNSPECIFIED;
}
std::optional<PodPhase> phase_of(wire::PodPhase phase) {
  switch (phase) {
    case wire::POD_PHASE_ACCEPTED:
      return PodPhase::accepted;
    case wire::POD_PHASE_PULLING:
      return PodPhase::pulling;
    case wire::POD_PHASE_STARTING:
      return PodPhase::starting;
    case wire::POD_PHASE_RUNNING:
      return PodPhase::running;
    case wire::POD_PHASE_BACKING_OFF:
      return PodPhase::backing_off;
    case wire::POD_PHASE_STOPPING:
      return PodPhase::stopping;
    case wire::POD_PHASE_STOPPED:
      return PodPhase::stopped;
    case wire::POD_PHASE_EXITED:
      return PodPhase::exited;
    case wire::POD_PHASE_FAILED:
      return PodPhase::failed;
    case wire::POD_PHASE_DELETED:
      return PodPhase::deleted;
    default:
      return std::nullopt;
  }
}

// ---- reasons ----

}  // namespace

void why_to_wire(Reason reason, const Args& args, wire::Why& out) {
  out.set_reason(std::string(reason_text(reason)));
  for (const auto& [name, value] : args) {
    auto& arg = *out.add_args();
    arg.set_name(utf8(name));
    arg.set_value(utf8(value));
  }
}
Reason why_from_wire(const wire::Why& in, Args& args) {
  for (const auto& arg : in.args()) args.emplace_back(arg.name(), arg.value());
  if (const auto known = reason_from_text(in.reason())) return *known;
  args.emplace_back("unknown_reason", in.reason());
  return Reason::internal_error;
}

namespace {

// ---- orders ----

void list_to_wire(const std::vector<std::string>& items, wire::StringList& out) {
  for (const auto& item : items) out.add_items(item);
}

void to_wire(const ContainerOrder& order, wire::ContainerOrder& out) {
  out.set_name(utf8(order.name));
  out.set_image(utf8(order.image));
  if (order.entrypoint) list_to_wire(*order.entrypoint, *out.mutable_entrypoint());
  if (order.command) list_to_wire(*order.command, *out.mutable_command());
  for (const auto& [name, value] : order.env) (*out.mutable_env())[utf8(name)] = value;
  out.set_registry_user(order.registry_user);
  out.set_registry_password(order.registry_password);
}
ContainerOrder container_order(const wire::ContainerOrder& in) {
  ContainerOrder order;
  order.name = in.name();
  order.image = in.image();
  if (in.has_entrypoint()) order.entrypoint = texts(in.entrypoint().items());
  if (in.has_command()) order.command = texts(in.command().items());
  order.env = {in.env().begin(), in.env().end()};
  order.registry_user = in.registry_user();
  order.registry_password = in.registry_password();
  return order;
}

void to_wire(const PodSpec& spec, wire::PodSpec& out) {
  out.set_workspace(utf8(spec.workspace.str()));
  out.set_hostname(utf8(spec.hostname));
  for (const auto& container : spec.containers) to_wire(container, *out.add_containers());
  for (const auto& port : spec.ports) {
    auto& added = *out.add_ports();
    added.set_container_port(port.container_port);
    added.set_http(port.http);
  }
  add_texts(spec.gpus, *out.mutable_gpus());
  out.set_vcpus(spec.vcpus);
  out.set_memory_bytes(spec.memory_bytes);
  out.set_shm_bytes(spec.shm_bytes);
  out.set_container_disk_bytes(spec.container_disk_bytes);
  out.set_volume_bytes(spec.volume_bytes);
  out.set_volume_path(utf8(spec.volume_path));
  out.set_volume_of(utf8(spec.volume_of.str()));
  out.set_network_volume(utf8(spec.network_volume));
  out.set_restart(to_wire(spec.restart));
}
PodSpec pod_spec(const wire::PodSpec& in) {
  PodSpec spec;
  spec.workspace = WorkspaceId(in.workspace());
  spec.hostname = in.hostname();
  for (const auto& container : in.containers()) spec.containers.push_back(container_order(container));
  for (const auto& port : in.ports())
    spec.ports.push_back({.container_port = port.container_port(), .http = port.http()});
  spec.gpus = texts(in.gpus());
  spec.vcpus = in.vcpus();
  spec.memory_bytes = in.memory_bytes();
  spec.shm_bytes = in.shm_bytes();
  spec.container_disk_bytes = in.container_disk_bytes();
  spec.volume_bytes = in.volume_bytes();
  spec.volume_path = in.volume_path();
  spec.volume_of = PodId(in.volume_of());
  spec.network_volume = in.network_volume();
  spec.restart = restart_of(in.restart());
  return spec;
}

void to_wire(const PodOrder& order, wire::PodOrder& out) {
  out.set_pod(utf8(order.pod.str()));
  out.set_generation(order.generation);
  out.set_run(order.run);
  out.set_desired(to_wire(order.desired));
  to_wire(order.spec, *out.mutable_spec());
  out.set_stop_grace_ms(order.stop_grace.count());
}
std::optional<PodOrder> pod_order(const wire::PodOrder& in) {
  const auto desired = desired_of(in.desired());
  if (!desired) return std::nullopt;
  PodOrder order;
  order.pod = PodId(in.pod());
  order.generation = in.generation();
  order.run = in.run();
  order.desired = *desired;
  order.spec = pod_spec(in.spec());
  order.stop_grace = Duration(in.stop_grace_ms());
  return order;
}

// ---- channels ----

void to_wire(const ExecRequest& request, wire::ExecRequest& out) {
  out.set_pod(utf8(request.pod.str()));
  out.set_container(utf8(request.container));
  out.set_session(utf8(request.session));
  out.set_resume(request.resume);
  out.set_from(request.from);
  for (const auto& word : request.command) out.add_command(word);
  out.set_tty(request.tty);
  out.set_columns(request.columns);
  out.set_rows(request.rows);
}
ExecRequest exec_request(const wire::ExecRequest& in) {
  ExecRequest request;
  request.pod = PodId(in.pod());
  request.container = in.container();
  request.session = in.session();
  request.resume = in.resume();
  request.from = in.from();
  request.command = texts(in.command());
  request.tty = in.tty();
  request.columns = in.columns();
  request.rows = in.rows();
  return request;
}

void to_wire(const ChannelOpen& open, wire::ChannelOpen& out) {
  out.set_channel(open.channel);
  if (open.exec) return to_wire(*open.exec, *out.mutable_exec());
  auto& log = *out.mutable_log();
  log.set_pod(utf8(open.log.pod.str()));
  log.set_container(utf8(open.log.container));
  log.set_follow(open.log.follow);
  if (open.log.tail) log.set_tail(*open.log.tail);
  if (open.log.since) log.set_since_ms(milliseconds(*open.log.since));
  log.set_timestamps(open.log.timestamps);
  log.set_without_output(!open.log.standard_output);
  log.set_without_error(!open.log.standard_error);
}
ChannelOpen channel_open(const wire::ChannelOpen& in) {
  ChannelOpen open;
  open.channel = in.channel();
  if (in.has_exec()) open.exec = exec_request(in.exec());
  open.log.pod = PodId(in.log().pod());
  open.log.container = in.log().container();
  open.log.follow = in.log().follow();
  if (in.log().has_tail()) open.log.tail = in.log().tail();
  if (in.log().has_since_ms()) open.log.since = time_of(in.log().since_ms());
  open.log.timestamps = in.log().timestamps();
  open.log.standard_output = !in.log().without_output();
  open.log.standard_error = !in.log().without_error();
  return open;
}

void to_wire(const ChannelClose& close, wire::ChannelClose& out) {
  out.set_channel(close.channel);
  if (close.reason) why_to_wire(*close.reason, close.args, *out.mutable_why());
}
ChannelClose channel_close(const wire::ChannelClose& in) {
  ChannelClose close;
  close.channel = in.channel();
  if (in.has_why()) close.reason = why_from_wire(in.why(), close.args);
  return close;
}

void to_wire(const ExecInput& input, wire::ExecInput& out) {
  out.set_channel(input.channel);
  out.set_offset(input.offset);
  out.set_bytes(input.bytes);
  out.set_end(input.end);
}
ExecInput exec_input(const wire::ExecInput& in) {
  return {.channel = in.channel(), .offset = in.offset(), .bytes = in.bytes(), .end = in.end()};
}

void to_wire(const ExecResize& resize, wire::ExecResize& out) {
  out.set_channel(resize.channel);
  out.set_number(resize.number);
  out.set_columns(resize.columns);
  out.set_rows(resize.rows);
}
ExecResize exec_resize(const wire::ExecResize& in) {
  return {.channel = in.channel(), .number = in.number(), .columns = in.columns(), .rows = in.rows()};
}

void to_wire(const ExecState& state, wire::ExecState& out) {
  out.set_channel(state.channel);
  out.set_input(state.input);
  out.set_input_ended(state.input_ended);
  out.set_resized(state.resized);
  if (state.exit_code) out.set_exit_code(*state.exit_code);
  out.set_output_end(state.output_end);
}
ExecState exec_state(const wire::ExecState& in) {
  ExecState state;
  state.channel = in.channel();
  state.input = in.input();
  state.input_ended = in.input_ended();
  state.resized = in.resized();
  if (in.has_exit_code()) state.exit_code = in.exit_code();
  state.output_end = in.output_end();
  return state;
}

void to_wire(const ExecOutput& output, wire::ExecOutput& out) {
  out.set_channel(output.channel);
  out.set_offset(output.offset);
  out.set_error(output.error);
  out.set_bytes(output.bytes);
}
ExecOutput exec_output(const wire::ExecOutput& in) {
  return {.channel = in.channel(), .offset = in.offset(), .error = in.error(), .bytes = in.bytes()};
}

// ---- facts ----

void to_wire(const HostFacts& facts, wire::HostFacts& out) {
  out.set_hostname(utf8(facts.hostname));
  out.set_os(utf8(facts.os));
  out.set_kernel(utf8(facts.kernel));
  out.set_architecture(utf8(facts.architecture));
  out.set_agent_version(utf8(facts.agent_version));
  out.set_boot_id(utf8(facts.boot_id));
  out.set_public_address(utf8(facts.public_address));
  out.set_cpus(facts.cpus);
  out.set_memory_bytes(facts.memory_bytes);
  out.set_disk_bytes(facts.disk_bytes);
  for (const auto& gpu : facts.gpus) {
    auto& added = *out.add_gpus();
    added.set_uuid(utf8(gpu.uuid));
    added.set_type_id(utf8(gpu.type_id));
    added.set_bus(utf8(gpu.bus));
    added.set_memory_bytes(gpu.memory_bytes);
    added.set_simulated(gpu.simulated);
  }
  out.set_driver_version(utf8(facts.driver_version));
  out.set_cuda_version(utf8(facts.cuda_version));
  out.set_engine_name(utf8(facts.engine_name));
  out.set_engine_version(utf8(facts.engine_version));
  out.set_container_disk_limit(facts.container_disk_limit);
  out.set_network(utf8(facts.network));
  out.set_lends_volumes(facts.lends_volumes);
  out.set_network_volumes(facts.network_volumes);
}
HostFacts host_facts(const wire::HostFacts& in) {
  HostFacts facts;
  facts.hostname = in.hostname();
  facts.os = in.os();
  facts.kernel = in.kernel();
  facts.architecture = in.architecture();
  facts.agent_version = in.agent_version();
  facts.boot_id = in.boot_id();
  facts.public_address = in.public_address();
  facts.cpus = in.cpus();
  facts.memory_bytes = in.memory_bytes();
  facts.disk_bytes = in.disk_bytes();
  for (const auto& gpu : in.gpus())
    facts.gpus.push_back({.uuid = gpu.uuid(),
                          .type_id = gpu.type_id(),
                          .bus = gpu.bus(),
                          .memory_bytes = gpu.memory_bytes(),
                          .simulated = gpu.simulated()});
  facts.driver_version = in.driver_version();
  facts.cuda_version = in.cuda_version();
  facts.engine_name = in.engine_name();
  facts.engine_version = in.engine_version();
  facts.container_disk_limit = in.container_disk_limit();
  facts.network = in.network();
  facts.lends_volumes = in.lends_volumes();
  facts.network_volumes = in.network_volumes();
  return facts;
}

void to_wire(const ContainerFacts& facts, wire::ContainerFacts& out) {
  out.set_name(utf8(facts.name));
  out.set_container_id(utf8(facts.container_id));
  out.set_image_digest(utf8(facts.image_digest));
  out.set_running(facts.running);
  if (facts.started_at) out.set_started_at_ms(milliseconds(*facts.started_at));
  if (facts.finished_at) out.set_finished_at_ms(milliseconds(*facts.finished_at));
  out.set_exit_code(facts.exit_code);
  out.set_oom_killed(facts.oom_killed);
  out.set_restarts(facts.restarts);
}
ContainerFacts container_facts(const wire::ContainerFacts& in) {
  ContainerFacts facts;
  facts.name = in.name();
  facts.container_id = in.container_id();
  facts.image_digest = in.image_digest();
  facts.running = in.running();
  if (in.has_started_at_ms()) facts.started_at = time_of(in.started_at_ms());
  if (in.has_finished_at_ms()) facts.finished_at = time_of(in.finished_at_ms());
  facts.exit_code = in.exit_code();
  facts.oom_killed = in.oom_killed();
  facts.restarts = in.restarts();
  return facts;
}

void to_wire(const PodFacts& facts, wire::PodFacts& out) {
  out.set_pod(utf8(facts.pod.str()));
  out.set_generation(facts.generation);
  out.set_run(facts.run);
  out.set_phase(to_wire(facts.phase));
  if (facts.reason) why_to_wire(*facts.reason, facts.args, *out.mutable_why());
  for (const auto& container : facts.containers) to_wire(container, *out.add_containers());
  for (const auto& port : facts.ports) {
    auto& added = *out.add_ports();
    added.set_container_port(port.container_port);
    added.set_host_port(port.host_port);
    added.set_http(port.http);
    added.set_address(utf8(port.address));
  }
  out.set_pull_bytes_done(facts.pull_bytes_done);
  out.set_pull_bytes_total(facts.pull_bytes_total);
  out.set_pull_bytes_per_second(facts.pull_bytes_per_second);
  out.set_container_disk_used_bytes(facts.container_disk_used_bytes);
  if (facts.next_restart) out.set_next_restart_ms(milliseconds(*facts.next_restart));
  out.set_healthy(facts.healthy);
  if (facts.volume_used_bytes) out.set_volume_used_bytes(*facts.volume_used_bytes);
  add_texts(facts.gpus, *out.mutable_gpus());
  out.set_vcpus(facts.vcpus);
  out.set_memory_bytes(facts.memory_bytes);
}
PodFacts pod_facts(const wire::PodFacts& in) {
  PodFacts facts;
  facts.pod = PodId(in.pod());
  facts.generation = in.generation();
  facts.run = in.run();
  if (in.has_why()) facts.reason = why_from_wire(in.why(), facts.args);
  for (const auto& container : in.containers()) facts.containers.push_back(container_facts(container));
  for (const auto& port : in.ports())
    facts.ports.push_back({.container_port = port.container_port(),
                           .host_port = port.host_port(),
                           .http = port.http(),
                           .address = port.address()});
  facts.pull_bytes_done = in.pull_bytes_done();
  facts.pull_bytes_total = in.pull_bytes_total();
  facts.pull_bytes_per_second = in.pull_bytes_per_second();
  facts.container_disk_used_bytes = in.container_disk_used_bytes();
  if (in.has_next_restart_ms()) facts.next_restart = time_of(in.next_restart_ms());
  facts.healthy = in.healthy();
  if (in.has_volume_used_bytes()) facts.volume_used_bytes = in.volume_used_bytes();
  facts.gpus = texts(in.gpus());
  facts.vcpus = in.vcpus();
  facts.memory_bytes = in.memory_bytes();

  if (const auto phase = phase_of(in.phase())) {
    facts.phase = *phase;
  } else {
    const bool any_runs = std::any_of(facts.containers.begin(), facts.containers.end(),
                                      [](const ContainerFacts& container) { return container.running; });
    facts.phase = any_runs ? PodPhase::running : PodPhase::accepted;
    facts.reason = Reason::internal_error;
    facts.args.emplace_back("unknown_phase", std::to_string(static_cast<int>(in.phase())));
  }
  return facts;
}

void to_wire(const Report& report, wire::Report& out) {
  out.set_sequence(report.sequence);
  out.set_boot_id(utf8(report.boot_id));
  out.set_sent_at_ms(milliseconds(report.sent_at));
  out.set_engine_reachable(report.engine_reachable);
  out.set_engine_error(utf8(report.engine_error));
  out.set_disk_free_bytes(report.disk_free_bytes);
  for (const auto& pod : report.pods) to_wire(pod, *out.add_pods());
  add_texts(report.stray_containers, *out.mutable_stray_containers());
  for (const auto& gpu : report.gpus) {
    auto& added = *out.add_gpus();
    added.set_uuid(utf8(gpu.uuid));
    added.set_utilisation_percent(gpu.utilisation_percent);
    added.set_temperature_celsius(gpu.temperature_celsius);
    added.set_power_watts(gpu.power_watts);
    added.set_memory_used_bytes(gpu.memory_used_bytes);
    added.set_ecc_errors_uncorrected(gpu.ecc_errors_uncorrected);
    add_texts(gpu.events, *added.mutable_events());
  }
}
Report report_of(const wire::Report& in) {
  Report report;
  report.sequence = in.sequence();
  report.boot_id = in.boot_id();
  report.sent_at = time_of(in.sent_at_ms());
  report.engine_reachable = in.engine_reachable();
  report.engine_error = in.engine_error();
  report.disk_free_bytes = in.disk_free_bytes();
  for (const auto& pod : in.pods()) report.pods.push_back(pod_facts(pod));
  report.stray_containers = texts(in.stray_containers());
  for (const auto& gpu : in.gpus())
    report.gpus.push_back({.uuid = gpu.uuid(),
                           .utilisation_percent = gpu.utilisation_percent(),
                           .temperature_celsius = gpu.temperature_celsius(),
                           .power_watts = gpu.power_watts(),
                           .memory_used_bytes = gpu.memory_used_bytes(),
                           .ecc_errors_uncorrected = gpu.ecc_errors_uncorrected(),
                           .events = texts(gpu.events())});
  return report;
}

wire::MetricSubjectKind to_wire(MetricKind kind) {
  switch (kind) {
    case MetricKind::pod:
      return wire::METRIC_SUBJECT_KIND_POD;
    case MetricKind::container:
      return wire::METRIC_SUBJECT_KIND_CONTAINER;
    case MetricKind::gpu:
      return wire::METRIC_SUBJECT_KIND_GPU;
    case MetricKind::host:
      return wire::METRIC_SUBJECT_KIND_HOST;
  }
  return wire::METRIC_SUBJECT_KIND_UNSPECIFIED;
}
std::optional<MetricKind> metric_kind_of(wire::MetricSubjectKind kind) {
  switch (kind) {
    case wire::METRIC_SUBJECT_KIND_POD:
      return MetricKind::pod;
    case wire::METRIC_SUBJECT_KIND_CONTAINER:
      return MetricKind::container;
    case wire::METRIC_SUBJECT_KIND_GPU:
      return MetricKind::gpu;
    case wire::METRIC_SUBJECT_KIND_HOST:
      return MetricKind::host;
    default:
      return std::nullopt;
  }
}

void to_wire(const MetricSlot& slot, wire::MetricSlot& out) {
  out.set_start_ms(milliseconds(slot.start));
  out.set_samples(slot.samples);
  for (const auto& subject : slot.subjects) {
    auto& added = *out.add_subjects();
    added.set_kind(to_wire(subject.kind));
    added.set_pod(utf8(subject.pod.str()));
    added.set_part(utf8(subject.part));
    added.mutable_values()->Add(subject.values.begin(), subject.values.end());
  }
}
MetricSlot metric_slot_of(const wire::MetricSlot& in) {
  MetricSlot out;
  out.start = time_of(in.start_ms());
  out.samples = in.samples();
  for (const auto& subject : in.subjects())
    if (const auto kind = metric_kind_of(subject.kind()))
      out.subjects.push_back(
          {*kind, PodId(subject.pod()), subject.part(), {subject.values().begin(), subject.values().end()}});
  return out;
}

void to_wire(const Metrics& metrics, wire::Metrics& out) {
  out.set_number(metrics.number);
  for (const auto& slot : metrics.slots) to_wire(slot, *out.add_slots());
  if (metrics.now) to_wire(*metrics.now, *out.mutable_now());
}
Metrics metrics_of(const wire::Metrics& in) {
  Metrics out;
  out.number = in.number();
  for (const auto& slot : in.slots()) out.slots.push_back(metric_slot_of(slot));
  if (in.has_now()) out.now = metric_slot_of(in.now());
  return out;
}

}  // namespace

void to_wire(const ServerMessage& message, wire::ServerToAgent& out) {
  out.Clear();
  std::visit(
      [&out](const auto& said) {
        using Said = std::decay_t<decltype(said)>;
        if constexpr (std::is_same_v<Said, PodOrder>) {
          to_wire(said, *out.mutable_pod_order());
        } else if constexpr (std::is_same_v<Said, ForgetPod>) {
          out.mutable_forget_pod()->set_pod(utf8(said.pod.str()));
          out.mutable_forget_pod()->set_generation(said.generation);
        } else if constexpr (std::is_same_v<Said, RetireHost>) {
          out.mutable_retire_host();
        } else if constexpr (std::is_same_v<Said, ChannelOpen>) {
          to_wire(said, *out.mutable_channel_open());
        } else if constexpr (std::is_same_v<Said, ChannelCredit>) {
          out.mutable_channel_credit()->set_channel(said.channel);
          out.mutable_channel_credit()->set_bytes(said.bytes);
        } else if constexpr (std::is_same_v<Said, MetricsTaken>) {
          out.mutable_metrics_taken()->set_number(said.number);
        } else if constexpr (std::is_same_v<Said, TunnelOpen>) {
          out.mutable_tunnel_open()->set_token(said.token);
          out.mutable_tunnel_open()->set_pod(said.pod.str());
          out.mutable_tunnel_open()->set_container_port(said.container_port);
        } else if constexpr (std::is_same_v<Said, ExecInput>) {
          to_wire(said, *out.mutable_exec_input());
        } else if constexpr (std::is_same_v<Said, ExecResize>) {
          to_wire(said, *out.mutable_exec_resize());
        } else if constexpr (std::is_same_v<Said, ExecSeen>) {
          out.mutable_exec_seen()->set_channel(said.channel);
          out.mutable_exec_seen()->set_offset(said.offset);
        } else {
          static_assert(std::is_same_v<Said, ChannelClose>);
          to_wire(said, *out.mutable_channel_close());
        }
      },
      message);
}

void to_wire(const AgentMessage& message, wire::AgentToServer& out) {
  out.Clear();
  std::visit(
      [&out](const auto& said) {
        using Said = std::decay_t<decltype(said)>;
        if constexpr (std::is_same_v<Said, Hello>) {
          to_wire(said.facts, *out.mutable_hello()->mutable_facts());
        } else if constexpr (std::is_same_v<Said, Report>) {
          to_wire(said, *out.mutable_report());
        } else if constexpr (std::is_same_v<Said, ChannelData>) {
          out.mutable_channel_data()->set_channel(said.channel);
          out.mutable_channel_data()->set_bytes(said.bytes);
        } else if constexpr (std::is_same_v<Said, Metrics>) {
          to_wire(said, *out.mutable_metrics());
        } else if constexpr (std::is_same_v<Said, ExecState>) {
          to_wire(said, *out.mutable_exec_state());
        } else if constexpr (std::is_same_v<Said, ExecOutput>) {
          to_wire(said, *out.mutable_exec_output());
        } else {
          static_assert(std::is_same_v<Said, ChannelClose>);
          to_wire(said, *out.mutable_channel_close());
        }
      },
      message);
}

std::optional<ServerMessage> from_wire(const wire::ServerToAgent& in) {
  switch (in.message_case()) {
    case wire::ServerToAgent::kPodOrder: {
      auto order = pod_order(in.pod_order());
      if (!order) return std::nullopt;
      return std::move(*order);
    }
    case wire::ServerToAgent::kForgetPod:
      return ForgetPod{.pod = PodId(in.forget_pod().pod()), .generation = in.forget_pod().generation()};
    case wire::ServerToAgent::kRetireHost:
      return RetireHost{};
    case wire::ServerToAgent::kChannelOpen:
      return channel_open(in.channel_open());
    case wire::ServerToAgent::kChannelCredit:
      return ChannelCredit{.channel = in.channel_credit().channel(), .bytes = in.channel_credit().bytes()};
    case wire::ServerToAgent::kChannelClose:
      return channel_close(in.channel_close());
    case wire::ServerToAgent::kMetricsTaken:
      return MetricsTaken{.number = in.metrics_taken().number()};
    case wire::ServerToAgent::kTunnelOpen:
      return TunnelOpen{.token = in.tunnel_open().token(),
                        .pod = PodId(in.tunnel_open().pod()),
                        .container_port = in.tunnel_open().container_port()};
    case wire::ServerToAgent::kExecInput:
      return exec_input(in.exec_input());
    case wire::ServerToAgent::kExecResize:
      return exec_resize(in.exec_resize());
    case wire::ServerToAgent::kExecSeen:
      return ExecSeen{.channel = in.exec_seen().channel(), .offset = in.exec_seen().offset()};
    case wire::ServerToAgent::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

std::optional<AgentMessage> from_wire(const wire::AgentToServer& in) {
  switch (in.message_case()) {
    case wire::AgentToServer::kHello:
      return Hello{.facts = host_facts(in.hello().facts())};
    case wire::AgentToServer::kReport:
      return report_of(in.report());
    case wire::AgentToServer::kChannelData:
      return ChannelData{.channel = in.channel_data().channel(), .bytes = in.channel_data().bytes()};
    case wire::AgentToServer::kChannelClose:
      return channel_close(in.channel_close());
    case wire::AgentToServer::kMetrics:
      return metrics_of(in.metrics());
    case wire::AgentToServer::kExecState:
      return exec_state(in.exec_state());
    case wire::AgentToServer::kExecOutput:
      return exec_output(in.exec_output());
    case wire::AgentToServer::MESSAGE_NOT_SET:
      break;
  }
  return std::nullopt;
}

}  // namespace gyre::link
