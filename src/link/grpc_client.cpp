#include "link/grpc_client.hpp"

#include <grpcpp/grpcpp.h>

#include <mutex>

#include "agent/v1/agent.grpc.pb.h"
#include "base/check.hpp"
#include "base/log.hpp"
#include "link/call_count.hpp"
#include "link/convert.hpp"
#include "link/grpc_process.hpp"

namespace gyre::link {
namespace {

// One attempt and, when it succeeds, one connection. gRPC's callbacks come on its threads and only convert and hand on;
// it lives until the last of them (`OnDone`) and for as long as its owner holds it. A gRPC "hold" stands for our right
// to begin reads and writes from outside its callbacks; it is given up once, when the stream is closed and no read is
// out.
class ClientStream final : public grpc::ClientBidiReactor<wire::AgentToServer, wire::ServerToAgent>,
                           public std::enable_shared_from_this<ClientStream> {
 public:
  struct Owner {  // called on gRPC's threads
    std::function<void(const std::shared_ptr<ClientStream>&)> let_in;
    std::function<void(const std::shared_ptr<ClientStream>&, ServerMessage)> said;
    std::function<void(std::shared_ptr<ClientStream>, const grpc::Status&)> gone;  // with the last call on its threads
  };
  enum class Sent { yes, closed, too_large, too_slow };

  ClientStream(std::shared_ptr<grpc::Channel> channel, const Owner& owner, CallCount& calls, const StreamLimits& limits)
      : channel_(std::move(channel)),
        stub_(wire::AgentLink::NewStub(channel_)),
        owner_(owner),
        calls_(calls),
        out_(limits.message_bytes, limits.waiting_bytes) {}

  wire::AgentLink::Stub& stub() { return *stub_; }

  void dial() {
    std::lock_guard lock(mutex_);
    self_ = shared_from_this();
    calls_.up();
    stub_->async()->Connect(&context_, this);
    AddHold();
    reading_ = true;
    StartRead(&in_);
    StartCall();
  }

  Sent send(const AgentMessage& message) {
    wire::AgentToServer converted;
    to_wire(message, converted);
    std::lock_guard lock(mutex_);
    if (closed_) return Sent::closed;
    switch (out_.put(std::move(converted))) {
      case Outbox<wire::AgentToServer>::Put::too_large:
        return Sent::too_large;
      case Outbox<wire::AgentToServer>::Put::full:
        shut();
        return Sent::too_slow;
      case Outbox<wire::AgentToServer>::Put::queued:
        break;
    }
    write_next();
    return Sent::yes;
  }

  void read_next() {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    reading_ = true;
    StartRead(&in_);
  }

  void close() {
    std::lock_guard lock(mutex_);
    shut();
  }

 private:
  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) owner_.let_in(shared_from_this());
  }

  void OnReadDone(bool ok) override {
    std::optional<ServerMessage> message;
    {
      std::lock_guard lock(mutex_);
      reading_ = false;
      if (!ok) closed_ = true;  // it ends by itself, with the server's status; cancelling now might hide that
      if (closed_) return shut();
      message = from_wire(in_);
    }
    if (message) return owner_.said(shared_from_this(), std::move(*message));
    log::warn("a message of a newer server was ignored");
    read_next();
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (closed_) return;
    if (!ok) return shut();
    out_.pop();
    write_next();
  }

  void OnDone(const grpc::Status& status) override {
    auto& calls = calls_;
    owner_.gone(std::move(self_), status);  // this may end here, but never on this thread
    calls.down();
  }

  void write_next() {
    if (writing_ || out_.empty()) return;
    writing_ = true;
    StartWrite(&out_.front());
  }

