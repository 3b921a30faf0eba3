#include "http/server.hpp"

#include <netinet/tcp.h>
#include <pthread.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <thread>
#include <unordered_map>

#include "base/check.hpp"
#include "base/log.hpp"
#include "http/connection.hpp"

namespace gyre::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
// The concrete executor, not the type-erased default: it compiles in two thirds of the time and runs a little faster.
using Executor = asio::io_context::executor_type;
using Alarm = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using TlsSocket = asio::ssl::stream<Socket>;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;

// ---- bytes ----

// Every handler holds the owner, whose buffers are used, and the wire itself, which may have another owner by now.
template <class Stream>
class AsioWire final : public Wire, public std::enable_shared_from_this<AsioWire<Stream>> {
 public:
  template <class... Arguments>
  explicit AsioWire(Socket socket, Arguments&... arguments)
      : alarm_(socket.get_executor()), stream_(std::move(socket), arguments...) {}

  // One that `open` connects.
  AsioWire(Socket socket, const asio::ip::tcp::endpoint& target)
      : alarm_(socket.get_executor()), target_(target), stream_(std::move(socket)) {}

  void open(const std::shared_ptr<WireOwner>& owner) override {
    owner_ = owner;
    if constexpr (is_tls)
      stream_.async_handshake(asio::ssl::stream_base::server, [self = self(), owner](error_code failed) {
        if (failed) log::debug("TLS handshake failed", {{"problem", failed.message()}});
        failed ? owner->on_gone() : owner->on_open();
      });
    else if (target_)
      connect(owner);
    else
      owner->on_open();
  }

  void hand_to(const std::shared_ptr<WireOwner>& owner) override { owner_ = owner; }
  bool refused() const override { return refused_; }

  void read(char* into, std::size_t max) override {
    reading_ = true;
    stream_.async_read_some(
        asio::buffer(into, max), [this, self = self(), owner = owner_.lock()](error_code failed, std::size_t size) {
          using Read = WireOwner::Read;
          reading_ = false;
          ended_ = bool(failed);
          if (finishing_) return discard(owner);
          // A TLS client that just closes its socket has also come to its end: HTTP says itself where its messages end.
          const bool end = failed == asio::error::eof || failed == asio::ssl::error::stream_truncated;
          owner->on_read(!failed ? Read::bytes : end ? Read::end : Read::broken, size);
        });
  }

  void write(std::string_view bytes) override {
    stream_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                             [self = self(), owner = owner_.lock()](error_code failed, std::size_t size) {
                               owner->on_written(!failed, size);
                             });
  }

  // TLS has no half that is closed: its goodbye is sent by `finish`.
  void end_writes() override {
    error_code ignored;
    if constexpr (!is_tls) socket().shutdown(asio::socket_base::shutdown_send, ignored);
  }

  void finish() override {
    if constexpr (is_tls)
      stream_.async_shutdown([this, self = self(), owner = owner_.lock()](error_code) { finish_tcp(owner); });
    else
      finish_tcp(owner_.lock());
  }

  void close(bool reset) override {
    error_code ignored;
    if (reset) socket().set_option(asio::socket_base::linger(true, 0), ignored);
    socket().close(ignored);
    alarm_.cancel();
  }

  void wake_at(TimePoint when) override {
    due_ = when;
    // Deadlines move with every request, mostly away: the alarm that is set looks for itself when it goes off.
    if (armed_for_ && *armed_for_ <= when) return;
    arm();
  }

 private:
  static constexpr bool is_tls = std::is_same_v<Stream, TlsSocket>;
  std::shared_ptr<AsioWire> self() { return this->shared_from_this(); }

  void connect(const std::shared_ptr<WireOwner>& owner) {
    socket().async_connect(*target_, [this, self = self(), owner](error_code failed) {
      refused_ = failed == asio::error::connection_refused;
      error_code ignored;
      if (!failed) socket().set_option(asio::ip::tcp::no_delay(true), ignored);
      failed ? owner->on_gone() : owner->on_open();
    });
  }

  Socket& socket() {
    if constexpr (is_tls)
      return stream_.next_layer();
    else
      return stream_;
  }

  // Closing while the client still sends would reset the connection, and could take our last answer with it.
  void finish_tcp(const std::shared_ptr<WireOwner>& owner) {
    error_code failed;
    socket().shutdown(asio::socket_base::shutdown_send, failed);
    finishing_ = true;
    ended_ = ended_ || failed;
    if (!reading_) discard(owner);  // else when that read has come back: a second one beside it might never
  }

  void discard(const std::shared_ptr<WireOwner>& owner) {
    if (ended_) return asio::post(socket().get_executor(), [owner] { owner->on_gone(); });
    discarded_.resize(4096);
    socket().async_read_some(asio::buffer(discarded_), [this, self = self(), owner](error_code failed, std::size_t) {
      ended_ = bool(failed);
      discard(owner);
    });
  }

  void arm() {
    armed_for_ = due_;
    alarm_.expires_at(due_);
    alarm_.async_wait([this, self = self()](error_code cancelled) {
      if (cancelled) return;
      armed_for_.reset();
      if (Clock::now() < due_) return arm();
      if (const auto owner = owner_.lock()) owner->on_time();
    });
  }

  std::weak_ptr<WireOwner> owner_;
  Alarm alarm_;
  TimePoint due_{};
  std::optional<TimePoint> armed_for_;
  std::optional<asio::ip::tcp::endpoint> target_;
  Stream stream_;
  bool reading_ = false, ended_ = false, finishing_ = false, refused_ = false;
  std::vector<char> discarded_;
};

