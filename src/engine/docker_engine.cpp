// One coroutine for each call, on one thread beside the core. What is said and understood is in docker_wire.cpp.
//
// g++ 12 frees some temporaries of coroutines twice: inside an expression with co_await there is no brace-built
// aggregate, no capturing lambda and no `?:` in this file (docs/architecture.md).
#include "engine/docker_engine.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "base/folder_size.hpp"
#include "base/image_reference.hpp"
#include "base/log.hpp"
#include "base/secrets.hpp"
#include "engine/docker_wire.hpp"
#include "engine/leftovers.hpp"
#include "engine/network_guard.hpp"

namespace gyre::engine {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using namespace docker;

using UnixStream = beast::basic_stream<net::local::stream_protocol, net::io_context::executor_type>;
using Waiter = net::steady_timer::rebind_executor<net::io_context::executor_type>::other;
template <class T = void>
using Co = net::awaitable<T, net::io_context::executor_type>;
constexpr net::use_awaitable_t<net::io_context::executor_type> use_co;

constexpr Duration connect_limit = 5s;
constexpr Duration quick_limit = 30s;    // looking things up
constexpr Duration change_limit = 2min;  // creating, starting, removing: an engine under load takes its time
constexpr Duration pull_silence_limit = 10min;
constexpr std::uint64_t body_max = 32 << 20;  // of an answer that is kept whole
constexpr Duration removal_poll = 100ms;
constexpr Duration leftovers_end_limit = 10s;
constexpr Duration missed_end_poll = 20ms;
constexpr Duration missed_end_limit = 5s;
// Engines refuse now and then while something else on the host is coming or going (an interface, a mount, a process);
// what may be asked twice without harm is asked again for so long.
constexpr Duration passing_trouble_limit = 3s;
constexpr std::size_t window = 256 * 1024;  // bytes of one stream on their way to the core
constexpr Duration progress_every = 200ms;
constexpr Duration version_is_known_for = 10min;
constexpr Duration guard_again_after = 1min;
constexpr Duration exec_poll = 50ms;
constexpr Duration exec_end_limit = 5s;  // from the end of the output to the exit code; from SIGHUP to SIGKILL
constexpr int resize_tries = 10;         // a terminal is there a moment after its program

struct Request {
  http::verb method = http::verb::get;
  std::string target;  // without the version
  std::string body;    // JSON
  std::string registry_auth;
  Duration limit = quick_limit;
  bool upgrade = false;  // the connection becomes a stream of bytes both ways
};

struct Reply {
  int status = 0;
  std::string body, api_version, server;
  bool ok() const { return status >= 200 && status < 300; }
};

// One connection to the engine. Trouble with it is thrown as boost::system::system_error.
class Wire {
 public:
  explicit Wire(net::io_context& io) : stream_(io.get_executor()) {}

  Co<> connect(std::string path) {
    stream_.expires_after(connect_limit);
    const net::local::stream_protocol::endpoint endpoint(path);
    co_await stream_.async_connect(endpoint, use_co);
  }

  // Asks and reads the whole answer.
  Co<Reply> exchange(Request request) {
    co_await send(request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(body_max);
    if (request.method == http::verb::head) parser.skip(true);
    co_await http::async_read(stream_, buffer_, parser, use_co);
    auto message = parser.release();
    Reply reply;
    reply.status = static_cast<int>(message.result_int());
    reply.api_version = std::string(message["Api-Version"]);
    reply.server = std::string(message["Server"]);
    reply.body = std::move(message.body());
    co_return reply;
  }

  // Asks and reads the head of the answer; read_some() gives its body.
  Co<int> open(Request request) {
    co_await send(request);
    head_.body_limit(boost::none);
    co_await http::async_read_header(stream_, buffer_, head_, use_co);
    co_return static_cast<int>(head_.get().result_int());
  }

  // The next bytes of the body; none at its proper end. No limit waits for as long as it takes.
  Co<std::string> read_some(std::optional<Duration> limit) {
    std::string out(32 * 1024, '\0');
    while (!head_.is_done()) {
      head_.get().body().data = out.data();
      head_.get().body().size = out.size();
      if (limit)
        stream_.expires_after(*limit);
      else
        stream_.expires_never();
      beast::error_code problem;
      auto token = net::redirect_error(use_co, problem);
      co_await http::async_read_some(stream_, buffer_, head_, token);
      if (problem && problem != http::error::need_buffer) throw boost::system::system_error(problem);
      const auto read = out.size() - head_.get().body().size;
      if (read == 0) continue;
      out.resize(read);
      co_return out;
    }
    out.clear();
    co_return out;
  }

  Co<std::string> read_rest() {
    std::string out;
    for (;;) {
      const auto part = co_await read_some(quick_limit);
      if (part.empty() || out.size() > body_max) break;
      out += part;
    }
    co_return out;
  }

  // ---- after an answer of 101: bytes as they are ----

  // The next bytes; none when the other side has ended, or the connection has.
  Co<std::string> read_raw() {
    std::string out;
    if (buffer_.size() > 0) {
      const auto held = buffer_.data();
      out.assign(static_cast<const char*>(held.data()), held.size());
      buffer_.consume(held.size());
      co_return out;
    }
    out.resize(32 * 1024);
    stream_.expires_never();
    beast::error_code problem;
    auto token = net::redirect_error(use_co, problem);
    const auto buffer = net::buffer(out);
    const auto read = co_await stream_.async_read_some(buffer, token);
    out.resize(problem ? 0 : read);
    co_return out;
  }
  Co<bool> write_raw(std::string bytes) {
    beast::error_code problem;
    auto token = net::redirect_error(use_co, problem);
    const auto buffer = net::buffer(bytes);
    co_await net::async_write(stream_, buffer, token);
    co_return !problem;
  }
  void half_close() {
    beast::error_code ignored;
    stream_.socket().shutdown(net::socket_base::shutdown_send, ignored);
  }

  void close() {
    beast::error_code ignored;
    stream_.socket().close(ignored);
  }

 private:
  Co<> send(const Request& request) {
    http::request<http::string_body> message(request.method, request.target, 11);
    message.set(http::field::host, "engine");
    message.set(http::field::user_agent, "gyre/" GYRE_VERSION);
    if (!request.registry_auth.empty()) message.set("X-Registry-Auth", request.registry_auth);
    if (request.upgrade) {
      message.set(http::field::connection, "Upgrade");
      message.set(http::field::upgrade, "tcp");
    }
    if (!request.body.empty()) {
      message.set(http::field::content_type, "application/json");
      message.body() = request.body;
    }
    message.prepare_payload();
    stream_.expires_after(request.limit);
    co_await http::async_write(stream_, message, use_co);
  }

  UnixStream stream_;
  beast::flat_buffer buffer_;
  http::response_parser<http::buffer_body> head_;
};

// What lies between a stream that is read on the engine's thread and its listener on the core: bounded, in order, and
// stopped from either side. `T` is one piece.
template <class T>
class Channel : public std::enable_shared_from_this<Channel<T>> {
 public:
  Channel(Runtime& runtime, net::io_context& io, std::weak_ptr<int> engine, std::function<void(const T&)> hear,
          Done<void> end)
      : runtime_(runtime), io_(io), engine_(std::move(engine)), hear_(std::move(hear)), end_(std::move(end)) {}

