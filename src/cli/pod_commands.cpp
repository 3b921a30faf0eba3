#include <boost/json.hpp>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/money.hpp"
#include "cli/ask.hpp"
#include "cli/bodies.hpp"
#include "cli/commands.hpp"
#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {

namespace json = boost::json;

namespace {

std::string pod_target(const std::string& pod, std::string_view rest = "") {
  return "/v1/pods/" + http::url_encode(pod) + std::string(rest);
}

Outcome<json::value> get(Commands& c, const std::string& target) { return ask(c, "GET", target); }

// "{name} ({id}): running" for people, the pod itself for programs.
void tell(const Commands& c, const json::value& pod) {
  Args args{{"name", printable(text_of(pod, "name"))},
            {"id", text_of(pod, "id")},
            {"status", say_named("status_", text_of(pod, "status"), c.terminal.language)}};
  tell(c.terminal, c.now(), pod_kind(), pod, c.terminal.word(Word::verb_done, args));
}

// Waits when asked to, and tells how it ended. `pod` is what the server answered to the order.
int wait_and_tell(Commands& c, const json::value& pod, Goal goal, const WaitFlags& wait) {
  if (!wait.wait) {
    tell(c, pod);
    return exit_ok;
  }
  const auto id = text_of(pod, "id");
  WaitOptions options;
  options.goal = goal;
  options.timeout = wait.timeout;
  options.stop = c.stop;
  const auto end = wait_for(c.api, c.terminal, id, options);
  if (!end && end.error().exit == exit_interrupted) {
    c.terminal.line(c.terminal.word(Word::detached));
    c.terminal.line(c.terminal.word(Word::follow_hint, {{"id", id}}));
    return exit_interrupted;
  }
  if (!end) return c.terminal.report(end.error());
  boost::system::error_code ignored;
  const auto last = json::parse(*end, ignored);
  if (goal != Goal::gone) tell(c, last);
  return exit_ok;
}

}  // namespace

Outcome<json::value> find_pod(Commands& c, const std::string& pod) {
  auto by_id = get(c, pod_target(pod));
  if (by_id || by_id.error().exit != exit_not_found) return by_id;
  const auto by_name = get(c, "/v1/pods?name=" + http::url_encode(pod));
  if (!by_name || !by_name->is_array() || by_name->get_array().empty()) return by_id;
  const auto& found = by_name->get_array();
  // Asked for again by its id: only then does the answer say what a waiting pod waits for.
  if (found.size() == 1) return get(c, pod_target(text_of(found.front(), "id")));
  std::string ids;
  for (const auto& one : found) ids += (ids.empty() ? "" : ", ") + text_of(one, "id");
  Args args{{"count", std::to_string(found.size())}, {"name", pod}, {"ids", ids}};
  return tl::unexpected(Failure::from(Error{Reason::name_not_unique, std::move(args), ""}, c.terminal.language));
}

Result<std::vector<std::string>> read_env_file(const std::string& file) {
  std::ifstream in(file);
  if (!in) return wrong("--env-file", file + ": " + std::strerror(errno));
  std::vector<std::string> out;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    const auto start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line[start] == '#') continue;
    line.erase(0, start);
    if (line.starts_with('='))
      return wrong("--env-file", file + ":" + std::to_string(number) + " has no name before =");
    out.push_back(line);
  }
  return out;
}

Result<json::object> create_body(const PodCreateFlags& flags, const std::map<std::string, std::string>& environment) {
  auto body = TRY(body_of_file(flags.file));
  for (const auto& [value, field] : {std::pair{&flags.image, "imageName"},
                                     {&flags.template_id, "templateId"},
                                     {&flags.network_volume, "networkVolumeId"},
                                     {&flags.registry_auth, "containerRegistryAuthId"},
                                     {&flags.stop_after, "stopAfter"},
                                     {&flags.terminate_after, "terminateAfter"}})
    if (!value->empty()) body[field] = *value;
  if (!body.contains("imageName") && !body.contains("templateId")) return wrong("IMAGE", "name the image to run");
  if (!flags.name.empty()) body["name"] = flags.name;
  if (flags.cpu && (!flags.gpu_types.empty() || flags.gpus))
    return wrong("--cpu", "a CPU pod has no --gpus and no --gpu-type");
  if (flags.cpu) body["computeType"] = "CPU";
  if (flags.cpu && (flags.spot || !flags.bid.empty()))
    return wrong("--cpu", "only a pod with GPUs can be a --spot pod");
  if (flags.spot || !flags.bid.empty()) body["interruptible"] = true;
  if (!flags.bid.empty()) body["bidPerGpu"] = TRY(dollars("--bid", flags.bid)).as_double();
  if (!flags.gpu_types.empty()) body["gpuTypeIds"] = texts(flags.gpu_types);
  if (flags.gpus) body["gpuCount"] = *flags.gpus;
  if (flags.vcpus) body["vcpuCount"] = *flags.vcpus;

  auto env = TRY(variables(part_of(body, "env"), flags.env_file, flags.env, environment));
  if (!env.empty()) body["env"] = std::move(env);

  if (!flags.ports.empty()) body["ports"] = texts(flags.ports);
  if (!flags.entrypoint.empty()) body["dockerEntrypoint"] = texts(flags.entrypoint);
  if (!flags.command.empty()) body["dockerStartCmd"] = texts(flags.command);
  if (flags.disk_gb) body["containerDiskInGb"] = *flags.disk_gb;
  if (flags.volume_gb) body["volumeInGb"] = *flags.volume_gb;
  if (flags.shm_gb) body["shmSizeInGb"] = *flags.shm_gb;
  if (!flags.mount.empty()) body["volumeMountPath"] = flags.mount;
  if (!flags.restart.empty()) body["restartPolicy"] = flags.restart;
  if (!flags.min_cuda.empty()) body["minCudaVersion"] = flags.min_cuda;
  return body;
}