  // Asks gRPC to end the call; OnDone follows. Called again when a read returns.
  void shut() {
    if (!closed_) {
      closed_ = true;
      context_.TryCancel();
    }
    if (reading_ || let_go_) return;
    let_go_ = true;
    RemoveHold();
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<wire::AgentLink::Stub> stub_;
  grpc::ClientContext context_;
  const Owner& owner_;
  CallCount& calls_;
  std::shared_ptr<ClientStream> self_;

  std::mutex mutex_;
  wire::ServerToAgent in_;
  Outbox<wire::AgentToServer> out_;
  bool reading_ = false, writing_ = false, closed_ = false, let_go_ = false;
};

// The agent's end of a carry. The mutex is held across Start* calls; the hold is given up once nothing is out and
// nothing will be begun.
class ClientCarry final : public grpc::ClientBidiReactor<wire::CarryFrame, wire::CarryFrame>,
                          public Carry,
                          public std::enable_shared_from_this<ClientCarry> {
 public:
  using Bury = std::function<void(std::shared_ptr<ClientCarry>)>;

  ClientCarry(std::shared_ptr<ClientStream> over, CallCount& calls, Bury bury)
      : over_(std::move(over)), calls_(calls), bury_(std::move(bury)) {}

  void open(const std::string& token, const std::optional<Error>& why) {
    const std::lock_guard lock(mutex_);
    self_ = shared_from_this();
    calls_.up();
    over_->stub().async()->Carry(&context_, this);
    AddHold();
    out_.set_token(token);
    if (why) why_to_wire(why->reason, why->args, *out_.mutable_why());
    opening_ = writing_ = true;
    only_why_ = why.has_value();
    StartWrite(&out_);
    StartCall();
  }

  void attach(Events events) override {
    bool is_broken = false;
    {
      const std::lock_guard lock(mutex_);
      events_ = std::move(events);
      is_broken = closed_;
    }
    if (is_broken) broke();
  }
  void read() override {
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) {
        reading_ = true;
        return StartRead(&in_);
      }
    }
    broke();
  }
  void write(std::string bytes, bool last) override {
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) {
        next_.set_bytes(std::move(bytes));
        next_.set_last(last);
        waiting_ = true;
        return write_next();
      }
    }
    broke();
  }
  void cancel() override {
    const std::lock_guard lock(mutex_);
    told_broken_ = true;
    shut();
  }

 private:
  void write_next() {
    if (writing_ || !waiting_ || closed_) return;
    waiting_ = false;
    writing_ = true;
    sent_last_ = next_.last();
    out_ = std::move(next_);
    next_.Clear();
    StartWrite(&out_);
  }

  void OnReadDone(bool ok) override {
    std::function<void(std::string, bool)> tell;
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      if (ok) {
        last = got_last_ = in_.last();
        tell = events_.read;
        end_if_both_have();
      }
      if (closed_) let_go();
    }
    if (!ok) return broke();
    if (tell) tell(std::move(*in_.mutable_bytes()), last);
  }

  void OnWriteDone(bool ok) override {
    std::function<void()> tell;
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (ok) {
        if (!std::exchange(opening_, false)) tell = events_.written;
        if (only_why_) closed_ = true;
        write_next();
        end_if_both_have();
      }
      if (closed_) let_go();
    }
    if (!ok) return broke();
    if (tell) tell();
  }

  void OnDone(const grpc::Status&) override {
    broke();
    auto& calls = calls_;
    const auto bury = bury_;
    bury(std::move(self_));  // its channel must not end on this thread
    calls.down();
  }

  void end_if_both_have() {
    if (got_last_ && sent_last_ && !writing_) closed_ = true;  // the server finishes the call
  }

  void broke() {
    std::function<void()> tell;
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(told_broken_, events_.broken != nullptr) && !(got_last_ && sent_last_)) tell = events_.broken;
      shut();
    }
    if (tell) tell();
  }

  void shut() {
    if (!closed_) {
      closed_ = true;
      context_.TryCancel();
    }
    let_go();
  }
  void let_go() {
    if (reading_ || writing_ || let_go_) return;
    let_go_ = true;
    RemoveHold();
  }

  const std::shared_ptr<ClientStream> over_;
  grpc::ClientContext context_;
  CallCount& calls_;
  const Bury bury_;
  std::shared_ptr<ClientCarry> self_;
  std::mutex mutex_;
  wire::CarryFrame in_, out_, next_;
  Events events_;
  bool opening_ = false, only_why_ = false, waiting_ = false, reading_ = false, writing_ = false, closed_ = false,
       let_go_ = false, sent_last_ = false, got_last_ = false, told_broken_ = false;
};

struct Renewal {
  grpc::ClientContext context;
  wire::RenewRequest request;
  wire::RenewReply reply;
  std::shared_ptr<ClientStream> over;  // keeps the channel
};

Error error_of(const grpc::Status& status) {
  Args args{{"detail", status.error_message()}};
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return {Reason::host_refused, std::move(args), {}};
    case grpc::StatusCode::INVALID_ARGUMENT:
      return {Reason::certificate_request_invalid, std::move(args), "csr"};
    default:
      return {Reason::unavailable, std::move(args), {}};
  }
}

}  // namespace