// ---- threads ----

// One thread, one io_context, and its connections: nothing of a connection is ever touched by two threads.
class Io final : public Loop {
 public:
  void post(std::function<void()> callback) override { asio::post(context, std::move(callback)); }
  TimePoint now() const override { return Clock::now(); }
  void forget(Member& member) override {
    members.erase(&member);
    if (on_forget) on_forget();
  }
  void replace(Member& old, std::shared_ptr<Member> now) override {
    auto* key = now.get();
    members.emplace(key, std::move(now));
    members.erase(&old);
  }
  void after(Duration delay, std::function<void()> callback) override {
    auto alarm = std::make_shared<Alarm>(context.get_executor(), delay);
    alarm->async_wait([alarm, callback = std::move(callback)](error_code cancelled) {
      if (!cancelled) callback();
    });
  }
  std::shared_ptr<Wire> dial(const std::string& address, int port) override {
    error_code failed;
    const asio::ip::tcp::endpoint target(asio::ip::make_address(address, failed),
                                         static_cast<asio::ip::port_type>(port));
    return std::make_shared<AsioWire<Socket>>(Socket(context.get_executor()), target);
  }

  void run() {
    thread = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "gyre-http");
      context.run();
    });
  }

  std::vector<std::shared_ptr<Member>> all() const {
    std::vector<std::shared_ptr<Member>> out;
    for (const auto& [key, member] : members) out.push_back(member);
    return out;
  }

  asio::io_context context{1};
  asio::executor_work_guard<Executor> busy{context.get_executor()};
  std::unordered_map<Member*, std::shared_ptr<Member>> members;
  std::function<void()> on_forget;  // set before the thread starts
  std::thread thread;
};

struct Listener {
  Acceptor acceptor;
  bool tls = false;
  Alarm pause;  // after running out of files
};

std::string host_text(const asio::ip::address& address) {
  auto text = address.to_string();
  return text.substr(0, text.find('%'));  // without the zone of a link-local address
}

}  // namespace