Result<json::object> update_body(const PodUpdateFlags& flags, const json::value& pod,
                                 const std::map<std::string, std::string>& environment) {
  auto body = TRY(body_of_file(flags.file));
  if (!flags.name.empty()) body["name"] = flags.name;
  if (!flags.image.empty()) body["imageName"] = flags.image;
  if (!flags.env.empty() || !flags.env_file.empty()) {
    const auto& before = body.contains("env") ? body["env"] : part_of(pod, "env");
    body["env"] = TRY(variables(before, flags.env_file, flags.env, environment));
  }
  if (!flags.ports.empty()) body["ports"] = texts(flags.ports);
  if (!flags.entrypoint.empty()) body["dockerEntrypoint"] = texts(flags.entrypoint);
  if (!flags.command.empty()) body["dockerStartCmd"] = texts(flags.command);
  if (flags.disk_gb) body["containerDiskInGb"] = *flags.disk_gb;
  if (flags.volume_gb) body["volumeInGb"] = *flags.volume_gb;
  if (!flags.mount.empty()) body["volumeMountPath"] = flags.mount;
  if (!flags.restart.empty()) body["restartPolicy"] = flags.restart;
  if (flags.locked) body["locked"] = *flags.locked;
  if (body.empty()) return wrong("pod update", "say what to change, as --image or --env");
  return body;
}

int pod_update(Commands& c, const std::string& pod, const PodUpdateFlags& flags, const WaitFlags& wait) {
  const auto found = find_pod(c, pod);
  if (!found) return c.terminal.report(found.error());
  const auto body = update_body(flags, *found, c.environment);
  if (!body) return c.terminal.report(Failure::from(body.error(), c.terminal.language));
  const auto after = ask(c, "PATCH", pod_target(text_of(*found, "id")), json::serialize(*body));
  if (!after) return c.terminal.report(after.error());
  // A pod that is stopped has changed already, and is not on its way to anything.
  const auto goal = text_of(*after, "desiredStatus") == "EXITED" ? Goal::stopped : Goal::running;
  return wait_and_tell(c, *after, goal, wait);
}

int pod_create(Commands& c, const PodCreateFlags& flags, const WaitFlags& wait) {
  const auto body = create_body(flags, c.environment);
  if (!body) return c.terminal.report(Failure::from(body.error(), c.terminal.language));
  Call call;
  call.method = "POST";
  call.target = flags.dry_run ? "/v1/pods?dryRun=true" : "/v1/pods";
  call.body = json::serialize(*body);
  if (!flags.dry_run) call.idempotency_key = c.new_key();
  const auto answer = c.api.call(call);
  if (!answer) return c.terminal.report(answer.error());
  const auto made = parsed(*answer, c);
  if (!made) return c.terminal.report(made.error());
  if (flags.dry_run) {
    if (c.terminal.for_people())
      c.terminal.print(dry_run_page(*made, c.terminal));
    else
      tell(c.terminal, made->as_object(), "", "hostId");
    return exit_ok;
  }
  if (c.terminal.for_people()) {
    Args args{{"name", printable(text_of(*made, "name"))}, {"id", text_of(*made, "id")}};
    c.terminal.line(c.terminal.word(Word::created, args));
  }
  if (!wait.wait && c.terminal.for_people()) {
    c.terminal.print(text_of(*made, "id") + "\n");
    c.terminal.line(c.terminal.word(Word::follow_hint, {{"id", text_of(*made, "id")}}));
    return exit_ok;
  }
  return wait_and_tell(c, *made, Goal::running, wait);
}

