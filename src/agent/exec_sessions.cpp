#include "agent/exec_sessions.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace gyre::agent {
namespace {
constexpr Duration tick_every{1'000};
constexpr std::size_t remembered_max = 1'000;
constexpr Duration end_again{30'000};    // when the engine could not end a program
constexpr Duration end_checked{15'000};  // after a program was given up: whether it has really ended
}  // namespace

ExecSessions::ExecSessions(Runtime& runtime, engine::Engine& engine, Journal& journal, Find find, Send send)
    : runtime_(runtime),
      engine_(engine),
      journal_(journal),
      find_(std::move(find)),
      send_(std::move(send)),
      timer_(runtime) {
  for (const auto& program : journal_.programs()) {
    // Counted from when it was first found, so that an agent that is killed again and again does not prolong it. The
    // wall clock may have jumped in between: never longer than was meant.
    const auto found_at = program.left_at.value_or(runtime_.now());
    const auto rest = std::clamp(found_at + lives_on - runtime_.now(), Duration{0}, lives_on);
    left_[program.exec] = {program.pod, runtime_.uptime() + rest};
    if (!program.left_at) journal_.save(Journal::Program{program.exec, program.pod, found_at});
  }
  if (!left_.empty()) timer_.repeat(tick_every, [this] { tick(); });
}

ExecSessions::~ExecSessions() = default;

void ExecSessions::open(std::uint64_t channel, const link::ExecRequest& request) {
  const auto found = sessions_.find(request.session);
  if (found != sessions_.end() && found->second.pod == request.pod) {
    auto& session = found->second;
    if (channel < session.last_channel) return;           // late: a newer reader is there, or was
    if (channel == session.channel) return say(session);  // doubled, or our answer was lost
    if (channel == session.last_channel) return;          // late: that reader has gone already
    // A first order that is sent again knows of no output: it begins where the output does.
    const auto from = request.resume ? request.from : session.first;
    if (from < session.first || from > session.end) {
      Args args{{"first", std::to_string(session.first)},
                {"last", std::to_string(session.end)},
                {"from", std::to_string(from)}};
      return refuse(channel, Reason::exec_offset_wrong, std::move(args));
    }
    return attach(session, channel, from);
  }
  if (request.resume || found != sessions_.end() || ended_.contains(request.session))
    return refuse(channel, Reason::exec_session_gone);
  const auto place = find_(request);
  if (!place.pod_known) return refuse(channel, Reason::pod_not_found, {{"pod", request.pod.str()}});
  if (!place.container_known || place.container_id.empty() || request.command.empty())
    return refuse(channel, Reason::container_not_running, {{"container", request.container}});
  if (!make_room()) return refuse(channel, Reason::too_many_exec_sessions, {{"limit", std::to_string(sessions_max)}});
  auto& session = sessions_[request.session];
  session.pod = request.pod;
  session.moved_at = runtime_.uptime();
  attach(session, channel, 0);
  start(request.session, request, place.container_id);
  if (!timer_.waiting()) timer_.repeat(tick_every, [this] { tick(); });
}

void ExecSessions::start(const std::string& id, const link::ExecRequest& request, const std::string& container) {
  engine::ExecOptions options;
  options.command = request.command;
  options.tty = request.tty;
  options.columns = request.columns;
  options.rows = request.rows;
  engine::ExecEvents events;
  auto here = alive_.guard([this, id](const std::string& exec, bool* may_start) { *may_start = on_made(id, exec); });
  events.made = [here](const std::string& exec) mutable {
    bool may_start = false;
    here(exec, &may_start);
    return may_start;
  };
  events.chunk =
      alive_.guard([this, id](engine::Output output, std::string_view bytes) { on_chunk(id, output, bytes); });
  events.taken = alive_.guard([this, id](std::size_t bytes) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    found->second.taken += bytes;
    say(found->second);
  });
  events.end = alive_.guard([this, id](const Result<int>& result) { on_end(id, result); });
  sessions_.at(id).process = engine_.exec(container, std::move(options), std::move(events));
}

// Known to the journal before it runs: nothing that we start stays unknown to the next agent.
bool ExecSessions::on_made(const std::string& id, const std::string& exec) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return false;
  auto& session = found->second;
  try {
    journal_.save(Journal::Program{exec, session.pod, std::nullopt});
  } catch (const db::DbError& problem) {
    log::error("a program cannot be journaled and is not started", {{"problem", problem.what()}});
    if (session.channel != 0) refuse(session.channel, Reason::agent_journal_unwritable, {{"detail", problem.what()}});
    remove(found);
    return false;
  }
  session.exec = exec;
  return true;
}

void ExecSessions::attach(Session& session, std::uint64_t channel, std::uint64_t from) {
  if (session.channel != 0) refuse(session.channel, Reason::exec_session_taken);
  session.channel = session.last_channel = channel;
  session.sent = from;
  session.resized = 0;  // its numbers belong to the channel
  forget_output(session, from);
  say(session);
  flush(session);
}

void ExecSessions::detach(Session& session) {
  if (session.channel == 0) return;
  session.channel = 0;
  session.detached_at = runtime_.uptime();
}

void ExecSessions::close(std::uint64_t channel) {
  if (const auto found = of_channel(channel); found != sessions_.end()) detach(found->second);
}

void ExecSessions::end(std::uint64_t channel) {
  if (const auto found = of_channel(channel); found != sessions_.end()) remove(found);
}

void ExecSessions::detach_all() {
  for (auto& [id, session] : sessions_) detach(session);
}

void ExecSessions::input(const link::ExecInput& input) {
  const auto found = of_channel(input.channel);
  if (found == sessions_.end()) return;
  auto& session = found->second;
  const auto end = input.offset + input.bytes.size();
  const bool follows = input.offset <= session.received && end >= session.received;  // else doubled, or with a hole
  if (follows && !session.input_ended && session.process) {
    auto fresh = input.bytes.substr(static_cast<std::size_t>(session.received - input.offset));
    const auto under_way = session.received - session.taken;
    if (under_way + fresh.size() <= input_bytes_max) {  // else it comes again
      session.received += fresh.size();
      if (!fresh.empty()) session.process->write(std::move(fresh));
      if (input.end) {
        session.input_ended = true;
        session.process->end_input();
      }
    }
  }
  say(session);
}

void ExecSessions::resize(const link::ExecResize& resize) {
  const auto found = of_channel(resize.channel);
  if (found == sessions_.end()) return;
  auto& session = found->second;
  if (resize.number > session.resized && resize.columns > 0 && resize.rows > 0) {
    session.resized = resize.number;
    if (session.process) session.process->resize(resize.columns, resize.rows);
  }
  say(session);
}

void ExecSessions::seen(const link::ExecSeen& seen) {
  const auto found = of_channel(seen.channel);
  if (found == sessions_.end()) return;
  auto& session = found->second;
  if (seen.offset > session.sent || seen.offset <= session.first) return;
  session.moved_at = runtime_.uptime();
  forget_output(session, seen.offset);
  flush(session);
}

void ExecSessions::forget_output(Session& session, std::uint64_t before) {
  while (session.first < before && !session.kept.empty()) {
    auto& piece = session.kept.front();
    const auto size = std::min<std::uint64_t>(piece.bytes.size(), before - session.first);
    session.first += size;
    if (size == piece.bytes.size())
      session.kept.pop_front();
    else
      piece.bytes.erase(0, static_cast<std::size_t>(size));
  }
  if (session.paused && session.end - session.first < kept_bytes_max / 2) {
    session.paused = false;
    if (session.process) session.process->resume();
  }
}

void ExecSessions::on_chunk(const std::string& id, engine::Output output, std::string_view bytes) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  auto& session = found->second;
  const bool error = output == engine::Output::standard_error;
  if (!session.kept.empty() && session.kept.back().error == error &&
      session.kept.back().bytes.size() + bytes.size() <= data_bytes_max)
    session.kept.back().bytes += bytes;
  else
    session.kept.push_back({error, std::string(bytes)});
  session.end += bytes.size();
  flush(session);
  if (!session.paused && session.end - session.first >= kept_bytes_max) {
    session.paused = true;
    if (session.process) session.process->pause();
  }
}