struct Server::Impl {
  Impl(std::shared_ptr<Site> with, std::shared_ptr<asio::ssl::context> context)
      : site(std::move(with)), tls(std::move(context)) {
    for (unsigned i = 0; i < std::max(1u, site->options.io_threads); ++i) {
      ios.push_back(std::make_shared<Io>());
      ios.back()->on_forget = [this] { one_is_over(); };
    }
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      finished = true;
    }
    for (const auto& io : ios) io->context.stop();
    for (const auto& io : ios)
      if (io->thread.joinable()) io->thread.join();
    // Nothing runs any more; those who still write streams hear of it from here.
    for (const auto& io : ios)
      for (const auto& connection : io->all()) connection->give_up("server gone");
    for (const auto& io : ios) io->shared.reset();
  }

  // ---- listening ----

  Result<> listen(const ServerOptions::Listen& on, std::size_t of) {
    const auto cannot = [&](const error_code& why) {
      if (why == asio::error::address_in_use) return gyre::fail(Reason::address_in_use, {{"address", on.address}});
      return gyre::fail(Reason::cannot_listen, {{"address", on.address}, {"detail", why.message()}});
    };
    const auto colon = on.address.rfind(':');
    auto host = on.address.substr(0, colon == std::string::npos ? 0 : colon);
    std::uint16_t port = 0;
    const auto port_text = std::string_view(on.address).substr(colon + 1);
    const auto read = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (colon == std::string::npos || read.ec != std::errc{} || read.ptr != port_text.data() + port_text.size())
      return invalid("listen", Detail::host_port, {{"value", on.address}});
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host == "*") host.clear();

    error_code failed;
    Resolver resolver(ios.front()->context.get_executor());
    const auto flags = Resolver::passive | Resolver::numeric_service;
    const auto found = resolver.resolve(host, "0", flags, failed);
    if (failed) return cannot(failed);
    std::vector<asio::ip::tcp::endpoint> endpoints;
    for (const auto& entry : found)
      if (std::find(endpoints.begin(), endpoints.end(), entry.endpoint()) == endpoints.end())
        endpoints.push_back(entry.endpoint());

    std::size_t here = 0;
    for (auto endpoint : endpoints) {
      endpoint.port(port);
      failed = open_listener(endpoint, on.tls, of);
      // A machine without IPv6 still has the other half of a name or of `*`.
      const bool no_such_family =
          failed == asio::error::address_family_not_supported || failed == boost::system::errc::address_not_available;
      if (failed && endpoints.size() > 1 && no_such_family) continue;
      if (failed) return cannot(failed);
      ++here;
      port = bound.back().port;  // a free port that was found is the port of all
    }
    return here > 0 ? Result<>{} : cannot(failed);
  }

  error_code open_listener(const asio::ip::tcp::endpoint& endpoint, bool with_tls, std::size_t of) {
    error_code failed;
    const auto executor = ios.front()->context.get_executor();
    Acceptor acceptor(executor);
    const auto step = [&](auto&& action) {
      if (!failed) action();
    };
    step([&] { acceptor.open(endpoint.protocol(), failed); });
    step([&] { acceptor.set_option(asio::socket_base::reuse_address(true), failed); });
    step([&] {
      if (endpoint.address().is_v6()) acceptor.set_option(asio::ip::v6_only(true), failed);
    });
    step([&] { acceptor.bind(endpoint, failed); });
    step([&] { acceptor.listen(asio::socket_base::max_listen_connections, failed); });
    if (failed) return failed;
    const auto local = acceptor.local_endpoint(failed);
    if (failed) return failed;
    bound.push_back({host_text(local.address()), local.port(), with_tls, of});
    listeners.push_back(std::make_unique<Listener>(Listener{std::move(acceptor), with_tls, Alarm(executor)}));
    return {};
  }

  // ---- accepting, on the first I/O thread ----

  void accept(Listener& listener) {
    auto& io = *ios[next_io++ % ios.size()];
    listener.acceptor.async_accept(io.context, [this, &listener, &io](error_code failed, Socket socket) {
      if (!listener.acceptor.is_open()) return;
      if (!failed) {
        welcome(std::move(socket), io, listener.tls);
        return accept(listener);
      }
      if (failed == asio::error::operation_aborted) return;
      const bool exhausted = failed == asio::error::no_descriptors || failed == asio::error::no_memory ||
                             failed == asio::error::no_buffer_space ||
                             failed == boost::system::errc::too_many_files_open_in_system;
      if (!exhausted) return accept(listener);  // that client has gone again already
      log::error("cannot accept connections", {{"problem", failed.message()}});
      listener.pause.expires_after(100ms);  // trying at once would spin until somebody closes something
      listener.pause.async_wait([this, &listener](error_code cancelled) {
        if (!cancelled && listener.acceptor.is_open()) accept(listener);
      });
    });
  }

  void welcome(Socket socket, Io& io, bool with_tls) {
    error_code failed;
    const auto remote = socket.remote_endpoint(failed);
    if (failed) return;
    const auto address = host_text(remote.address());
    const auto admission = site->admit(address);
    if (admission == Site::Admission::dropped) {
      socket.set_option(asio::socket_base::linger(true, 0), failed);
      socket.close(failed);
      site->released(address);
      return;
    }
    prepare(socket);
    std::shared_ptr<Wire> wire;
    if (with_tls)
      wire = std::make_shared<AsioWire<TlsSocket>>(std::move(socket), *tls_now());
    else
      wire = std::make_shared<AsioWire<Socket>>(std::move(socket));
    auto connection =
        std::make_shared<Connection>(site, io, std::move(wire), Connection::Peer{address, with_tls, admission});
    io.post([&io, connection = std::move(connection)] {
      io.members.emplace(connection.get(), connection);
      connection->start();
    });
  }

  static void prepare(Socket& socket) {
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    // A reader of a quiet stream whose machine has vanished is noticed after two minutes.
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(60), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(15), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>(4), ignored);
  }

  std::shared_ptr<asio::ssl::context> tls_now() {
    const std::lock_guard lock(mutex);
    return tls;
  }

  // ---- draining ----

  void drain(Duration deadline, std::function<void()> done) {
    {
      const std::lock_guard lock(mutex);
      if (drained) return;
      drained = std::move(done);
    }
    ios.front()->post([this, deadline] {
      for (const auto& listener : listeners) {
        error_code ignored;
        listener->acceptor.close(ignored);
        listener->pause.cancel();
      }
      site->draining = true;
      // A loop that is stopped before it comes to what was posted must not hold itself by it.
      for (const auto& io : ios)
        io->post([io = io.get()] {
          for (const auto& connection : io->all()) connection->drain();
        });
      drain_alarm.emplace(ios.front()->context.get_executor());
      at_deadline(deadline, false);
      one_is_over();  // there may be none
    });
  }

  // First everybody is told that it is over; who does not take leave within a second is cut off.
  void at_deadline(Duration after, bool told) {
    drain_alarm->expires_after(after);
    drain_alarm->async_wait([this, told](error_code cancelled) {
      if (cancelled) return;
      for (const auto& io : ios)
        io->post([io = io.get(), told] {
          for (const auto& connection : io->all()) told ? connection->give_up("shutting down") : connection->end_now();
        });
      if (!told) at_deadline(1s, true);
    });
  }

  // Any I/O thread.
  void one_is_over() {
    if (!site->draining || site->numbers->connections > 0) return;
    std::function<void()> done;
    {
      const std::lock_guard lock(mutex);
      if (finished) return;
      finished = true;
      done = drained;
    }
    ios.front()->post([this] { drain_alarm->cancel(); });
    if (done) done();
  }

  const std::shared_ptr<Site> site;
  std::mutex mutex;
  std::shared_ptr<asio::ssl::context> tls;  // with the mutex held
  std::function<void()> drained;            // likewise
  bool finished = false;                    // likewise
  std::vector<std::shared_ptr<Io>> ios;
  std::vector<std::unique_ptr<Listener>> listeners;  // these and what follows: the first I/O thread
  std::vector<Bound> bound;
  std::size_t next_io = 0;
  std::optional<Alarm> drain_alarm;
};

