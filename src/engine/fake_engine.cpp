#include "engine/fake_engine.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/check.hpp"
#include "base/enum_text.hpp"
#include "base/image_reference.hpp"
#include "base/secrets.hpp"

namespace gyre::engine {
namespace {

constexpr std::size_t log_lines_max = 10'000;  // per container; the oldest go first, as with a rotated file
constexpr int log_lines_at_once = 100;         // then others have their turn, and a reader its chance to pause
constexpr int killed_code = 128 + 9;

std::string reference_key(const std::string& reference) {
  const auto parsed = parse_image_reference(reference);
  return parsed ? parsed->str() : reference;
}

bool has_labels(const Labels& labels, const Labels& having) {
  return std::all_of(having.begin(), having.end(), [&](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

Error unreachable(std::string detail) { return Error{Reason::engine_unreachable, {{"detail", std::move(detail)}}, ""}; }

std::string first_of(const std::optional<std::vector<std::string>>& given, const std::vector<std::string>& from_image) {
  const auto& list = given ? *given : from_image;
  return list.empty() ? "" : list.front();
}

}  // namespace

// ---- the registry ----

std::string FakeRegistry::push(const std::string& reference, FakeImage image) {
  const auto parsed = parse_image_reference(reference);
  CHECK(parsed);
  auto stored = std::make_shared<Stored>();
  const std::string seed = parsed->str() + "#" + std::to_string(++pushes_);
  stored->image.id = "sha256:" + sha256_hex("config " + seed);
  stored->image.digest = "sha256:" + sha256_hex("manifest " + seed);
  stored->image.os = image.os;
  stored->image.architecture = image.architecture;
  stored->image.entrypoint = image.entrypoint;
  stored->image.command = image.command;
  stored->image.exposed_ports = image.exposed_ports;
  stored->image.bytes = image.bytes;
  stored->fake = std::move(image);
  stored_[parsed->str()] = stored;
  stored_[parsed->name() + "@" + stored->image.digest] = stored;
  return stored->image.digest;
}

void FakeRegistry::remove(const std::string& reference) { stored_.erase(reference_key(reference)); }

const FakeRegistry::Stored* FakeRegistry::find(const std::string& reference) const {
  const auto found = stored_.find(reference_key(reference));
  return found == stored_.end() ? nullptr : found->second.get();
}

// ---- the engine ----

struct FakeEngine::Impl {
  struct LogLine {
    Time at;
    Output output;
    std::string text;
  };

  struct LogStream;
  struct EventStream;
  struct Exec;

  struct Box {  // a container
    Container shown;
    ContainerSpec spec;
    std::shared_ptr<const FakeRegistry::Stored> image;
    FakeProgram program;
    std::uint64_t run = 0;    // counts its starts: a timer of an earlier run finds another number
    Duration run_started{0};  // uptime
    std::size_t history = 0;
    std::map<std::string, std::string> files, tmpfs_files;
    std::int64_t written_before = 0;  // to its layer, by its earlier runs
    std::deque<LogLine> log;
    std::uint64_t log_first = 0;  // number of log.front(), so that readers keep their place
    std::vector<std::weak_ptr<LogStream>> followers;
    std::vector<std::weak_ptr<Exec>> execs;
    std::vector<Done<void>> waiting_for_end;

    bool running() const { return shown.state == ContainerState::running; }
    const std::string& network_owner() const {
      return spec.share_network_with.empty() ? shown.id : spec.share_network_with;
    }
  };
  using BoxPtr = std::shared_ptr<Box>;

  struct LogStream : std::enable_shared_from_this<LogStream> {
    LogOptions options;
    std::function<void(Output, std::string_view)> chunk;
    Done<void> end;
    BoxPtr box;
    std::uint64_t next = 0;   // number of the next line
    std::uint64_t until = 0;  // without follow: the end as it was
    bool paused = false, open = true, scheduled = false;
  };
  struct EventStream {
    Labels having;
    std::function<void(const ContainerEvent&)> event;
    Done<void> end;
    bool open = true;
  };
  // A program beside the container's own. What it has to say waits in `output` until it may be heard.
  struct Exec {
    ExecEvents events;
    BoxPtr box;
    std::uint64_t run = 0;  // of the container
    FakeExec program;
    std::size_t history = 0;
    std::deque<std::pair<Output, std::string>> output;
    std::deque<std::string> input;
    std::optional<Result<int>> result;  // it has ended; told when all its output has been heard
    bool input_ends = false, started = false, paused = false, open = true, scheduled = false;
    int columns = 0, rows = 0;
  };
  struct Network {
    Labels labels;
    int number = 0;
    int next_address = 2;
  };
  struct Volume {
    Labels labels;
    std::map<std::string, std::string> files;
  };
  struct Pull {
    std::string reference;
    std::shared_ptr<const FakeRegistry::Stored> stored;
    std::int64_t done = 0;
    std::vector<std::pair<std::function<void(const PullProgress&)>, Done<Image>>> listeners;
  };

  Impl(Runtime& the_runtime, FakeRegistry& the_registry, FakeEngineConfig the_config)
      : runtime(the_runtime),
        registry(the_registry),
        config(std::move(the_config)),
        next_port(config.first_free_port) {}

  // ---- calls: latency, loss, and an engine that goes away ----

  // Runs `act` after the way there and brings its answer after the way back. `act` must answer exactly once, unless the
  // engine goes down in between: then the call has already ended with engine_unreachable.
  template <class T>
  void call(Done<T> done, std::function<void(Done<T>)> act, bool may_refuse = false) {
    ++calls;
    struct Flight {
      Done<T> done;
      bool finished = false;
    };
    auto flight = std::make_shared<Flight>();
    flight->done = std::move(done);
    const auto id = ++next_flight;
    auto finish = [this, flight, id](Result<T> result) {
      if (flight->finished) return;
      flight->finished = true;
      flights.erase(id);
      flight->done(std::move(result));
    };
    flights[id] = [finish](const Error& error) { finish(fail(error)); };
    if (!up) {
      later(Duration{0}, [finish] { finish(fail(unreachable("connection refused"))); });
      return;
    }
    const auto& faults = config.faults;
    const bool lost_request = chance(faults.lost_request), lost_answer = chance(faults.lost_answer);
    const bool refused = may_refuse && chance(faults.refused);
    const auto there = latency(), back = latency();
    later(there, [=, this, act = std::move(act), then = epoch] {
      if (flight->finished || then != epoch) return;
      if (lost_request) return finish(fail(unreachable("the connection broke")));
      if (refused) return finish(fail(Reason::engine_refused, {{"detail", "simulated trouble"}}));
      act([=, this](Result<T> result) {
        if (flight->finished) return;
        later(back, [=, result = std::move(result)] {
          if (lost_answer) return finish(fail(unreachable("the connection broke before the answer came")));
          finish(result);
        });
      });
    });
  }

  // A stream's end and a call's failure come later, never from inside the call that caused them.
  void abort_all(const std::string& detail) {
    ++epoch;
    for (auto& [id, fail_flight] : std::exchange(flights, {}))
      later(Duration{0}, [fail_flight = fail_flight, detail] { fail_flight(unreachable(detail)); });
    pulls.clear();
    for (auto& stream : log_streams) end_stream(stream.lock(), fail(unreachable(detail)));
    log_streams.clear();
    for (auto& box : boxes) end_execs(box, fail(unreachable(detail)));
    for (auto& weak : event_streams)
      if (auto stream = weak.lock(); stream && stream->open)
        later(Duration{0}, [weak, detail] {
          auto ended = weak.lock();
          if (!ended || !ended->open) return;
          ended->open = false;
          auto end = ended->end;
          end(fail(unreachable(detail)));
        });
    event_streams.clear();
    for (auto& box : boxes) box->waiting_for_end.clear();  // their calls have just ended
  }

  void later(Duration delay, std::function<void()> callback) {
    runtime.after(delay, alive.guard([callback = std::move(callback)] { callback(); }));
  }
  bool chance(double probability) { return probability > 0 && runtime.random().unit() < probability; }
  Duration latency() {
    const auto& faults = config.faults;
    const auto spread = (faults.latency_max - faults.latency_min).count();
    if (spread <= 0) return faults.latency_min;
    return faults.latency_min +
           Duration{static_cast<std::int64_t>(runtime.random().below(static_cast<std::uint64_t>(spread) + 1))};
  }

  // ---- containers ----

  BoxPtr find(const std::string& id_or_name) const {
    for (const auto& box : boxes)
      if (box->shown.id == id_or_name || box->shown.name == id_or_name) return box;
    return nullptr;
  }

  Result<std::string> create(ContainerSpec spec) {
    if (auto existing = find(spec.name)) {
      if (existing->shown.labels == spec.labels) return existing->shown.id;
      return fail(Reason::container_name_taken, {{"name", spec.name}});
    }
    if (disk_full) return fail(Reason::host_disk_full, {{"detail", "no space left on device"}});
    auto image = local_image(spec.image);
    if (!image) return fail(Reason::image_not_on_host, {{"image", spec.image}});
    if (!spec.network.empty() && !networks.contains(spec.network))
      return fail(Reason::network_not_found, {{"network", spec.network}});
    for (const auto& mount : spec.mounts)
      if (mount.kind == Mount::Kind::volume && !volumes.contains(mount.volume))
        return fail(Reason::volume_not_found, {{"volume", mount.volume}});
      else if (mount.kind == Mount::Kind::folder && !folders.contains(mount.folder))
        return fail(Reason::volume_not_found, {{"volume", mount.folder}});
    auto box = std::make_shared<Box>();
    box->shown.id =
        sha256_hex(spec.name + "#" + std::to_string(++created) + "#" + std::to_string(runtime.random().next()));
    box->shown.name = spec.name;
    box->shown.labels = spec.labels;
    box->shown.image_id = image->image.id;
    box->image = std::move(image);
    box->spec = std::move(spec);
    boxes.push_back(box);
    return box->shown.id;
  }

  Result<void> start(const std::string& id) {
    auto box = find(id);
    if (!box) return fail(Reason::container_not_found, {{"container", id}});
    if (box->running()) return {};
    if (disk_full) return fail(Reason::host_disk_full, {{"detail", "no space left on device"}});
    const auto& spec = box->spec;
    if (!spec.network.empty() && !networks.contains(spec.network))
      return fail(Reason::network_not_found, {{"network", spec.network}});
    if (!spec.share_network_with.empty()) {
      const auto owner = find(spec.share_network_with);
      if (!owner || !owner->running())
        return fail(Reason::container_start_failed,
                    {{"detail", "cannot join the network of a container that does not run"}});
    }
    auto taken = host_ports();
    std::vector<PortBinding> bound;
    for (auto port : spec.ports) {
      const auto other = std::find_if(bound.begin(), bound.end(), [&](const auto& one) {
        return one.host_port == port.host_port && one.container_port == port.container_port &&
               one.host_address != port.host_address;
      });
      if (other != bound.end()) continue;  // on another address; one is told
      if (port.host_port == 0) {
        while (taken.contains(next_port)) ++next_port;
        port.host_port = next_port++;
        if (next_port > 60'999) next_port = config.first_free_port;
      } else if (taken.contains(port.host_port)) {
        box->shown.error = "port is already allocated";
        return fail(Reason::host_port_taken,
                    {{"port", std::to_string(port.host_port)}, {"detail", "port is already allocated"}});
      }
      taken[port.host_port] = box->shown.id;
      bound.push_back(std::move(port));
    }
    box->program = box->image->fake.program(spec);
    if (!box->program.cannot_start.empty()) {
      box->shown.error = box->program.cannot_start;
      box->shown.exit_code = 127;
      const auto& image = box->image->image;
      auto command = first_of(spec.entrypoint, image.entrypoint);
      if (command.empty()) command = first_of(spec.command, image.command);
      return fail(Reason::command_not_found, {{"command", command}, {"detail", box->program.cannot_start}});
    }
    run(box, std::move(bound));
    return {};
  }

  void run(const BoxPtr& box, std::vector<PortBinding> bound) {
    auto& shown = box->shown;
    shown.state = ContainerState::running;
    shown.started_at = runtime.now();
    shown.finished_at.reset();
    shown.exit_code = 0;
    shown.oom_killed = false;
    shown.error.clear();
    shown.ports = std::move(bound);
    if (!box->spec.share_network_with.empty()) {
      shown.ip_address = find(box->spec.share_network_with)->shown.ip_address;
    } else if (const auto network = networks.find(box->spec.network); network != networks.end()) {
      auto& net = network->second;
      const int address = net.next_address++;
      shown.ip_address = "10." + std::to_string(net.number % 256) + "." + std::to_string(address / 250 % 250) + "." +
                         std::to_string(address % 250 + 2);
    }
    ++box->run;
    box->run_started = runtime.uptime();
    box->history = history.size();
    history.push_back({shown.id, shown.name, shown.labels, box->spec.gpus, runtime.now(), {}, FakeEnd::running, 0});
    emit(box, "start");
    for (const auto& line : box->program.lines) write(box, Output::standard_output, line);
    for (const auto& line : box->program.error_lines) write(box, Output::standard_error, line);
    if (box->program.repeat_every > Duration{0}) repeat_line(box, box->run);
    if (box->program.exits_after) {
      const auto number = box->run;
      later(*box->program.exits_after,
            [this, box, number] { finish(box, number, FakeEnd::itself, box->program.exit_code); });
    }
  }

  void repeat_line(const BoxPtr& box, std::uint64_t number) {
    later(box->program.repeat_every, [this, box, number] {
      if (!box->running() || box->run != number) return;
      write(box, Output::standard_output, box->program.repeated_line);
      repeat_line(box, number);
    });
  }

  void finish(const BoxPtr& box, std::uint64_t number, FakeEnd end, int exit_code) {
    if (!box->running() || box->run != number) return;
    box->written_before = layer_bytes(*box);
    box->shown.state = ContainerState::exited;
    box->shown.finished_at = runtime.now();
    box->shown.exit_code = exit_code;
    box->shown.oom_killed = end == FakeEnd::out_of_memory;
    box->shown.ip_address.clear();
    box->shown.ports.clear();
    box->tmpfs_files.clear();
    auto& line = history[box->history];
    line.ended = runtime.now();
    line.end = end;
    line.exit_code = exit_code;
    if (end == FakeEnd::out_of_memory) emit(box, "oom");
    emit(box, "die");
    for (auto& weak : box->followers) wake(weak.lock());
    end_execs(box, killed_code);
    auto waiting = std::move(box->waiting_for_end);
    box->waiting_for_end.clear();
    for (auto& done : waiting) done({});
  }

  void stop(const std::string& id, Duration grace, Done<void> done) {
    auto box = find(id);
    if (!box || !box->running()) return done({});
    box->waiting_for_end.push_back(std::move(done));
    const auto number = box->run;
    if (!box->program.ignores_stop)
      later(box->program.stops_after, [=, this] { finish(box, number, FakeEnd::stopped, box->program.stop_code); });
    // It is the engine that waits and kills: an engine that goes away in between does not.
    later(grace, [=, this, then = epoch] {
      if (then == epoch) finish(box, number, FakeEnd::killed, killed_code);
    });
  }

  void remove(const std::string& id) {
    auto box = find(id);
    if (!box) return;
    finish(box, box->run, FakeEnd::removed, killed_code);
    std::erase(boxes, box);
    emit(box, "destroy");
  }

  Duration ran_for(const Box& box) const { return runtime.uptime() - box.run_started; }

  std::int64_t layer_bytes(const Box& box) const {
    auto bytes = box.written_before;
    if (box.running()) bytes += box.program.disk_bytes_per_second * (runtime.uptime() - box.run_started).count() / 1000;
    if (config.info.container_disk_limit && box.spec.disk_bytes > 0) bytes = std::min(bytes, box.spec.disk_bytes);
    return bytes;
  }

  std::int64_t disk_used(const Box& box) const {
    auto bytes = layer_bytes(box);
    for (const auto& [path, text] : box.files) bytes += static_cast<std::int64_t>(text.size());
    return bytes;
  }

  // Where a path of a container is kept: on a volume, on a tmpfs, or on its own layer; and its name there.
  std::pair<std::map<std::string, std::string>*, std::string> place_of(Box& box, const std::string& path) {
    const Mount* under = nullptr;
    for (const auto& mount : box.spec.mounts)
      if (path.starts_with(mount.path + "/") && (!under || mount.path.size() > under->path.size())) under = &mount;
    if (!under) return {&box.files, path};
    const auto rest = path.substr(under->path.size());
    if (under->kind == Mount::Kind::tmpfs) return {&box.tmpfs_files, path};
    if (under->kind == Mount::Kind::folder) return {&folders[under->folder], rest};
    return {&volumes[under->volume].files, rest};
  }

  std::map<int, std::string> host_ports() const {
    std::map<int, std::string> out;
    for (const auto& box : boxes)
      if (box->running())
        for (const auto& port : box->shown.ports) out[port.host_port] = box->shown.id;
    return out;
  }

  bool listens(const std::string& network_owner, int port) const {
    return std::any_of(boxes.begin(), boxes.end(), [&](const BoxPtr& box) {
      return box->running() && box->network_owner() == network_owner && box->program.listens.contains(port) &&
             runtime.uptime() - box->run_started >= box->program.listens_after;
    });
  }

  // ---- images ----

  std::shared_ptr<const FakeRegistry::Stored> local_image(const std::string& reference) const {
    const auto found = local_images.find(reference.starts_with("sha256:") ? reference : reference_key(reference));
    return found == local_images.end() ? nullptr : found->second;
  }

  void pull(const std::string& reference, const std::optional<RegistryLogin>& login,
            std::function<void(const PullProgress&)> progress, Done<Image> done) {
    auto refuse = [&](Reason reason, std::string detail) {
      done(fail(reason, {{"image", reference}, {"detail", std::move(detail)}}));
    };
    if (const auto parsed = parse_image_reference(reference); !parsed) return done(fail(parsed.error()));
    if (!registry.reachable_) return refuse(Reason::registry_unreachable, "connection refused");
    const auto found = registry.stored_.find(reference_key(reference));
    if (found == registry.stored_.end()) return refuse(Reason::image_not_found, "manifest unknown");
    auto stored = found->second;
    const auto& needed = stored->fake.login;
    if (needed && (!login || login->username != needed->username || login->password != needed->password))
      return refuse(Reason::image_access_denied, "unauthorized: authentication required");
    if (stored->fake.os == "windows") return refuse(Reason::image_for_windows, "");
    if (stored->fake.os != "linux" || stored->fake.architecture != "amd64")
      return done(fail(Reason::image_wrong_platform,
                       {{"image", reference}, {"platform", stored->fake.os + "/" + stored->fake.architecture}}));
    if (disk_full) return refuse(Reason::host_disk_full, "no space left on device");
    if (const auto here = local_images.find(stored->image.id); here != local_images.end()) {
      local_images[reference_key(reference)] = stored;
      return done(stored->image);
    }
    // Downloads are shared by what is downloaded; who may have it was asked above, for each caller.
    auto& shared = pulls[stored->image.id];
    if (shared) {
      shared->listeners.emplace_back(std::move(progress), std::move(done));
      return;
    }
    shared = std::make_shared<Pull>();
    shared->reference = reference;
    shared->stored = std::move(stored);
    shared->listeners.emplace_back(std::move(progress), std::move(done));
    ++registry.downloads_;
    download(shared);
  }

  void download(const std::shared_ptr<Pull>& pull) {
    const auto& fake = pull->stored->fake;
    const auto tell = [&](const char* phase, std::int64_t bytes, int layers) {
      const PullProgress progress{fake.layers, layers, fake.bytes, bytes, phase};
      for (auto& [heard, done] : pull->listeners)
        if (heard) heard(progress);
    };
    tell("downloading", pull->done, static_cast<int>(fake.layers * pull->done / std::max<std::int64_t>(1, fake.bytes)));
    const auto left = fake.bytes - pull->done;
    const auto rate = std::max<std::int64_t>(1, fake.bytes_per_second);
    const Duration until_done{(left * 1000 + rate - 1) / rate};
    const auto step = std::min(config.progress_every, until_done);
    later(step, [=, this, then = epoch] {
      if (then != epoch) return;
      auto end = [&](const Result<Image>& result) {
        pulls.erase(pull->stored->image.id);
        for (auto& [heard, done] : pull->listeners) done(result);
      };
      auto refuse = [&](Reason reason, const char* detail) {
        end(fail(reason, {{"image", pull->reference}, {"detail", detail}}));
      };
      if (!registry.reachable_) return refuse(Reason::registry_unreachable, "connection reset");
      if (disk_full) return refuse(Reason::host_disk_full, "no space left on device");
      const auto& image = pull->stored->fake;
      pull->done = step == until_done ? image.bytes : pull->done + image.bytes_per_second * step.count() / 1000;
      if (pull->done < image.bytes) return download(pull);
      const PullProgress progress{image.layers, image.layers, image.bytes, image.bytes, "extracting"};
      for (auto& [heard, done] : pull->listeners)
        if (heard) heard(progress);
      keep(pull->reference, pull->stored);
      end(pull->stored->image);
    });
  }

  void keep(const std::string& reference, const std::shared_ptr<const FakeRegistry::Stored>& stored) {
    local_images[reference_key(reference)] = stored;
    local_images[stored->image.id] = stored;
    if (const auto parsed = parse_image_reference(reference))
      local_images[parsed->name() + "@" + stored->image.digest] = stored;
  }

  // ---- logs and events ----

  void write(const BoxPtr& box, Output output, const std::string& text) {
    box->log.push_back({runtime.now(), output, text});
    if (box->log.size() > log_lines_max) {
      box->log.pop_front();
      ++box->log_first;
    }
    std::erase_if(box->followers, [](const auto& weak) { return weak.expired(); });
    for (auto& weak : box->followers) wake(weak.lock());
  }

  void open_log(const std::shared_ptr<LogStream>& stream, const std::string& id) {
    stream->box = find(id);
    if (!stream->box) return end_stream(stream, fail(Reason::container_not_found, {{"container", id}}));
    auto& box = *stream->box;
    stream->until = box.log_first + box.log.size();
    stream->next = box.log_first;
    if (stream->options.tail) {  // the last N of those that are wanted
      int wanted = std::max(0, *stream->options.tail);
      stream->next = stream->until;
      while (wanted > 0 && stream->next > box.log_first) {
        --stream->next;
        if (shows(*stream, box.log[stream->next - box.log_first])) --wanted;
      }
    }
    if (stream->options.follow) box.followers.push_back(stream);
    log_streams.push_back(stream);
    wake(stream);
  }

  static bool shows(const LogStream& stream, const LogLine& line) {
    if (stream.options.since && line.at < *stream.options.since) return false;
    return line.output == Output::standard_output ? stream.options.standard_output : stream.options.standard_error;
  }

  void wake(const std::shared_ptr<LogStream>& stream) {
    if (!stream || !stream->open || stream->scheduled) return;
    stream->scheduled = true;
    later(Duration{0}, [this, weak = std::weak_ptr(stream)] {
      const auto woken = weak.lock();
      if (!woken) return;
      woken->scheduled = false;
      read_log(woken);
    });
  }

  void read_log(const std::shared_ptr<LogStream>& stream) {
    auto& box = *stream->box;
    for (int lines = 0;; ++lines) {
      if (!stream->open || stream->paused) return;
      if (lines == log_lines_at_once) return wake(stream);
      stream->next = std::max(stream->next, box.log_first);
      const auto end = stream->options.follow ? box.log_first + box.log.size() : stream->until;
      if (stream->next >= end) break;
      const auto line = box.log[stream->next++ - box.log_first];
      if (!shows(*stream, line)) continue;
      const auto text = (stream->options.timestamps ? rfc3339(line.at) + " " : std::string()) + line.text + "\n";
      stream->chunk(line.output, text);  // may pause or drop the stream
    }
    if (!stream->options.follow || !box.running()) end_stream(stream, {});
  }

  void end_stream(const std::shared_ptr<LogStream>& stream, Result<void> result) {
    if (!stream || !stream->open) return;
    later(Duration{0}, [weak = std::weak_ptr(stream), result = std::move(result)] {
      const auto ended = weak.lock();
      if (!ended || !ended->open) return;
      if (result && ended->paused) return;  // resume() comes back here
      ended->open = false;
      auto end = ended->end;  // it may drop the stream
      end(result);
    });
  }

  // ---- programs beside the container's own ----

  void start_exec(const std::shared_ptr<Exec>& exec, const std::string& id, const ExecOptions& options) {
    const auto box = find(id);
    if (!box) return finish_exec(exec, fail(Reason::container_not_found, {{"container", id}}));
    if (!box->running()) return finish_exec(exec, fail(Reason::container_not_running, {{"container", id}}));
    exec->box = box;
    exec->run = box->run;
    if (box->image->fake.exec) exec->program = box->image->fake.exec(options.command);
    if (exec->program.cannot_start) {
      Args args{{"command", options.command.front()}, {"detail", "executable file not found in $PATH"}};
      return finish_exec(exec, fail(Reason::command_not_found, std::move(args)));
    }
    exec->history = execs.size();
    if (exec->events.made && !exec->events.made(std::to_string(exec->history))) return;
    exec->started = true;
    execs.push_back({box->shown.id, options.command, {}, false, 0, 0, true, false});
    box->execs.push_back(exec);
    const auto& program = exec->program;
    if (!program.output.empty()) exec->output.emplace_back(Output::standard_output, program.output);
    if (!program.error_output.empty())
      exec->output.emplace_back(options.tty ? Output::standard_output : Output::standard_error, program.error_output);
    if (options.tty && exec->columns > 0) size_exec(exec);
    if (program.exits_after)
      later(*program.exits_after, [this, history = exec->history, weak = std::weak_ptr(exec)] {
        execs[history].running = false;
        if (const auto ended = weak.lock()) finish_exec(ended, ended->program.exit_code);
      });
    wake_exec(exec);
  }

  void end_execs(const BoxPtr& box, const Result<int>& result) {
    for (const auto& weak : std::exchange(box->execs, {}))
      if (const auto exec = weak.lock()) finish_exec(exec, result);
    for (auto& run : execs)  // also what nobody holds any more
      if (run.container_id == box->shown.id && !box->running()) run.running = false;
  }

  void size_exec(const std::shared_ptr<Exec>& exec) {
    execs[exec->history].columns = exec->columns;
    execs[exec->history].rows = exec->rows;
    if (exec->program.tells_size)
      exec->output.emplace_back(Output::standard_output,
                                std::to_string(exec->rows) + " " + std::to_string(exec->columns) + "\n");
  }

  void finish_exec(const std::shared_ptr<Exec>& exec, Result<int> result) {
    if (exec->result) return;
    exec->result = std::move(result);
    if (exec->started) execs[exec->history].running = false;
    wake_exec(exec);
  }

  void wake_exec(const std::shared_ptr<Exec>& exec) {
    if (exec->scheduled) return;
    exec->scheduled = true;
    later(Duration{0}, [this, weak = std::weak_ptr(exec)] {
      const auto woken = weak.lock();
      if (!woken) return;
      woken->scheduled = false;
      go_on(woken);
    });
  }

  void go_on(const std::shared_ptr<Exec>& exec) {
    // As a pipe of a few pieces does, output that nobody takes holds the program back.
    while (exec->open && exec->started && !exec->result && !exec->input.empty() && exec->output.size() < 4 &&
           !exec->program.stops_reading) {
      const auto piece = std::move(exec->input.front());
      exec->input.pop_front();
      execs[exec->history].input += piece;
      if (exec->program.echoes) exec->output.emplace_back(Output::standard_output, piece);
      exec->events.taken(piece.size());
    }
    if (exec->started && !exec->result && exec->input.empty() && exec->input_ends) {
      execs[exec->history].input_ended = true;
      if (exec->program.ends_with_input) finish_exec(exec, exec->program.exit_code);
    }
    while (exec->open && !exec->paused && !exec->output.empty()) {
      const auto [output, bytes] = std::move(exec->output.front());
      exec->output.pop_front();
      exec->events.chunk(output, bytes);  // may pause or drop it
    }
    if (!exec->open || exec->paused) return;
    if (exec->started && !exec->input.empty() && !exec->result && !exec->program.stops_reading) return wake_exec(exec);
    if (exec->result && exec->output.empty()) {
      exec->open = false;
      const auto end = exec->events.end;
      end(*exec->result);
    }
  }

  void emit(const BoxPtr& box, const std::string& action) {
    if (!up) return;
    const ContainerEvent event{box->shown.id, action, box->shown.labels};
    std::erase_if(event_streams, [](const auto& weak) { return weak.expired(); });
    for (auto& weak : event_streams) {
      const auto stream = weak.lock();
      if (!stream || !has_labels(event.labels, stream->having) || chance(config.faults.lost_event)) continue;
      later(latency(), [weak, event] {
        if (const auto heard = weak.lock(); heard && heard->open) {
          auto call_back = heard->event;
          call_back(event);
        }
      });
    }
  }

  Runtime& runtime;
  FakeRegistry& registry;
  FakeEngineConfig config;
  bool up = true, disk_full = false;
  std::int64_t calls = 0;
  std::uint64_t caller = 0;   // what an earlier one has let go says nothing
  std::vector<BoxPtr> boxes;  // oldest first
  std::map<std::string, Network> networks;
  std::map<std::string, Volume> volumes;
  std::map<std::string, std::map<std::string, std::string>> folders;  // of the host: their files
  std::vector<FakeRun> history;
  std::vector<FakeExecRun> execs;
  std::map<std::string, std::shared_ptr<const FakeRegistry::Stored>> local_images;  // by reference, digest and id
  std::map<std::string, std::shared_ptr<Pull>> pulls;
  std::map<std::uint64_t, std::function<void(const Error&)>> flights;
  std::vector<std::weak_ptr<LogStream>> log_streams;
  std::vector<std::weak_ptr<EventStream>> event_streams;
  std::uint64_t next_flight = 0, epoch = 0;
  std::int64_t created = 0;
  int next_port;
  int next_network = 1;
  Alive alive;
};

namespace {

class FakeSubscription final : public Subscription {
 public:
  FakeSubscription(std::function<void()> drop, std::function<void(bool)> pause)
      : drop_(std::move(drop)), pause_(std::move(pause)) {}
  ~FakeSubscription() override { drop_(); }
  void pause() override { pause_(true); }
  void resume() override { pause_(false); }

 private:
  std::function<void()> drop_;
  std::function<void(bool)> pause_;
};

}  // namespace

FakeEngine::FakeEngine(Runtime& runtime, FakeRegistry& registry, FakeEngineConfig config)
    : impl_(std::make_unique<Impl>(runtime, registry, std::move(config))) {}
FakeEngine::~FakeEngine() = default;

void FakeEngine::set_faults(FakeFaults faults) { impl_->config.faults = faults; }

void FakeEngine::down() {
  if (!impl_->up) return;
  impl_->up = false;
  impl_->abort_all("the engine went away");
}

void FakeEngine::up() { impl_->up = true; }
bool FakeEngine::is_up() const { return impl_->up; }

void FakeEngine::reboot(Duration away) {
  impl_->up = false;
  impl_->abort_all("the host restarts");
  for (const auto& box : std::vector(impl_->boxes)) impl_->finish(box, box->run, FakeEnd::reboot, 255);
  impl_->later(away, [this, then = impl_->epoch] {
    if (then == impl_->epoch) impl_->up = true;
  });
}

void FakeEngine::crash_container(const std::string& id, int exit_code) {
  if (auto box = impl_->find(id)) impl_->finish(box, box->run, FakeEnd::crashed, exit_code);
}

void FakeEngine::run_out_of_memory(const std::string& id) {
  if (auto box = impl_->find(id)) impl_->finish(box, box->run, FakeEnd::out_of_memory, killed_code);
}

void FakeEngine::fill_host_disk(bool full) { impl_->disk_full = full; }

void FakeEngine::write_log(const std::string& id, Output output, const std::string& line) {
  if (auto box = impl_->find(id)) impl_->write(box, output, line);
}

void FakeEngine::write_file(const std::string& id, const std::string& path, const std::string& text) {
  auto box = impl_->find(id);
  CHECK(box && box->running());
  const auto [files, name] = impl_->place_of(*box, path);
  (*files)[name] = text;
}

std::optional<std::string> FakeEngine::read_file(const std::string& id, const std::string& path) const {
  auto box = impl_->find(id);
  if (!box) return std::nullopt;
  const auto [files, name] = impl_->place_of(*box, path);
  const auto found = files->find(name);
  return found == files->end() ? std::nullopt : std::optional(found->second);
}

std::vector<Container> FakeEngine::containers() const {
  std::vector<Container> out;
  for (const auto& box : impl_->boxes) out.push_back(box->shown);
  return out;
}

std::vector<Container> FakeEngine::running() const {
  auto out = containers();
  std::erase_if(out, [](const Container& container) { return container.state != ContainerState::running; });
  return out;
}

std::optional<Container> FakeEngine::container(const std::string& id_or_name) const {
  const auto box = impl_->find(id_or_name);
  return box ? std::optional(box->shown) : std::nullopt;
}

std::optional<ContainerSpec> FakeEngine::spec(const std::string& id) const {
  const auto box = impl_->find(id);
  return box ? std::optional(box->spec) : std::nullopt;
}

const std::vector<FakeRun>& FakeEngine::history() const { return impl_->history; }

std::map<std::string, Labels> FakeEngine::networks() const {
  std::map<std::string, Labels> out;
  for (const auto& [name, network] : impl_->networks) out[name] = network.labels;
  return out;
}

std::map<std::string, Labels> FakeEngine::volumes() const {
  std::map<std::string, Labels> out;
  for (const auto& [name, volume] : impl_->volumes) out[name] = volume.labels;
  return out;
}

void FakeEngine::add_folder(const std::string& path) { impl_->folders[path]; }

std::map<std::string, std::string> FakeEngine::folder_files(const std::string& path) const {
  const auto found = impl_->folders.find(path);
  return found == impl_->folders.end() ? std::map<std::string, std::string>() : found->second;
}

std::map<std::string, std::string> FakeEngine::volume_files(const std::string& volume) const {
  const auto found = impl_->volumes.find(volume);
  return found == impl_->volumes.end() ? std::map<std::string, std::string>() : found->second.files;
}

std::map<std::string, std::vector<std::string>> FakeEngine::gpu_holders() const {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& box : impl_->boxes)
    if (box->running())
      for (const auto& gpu : box->spec.gpus) out[gpu].push_back(box->shown.id);
  return out;
}

std::map<int, std::string> FakeEngine::host_ports() const { return impl_->host_ports(); }

const std::vector<FakeExecRun>& FakeEngine::execs() const { return impl_->execs; }

std::int64_t FakeEngine::memory_granted() const {
  std::int64_t bytes = 0;
  for (const auto& box : impl_->boxes)
    if (box->running()) bytes += box->spec.memory_bytes;
  return bytes;
}

bool FakeEngine::accepts(int host_port) const {
  for (const auto& box : impl_->boxes)
    if (box->running())
      for (const auto& port : box->shown.ports)
        if (port.host_port == host_port && !port.udp) return impl_->listens(box->network_owner(), port.container_port);
  return false;
}

bool FakeEngine::accepts(const std::string& address, int port) const {
  for (const auto& box : impl_->boxes)
    if (box->running() && box->shown.ip_address == address && box->spec.share_network_with.empty())
      return impl_->listens(box->shown.id, port);
  return false;
}

std::int64_t FakeEngine::calls() const { return impl_->calls; }

void FakeEngine::info(Done<EngineInfo> done) {
  impl_->call<EngineInfo>(std::move(done), [this](auto answer) { answer(impl_->config.info); });
}

void FakeEngine::pull(std::string reference, std::optional<RegistryLogin> login,
                      std::function<void(const PullProgress&)> progress, Done<Image> done) {
  // The call may end before the download does (the engine goes away): then no more progress either.
  auto open = std::make_shared<bool>(true);
  auto ended = [open, done = std::move(done)](Result<Image> result) {
    *open = false;
    done(std::move(result));
  };
  auto heard = [open, progress = std::move(progress)](const PullProgress& news) {
    if (*open && progress) progress(news);
  };
  impl_->call<Image>(std::move(ended),
                     [=, this](auto answer) { impl_->pull(reference, login, heard, std::move(answer)); });
}

void FakeEngine::image(std::string reference, Done<std::optional<Image>> done) {
  impl_->call<std::optional<Image>>(std::move(done), [=, this](auto answer) {
    const auto stored = impl_->local_image(reference);
    answer(stored ? std::optional(stored->image) : std::nullopt);
  });
}

void FakeEngine::create_network(std::string name, Labels labels, Done<void> done) {
  impl_->call<void>(std::move(done), [=, this](auto answer) {
    if (!impl_->networks.contains(name)) impl_->networks[name] = {labels, impl_->next_network++, 2};
    answer({});
  });
}

void FakeEngine::remove_network(std::string name, Done<void> done) {
  impl_->call<void>(std::move(done), [=, this](auto answer) {
    for (const auto& box : impl_->boxes)
      if (box->running() && box->spec.network == name) return answer(fail(Reason::network_in_use, {{"network", name}}));
    impl_->networks.erase(name);
    answer({});
  });
}

void FakeEngine::create_volume(std::string name, Labels labels, Done<void> done) {
  impl_->call<void>(std::move(done), [=, this](auto answer) {
    impl_->volumes.try_emplace(name, Impl::Volume{labels, {}});
    answer({});
  });
}

void FakeEngine::remove_volume(std::string name, Done<void> done) {
  impl_->call<void>(std::move(done), [=, this](auto answer) {
    for (const auto& box : impl_->boxes)
      for (const auto& mount : box->spec.mounts)
        if (mount.kind == Mount::Kind::volume && mount.volume == name)
          return answer(fail(Reason::volume_in_use, {{"volume", name}}));
    impl_->volumes.erase(name);
    answer({});
  });
}

void FakeEngine::create(ContainerSpec spec, Done<std::string> done) {
  impl_->call<std::string>(
      std::move(done), [=, this](auto answer) { answer(impl_->create(spec)); }, true);
}

void FakeEngine::start(std::string id, Done<void> done) {
  impl_->call<void>(
      std::move(done),
      [=, this](auto answer) {
        auto result = impl_->start(id);
        if (!result) return answer(std::move(result));
        impl_->later(impl_->config.exec_time, [answer] { answer({}); });
      },
      true);
}

void FakeEngine::stop(std::string id, Duration grace, Done<void> done) {
  impl_->call<void>(
      std::move(done), [=, this](auto answer) { impl_->stop(id, grace, std::move(answer)); }, true);
}

void FakeEngine::remove(std::string id, Done<void> done) {
  impl_->call<void>(
      std::move(done),
      [=, this](auto answer) {
        impl_->remove(id);
        answer({});
      },
      true);
}

void FakeEngine::list(Labels having, Done<std::vector<Container>> done) {
  impl_->call<std::vector<Container>>(std::move(done), [=, this](auto answer) {
    std::vector<Container> out;
    for (const auto& box : impl_->boxes)
      if (has_labels(box->shown.labels, having)) out.push_back(box->shown);
    answer(std::move(out));
  });
}

void FakeEngine::disk_used(std::string id, Done<std::int64_t> done) {
  impl_->call<std::int64_t>(std::move(done), [=, this](auto answer) {
    const auto box = impl_->find(id);
    if (!box) return answer(fail(Reason::container_not_found, {{"container", id}}));
    answer(impl_->disk_used(*box));
  });
}

void FakeEngine::volume_used(std::string name, Done<std::int64_t> done) {
  impl_->call<std::int64_t>(std::move(done), [=, this](auto answer) {
    const auto volume = impl_->volumes.find(name);
    if (volume == impl_->volumes.end()) return answer(fail(Reason::volume_not_found, {{"volume", name}}));
    std::int64_t bytes = 0;
    for (const auto& [path, text] : volume->second.files) bytes += static_cast<std::int64_t>(text.size());
    for (const auto& box : impl_->boxes)
      for (const auto& mount : box->spec.mounts)
        if (mount.volume == name && box->running())
          bytes += box->program.volume_bytes_per_second * impl_->ran_for(*box).count() / 1000;
    answer(bytes);
  });
}

void FakeEngine::stats(std::string id, Done<std::optional<ContainerStats>> done) {
  impl_->call<std::optional<ContainerStats>>(std::move(done), [=, this](auto answer) {
    const auto box = impl_->find(id);
    if (!box) return answer(fail(Reason::container_not_found, {{"container", id}}));
    if (!box->running()) return answer(std::optional<ContainerStats>());
    const auto ran = impl_->ran_for(*box).count();
    ContainerStats out;
    out.cpu_microseconds = static_cast<std::int64_t>(box->program.busy_cpus * static_cast<double>(ran) * 1000);
    out.memory_bytes = box->program.memory_bytes;
    if (box->spec.share_network_with.empty()) {
      out.received_bytes = box->program.received_bytes_per_second * ran / 1000;
      out.sent_bytes = box->program.sent_bytes_per_second * ran / 1000;
    }
    answer(std::optional(out));
  });
}

std::unique_ptr<Subscription> FakeEngine::logs(std::string id, LogOptions options,
                                               std::function<void(Output, std::string_view)> chunk, Done<void> end) {
  ++impl_->calls;
  auto stream = std::make_shared<Impl::LogStream>();
  stream->options = options;
  stream->chunk = std::move(chunk);
  stream->end = std::move(end);
  auto* impl = impl_.get();
  // The handle keeps the stream, everything inside only knows it weakly: dropping the handle ends it for good.
  impl->later(impl->latency(), [impl, id, weak = std::weak_ptr(stream)] {
    const auto opened = weak.lock();
    if (!opened) return;
    if (!impl->up) return impl->end_stream(opened, fail(unreachable("connection refused")));
    impl->open_log(opened, id);
  });
  return std::make_unique<FakeSubscription>([stream] { stream->open = false; },
                                            [alive = impl->alive.guard([impl, stream](bool paused) {
                                              stream->paused = paused;
                                              if (!paused && stream->box) impl->wake(stream);
                                            })](bool paused) mutable { alive(paused); });
}

std::unique_ptr<ExecProcess> FakeEngine::exec(std::string id, ExecOptions options, ExecEvents events) {
  using Exec = Impl::Exec;
  class Process final : public ExecProcess {
   public:
    Process(Impl* impl, std::shared_ptr<Exec> exec)
        : impl_(impl),
          exec_(std::move(exec)),
          caller_(impl->caller),
          wake_(impl->alive.guard([impl, exec = exec_] { impl->wake_exec(exec); })) {}
    ~Process() override {
      if (exec_->open && exec_->started && !exec_->result) gone_(caller_);
      exec_->open = false;
    }
    void pause() override { exec_->paused = true; }
    void resume() override {
      exec_->paused = false;
      wake_();
    }
    void write(std::string bytes) override {
      if (exec_->input_ends) return;
      exec_->input.push_back(std::move(bytes));
      wake_();
    }
    void end_input() override {
      exec_->input_ends = true;
      wake_();
    }
    void resize(int columns, int rows) override {
      exec_->columns = columns;
      exec_->rows = rows;
      size_();
    }

   private:
    Impl* impl_;
    std::shared_ptr<Exec> exec_;
    std::uint64_t caller_;
    std::function<void()> wake_;
    std::function<void()> size_ = impl_->alive.guard([impl = impl_, exec = exec_] {
      if (!exec->started || exec->result) return;
      impl->size_exec(exec);
      impl->wake_exec(exec);
    });
    std::function<void(std::uint64_t)> gone_ = impl_->alive.guard([impl = impl_, exec = exec_](std::uint64_t caller) {
      if (caller != impl->caller) return;
      impl->execs[exec->history].given_up = true;
      impl->execs[exec->history].running = false;
    });
  };
  ++impl_->calls;
  auto exec = std::make_shared<Exec>();
  exec->events = std::move(events);
  exec->columns = options.columns;
  exec->rows = options.rows;
  auto* impl = impl_.get();
  impl->later(impl->latency(), [impl, id, options = std::move(options), weak = std::weak_ptr(exec)] {
    const auto opened = weak.lock();
    if (!opened || !opened->open) return;
    if (!impl->up) return impl->finish_exec(opened, fail(unreachable("connection refused")));
    impl->start_exec(opened, id, options);
  });
  return std::make_unique<Process>(impl, std::move(exec));
}

void FakeEngine::end_exec(std::string exec, Done<void> done) {
  impl_->call<void>(std::move(done), [=, this](auto answer) {
    for (std::size_t i = 0; i < impl_->execs.size(); ++i) {
      auto& run = impl_->execs[i];
      if (std::to_string(i) == exec && run.running) run.running = !(run.given_up = true);
    }
    answer({});
  });
}

void FakeEngine::forget_callers() { ++impl_->caller; }

std::unique_ptr<Subscription> FakeEngine::events(Labels having, std::function<void(const ContainerEvent&)> event,
                                                 Done<void> end) {
  ++impl_->calls;
  auto stream = std::make_shared<Impl::EventStream>();
  stream->having = std::move(having);
  stream->event = std::move(event);
  stream->end = std::move(end);
  impl_->event_streams.push_back(stream);
  if (!impl_->up)
    impl_->later(Duration{0}, [weak = std::weak_ptr(stream)] {
      if (const auto ended = weak.lock(); ended && ended->open) {
        ended->open = false;
        auto call_back = ended->end;
        call_back(fail(unreachable("connection refused")));
      }
    });
  return std::make_unique<FakeSubscription>([stream] { stream->open = false; }, [](bool) {});
}

}  // namespace gyre::engine