int pod_list(Commands& c, const PodListFlags& flags) {
  std::string query;
  const auto add = [&](const std::string& name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + name + "=" + http::url_encode(value);
  };
  for (const auto& filter : flags.show.filters) {
    const auto equals = filter.find('=');
    if (equals == std::string::npos || equals == 0) {
      const auto bad = wrong("--filter", "expected NAME=VALUE, as status=running");
      return c.terminal.report(Failure::from(bad.value(), c.terminal.language));
    }
    add(filter.substr(0, equals), filter.substr(equals + 1));
  }
  if (!flags.sort.empty()) add("sort", flags.sort);
  if (flags.limit > 0) add("limit", std::to_string(flags.limit));
  std::string cursor = flags.cursor;
  auto pods = ask_all(c, "/v1/pods" + query, cursor, flags.limit > 0);
  if (!pods) return c.terminal.report(pods.error());
  auto show = flags.show;
  show.filters.clear();
  if (flags.only_active) show.filters = {"status!=stopped", "status!=failed"};
  const auto code = show_list(c.terminal, c.now(), pod_kind(), *pods, show);
  if (code == exit_ok && !cursor.empty()) c.terminal.line(c.terminal.word(Word::more_rows, {{"cursor", cursor}}));
  return code;
}

int pod_get(Commands& c, const std::string& pod, const WaitFlags& wait) {
  auto found = find_pod(c, pod);
  if (!found) return c.terminal.report(found.error());
  if (wait.wait) {
    // What it is on its way to: what its owner wants of it.
    const auto desired = text_of(*found, "desiredStatus");
    const auto goal = desired == "EXITED" ? Goal::stopped : desired == "TERMINATED" ? Goal::gone : Goal::running;
    return wait_and_tell(c, *found, goal, wait);
  }
  return show_one(c.terminal, c.now(), pod_kind(), *found);
}

int pod_logs(Commands& c, const std::string& pod, const PodLogFlags& flags) {
  const auto found = find_pod(c, pod);
  if (!found) return c.terminal.report(found.error());
  std::string query;
  const auto add = [&](const std::string& name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + name + "=" + http::url_encode(value);
  };
  if (!flags.container.empty()) add("container", flags.container);
  if (flags.follow) add("follow", "true");
  if (flags.timestamps) add("timestamps", "true");
  if (!flags.stream.empty()) add("stream", flags.stream);
  if (flags.tail) add("tail", std::to_string(*flags.tail));
  if (!flags.since.empty()) add("since", flags.since);
  return print_stream(c, pod_target(text_of(*found, "id"), "/logs" + query));
}

int pod_verb(Commands& c, PodVerb verb, const std::string& pod, const PodStartFlags& start, const WaitFlags& wait) {
  std::string query;
  if (start.gpus) query += "?gpuCount=" + std::to_string(*start.gpus);
  if (!start.bid.empty()) {
    const auto bid = dollars("--bid", start.bid);
    if (!bid) return c.terminal.report(Failure::from(bid.error(), c.terminal.language));
    query += (query.empty() ? "?" : "&") + ("bidPerGpu=" + bid->text());
  }
  const auto found = find_pod(c, pod);
  if (!found) return c.terminal.report(found.error());
  constexpr std::string_view names[] = {"/start", "/stop", "/restart", "/reset"};
  const auto rest = std::string(names[static_cast<std::size_t>(verb)]) + query;
  Call call;
  call.method = "POST";
  call.target = pod_target(text_of(*found, "id"), rest);
  const auto answer = c.api.call(call);
  if (!answer) return c.terminal.report(answer.error());
  const auto after = parsed(*answer, c);
  if (!after) return c.terminal.report(after.error());
  return wait_and_tell(c, *after, verb == PodVerb::stop ? Goal::stopped : Goal::running, wait);
}

int pod_delete(Commands& c, const std::vector<std::string>& pods, bool yes, const WaitFlags& wait) {
  for (const auto& pod : pods) {
    const auto found = find_pod(c, pod);
    if (!found) return c.terminal.report(found.error());
    const auto id = text_of(*found, "id");
    Args args{{"name", printable(text_of(*found, "name"))}, {"id", id}};
    if (const auto ended = ask_first(c, c.terminal.word(Word::confirm_delete, args), yes)) return *ended;
    Call call;
    call.method = "DELETE";
    call.target = pod_target(id);
    const auto answer = c.api.call(call);
    if (!answer) return c.terminal.report(answer.error());
    if (wait.wait) {
      const auto code = wait_and_tell(c, *found, Goal::gone, wait);
      if (code != exit_ok) return code;
    }
    tell(c.terminal, json::object{{"id", id}, {"deleted", true}}, c.terminal.word(Word::deleted, args));
  }
  return exit_ok;
}

}  // namespace gyre::cli