  // ---- the engine's thread ----

  void attach(std::shared_ptr<Wire> wire) {
    wire_ = wire;
    if (dropped_) wire->close();
  }
  bool dropped() const { return dropped_; }

  // Waits while too much is on its way.
  Co<> wait_for_room() {
    while (on_the_way_ > window && !dropped_) {
      Waiter room(io_, Waiter::time_point::max());
      room_ = &room;
      boost::system::error_code ignored;
      auto token = net::redirect_error(use_co, ignored);
      co_await room.async_wait(token);
      room_ = nullptr;
    }
  }
  void deliver(T piece, std::size_t size) {
    on_the_way_ += size;
    runtime_.post([self = this->shared_from_this(), piece = std::move(piece), size]() mutable {
      self->held_.emplace_back(std::move(piece), size);
      self->drain();
    });
  }
  void deliver_end(Result<void> result) {
    runtime_.post([self = this->shared_from_this(), result = std::move(result)] {
      self->result_ = result;
      self->drain();
    });
  }

  // ---- the core thread ----

  void pause() { paused_ = true; }
  void resume() {
    paused_ = false;
    runtime_.post([self = this->shared_from_this()] { self->drain(); });
  }
  void drop() {
    open_ = false;
    // Later, as it may be one of these that drops us; and here, as what they hold must not be let go on another thread.
    runtime_.post([self = this->shared_from_this()] {
      self->hear_ = nullptr;
      self->end_ = nullptr;
    });
    if (engine_.expired()) return;  // its thread has ended
    net::post(io_, [self = this->shared_from_this()] {
      self->dropped_ = true;
      if (self->room_) self->room_->cancel();
      if (const auto wire = self->wire_.lock()) wire->close();
    });
  }

 private:
  void drain() {
    if (engine_.expired()) return;
    std::size_t heard = 0;
    while (open_ && !paused_ && !held_.empty()) {
      const auto [piece, size] = std::move(held_.front());
      held_.pop_front();
      heard += size;
      hear_(piece);  // may pause or drop us
    }
    if (!open_) return;
    if (heard > 0)
      net::post(io_, [self = this->shared_from_this(), heard] {
        self->on_the_way_ -= heard;
        if (self->room_ && self->on_the_way_ <= window) self->room_->cancel();
      });
    if (held_.empty() && !paused_ && result_) {
      open_ = false;
      const auto end = std::move(end_);
      if (end) end(*result_);
    }
  }

  Runtime& runtime_;
  net::io_context& io_;
  // the engine's thread
  Waiter* room_ = nullptr;  // while it waits for some
  std::weak_ptr<Wire> wire_;
  std::size_t on_the_way_ = 0;
  bool dropped_ = false;
  // the core thread
  std::weak_ptr<int> engine_;
  std::function<void(const T&)> hear_;
  Done<void> end_;
  bool open_ = true, paused_ = false;
  std::deque<std::pair<T, std::size_t>> held_;
  std::optional<Result<void>> result_;
};

template <class T>
class ChannelSubscription final : public Subscription {
 public:
  explicit ChannelSubscription(std::shared_ptr<Channel<T>> channel) : channel_(std::move(channel)) {}
  ~ChannelSubscription() override { channel_->drop(); }
  void pause() override { channel_->pause(); }
  void resume() override { channel_->resume(); }

 private:
  std::shared_ptr<Channel<T>> channel_;
};

struct LogPiece {
  Output output = Output::standard_output;
  std::string bytes;
};

struct ExecPiece {
  Output output = Output::standard_output;
  std::string bytes;
  std::size_t taken = 0;  // of the input
  std::string made;       // its name, before it starts
};

// What the core wants of a program, on the engine's thread.
struct ExecWishes {
  std::deque<std::string> input;
  bool input_ends = false, over = false;
  bool may_start = false;
  int columns = 0, rows = 0;
  std::string id;          // once it runs
  Waiter* wake = nullptr;  // of who waits for the core: first to be allowed to start, then for something to write
  int exit_code = 0;       // the core reads it after the end