struct GrpcClient::Impl {
  Impl(Runtime& r, GrpcClientConfig c)
      : runtime(r), config(std::move(c)), retry(r), deadline(r), pause(config.retry_first) {
    owner.let_in = [this](const std::shared_ptr<ClientStream>& from) {
      runtime.post(alive.guard([this, from] {
        if (from == stream) let_in();
      }));
    };
    owner.said = [this](const std::shared_ptr<ClientStream>& from, ServerMessage message) {
      runtime.post(alive.guard([this, from, message = std::move(message)] {
        if (from != stream) return;
        if (!is_connected) let_in();  // the first message may overtake the news of being let in
        ++counters.received;
        events->server_said(message);
        from->read_next();
      }));
    };
    owner.gone = [this](std::shared_ptr<ClientStream> from, const grpc::Status& status) {
      const auto* which = from.get();
      {
        std::lock_guard lock(ended_mutex);
        ended.push_back(std::move(from));
      }
      runtime.post(alive.guard([this, which, status] {
        const auto last = take_ended(which);
        if (last == stream) gone(status);
      }));
    };
  }

  Runtime& runtime;
  GrpcClientConfig config;
  ServerEvents* events = nullptr;
  ClientStream::Owner owner;
  CallCount calls;
  std::shared_ptr<ClientStream> stream;  // the attempt or connection there is
  std::shared_ptr<Renewal> renewal;
  // Streams that gRPC is done with, until the core lets go of them. They hold a channel, and the last channel of a
  // process joins gRPC's callback threads when it ends: on one of those it would join itself and free what is in use
  // (1.51, found by the address sanitizer under load).
  std::mutex ended_mutex;
  std::vector<std::shared_ptr<ClientStream>> ended;
  std::vector<std::shared_ptr<ClientCarry>> ended_carries;
  std::vector<std::weak_ptr<ClientCarry>> carries;  // core thread
  std::size_t carries_alive = 0;                    // when they were last counted
  bool is_connected = false;
  Duration connected_at{};
  std::size_t address = 0, tried = 0;  // of config.servers: the one in use, and how many failed in this round
  Timer retry, deadline;
  Duration pause;  // before the next round, without its jitter
  std::string last_problem;
  Counters counters;
  Alive alive;

  std::shared_ptr<ClientStream> take_ended(const ClientStream* which) {
    std::lock_guard lock(ended_mutex);
    const auto found =
        std::find_if(ended.begin(), ended.end(), [which](const auto& one) { return one.get() == which; });
    auto taken = std::move(*found);
    ended.erase(found);
    return taken;
  }

  void bury(std::shared_ptr<ClientCarry> carry) {
    {
      const std::lock_guard lock(ended_mutex);
      ended_carries.push_back(std::move(carry));
      if (ended_carries.size() > 1) return;  // the post for the first one takes all
    }
    runtime.post(alive.guard([this] {
      std::vector<std::shared_ptr<ClientCarry>> gone_now;
      const std::lock_guard lock(ended_mutex);
      gone_now.swap(ended_carries);
    }));
  }

  void dial() {
    ++counters.dialled;
    const auto& server = config.servers[address];
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = config.credentials.ca_pem;
    tls.pem_private_key = config.credentials.key_pem;
    tls.pem_cert_chain = config.credentials.certificate_pem;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride(std::string(server_name));  // see authority.hpp
    arguments.SetMaxReceiveMessageSize(static_cast<int>(config.limits.message_bytes));
    arguments.SetMaxSendMessageSize(static_cast<int>(config.limits.message_bytes));
    const auto keepalive = static_cast<int>(config.keepalive.count());
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive / 2);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // see grpc_server.cpp
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, carry_window_bytes);
    // Each attempt is a connection of its own, and when to try again is our decision.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    const auto channel = grpc::CreateCustomChannel(server, grpc::SslCredentials(tls), arguments);
    stream = std::make_shared<ClientStream>(channel, owner, calls, config.limits);
    deadline.start(config.answer_within, [this] { stream->close(); });
    stream->dial();
  }

  void let_in() {
    if (is_connected) return;
    deadline.stop();
    is_connected = true;
    connected_at = runtime.uptime();
    tried = 0;
    last_problem.clear();
    ++counters.connected;
    log::info("connected to the server", {{"server", config.servers[address]}});
    events->server_connected();
  }

  void gone(const grpc::Status& status) {
    deadline.stop();
    stream.reset();
    if (is_connected) {
      is_connected = false;
      // One that lasted ends the row of failures; one that broke at once does not, or a server that fails after
      // letting hosts in would be dialled in a tight loop.
      if (runtime.uptime() - connected_at >= config.retry_max) pause = config.retry_first;
      log::warn("the connection to the server ended",
                {{"server", config.servers[address]}, {"problem", status.error_message()}});
      wait_and_dial();
      events->server_disconnected();
      return;
    }
    if (const auto problem = status.error_message(); problem != last_problem) {  // say it once, not every 30 s
      log::warn("no connection to the server", {{"server", config.servers[address]}, {"problem", problem}});
      last_problem = problem;
    }
    address = (address + 1) % config.servers.size();
    if (++tried < config.servers.size()) return dial();
    tried = 0;
    wait_and_dial();
  }

  void wait_and_dial() {
    // Between a half and the whole of the pause: a thousand agents of one server do not come back in step.
    const auto half = pause / 2;
    const auto jitter =
        Duration(static_cast<std::int64_t>(runtime.random().unit() * static_cast<double>(half.count())));
    retry.start(half + jitter, [this] { dial(); });
    pause = std::min(pause * 2, config.retry_max);
  }
};