namespace {

Result<std::shared_ptr<asio::ssl::context>> asio_tls(const ServerOptions& options) {
  const bool only_other = options.tls.empty();
  const auto context = TRY(server_tls(only_other ? options.other_tls : options.tls));
  if (!only_other && !options.other_tls.empty()) show_by_name(*context, *TRY(server_tls(options.other_tls)));
  ::SSL_CTX_up_ref(context.get());  // Asio's context frees one reference of its own
  return std::make_shared<asio::ssl::context>(context.get());
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Dispatch dispatch, Metrics& metrics) {
  CHECK(dispatch);
  auto proxies = TRY(TrustedProxies::parse(options.trusted_proxies));
  std::shared_ptr<asio::ssl::context> tls;
  const auto& on = options.listen;
  if (std::any_of(on.begin(), on.end(), [](const auto& listen) { return listen.tls; })) tls = TRY(asio_tls(options));
  auto site = std::make_shared<Site>(std::move(options), std::move(proxies), std::move(dispatch), metrics);
  auto impl = std::make_unique<Impl>(std::move(site), std::move(tls));
  const auto& addresses = impl->site->options.listen;
  for (std::size_t of = 0; of < addresses.size(); ++of) TRY(impl->listen(addresses[of], of));
  for (const auto& listener : impl->listeners) impl->accept(*listener);
  for (const auto& io : impl->ios) io->run();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

std::string Server::Bound::url() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (tls ? "https://" : "http://") + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const std::vector<Server::Bound>& Server::bound() const { return impl_->bound; }

bool Server::has_tls() const {
  return std::any_of(impl_->bound.begin(), impl_->bound.end(), [](const auto& bound) { return bound.tls; });
}

Result<> Server::reload_tls() {
  auto fresh = TRY(asio_tls(impl_->site->options));
  const std::lock_guard lock(impl_->mutex);
  impl_->tls = std::move(fresh);
  return {};
}

void Server::drain(Duration deadline, std::function<void()> done) { impl_->drain(deadline, std::move(done)); }

void Server::answer_unanswered(Reason reason) { impl_->site->numbers->unanswered = reason; }

std::size_t Server::connections() const { return impl_->site->numbers->connections; }

}  // namespace gyre::http