  void stir() {
    if (wake) wake->cancel();
  }
};

// One process of one container and no other: its pid is looked up and used through a descriptor, so that a number that
// was given out again hits nobody. False when it is gone, or not in the container as far as this machine can see.
bool signal_exec(std::int64_t pid, std::int64_t of_container, int signal) {
  if (pid <= 1 || of_container <= 1) return false;
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (descriptor < 0) return false;
  const auto mounts_of = [](const std::string& process) {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/" + process + "/ns/mnt", ignored).string();
  };
  const auto its = mounts_of(std::to_string(pid));
  const bool is_it = !its.empty() && its == mounts_of(std::to_string(of_container)) && its != mounts_of("self");
  const bool sent = is_it && ::syscall(SYS_pidfd_send_signal, descriptor, signal, nullptr, 0) == 0;
  ::close(descriptor);
  return sent;
}

std::string mounts() {
  std::ifstream file("/proc/self/mounts");
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether something on this host could listen there now.
bool port_is_free(const PortBinding& port) {
  boost::system::error_code problem;
  const auto address = net::ip::make_address(port.host_address.empty() ? "0.0.0.0" : port.host_address, problem);
  if (problem) return true;  // the engine will say what is wrong with it
  net::io_context unused;
  const auto number = static_cast<net::ip::port_type>(port.host_port);
  if (port.udp) {
    net::ip::udp::socket socket(unused, address.is_v6() ? net::ip::udp::v6() : net::ip::udp::v4());
    socket.bind({address, number}, problem);
  } else {
    net::ip::tcp::acceptor socket(unused, address.is_v6() ? net::ip::tcp::v6() : net::ip::tcp::v4());
    socket.set_option(net::ip::tcp::acceptor::reuse_address(true));  // connections that have ended do not count
    socket.bind({address, number}, problem);
  }
  return problem != boost::system::errc::address_in_use;
}

// Thrown inside a call, and its answer: what the engine is makes any call pointless.
struct Refused : std::exception {
  explicit Refused(Error why) : error(std::move(why)) {}
  Error error;
};

class DockerEngine final : public Engine {
 public:
  DockerEngine(Runtime& runtime, std::string socket_path, DockerOptions options)
      : runtime_(runtime),
        socket_path_(std::move(socket_path)),
        options_(std::move(options)),
        thread_([this] { io_.run(); }) {}

  ~DockerEngine() override {
    io_.stop();
    thread_.join();
  }

  void info(Done<EngineInfo> done) override { run(ask_info(), std::move(done)); }

  void pull(std::string reference, std::optional<RegistryLogin> login,
            std::function<void(const PullProgress&)> progress, Done<Image> done) override {
    // Who pulls with another login shares no download: the registry decides for each login.
    std::string key = reference;
    if (login) key += "\n" + login->username + "\n" + sha256_hex(login->password);
    auto& pull = pulls_[key];
    const bool first = !pull;
    if (first) pull = std::make_shared<Pull>();
    pull->listeners.emplace_back(std::move(progress), std::move(done));
    if (!first) return;
    auto tell = alive_.guard([pull](const PullProgress& news) {
      for (const auto& [hear, ignored] : pull->listeners)
        if (hear) hear(news);
    });
    auto end = [this, key](Result<Image> result) {
      // Taken out, so that what the listeners hold is never let go on the engine's thread.
      const auto listeners = std::move(pulls_.at(key)->listeners);
      pulls_.erase(key);
      for (const auto& [ignored, tell_done] : listeners) tell_done(result);
    };
    run(do_pull(std::move(reference), std::move(login), std::move(tell)), Done<Image>(std::move(end)));
  }

  void image(std::string reference, Done<std::optional<Image>> done) override {
    run(find_image(std::move(reference)), std::move(done));
  }
  void create_network(std::string name, Labels labels, Done<void> done) override {
    auto call = [this, name, labels = std::move(labels)](Done<void> ended) {
      run(make_network(name, labels), std::move(ended));
    };
    in_turn(name, std::move(call), std::move(done));
  }
  void remove_network(std::string name, Done<void> done) override {
    auto call = [this, name](Done<void> ended) { run(drop_network(name), std::move(ended)); };
    in_turn(name, std::move(call), std::move(done));
  }
  void create_volume(std::string name, Labels labels, Done<void> done) override {
    run(make_volume(std::move(name), std::move(labels)), std::move(done));
  }
  void remove_volume(std::string name, Done<void> done) override { run(drop_volume(std::move(name)), std::move(done)); }
  void create(ContainerSpec spec, Done<std::string> done) override { run(do_create(std::move(spec)), std::move(done)); }
  void start(std::string id, Done<void> done) override { run(do_start(std::move(id)), std::move(done)); }
  void stop(std::string id, Duration grace, Done<void> done) override {
    run(do_stop(std::move(id), grace), std::move(done));
  }
  void remove(std::string id, Done<void> done) override { run(do_remove(std::move(id)), std::move(done)); }
  void list(Labels having, Done<std::vector<Container>> done) override {
    run(do_list(std::move(having)), std::move(done));
  }
  void disk_used(std::string id, Done<std::int64_t> done) override {
    run(do_disk_used(std::move(id)), std::move(done));
  }
  void volume_used(std::string name, Done<std::int64_t> done) override {
    // The engine only says where the files are; counting them is slow and has no place on its thread.
    auto found = [this, done = std::move(done)](const Result<std::string>& folder) mutable {
      if (!folder) return done(fail(folder.error()));
      auto bytes = std::make_shared<Result<std::int64_t>>(0);
      auto deliver = alive_.guard([bytes, done = std::move(done)] { done(*bytes); });
      const auto count = [bytes, path = *folder] {
        const auto counted = bytes_under(path);
        *bytes = counted ? Result<std::int64_t>(*counted) : fail(Reason::engine_refused, {{"detail", counted.error()}});
      };
      runtime_.work(count, std::move(deliver));
    };
    run(folder_of_volume(std::move(name)), Done<std::string>(std::move(found)));
  }
  void stats(std::string id, Done<std::optional<ContainerStats>> done) override {
    run(do_stats(std::move(id)), std::move(done));
  }

  std::unique_ptr<Subscription> logs(std::string id, LogOptions options,
                                     std::function<void(Output, std::string_view)> chunk, Done<void> end) override {
    auto hear = [chunk = std::move(chunk)](const LogPiece& piece) { chunk(piece.output, piece.bytes); };
    auto channel = std::make_shared<Channel<LogPiece>>(runtime_, io_, here_, std::move(hear), std::move(end));
    return subscribe(channel, read_logs(channel, std::move(id), options));
  }

  std::unique_ptr<Subscription> events(Labels having, std::function<void(const ContainerEvent&)> event,
                                       Done<void> end) override {
    auto channel = std::make_shared<Channel<ContainerEvent>>(runtime_, io_, here_, std::move(event), std::move(end));
    return subscribe(channel, read_events(channel, std::move(having)));
  }

  std::unique_ptr<ExecProcess> exec(std::string id, ExecOptions options, ExecEvents events) override {
    auto wishes = std::make_shared<ExecWishes>();
    wishes->columns = options.columns;
    wishes->rows = options.rows;
    wishes->may_start = !events.made;
    auto hear = [this, wishes, made = std::move(events.made), chunk = std::move(events.chunk),
                 taken = std::move(events.taken)](const ExecPiece& piece) {
      if (!piece.made.empty()) {
        const bool may_start = made(piece.made);
        net::post(io_, [wishes, may_start] {
          (may_start ? wishes->may_start : wishes->over) = true;
          wishes->stir();
        });
      } else if (piece.taken > 0)
        taken(piece.taken);
      else
        chunk(piece.output, piece.bytes);
    };
    auto end = [wishes, end = std::move(events.end)](Result<void> result) {
      if (result)
        end(wishes->exit_code);
      else
        end(fail(result.error()));
    };
    auto channel =
        std::make_shared<Channel<ExecPiece>>(runtime_, io_, here_, std::move(hear), Done<void>(std::move(end)));
    net::co_spawn(io_, guarded<void>(run_exec(channel, wishes, std::move(id), std::move(options))),
                  [channel](std::exception_ptr, Result<void> result) { channel->deliver_end(std::move(result)); });
    return std::make_unique<RunningExec>(*this, std::move(channel), std::move(wishes));
  }

  void end_exec(std::string exec, Done<void> done) override { run<void>(give_up(std::move(exec)), std::move(done)); }

 private:
  class RunningExec final : public ExecProcess {
   public:
    RunningExec(DockerEngine& engine, std::shared_ptr<Channel<ExecPiece>> channel, std::shared_ptr<ExecWishes> wishes)
        : engine_(engine), here_(engine.here_), channel_(std::move(channel)), wishes_(std::move(wishes)) {}
    ~RunningExec() override {
      channel_->drop();
      to_engine([](ExecWishes& wishes) {
        wishes.over = true;
        wishes.stir();
      });
    }
    void pause() override { channel_->pause(); }
    void resume() override { channel_->resume(); }
    void write(std::string bytes) override {
      to_engine([bytes = std::move(bytes)](ExecWishes& wishes) mutable {
        wishes.input.push_back(std::move(bytes));
        wishes.stir();
      });
    }
    void end_input() override {
      to_engine([](ExecWishes& wishes) {
        wishes.input_ends = true;
        wishes.stir();
      });
    }
    void resize(int columns, int rows) override {
      to_engine([engine = &engine_, wishes = wishes_, columns, rows](ExecWishes& now) {
        now.columns = columns;
        now.rows = rows;
        if (!now.id.empty())
          net::co_spawn(engine->io_, engine->guarded<void>(engine->do_resize(wishes)), net::detached);
      });
    }

   private:
    template <class F>
    void to_engine(F wish) {
      if (here_.expired()) return;
      net::post(engine_.io_, [wishes = wishes_, wish = std::move(wish)]() mutable { wish(*wishes); });
    }
    DockerEngine& engine_;
    std::weak_ptr<int> here_;
    std::shared_ptr<Channel<ExecPiece>> channel_;
    std::shared_ptr<ExecWishes> wishes_;
  };

  struct Pull {
    std::vector<std::pair<std::function<void(const PullProgress&)>, Done<Image>>> listeners;
  };

  // Docker makes two networks of one name when it is asked twice at once, and then starts nothing on either: what
  // concerns one network goes one after the other. Core thread.
  void in_turn(const std::string& network, std::function<void(Done<void>)> call, Done<void> done) {
    auto begin = [this, network, call = std::move(call), done = std::move(done)] {
      call([this, network, done](Result<void> result) {
        auto& waiting = network_turns_[network];
        waiting.pop_front();
        if (waiting.empty())
          network_turns_.erase(network);
        else
          std::function<void()>(waiting.front())();  // a copy: its own end takes it out of the queue
        done(std::move(result));
      });
    };
    auto& waiting = network_turns_[network];
    waiting.push_back(std::move(begin));
    if (waiting.size() == 1) std::function<void()>(waiting.front())();
  }

  // Runs a call on the engine's thread and brings its result to the core.
  template <class T>
  void run(Co<Result<T>> work, Done<T> done) {
    auto deliver = alive_.guard([done = std::move(done)](Result<T> result) { done(std::move(result)); });
    net::co_spawn(io_, guarded<T>(std::move(work)),
                  [this, deliver = std::move(deliver)](std::exception_ptr, Result<T> result) mutable {
                    runtime_.post([deliver = std::move(deliver), result = std::move(result)]() mutable {
                      deliver(std::move(result));
                    });
                  });
  }

  template <class T>
  std::unique_ptr<Subscription> subscribe(std::shared_ptr<Channel<T>> channel, Co<Result<void>> reading) {
    net::co_spawn(io_, guarded<void>(std::move(reading)),
                  [channel](std::exception_ptr, Result<void> result) { channel->deliver_end(std::move(result)); });
    return std::make_unique<ChannelSubscription<T>>(std::move(channel));
  }

  // The border where trouble with the connection becomes an error like any other.
  template <class T>
  Co<Result<T>> guarded(Co<Result<T>> work) {
    Result<T> result = fail(Reason::internal_error);
    try {
      result = co_await std::move(work);
    } catch (const Refused& refused) {
      result = fail(refused.error);
    } catch (const std::exception& problem) {
      result = fail(unreachable(problem));
    }
    co_return result;
  }

  Error unreachable(const std::exception& problem) {
    peer_.reset();  // another engine, or another version of it, may answer next time
    std::string detail = problem.what();
    if (const auto* broken = dynamic_cast<const boost::system::system_error*>(&problem)) {
      detail = broken->code().message();
      if (broken->code() == beast::error::timeout) detail = "no answer in time";
      if (broken->code() == http::error::end_of_stream || broken->code() == http::error::partial_message)
        detail = "it hung up";
    }
    return Error{Reason::engine_unreachable, {{"detail", socket_path_ + ": " + detail}}, ""};
  }

  // ---- asking ----

  Co<std::shared_ptr<Wire>> connected() {
    auto wire = std::make_shared<Wire>(io_);
    co_await wire->connect(socket_path_);
    co_return wire;
  }

  // One question on a connection of its own, under the negotiated version.
  Co<Reply> ask(Request request) {
    const auto peer = co_await known_peer();
    request.target = "/v" + peer.api_version + request.target;
    const auto wire = co_await connected();
    if (request.method == http::verb::get) co_return co_await look(wire, std::move(request));
    co_return co_await wire->exchange(std::move(request));
  }
  // A question that changes nothing, asked until Podman knows of an end that it missed: one container that ends must
  // not hide all of them.
  Co<Reply> look(std::shared_ptr<Wire> wire, Request request) {
    auto reply = co_await wire->exchange(request);
    for (Duration waited{0}; podman_missed_an_end(reply.status, reply.body) && waited < missed_end_limit;
         waited += missed_end_poll) {
      Waiter pause(io_, missed_end_poll);
      co_await pause.async_wait(use_co);
      reply = co_await wire->exchange(request);
    }
    co_return reply;
  }
  Co<Reply> get(std::string target) {
    Request request;
    request.target = std::move(target);
    co_return co_await ask(std::move(request));
  }
  Co<Reply> post(std::string target, std::string body, Duration limit) {
    Request request;
    request.method = http::verb::post;
    request.target = std::move(target);
    request.body = std::move(body);
    request.limit = limit;
    co_return co_await ask(std::move(request));
  }
  Co<Reply> erase(std::string target) {
    Request request;
    request.method = http::verb::delete_;
    request.target = std::move(target);
    request.limit = change_limit;
    co_return co_await ask(std::move(request));
  }

  // Who answers: asked once, and again after a while or after trouble.
  Co<Peer> known_peer() {
    const auto now = std::chrono::steady_clock::now();
    if (peer_ && now - peer_asked_ < version_is_known_for) co_return *peer_;
    const auto wire = co_await connected();
    Request ping;
    ping.target = "/_ping";
    const auto pong = co_await wire->exchange(ping);
    const auto version = negotiate(pong.api_version);
    if (!version) throw Refused(version.error());
    Peer peer;
    peer.api_version = *version;
    peer.podman = pong.server.find("Libpod") != std::string::npos;
    Request about;
    about.target = "/v" + peer.api_version + "/info";
    const auto info = co_await wire->exchange(about);
    const auto facts = read_info("", info.body, mounts());
    peer.nvidia_runtime = facts.nvidia_runtime;
    peer.cdi = facts.cdi;
    peer.container_disk_limit = facts.container_disk_limit;
    peer_ = peer;
    peer_asked_ = now;
    co_return peer;
  }

  // What an image is called in a path of the API: its id, or its name in full.
  static Result<std::string> image_name(const std::string& reference) {
    if (reference.starts_with("sha256:")) return reference;
    const auto parsed = parse_image_reference(reference);
    if (!parsed) return fail(parsed.error());
    return parsed->str();
  }

  static Error refused(const Reply& reply) {
    return Error{Reason::engine_refused, {{"detail", words(reply.body)}}, ""};
  }

  // ---- calls ----

  Co<Result<EngineInfo>> ask_info() {
    const auto version = co_await get("/version");
    const auto about = co_await get("/info");
    if (!version.ok()) co_return fail(refused(version));
    if (!about.ok()) co_return fail(refused(about));
    co_return read_info(version.body, about.body, mounts());
  }

  Co<Result<Image>> do_pull(std::string reference, std::optional<RegistryLogin> login,
                            std::function<void(const PullProgress&)> tell) {
    const auto name = parse_image_reference(reference);
    if (!name) co_return fail(name.error());
    const auto version = name->digest.empty() ? name->tag : name->digest;
    const auto digest = co_await download(reference, *name, version, login, tell);
    if (!digest) co_return fail(digest.error());

    const auto inspected = co_await get("/images/" + percent_encoded(name->str()) + "/json");
    if (!inspected.ok()) co_return fail(refused(inspected));
    auto image = read_image(inspected.body);
    if (auto wrong = platform_error(reference, image)) co_return fail(std::move(*wrong));
    image.digest = *digest;
    if (!name->digest.empty()) image.digest = name->digest;
    if (!image.digest.empty()) co_return image;
    // Podman does not tell the digest of what it pulled, and of an image that has several it lists all for every
    // repository. The one that this repository answers to is right; asking costs a manifest, the layers are here.
    const auto candidates = repo_digests(inspected.body, name->name());
    if (candidates.size() == 1) image.digest = candidates.front();
    const std::function<void(const PullProgress&)> nobody;
    for (std::size_t i = 0; candidates.size() > 1 && i < candidates.size() && image.digest.empty(); ++i) {
      const auto asked = co_await download(reference, *name, candidates[i], login, nobody);
      if (asked) image.digest = candidates[i];
    }
    co_return image;
  }

  // The digest where the engine tells it, else nothing.
  Co<Result<std::string>> download(std::string reference, ImageReference name, std::string version,
                                   std::optional<RegistryLogin> login, std::function<void(const PullProgress&)> tell) {
    const auto peer = co_await known_peer();
    Request request;
    request.method = http::verb::post;
    request.target = "/v" + peer.api_version + "/images/create?fromImage=" + percent_encoded(name.name()) +
                     "&tag=" + percent_encoded(version) + "&platform=linux/amd64";
    if (login) request.registry_auth = registry_auth(*login, name.registry);
    request.limit = pull_silence_limit;
    const auto wire = co_await connected();
    const auto status = co_await wire->open(std::move(request));
    if (status != 200) {
      const auto body = co_await wire->read_rest();
      co_return fail(pull_error(reference, words(body)));
    }
    PullTracker tracker;
    Lines lines;
    const auto on_line = [&tracker](std::string_view line) { tracker.line(line); };
    auto told = std::chrono::steady_clock::time_point();
    std::string told_phase;
    for (;;) {
      const auto bytes = co_await wire->read_some(pull_silence_limit);
      if (bytes.empty()) break;
      lines.feed(bytes, on_line);
      const auto now = std::chrono::steady_clock::now();
      const auto progress = tracker.progress();
      if (now - told < progress_every && progress.phase == told_phase) continue;
      told = now;
      told_phase = progress.phase;
      tell_progress(tell, progress);
    }
    if (!tracker.error().empty()) co_return fail(pull_error(reference, tracker.error()));
    tell_progress(tell, tracker.finished());
    co_return tracker.digest();
  }

  void tell_progress(const std::function<void(const PullProgress&)>& tell, const PullProgress& progress) {
    if (tell) runtime_.post([tell, progress] { tell(progress); });
  }

  Co<Result<std::optional<Image>>> find_image(std::string reference) {
    const auto name = image_name(reference);
    if (!name) co_return fail(name.error());
    const auto reply = co_await get("/images/" + percent_encoded(*name) + "/json");
    if (reply.status == 404) co_return std::optional<Image>();
    if (!reply.ok()) co_return fail(refused(reply));
    auto image = read_image(reply.body);
    if (const auto parsed = parse_image_reference(reference)) {
      const auto digests = repo_digests(reply.body, parsed->name());
      if (!parsed->digest.empty())
        image.digest = parsed->digest;
      else if (!digests.empty())
        image.digest = digests.front();
    }
    co_return std::optional<Image>(std::move(image));
  }

  Co<Result<void>> make_network(std::string name, Labels labels) {
    // Before there is a network to be guarded, and again for one that is there: firewalls get reloaded.
    const auto now = std::chrono::steady_clock::now();
    if (options_.guard_networks && (!guarded_ || now - *guarded_ > guard_again_after)) {
      const auto guarded = guard_networks(options_.host_ports_for_containers);
      if (!guarded) co_return fail(guarded.error());
      guarded_ = now;
    }
    const auto path = "/networks/" + percent_encoded(name);
    const auto existing = co_await get(path);
    if (existing.ok()) co_return Result<void>();
    const auto peer = co_await known_peer();
    Request request;
    request.method = http::verb::post;
    request.limit = change_limit;
    request.body = network_body(name, bridge_name(name), labels, peer);
    request.target = "/v" + peer.api_version + "/networks/create";
    if (peer.podman) request.target = "/v4.0.0/libpod/networks/create";  // the compatible one knows no isolation
    for (Duration waited{0};; waited += removal_poll) {
      const auto wire = co_await connected();
      const auto made = co_await wire->exchange(request);
      if (made.ok() || made.status == 409) co_return Result<void>();
      const auto again = co_await get(path);  // somebody else was quicker
      if (again.ok()) co_return Result<void>();
      if (words(again.body).find("ambiguous") != std::string::npos) {
        co_await keep_one_network(name);
        co_return Result<void>();
      }
      if (made.status != 500 || waited >= passing_trouble_limit) co_return fail(refused(made));
      Waiter pause(io_, removal_poll);
      co_await pause.async_wait(use_co);
    }
  }

  // Two of one name: an agent was killed while it asked, and its successor asked again. One stays, the others go if
  // nothing is on them.
  Co<> keep_one_network(std::string name) {
    const auto filter = percent_encoded("{\"name\":[\"" + name + "\"]}");
    const auto all = co_await get("/networks?filters=" + filter);
    const auto ids = network_ids(all.body, name);
    bool kept = false;
    for (const auto& id : ids) {
      if (kept) co_await erase("/networks/" + id);
      kept = true;
    }
  }

  Co<Result<void>> drop_network(std::string name) {
    const auto reply = co_await erase("/networks/" + percent_encoded(name));
    if (reply.ok() || reply.status == 404) co_return Result<void>();
    if (in_use(words(reply.body))) co_return fail(Reason::network_in_use, one_arg("network", name));
    co_return fail(refused(reply));
  }

  Co<Result<void>> make_volume(std::string name, Labels labels) {
    const auto existing = co_await get("/volumes/" + percent_encoded(name));
    if (existing.ok()) co_return Result<void>();
    const auto made = co_await post("/volumes/create", volume_body(name, labels), change_limit);
    if (made.ok()) co_return Result<void>();
    co_return fail(refused(made));
  }

  Co<Result<void>> drop_volume(std::string name) {
    const auto reply = co_await erase("/volumes/" + percent_encoded(name));
    if (reply.ok() || reply.status == 404) co_return Result<void>();
    if (in_use(words(reply.body))) co_return fail(Reason::volume_in_use, one_arg("volume", name));
    co_return fail(refused(reply));
  }

  // "video" and "render" have another number on every distribution: those of this host's files are what counts.
  static std::vector<unsigned> groups_of(const std::vector<std::string>& device_files) {
    std::vector<unsigned> out;
    for (const auto& path : device_files) {
      struct stat facts {};
      if (::stat(path.c_str(), &facts) != 0 || facts.st_gid == 0) continue;
      if (std::find(out.begin(), out.end(), facts.st_gid) == out.end()) out.push_back(facts.st_gid);
    }
    return out;
  }

  Co<Result<std::string>> do_create(ContainerSpec spec) {
    const auto asked_for = spec.image;
    const auto image_path = image_name(spec.image);
    if (!image_path) co_return fail(image_path.error());
    spec.image = *image_path;
    const auto peer = co_await known_peer();
    // Engines make a volume that is not there; an empty one in place of the user's data must not happen unseen.
    for (const auto& mount : spec.mounts) {
      // Podman makes a folder that is not there.
      if (std::error_code problem;
          mount.kind == Mount::Kind::folder && peer.podman && !std::filesystem::is_directory(mount.folder, problem))
        co_return fail(Reason::volume_not_found, one_arg("volume", mount.folder));
      if (mount.kind != Mount::Kind::volume) continue;
      const auto volume = co_await get("/volumes/" + percent_encoded(mount.volume));
      if (volume.status == 404) co_return fail(Reason::volume_not_found, one_arg("volume", mount.volume));
      if (!volume.ok()) co_return fail(refused(volume));
    }
    std::vector<std::string> argv, environment;
    std::string own_command;  // the program, when it is not the image's
    if (spec.entrypoint || spec.command) {
      const auto inspected = co_await get("/images/" + percent_encoded(spec.image) + "/json");
      if (inspected.status == 404) co_return fail(Reason::image_not_on_host, one_arg("image", asked_for));
      if (!inspected.ok()) co_return fail(refused(inspected));
      const auto image = read_image(inspected.body);
      environment = image_environment(inspected.body);
      argv = spec.entrypoint.value_or(image.entrypoint);
      const bool program_is_given = spec.entrypoint ? !argv.empty() || spec.command : argv.empty();
      const auto command = spec.command.value_or(image.command);
      argv.insert(argv.end(), command.begin(), command.end());
      if (program_is_given && !argv.empty()) own_command = argv.front();
    }
    const auto groups = groups_of(spec.devices);
    const auto made = co_await post("/containers/create?name=" + percent_encoded(spec.name),
                                    container_body(spec, peer, argv, groups), change_limit);
    if (made.ok()) {
      const auto id = read_id(made.body);
      if (id.empty()) co_return fail(refused(made));
      const auto missing = co_await command_is_missing(id, own_command, environment, spec);
      if (!missing) co_return id;
      co_await do_remove(id);
      co_return fail(Reason::command_not_found, command_args(own_command));
    }
    const auto said = words(made.body);
    if (made.status == 409 || said.find("already in use") != std::string::npos) {
      const auto existing = co_await get("/containers/" + percent_encoded(spec.name) + "/json");
      if (existing.ok() && has_labels(existing.body, spec.labels)) co_return read_id(existing.body);
      if (existing.ok()) co_return fail(Reason::container_name_taken, one_arg("name", spec.name));
    }
    spec.image = asked_for;
    co_return fail(create_error(spec, made.status, said));
  }

  // With an init process in front, a command that is not there is no failed start but exit code 127 a moment later;
  // who mistyped it deserves to hear it by name. Only what the user gave is looked for: the image knows its own.
  Co<bool> command_is_missing(std::string id, std::string command, std::vector<std::string> environment,
                              ContainerSpec spec) {
    if (command.empty()) co_return false;
    const auto places = command_places(command, environment, spec);
    for (const auto& place : places) {
      Request request;
      request.method = http::verb::head;
      request.target = "/containers/" + id + "/archive?path=" + percent_encoded(place);
      const auto reply = co_await ask(std::move(request));
      if (reply.status != 404) co_return false;
    }
    co_return !places.empty();
  }

  Co<Result<void>> do_start(std::string id) {
    const auto peer = co_await known_peer();
    Time started_before{};
    if (peer.podman) {
      // Podman 4 finds a taken port too late: cleaning up after itself it takes the port from the container that has
      // it.
      const auto inspected = co_await get("/containers/" + percent_encoded(id) + "/json");
      const auto container = read_container(inspected.body);
      if (container && container->state == ContainerState::running) co_return Result<void>();
      if (container) started_before = container->started_at.value_or(Time{});
      for (const auto& port : wanted_ports(inspected.body))
        if (!port_is_free(port)) co_return fail(port_taken(port, "address already in use"));
    }
    const auto reply = co_await post("/containers/" + percent_encoded(id) + "/start", "", change_limit);
    if (reply.ok() || reply.status == 304) co_return Result<void>();
    const auto said = words(reply.body);
    if (reply.status == 404 && no_container(said))
      co_return fail(Reason::container_not_found, one_arg("container", id));
    if (reply.status == 404 && said.find("network") != std::string::npos) {
      Args args{{"network", said}};
      co_return fail(Reason::network_not_found, std::move(args));
    }
    if (peer.podman) {
      // It looks for the new process after starting it, and refuses when that has ended already: it did start.
      const auto inspected = co_await get("/containers/" + percent_encoded(id) + "/json");
      const auto container = read_container(inspected.body);
      if (container && container->started_at && *container->started_at > started_before) co_return Result<void>();
    }
    const auto problem = start_error(said);
    // A left-over of an earlier start is in the way: without it the caller's next try works.
    if (problem.reason == Reason::engine_refused) {
      const auto ended = co_await end_leftovers(id);
      if (!ended) co_return fail(ended.error());
    }
    co_return fail(problem);
  }

  // Ends what runs of a container that the engine says does not run (leftovers.hpp).
  Co<Result<void>> end_leftovers(std::string id) {
    if (find_leftovers(id).empty()) co_return Result<void>();
    const auto inspected = co_await get("/containers/" + percent_encoded(id) + "/json");
    if (inspected.status != 404) {
      if (!inspected.ok()) co_return fail(refused(inspected));
      const auto container = read_container(inspected.body);
      if (!container) co_return fail(container.error());
      if (container->id != id || container->state == ContainerState::running) co_return Result<void>();
    }
    const log::Fields about{{"container", id}};
    log::warn("a container runs that the engine has no record of: it is ended", about);
    for (Duration waited{0}; waited < leftovers_end_limit; waited += removal_poll) {
      kill_leftovers(id);
      Waiter pause(io_, removal_poll);
      co_await pause.async_wait(use_co);
      if (find_leftovers(id).empty()) co_return Result<void>();
    }
    Reply reply;
    reply.body = "processes of this container run that the engine has no record of, and they could not be ended";
    co_return fail(refused(reply));
  }

  Co<Result<void>> do_stop(std::string id, Duration grace) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(grace).count();
    const auto reply = co_await post("/containers/" + percent_encoded(id) + "/stop?t=" + std::to_string(seconds), "",
                                     grace + change_limit);
    if (reply.ok() || reply.status == 304 || reply.status == 404) co_return Result<void>();
    co_return fail(refused(reply));
  }

  Co<Result<void>> do_remove(std::string id) {
    const auto path = "/containers/" + percent_encoded(id);
    // Before the record goes by which the next agent would find them.
    const auto ended = co_await end_leftovers(id);
    if (!ended) co_return ended;
    auto reply = co_await erase(path + "?force=true&v=true");
    for (Duration waited{0}; reply.status == 500 && waited < passing_trouble_limit; waited += removal_poll) {
      Waiter pause(io_, removal_poll);
      co_await pause.async_wait(use_co);
      reply = co_await erase(path + "?force=true&v=true");
    }
    // Another removal is on its way: gone is when it has ended.
    for (Duration waited{0}; reply.status == 409 && waited < change_limit; waited += removal_poll) {
      Waiter pause(io_, removal_poll);
      co_await pause.async_wait(use_co);
      reply = co_await get(path + "/json");
      if (reply.ok()) reply.status = 409;
    }
    if (reply.ok() || reply.status == 404) co_return Result<void>();
    co_return fail(refused(reply));
  }

  Co<Result<std::vector<Container>>> do_list(Labels having) {
    const auto peer = co_await known_peer();
    const auto root = "/v" + peer.api_version + "/containers/";
    const auto wire = co_await connected();
    Request all;
    all.target = root + "json?all=true&filters=" + percent_encoded(labels_filter(having));
    const auto reply = co_await look(wire, all);
    if (!reply.ok()) co_return fail(refused(reply));
    std::vector<Container> out;
    // The list leaves out exit codes and times; each is asked for on the same connection, a millisecond or two.
    for (const auto& id : read_ids(reply.body)) {
      Request one;
      one.target = root + id + "/json";
      const auto inspected = co_await look(wire, one);
      if (inspected.status == 404) continue;  // removed in between
      if (!inspected.ok()) co_return fail(refused(inspected));
      auto container = read_container(inspected.body);
      if (!container) co_return fail(container.error());
      out.push_back(std::move(*container));
    }
    co_return out;
  }

  Co<Result<std::int64_t>> do_disk_used(std::string id) {
    Request request;
    request.target = "/containers/" + percent_encoded(id) + "/json?size=true";
    request.limit = change_limit;  // it walks the files
    const auto reply = co_await ask(std::move(request));
    if (reply.status == 404) co_return fail(Reason::container_not_found, one_arg("container", id));
    if (!reply.ok()) co_return fail(refused(reply));
    co_return layer_bytes(reply.body);
  }

  Co<Result<std::string>> folder_of_volume(std::string name) {
    const auto reply = co_await get("/volumes/" + percent_encoded(name));
    if (reply.status == 404) co_return fail(Reason::volume_not_found, one_arg("volume", name));
    if (!reply.ok()) co_return fail(refused(reply));
    co_return volume_folder(reply.body);
  }

  // One reading: without one-shot the engine would wait a second to compare two.
  Co<Result<std::optional<ContainerStats>>> do_stats(std::string id) {
    const auto reply = co_await get("/containers/" + percent_encoded(id) + "/stats?stream=false&one-shot=true");
    if (reply.status == 404) co_return fail(Reason::container_not_found, one_arg("container", id));
    if (reply.status == 409) co_return std::optional<ContainerStats>();  // Podman, of one that does not run
    if (!reply.ok()) co_return fail(refused(reply));
    co_return read_stats(reply.body);
  }

  // ---- streams ----

  Co<Result<void>> read_logs(std::shared_ptr<Channel<LogPiece>> channel, std::string id, LogOptions options) {
    const auto peer = co_await known_peer();
    const auto wire = co_await connected();
    channel->attach(wire);
    const auto path = "/v" + peer.api_version + "/containers/" + percent_encoded(id);
    if (peer.podman && options.follow) {
      // Podman 4 loses lines when it follows what has ended and the reader is slow; to read it to its end is enough.
      Request one;
      one.target = path + "/json";
      const auto inspected = co_await look(wire, std::move(one));
      const auto container = read_container(inspected.body);
      if (container && container->state != ContainerState::running) options.follow = false;
    }
    Request request;
    request.target = path + "/logs?" + log_query(options);
    const auto status = co_await wire->open(std::move(request));
    if (status == 404) co_return fail(Reason::container_not_found, one_arg("container", id));
    if (status != 200) {
      Reply reply;
      reply.body = co_await wire->read_rest();
      co_return fail(refused(reply));
    }
    LogFrames frames;
    // The engine frames every line; what was read together goes on together, or a million lines are a million tasks.
    LogPiece together;
    const auto pass_on = [&channel, &together] {
      const auto size = together.bytes.size();
      if (size > 0) channel->deliver(LogPiece{together.output, std::exchange(together.bytes, {})}, size);
    };
    const auto on_piece = [&together, &pass_on](Output output, std::string_view piece) {
      if (output != together.output) pass_on();
      together.output = output;
      together.bytes += piece;
    };
    for (;;) {
      co_await channel->wait_for_room();
      const auto bytes = co_await wire->read_some(std::nullopt);  // a quiet container may say nothing for days
      if (bytes.empty() || channel->dropped()) break;
      if (!frames.feed(bytes, on_piece)) {
        Reply reply;
        reply.body = "its log is not what the API says";
        co_return fail(refused(reply));
      }
      pass_on();
    }
    co_return Result<void>();
  }

  // ---- programs ----

  Co<Result<void>> run_exec(std::shared_ptr<Channel<ExecPiece>> channel, std::shared_ptr<ExecWishes> wishes,
                            std::string container, ExecOptions options) {
    const auto made =
        co_await post("/containers/" + percent_encoded(container) + "/exec", exec_body(options), change_limit);
    const auto said = words(made.body);
    if (made.status == 404) co_return fail(Reason::container_not_found, one_arg("container", container));
    if (made.status == 409 || said.find("not running") != std::string::npos ||
        said.find("running containers") != std::string::npos)
      co_return fail(Reason::container_not_running, one_arg("container", container));
    const auto id = read_id(made.body);
    if (!made.ok() || id.empty()) co_return fail(refused(made));
    if (!wishes->may_start) {
      ExecPiece named;
      named.made = id;
      channel->deliver(std::move(named), 0);
    }
    while (!wishes->may_start && !wishes->over) {
      Waiter allowed(io_, Waiter::time_point::max());
      wishes->wake = &allowed;
      boost::system::error_code ignored;
      auto token = net::redirect_error(use_co, ignored);
      co_await allowed.async_wait(token);
      wishes->wake = nullptr;
    }
    if (wishes->over || channel->dropped()) co_return Result<void>();

    const auto peer = co_await known_peer();
    const auto wire = co_await connected();
    channel->attach(wire);
    Request request;
    request.method = http::verb::post;
    request.target = "/v" + peer.api_version + "/exec/" + id + "/start";
    request.body = exec_start_body(options);
    request.limit = change_limit;
    request.upgrade = true;
    const auto status = co_await wire->open(std::move(request));
    if (status != 101 && status != 200) {
      Reply reply;
      reply.body = co_await wire->read_rest();
      const auto why = words(reply.body);
      if (why.find("executable file") != std::string::npos || why.find("no such file") != std::string::npos) {
        Args args{{"command", options.command.front()}, {"detail", why}};
        co_return fail(Reason::command_not_found, std::move(args));
      }
      if (why.find("not running") != std::string::npos)
        co_return fail(Reason::container_not_running, one_arg("container", container));
      co_return fail(refused(reply));
    }
    wishes->id = id;
    if (options.tty && wishes->columns > 0) net::co_spawn(io_, guarded<void>(do_resize(wishes)), net::detached);
    net::co_spawn(io_, guarded<void>(write_input(channel, wire, wishes)), net::detached);

    LogFrames frames;
    const auto on_piece = [&channel](Output output, std::string_view piece) {
      ExecPiece out;
      out.output = output;
      out.bytes = std::string(piece);
      channel->deliver(std::move(out), piece.size());
    };
    bool readable = true;
    while (readable) {
      co_await channel->wait_for_room();
      const auto bytes = co_await wire->read_raw();
      if (bytes.empty() || channel->dropped()) break;
      if (options.tty)
        on_piece(Output::standard_output, bytes);
      else
        readable = frames.feed(bytes, on_piece);
    }
    wishes->over = true;
    wishes->stir();
    if (channel->dropped()) {
      const auto ended = co_await give_up(id);
      if (!ended) log::warn("a program in a container could not be ended", {{"exec", id}});
      co_return Result<void>();
    }
    if (!readable) {
      Reply reply;
      reply.body = "the program's output is not what the API says";
      co_return fail(refused(reply));
    }
    // The exit code is there a moment after the last output.
    for (Duration waited{0};; waited += exec_poll) {
      const auto inspected = co_await get("/exec/" + id + "/json");
      if (inspected.status == 404) co_return fail(Reason::container_not_found, one_arg("container", container));
      if (!inspected.ok()) co_return fail(refused(inspected));
      const auto facts = read_exec(inspected.body);
      wishes->exit_code = facts.exit_code;
      if (!facts.running) co_return Result<void>();
      if (waited >= exec_end_limit) {
        // It has closed its outputs and works on: nobody can hear it any more.
        wishes->exit_code = 0;
        co_return Result<void>();
      }
      Waiter pause(io_, exec_poll);
      co_await pause.async_wait(use_co);
    }
  }

  Co<Result<void>> write_input(std::shared_ptr<Channel<ExecPiece>> channel, std::shared_ptr<Wire> wire,
                               std::shared_ptr<ExecWishes> wishes) {
    bool wanted = true;
    while (!wishes->over) {
      if (!wishes->input.empty()) {
        auto bytes = std::move(wishes->input.front());
        wishes->input.pop_front();
        ExecPiece piece;
        piece.taken = bytes.size();
        if (wanted) wanted = co_await wire->write_raw(std::move(bytes));
        channel->deliver(std::move(piece), 0);
      } else if (wishes->input_ends) {
        wire->half_close();
        break;
      } else {
        Waiter idle(io_, Waiter::time_point::max());
        wishes->wake = &idle;
        boost::system::error_code ignored;
        auto token = net::redirect_error(use_co, ignored);
        co_await idle.async_wait(token);
        wishes->wake = nullptr;
      }
    }
    co_return Result<void>();
  }

  Co<Result<void>> do_resize(std::shared_ptr<ExecWishes> wishes) {
    const auto columns = wishes->columns, rows = wishes->rows;
    for (int tries = 0; tries < resize_tries && !wishes->over; ++tries) {
      if (wishes->columns != columns || wishes->rows != rows) break;  // a newer size is on its way
      const auto size = "/resize?w=" + std::to_string(columns) + "&h=" + std::to_string(rows);
      const auto reply = co_await post("/exec/" + wishes->id + size, "", quick_limit);
      if (reply.ok()) break;
      Waiter pause(io_, exec_poll);
      co_await pause.async_wait(use_co);
    }
    co_return Result<void>();
  }

  // No engine can end what it has started in a container; the system can, and the agent is on the same machine.
  Co<Result<void>> give_up(std::string id) {
    for (const int signal : {SIGHUP, SIGKILL}) {
      for (Duration waited{0}; waited < exec_end_limit; waited += exec_poll) {
        const auto inspected = co_await get("/exec/" + id + "/json");
        if (inspected.status == 404) co_return Result<void>();
        if (!inspected.ok()) co_return fail(refused(inspected));
        const auto facts = read_exec(inspected.body);
        if (!facts.running) co_return Result<void>();
        if (waited.count() == 0) {
          const auto around = co_await get("/containers/" + facts.container_id + "/json");
          if (!signal_exec(facts.pid, container_pid(around.body), signal)) {
            Reply reply;
            reply.body = "the program is not among the processes that can be seen from here";
            co_return fail(refused(reply));
          }
        }
        Waiter pause(io_, exec_poll);
        co_await pause.async_wait(use_co);
      }
    }
    Reply reply;
    reply.body = "the program was killed and still runs";
    co_return fail(refused(reply));
  }

  Co<Result<void>> read_events(std::shared_ptr<Channel<ContainerEvent>> channel, Labels having) {
    const auto peer = co_await known_peer();
    const auto wire = co_await connected();
    channel->attach(wire);
    Request request;
    request.target = "/v" + peer.api_version + "/events?filters=" + percent_encoded(events_filter(having));
    const auto status = co_await wire->open(std::move(request));
    if (status != 200) {
      Reply reply;
      reply.body = co_await wire->read_rest();
      co_return fail(refused(reply));
    }
    Lines lines;
    const auto on_line = [&channel, &having](std::string_view line) {
      auto event = read_event(line);
      if (!event || !includes(event->labels, having)) return;  // Podman takes any of several labels for all of them
      channel->deliver(std::move(*event), line.size());
    };
    for (;;) {
      co_await channel->wait_for_room();
      const auto bytes = co_await wire->read_some(std::nullopt);
      if (bytes.empty() || channel->dropped()) break;
      lines.feed(bytes, on_line);
    }
    // Events have no end of their own.
    Args args{{"detail", socket_path_ + ": it hung up"}};
    co_return fail(Reason::engine_unreachable, std::move(args));
  }

  static Args one_arg(std::string name, std::string value) {
    Args args;
    args.emplace_back(std::move(name), std::move(value));
    return args;
  }
  static Args command_args(const std::string& command) {
    Args args;
    args.emplace_back("command", command);
    args.emplace_back("detail", "there is no such file in the image");
    return args;
  }

  Runtime& runtime_;
  std::string socket_path_;
  DockerOptions options_;
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_ = net::make_work_guard(io_);
  // the engine's thread
  std::optional<Peer> peer_;
  std::chrono::steady_clock::time_point peer_asked_;
  std::optional<std::chrono::steady_clock::time_point> guarded_;
  // the core thread
  std::map<std::string, std::shared_ptr<Pull>> pulls_;
  std::map<std::string, std::deque<std::function<void()>>> network_turns_;
  std::shared_ptr<int> here_ = std::make_shared<int>(0);  // streams look whether it still is
  Alive alive_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

std::unique_ptr<Engine> docker_engine(Runtime& runtime, std::string socket_path, DockerOptions options) {
  return std::make_unique<DockerEngine>(runtime, std::move(socket_path), std::move(options));
}

}  // namespace gyre::engine