GrpcClient::GrpcClient(Runtime& runtime, GrpcClientConfig config)
    : impl_(std::make_unique<Impl>(runtime, std::move(config))) {
  CHECK(!impl_->config.servers.empty());
  prepare_grpc();
}

GrpcClient::~GrpcClient() {
  if (impl_->renewal) impl_->renewal->context.TryCancel();
  if (impl_->stream) impl_->stream->close();
  for (const auto& weak : impl_->carries)
    if (const auto carry = weak.lock()) carry->cancel();
  impl_->calls.wait_for_none();
}

void GrpcClient::start(ServerEvents& events) {
  CHECK(impl_->events == nullptr);
  impl_->events = &events;
  impl_->dial();
}

void GrpcClient::send(AgentMessage message) {
  if (!impl_->is_connected) return;
  switch (impl_->stream->send(message)) {
    case ClientStream::Sent::yes:
      ++impl_->counters.sent;
      break;
    case ClientStream::Sent::closed:
      break;
    case ClientStream::Sent::too_large:
      log::error("a message to the server is too large and was not sent");
      break;
    case ClientStream::Sent::too_slow:
      log::warn("the server reads too slowly; the connection was closed");
      break;
  }
}

bool GrpcClient::connected() const { return impl_->is_connected; }

void GrpcClient::renew(std::string csr_pem, std::function<void(Result<IssuedCertificate>)> done) {
  if (!impl_->is_connected || impl_->renewal) {
    const std::string detail = impl_->renewal ? "a renewal is on its way" : "not connected";
    impl_->runtime.post(impl_->alive.guard([done = std::move(done), detail] {
      done(fail(Reason::unavailable, {{"detail", detail}}));
    }));
    return;
  }
  const auto call = std::make_shared<Renewal>();
  impl_->renewal = call;
  call->over = impl_->stream;
  call->request.set_csr_pem(std::move(csr_pem));
  call->context.set_deadline(std::chrono::system_clock::now() + impl_->config.answer_within);
  impl_->calls.up();
  auto finished = impl_->alive.guard([impl = impl_.get(), call, done = std::move(done)](const grpc::Status& status) {
    impl->renewal.reset();
    if (!status.ok()) return done(fail(error_of(status)));
    done(IssuedCertificate{.certificate_pem = call->reply.certificate_pem(), .ca_pem = call->reply.ca_pem()});
  });
  auto* stub = &call->over->stub();
  stub->async()->Renew(&call->context, &call->request, &call->reply,
                       [impl = impl_.get(), finished = std::move(finished)](const grpc::Status& status) mutable {
                         impl->runtime.post([finished = std::move(finished), status]() mutable { finished(status); });
                         impl->calls.down();
                       });
}

std::shared_ptr<Carry> GrpcClient::carry(const std::string& token, const std::optional<Error>& why) {
  if (!impl_->is_connected || !impl_->stream) return nullptr;
  auto made = std::make_shared<ClientCarry>(impl_->stream, impl_->calls,
                                            [impl = impl_.get()](auto ended) { impl->bury(std::move(ended)); });
  auto& carries = impl_->carries;
  if (carries.size() >= 64 && carries.size() >= 2 * impl_->carries_alive) {
    std::erase_if(carries, [](const auto& weak) { return weak.expired(); });
    impl_->carries_alive = carries.size();
  }
  carries.push_back(made);
  made->open(token, why);
  return why ? nullptr : made;
}

void GrpcClient::use(Credentials credentials) {
  impl_->config.credentials = std::move(credentials);
  impl_->retry.stop();
  const bool was_connected = std::exchange(impl_->is_connected, false);
  if (impl_->stream) {
    impl_->stream->close();
    impl_->stream.reset();
  }
  if (impl_->events == nullptr) return;
  impl_->tried = 0;
  impl_->dial();
  if (was_connected) impl_->events->server_disconnected();
}

GrpcClient::Counters GrpcClient::counters() const { return impl_->counters; }

}  // namespace gyre::link