void ExecSessions::on_end(const std::string& id, const Result<int>& result) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  auto& session = found->second;
  if (result) {
    session.exit_code = *result;
    forget_program(std::exchange(session.exec, {}));
    drop(std::move(session.process));
    return say(session);
  }
  if (session.channel != 0) refuse(session.channel, result.error().reason, result.error().args);
  log::info("a session ended", {{"pod", session.pod.str()}, {"problem", result.error().message()}});
  // A connection that broke says nothing of the program; all else says that it does not run.
  const auto reason = result.error().reason;
  const auto exec = std::exchange(session.exec, {});
  if (reason == Reason::engine_unreachable || reason == Reason::engine_refused)
    leave(exec, session.pod, lives_on);
  else
    forget_program(exec);
  remove(found);
}

// Sends what is kept beyond what was sent. There is never more than the kept bytes under way.
void ExecSessions::flush(Session& session) {
  if (session.channel == 0 || session.sent >= session.end) return;
  if (session.sent == session.first) session.moved_at = runtime_.uptime();  // the first that waits to be seen
  auto at = session.first;
  for (const auto& piece : session.kept) {
    const auto piece_end = at + piece.bytes.size();
    while (session.sent < piece_end) {
      const auto skip = static_cast<std::size_t>(session.sent - at);
      auto bytes = piece.bytes.substr(skip, data_bytes_max);
      const auto size = bytes.size();
      send_(link::ExecOutput{session.channel, session.sent, piece.error, std::move(bytes)});
      session.sent += size;
    }
    at = piece_end;
  }
}

