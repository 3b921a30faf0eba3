#include "agent/tunnels.hpp"

#include <pthread.h>

#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <thread>
#include <unordered_set>

#include "base/log.hpp"

namespace gyre::agent {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using Alarm =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

constexpr std::size_t small_read = 1024;  // what an idle tunnel keeps

Error not_possible(const Tunnels::Target& target, std::string detail) {
  Args args{{"pod", target.pod}, {"port", std::to_string(target.container_port)}, {"detail", std::move(detail)}};
  return {Reason::tunnel_not_possible, std::move(args), {}};
}

}  // namespace

struct Tunnels::Impl : std::enable_shared_from_this<Impl> {
  Impl(Runtime& r, Open o) : runtime(r), opener(std::move(o)) {}

  Runtime& runtime;
  const Open opener;
  Alive alive;  // core thread
  std::atomic<int> open_count = 0;
  asio::io_context context{1};
  asio::executor_work_guard<Executor> busy{context.get_executor()};
  std::unordered_set<std::shared_ptr<class CarriedConnection>> all;  // the thread's
  std::thread thread;
};

// One connection: bytes of the socket to the carry, and back. Everything on the thread of the tunnels; what the carry
// says comes there by post. One buffer each way: nothing is read that the other side has not taken.
class CarriedConnection : public std::enable_shared_from_this<CarriedConnection> {
 public:
  CarriedConnection(Tunnels::Impl& owner, Tunnels::Target target, std::string token)
      : owner_(owner),
        target_(std::move(target)),
        token_(std::move(token)),
        socket_(owner.context.get_executor()),
        alarm_(owner.context.get_executor()) {}

  void connect() {
    error_code failed;
    const auto address = asio::ip::make_address(target_.address, failed);
    const asio::ip::tcp::endpoint endpoint(address, static_cast<asio::ip::port_type>(target_.port));
    alarm_.expires_after(Tunnels::connect_time);
    alarm_.async_wait([self = shared_from_this()](error_code cancelled) {
      error_code ignored;
      if (!cancelled && !self->connected_) self->socket_.close(ignored);
    });
    socket_.async_connect(endpoint, [self = shared_from_this()](error_code problem) { self->on_connected(problem); });
  }

  void cut() {
    if (over_) return;
    over_ = true;
    error_code ignored;
    socket_.close(ignored);
    alarm_.cancel();
    if (carry_) carry_->cancel();
    --owner_.open_count;
    owner_.all.erase(shared_from_this());
  }

 private:
  void on_connected(error_code failed) {
    if (over_) return;
    connected_ = true;
    alarm_.cancel();
    std::optional<Error> why;
    if (failed) why = not_possible(target_, failed.message());
    error_code ignored;
    if (!failed) socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    // The carry is opened on the core, where the connection to the server is known.
    owner_.runtime.post([owner = owner_.weak_from_this(), self = shared_from_this(), why] {
      const auto to = owner.lock();
      if (!to) return;
      auto carry = to->opener(self->token_, why);
      asio::post(to->context, [self, carry = std::move(carry)] { self->on_carry(carry); });
    });
  }

  void on_carry(const std::shared_ptr<link::Carry>& carry) {
    if (over_) {
      if (carry) carry->cancel();
      return;
    }
    if (!carry) return cut();
    carry_ = carry;
    const auto to_thread = [weak = weak_from_this(), owner = owner_.weak_from_this()](auto what) {
      return [weak, owner, what](auto... news) {
        const auto to = owner.lock();
        if (!to) return;
        asio::post(to->context, [weak, what, ... news = std::move(news)]() mutable {
          if (const auto self = weak.lock(); self && !self->over_) what(*self, std::move(news)...);
        });
      };
    };
    link::Carry::Events events;
    events.read = to_thread([](CarriedConnection& self, std::string bytes, bool last) { self.heard(bytes, last); });
    events.written = to_thread([](CarriedConnection& self) { self.sent(); });
    events.broken = to_thread([](CarriedConnection& self) { self.cut(); });
    carry_->attach(std::move(events));
    carry_->read();
    read_socket();
  }

  // ---- from the pod ----

  void read_socket() {
    from_pod_.resize(read_size_);
    from_pod_.shrink_to_fit();
    const auto into = asio::buffer(from_pod_);
    socket_.async_read_some(
        into, [self = shared_from_this()](error_code failed, std::size_t size) { self->on_socket_read(failed, size); });
  }

  void on_socket_read(error_code failed, std::size_t size) {
    if (over_) return;
    if (failed && failed != asio::error::eof) return cut();
    if (failed) {
      pod_ended_ = true;
      return carry_->write({}, true);
    }
    read_size_ = size == from_pod_.size() ? std::min(read_size_ * 8, link::Carry::frame_bytes)
                 : size < small_read / 2  ? small_read
                                          : read_size_;
    from_pod_.resize(size);
    carry_->write(std::move(from_pod_), false);
    from_pod_.clear();
  }

  void sent() {
    if (!pod_ended_) return read_socket();
    end_if_both_have();
  }

  // ---- to the pod ----

  void heard(std::string bytes, bool last) {
    server_ended_ = last;
    to_pod_ = std::move(bytes);
    if (to_pod_.empty()) return taken();
    asio::async_write(socket_, asio::buffer(to_pod_), [self = shared_from_this()](error_code failed, std::size_t) {
      if (self->over_) return;
      if (failed) return self->cut();
      self->taken();
    });
  }

  void taken() {
    to_pod_ = {};
    if (!server_ended_) return carry_->read();
    error_code ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    server_end_passed_on_ = true;
    end_if_both_have();
  }

  void end_if_both_have() {
    if (pod_ended_ && server_end_passed_on_) cut();  // nothing is cut off any more
  }

  Tunnels::Impl& owner_;
  const Tunnels::Target target_;
  const std::string token_;
  Socket socket_;
  Alarm alarm_;
  std::shared_ptr<link::Carry> carry_;
  std::string from_pod_, to_pod_;
  std::size_t read_size_ = small_read;
  bool connected_ = false, pod_ended_ = false, server_ended_ = false, server_end_passed_on_ = false, over_ = false;
};

Tunnels::Tunnels(Runtime& runtime, Open open) : impl_(std::make_shared<Impl>(runtime, std::move(open))) {
  impl_->thread = std::thread([impl = impl_.get()] {
    ::pthread_setname_np(::pthread_self(), "gyre-tunnels");
    impl->context.run();
  });
}

Tunnels::~Tunnels() {
  auto& impl = *impl_;
  asio::post(impl.context, [&impl] {
    const auto all = impl.all;
    for (const auto& one : all) one->cut();
    impl.busy.reset();
    impl.context.stop();
  });
  impl.thread.join();
}

void Tunnels::open(const std::string& token, const Result<Target>& target) {
  if (!target) {
    impl_->opener(token, target.error());
    return;
  }
  if (impl_->open_count >= open_max) {
    Args args{{"limit", std::to_string(open_max)}};
    impl_->opener(token, Error{Reason::too_many_tunnels, std::move(args), {}});
    return;
  }
  ++impl_->open_count;
  asio::post(impl_->context, [impl = impl_.get(), target = *target, token] {
    const auto made = std::make_shared<CarriedConnection>(*impl, target, token);
    impl->all.insert(made);
    made->connect();
  });
}

int Tunnels::open_now() const { return impl_->open_count; }

}  // namespace gyre::agent
