#include "cli/wait.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cli/views.hpp"
#include "http/client.hpp"

namespace gyre::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A thread that listens to the events of one pod, reconnects for ever, and wakes whoever waits.
class News {
 public:
  News(Api& api, std::string pod)
      : thread_([this, &api, pod = std::move(pod)](std::stop_token stop) { listen(api, pod, stop); }) {}

  // True when something came, false after `most` or an interruption.
  bool wait(Duration most, std::stop_token interruption) {
    std::unique_lock lock(mutex_);
    const bool woken = changed_.wait_for(lock, interruption, most, [this] { return fresh_; });
    fresh_ = false;
    return woken;
  }

 private:
  void listen(Api& api, const std::string& pod, std::stop_token stop) {
    Call call;
    call.target = "/v1/events?pod=" + http::url_encode(pod);
    while (!stop.stop_requested()) {
      const Api::Chunk chunk = [&](std::string_view bytes) {
        if (bytes.find("data:") != std::string_view::npos) wake();  // a comment only says that the line is alive
        return !stop.stop_requested();
      };
      const auto ended = api.stream(call, chunk, stop);
      std::unique_lock lock(mutex_);
      const Duration pause = ended ? Duration(200) : Duration(1'000);
      changed_.wait_for(lock, stop, pause, [] { return false; });
    }
  }
  void wake() {
    {
      std::lock_guard lock(mutex_);
      fresh_ = true;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool fresh_ = false;
  std::jthread thread_;  // last: stopped and joined before the rest goes
};

bool reached(Goal goal, std::string_view status) {
  switch (goal) {
    case Goal::running:
      return status == "running";
    case Goal::stopped:
      return status == "stopped";
    case Goal::gone:
      return status == "deleted";
  }
  return false;
}

// States from which the goal is not reached any more without another order.
bool hopeless(Goal goal, std::string_view status) {
  const bool dying = status == "deleting" || status == "deleted";
  switch (goal) {
    case Goal::running:
      return status == "failed" || status == "stopped" || dying;
    case Goal::stopped:
      return status == "failed" || dying;
    case Goal::gone:
      return false;
  }
  return false;
}

Failure failed(const boost::json::value& pod, Language language) {
  return failed_because(part_of(pod, "reason"),
                        say(Word::pod_is, language,
                            {{"name", text_of(pod, "name")},
                             {"id", text_of(pod, "id")},
                             {"status", say_named("status_", text_of(pod, "status"), language)}}));
}

}  // namespace

Failure interruption(Language language, const std::string& url) {
  return Failure::from(Error{Reason::request_cancelled, {{"server", url}}, ""}, language);
}

Failure failed_because(const boost::json::value& reason, std::string detail) {
  Failure out;
  out.exit = exit_failed;
  out.code = text_of(reason, "code");
  out.why = text_of(reason, "text");
  out.fix = text_of(reason, "fix");
  out.detail = std::move(detail);
  return out;
}

bool interrupted_within(std::stop_token stop, Duration most) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  return wake.wait_for(lock, stop, most, [&] { return stop.stop_requested(); });
}

Outcome<std::string> wait_for(Api& api, const Terminal& terminal, const std::string& pod, const WaitOptions& options) {
  const auto language = terminal.language;
  const auto started = Clock::now();
  auto last_answer = started;
  Progress progress(terminal);
  News news(api, pod);
  Call look;
  look.target = "/v1/pods/" + http::url_encode(pod);
  std::string status;
  for (;;) {
    if (options.stop.stop_requested()) return tl::unexpected(interruption(language, api.url()));
    const auto answer = api.call(look);
    Duration next = options.look_again;
    if (!answer && answer.error().exit == exit_not_found && options.goal == Goal::gone) return std::string();
    const bool silent = !answer && (answer.error().exit == exit_unreachable || answer.error().exit == exit_timed_out);
    if (silent && Clock::now() - last_answer < options.patience) {
      progress.show(terminal.word(Word::server_lost), answer.error().detail);
      next = Duration(1'000);
    } else if (!answer) {
      return tl::unexpected(answer.error());
    } else {
      last_answer = Clock::now();
      boost::system::error_code error;
      const auto seen = boost::json::parse(answer->body, error);
      status = text_of(seen, "status");
      const auto stage = stage_of(seen, language);
      progress.show(stage.stage, stage.detail);
      if (reached(options.goal, status)) return answer->body;
      if (hopeless(options.goal, status)) return tl::unexpected(failed(seen, language));
      if (status == "provisioning") next = Duration(1'000);
    }
    if (options.timeout > Duration(0)) {
      const auto left = options.timeout - std::chrono::duration_cast<Duration>(Clock::now() - started);
      if (left <= Duration(0)) {
        Args args{{"timeout", std::to_string(options.timeout.count() / 1000) + " s"}, {"pod", pod}, {"status", status}};
        auto out = Failure::from(Error{Reason::wait_timed_out, std::move(args), ""}, language);
        return tl::unexpected(std::move(out));
      }
      next = std::min(next, left);
    }
    news.wait(next, options.stop);
  }
}

std::stop_token catch_interrupts() {
  static std::stop_source source;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    source.request_stop();
    sigwait(&signals, &signal);
    _exit(exit_interrupted);
  }).detach();
  return source.get_token();
}

}  // namespace gyre::cli