void ExecSessions::say(Session& session) {
  session.spoke_at = runtime_.uptime();
  if (session.channel == 0) return;
  link::ExecState state;
  state.channel = session.channel;
  state.input = session.taken;
  state.input_ended = session.input_ended && session.taken == session.received;
  state.resized = session.resized;
  state.exit_code = session.exit_code;
  state.output_end = session.end;
  send_(std::move(state));
}

void ExecSessions::refuse(std::uint64_t channel, Reason reason, Args args) {
  send_(link::ChannelClose{channel, reason, std::move(args)});
}

ExecSessions::Sessions::iterator ExecSessions::of_channel(std::uint64_t channel) {
  return std::find_if(sessions_.begin(), sessions_.end(),
                      [&](const auto& one) { return channel != 0 && one.second.channel == channel; });
}

// Later, not now: this may be one of its own callbacks.
void ExecSessions::drop(std::unique_ptr<engine::ExecProcess> process) {
  if (!process) return;
  runtime_.post([dropped = std::shared_ptr<engine::ExecProcess>(std::move(process))]() mutable { dropped.reset(); });
}

void ExecSessions::remove(Sessions::iterator session) {
  if (ended_.size() >= remembered_max) {
    const auto oldest = std::min_element(ended_.begin(), ended_.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
    ended_.erase(oldest);
  }
  ended_[session->first] = runtime_.uptime() + remembered;
  leave(session->second.exec, session->second.pod, end_checked);
  drop(std::move(session->second.process));
  sessions_.erase(session);
}

void ExecSessions::leave(const std::string& exec, const PodId& pod, Duration for_so_long) {
  if (exec.empty()) return;
  left_[exec] = {pod, runtime_.uptime() + for_so_long};
  try {
    journal_.save(Journal::Program{exec, pod, runtime_.now() + for_so_long - lives_on});
  } catch (const db::DbError& problem) {  // it is in the journal already, with more time
    log::error("the journal cannot be written", {{"problem", problem.what()}});
  }
}

void ExecSessions::forget_program(const std::string& exec) {
  if (exec.empty()) return;
  left_.erase(exec);
  try {
    journal_.forget_program(exec);
  } catch (const db::DbError& problem) {  // the next agent asks the engine, which knows that it has ended
    log::error("the journal cannot be written", {{"problem", problem.what()}});
  }
}

void ExecSessions::end_left() {
  for (auto& [exec, left] : left_) {
    if (left.ending || runtime_.uptime() < left.due) continue;
    left.ending = true;
    engine_.end_exec(exec, alive_.guard([this, exec = exec](Result<void> ended) {
      if (ended) return forget_program(exec);
      log::warn("a program in a container could not be ended", {{"problem", ended.error().message()}});
      const auto found = left_.find(exec);
      if (found == left_.end()) return;
      found->second.due = runtime_.uptime() + end_again;
      found->second.ending = false;
    }));
  }
}

// When all places are taken, a session that has ended and that nobody reads gives way.
bool ExecSessions::make_room() {
  if (left_.size() >= left_programs_max) return false;
  if (sessions_.size() < sessions_max) return true;
  const auto spare = std::find_if(sessions_.begin(), sessions_.end(),
                                  [](const auto& one) { return one.second.exit_code && one.second.channel == 0; });
  if (spare == sessions_.end()) return false;
  remove(spare);
  return true;
}

void ExecSessions::tick() {
  const auto now = runtime_.uptime();
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    const auto current = it++;
    auto& session = current->second;
    if (session.channel == 0) {
      if (now - session.detached_at < lives_on) continue;
      log::info("a session was left alone and is given up", {{"pod", session.pod.str()}});
      remove(current);
      continue;
    }
    if (session.sent > session.first && now - session.moved_at >= say_again) {
      // Nobody says that it arrived: from the first byte that is not seen.
      session.sent = session.first;
      flush(session);
      session.moved_at = now;
    }
    if (now - session.spoke_at >= (session.exit_code ? say_again : say_alive)) say(session);
  }
  end_left();
  std::erase_if(ended_, [&](const auto& one) { return one.second <= now; });
  if (sessions_.empty() && ended_.empty() && left_.empty()) timer_.stop();
}

}  // namespace gyre::agent
