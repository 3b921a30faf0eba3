#include "link/grpc_server.hpp"

#include <grpcpp/grpcpp.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <atomic>
#include <map>
#include <mutex>

#include "agent/v1/agent.grpc.pb.h"
#include "base/check.hpp"
#include "base/log.hpp"
#include "link/call_count.hpp"
#include "link/convert.hpp"
#include "link/grpc_process.hpp"

namespace gyre::link {
namespace {

struct Peer {
  HostId host;
  std::string fingerprint;
  std::string address;
};

// "ipv4:192.0.2.1:80" and "ipv6:%5B2001:db8::1%5D:80", as gRPC names peers, to the address.
std::string address_in(std::string_view peer) {
  const auto colon = peer.find(':');
  if (colon == std::string_view::npos || !peer.starts_with("ipv")) return {};
  const bool v6 = peer.starts_with("ipv6");
  peer.remove_prefix(colon + 1);
  peer = peer.substr(0, peer.rfind(':'));
  if (!v6) return std::string(peer);
  for (const std::string_view bracket : {"%5B", "["})
    if (peer.starts_with(bracket)) peer.remove_prefix(bracket.size());
  for (const std::string_view bracket : {"%5D", "]"})
    if (peer.ends_with(bracket)) peer.remove_suffix(bracket.size());
  constexpr std::string_view mapped = "::ffff:";
  if (peer.starts_with(mapped) && peer.find('.') != std::string_view::npos) peer.remove_prefix(mapped.size());
  return std::string(peer);
}

// The host that the client's certificate names. TLS has checked the signature, the dates and that it is a client's.
Result<Peer> peer_of(const grpc::CallbackServerContext& context) {
  const auto identity = context.auth_context();
  const auto certificates = identity->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (!identity->IsPeerAuthenticated() || certificates.empty())
    return fail(Reason::host_refused, {{"detail", "no client certificate"}});
  const auto& pem = certificates.front();
  const auto facts = TRY(read_certificate({pem.data(), pem.size()}));
  if (facts.host.empty() || facts.common_name != facts.host.str())
    return fail(Reason::host_refused, {{"detail", "the certificate names no host"}});
  return Peer{.host = facts.host, .fingerprint = facts.fingerprint, .address = address_in(context.peer())};
}

grpc::Status status_of(const Error& error) {
  switch (error.code()) {
    case ErrorCode::invalid_argument:
      return {grpc::StatusCode::INVALID_ARGUMENT, error.message()};
    case ErrorCode::unauthenticated:
      return {grpc::StatusCode::UNAUTHENTICATED, error.message()};
    case ErrorCode::permission_denied:
    case ErrorCode::not_found:
      return {grpc::StatusCode::PERMISSION_DENIED, error.message()};
    case ErrorCode::failed_precondition:
      return {grpc::StatusCode::FAILED_PRECONDITION, error.message()};
    case ErrorCode::internal:
      return {grpc::StatusCode::INTERNAL, error.message()};
    default:
      return {grpc::StatusCode::UNAVAILABLE, error.message()};
  }
}

}  // namespace

// One connection. Its gRPC callbacks come on gRPC's threads and only convert and post; it lives until the last of them
// (`OnDone`) and for as long as a task of the core still holds it. The mutex is held across Start* calls, so that none
// is made after Finish; gRPC never calls back from within them.
class ServerStream final : public grpc::ServerBidiReactor<wire::AgentToServer, wire::ServerToAgent>,
                           public std::enable_shared_from_this<ServerStream> {
 public:
  struct Owner {  // what a stream tells; called on gRPC's threads
    std::function<void(std::shared_ptr<ServerStream>, AgentMessage)> said;
    std::function<void(std::shared_ptr<ServerStream>)> gone;
  };
  enum class Sent { yes, closed, too_large, too_slow };

  ServerStream(grpc::CallbackServerContext& context, Peer peer, const Owner& owner, CallCount& calls,
               const StreamLimits& limits)
      : context_(context),
        peer_(std::move(peer)),
        owner_(owner),
        calls_(calls),
        out_(limits.message_bytes, limits.waiting_bytes) {}

  const Peer& peer() const { return peer_; }
  void live() {
    self_ = shared_from_this();
    calls_.up();
  }

  bool closing() const {
    std::lock_guard lock(mutex_);
    return finished_;
  }

  // The host is let in: tell it, write what has waited, and listen.
  void begin() {
    std::lock_guard lock(mutex_);
    if (finished_ || begun_) return;
    begun_ = true;
    StartSendInitialMetadata();
    StartRead(&in_);
    write_next();
  }

  // The last message has been dealt with: the next may come. So one message of a host is in flight at a time, and a
  // host that talks faster than the core listens is held back by TCP.
  void read_next() {
    std::lock_guard lock(mutex_);
    if (!finished_) StartRead(&in_);
  }

  Sent send(const ServerMessage& message) {
    wire::ServerToAgent converted;
    to_wire(message, converted);
    std::lock_guard lock(mutex_);
    if (finished_) return Sent::closed;
    switch (out_.put(std::move(converted))) {
      case Outbox<wire::ServerToAgent>::Put::too_large:
        return Sent::too_large;
      case Outbox<wire::ServerToAgent>::Put::full:
        finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "the agent reads too slowly"});
        return Sent::too_slow;
      case Outbox<wire::ServerToAgent>::Put::queued:
        break;
    }
    write_next();
    return Sent::yes;
  }

  void close(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    finish(status);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return close(grpc::Status::OK);  // the agent has hung up, or we have
    auto message = from_wire(in_);
    if (message) return owner_.said(shared_from_this(), std::move(*message));
    log::debug("a message of a newer agent was ignored", {{"host", peer_.host.str()}});
    read_next();
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    if (finished_) return;
    if (!ok) return finish({grpc::StatusCode::UNAVAILABLE, "the connection broke"});
    out_.pop();
    write_next();
  }

  void OnCancel() override { close({grpc::StatusCode::CANCELLED, "cancelled"}); }

  void OnDone() override {
    owner_.gone(shared_from_this());
    auto& calls = calls_;
    self_.reset();  // this may end here
    calls.down();
  }

  void write_next() {
    if (!begun_ || writing_ || out_.empty()) return;
    writing_ = true;
    StartWrite(&out_.front());
  }

  void finish(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    // A write that the peer does not take would hold the status back for ever.
    if (writing_)
      context_.TryCancel();
    else
      out_.clear();
    Finish(status);
  }

  grpc::CallbackServerContext& context_;
  const Peer peer_;
  const Owner& owner_;
  CallCount& calls_;
  std::shared_ptr<ServerStream> self_;

  mutable std::mutex mutex_;
  wire::AgentToServer in_;  // between OnReadDone and StartRead it is ours
  Outbox<wire::ServerToAgent> out_;
  bool begun_ = false, writing_ = false, finished_ = false;
};

namespace {

// What waits for agents to come with its token. Any thread.
class Expected {
 public:
  void add(const HostId& host, const std::string& token, CarryDesk::Arrived arrived) {
    const std::lock_guard lock(mutex_);
    waiting_[token] = {host, std::move(arrived)};
  }
  void remove(const std::string& token) {
    const std::lock_guard lock(mutex_);
    waiting_.erase(token);
  }
  // Once for each token, and only to the host that was asked.
  CarryDesk::Arrived take(const HostId& host, const std::string& token) {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(token);
    if (found == waiting_.end() || found->second.host != host) return nullptr;
    auto out = std::move(found->second.arrived);
    waiting_.erase(found);
    return out;
  }
  std::atomic<std::size_t> open = 0;

 private:
  struct Waiting {
    HostId host;
    CarryDesk::Arrived arrived;
  };
  std::mutex mutex_;
  std::map<std::string, Waiting> waiting_;
};

// The server's end of a carry. As with ServerStream, the mutex is held across Start* calls.
class ServerCarry final : public grpc::ServerBidiReactor<wire::CarryFrame, wire::CarryFrame>,
                          public Carry,
                          public std::enable_shared_from_this<ServerCarry> {
 public:
  ServerCarry(grpc::CallbackServerContext& context, HostId host, Expected& expected, CallCount& calls)
      : context_(context), host_(std::move(host)), expected_(expected), calls_(calls) {}

  void live() {
    self_ = shared_from_this();
    calls_.up();
    ++expected_.open;
    const std::lock_guard lock(mutex_);
    StartRead(&in_);
  }

  void attach(Events events) override {
    bool is_broken = false;
    {
      const std::lock_guard lock(mutex_);
      events_ = std::move(events);
      is_broken = finished_;
    }
    if (is_broken) broke();
  }
  void read() override {
    {
      const std::lock_guard lock(mutex_);
      if (!finished_) return StartRead(&in_);
    }
    broke();
  }
  void write(std::string bytes, bool last) override {
    {
      const std::lock_guard lock(mutex_);
      if (!finished_) {
        out_.set_bytes(std::move(bytes));
        out_.set_last(last);
        sent_last_ = last;
        writing_ = true;
        return StartWrite(&out_);
      }
    }
    broke();
  }
  void cancel() override {
    const std::lock_guard lock(mutex_);
    told_broken_ = true;
    finish({grpc::StatusCode::CANCELLED, "the other side is gone"});
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return broke();
    if (!begun_) return begin();
    std::function<void(std::string, bool)> tell;
    {
      const std::lock_guard lock(mutex_);
      got_last_ = in_.last();
      tell = events_.read;
      if (got_last_ && sent_last_ && !writing_) finish(grpc::Status::OK);
    }
    if (tell) tell(std::move(*in_.mutable_bytes()), got_last_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return broke();
    std::function<void()> tell;
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      tell = events_.written;
      if (got_last_ && sent_last_) finish(grpc::Status::OK);
    }
    if (tell) tell();
  }

  void OnCancel() override { broke(); }

  void OnDone() override {
    auto& calls = calls_;
    --expected_.open;
    self_.reset();  // this may end here
    calls.down();
  }

  void begin() {
    begun_ = true;
    auto arrived = expected_.take(host_, in_.token());
    if (!arrived) {
      const std::lock_guard lock(mutex_);
      return finish({grpc::StatusCode::PERMISSION_DENIED, "this token was not given to this host, or was used"});
    }
    if (!in_.has_why()) return arrived(std::static_pointer_cast<Carry>(shared_from_this()));
    Error why;
    why.reason = why_from_wire(in_.why(), why.args);
    {
      const std::lock_guard lock(mutex_);
      finish(grpc::Status::OK);
    }
    arrived(fail(std::move(why)));
  }

  void broke() {
    std::function<void()> tell;
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(told_broken_, events_.broken != nullptr) && !(got_last_ && sent_last_)) tell = events_.broken;
      finish({grpc::StatusCode::CANCELLED, "the connection broke"});
    }
    if (tell) tell();
  }

  void finish(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    if (writing_) context_.TryCancel();
    Finish(status);
  }

  grpc::CallbackServerContext& context_;
  const HostId host_;
  Expected& expected_;
  CallCount& calls_;
  std::shared_ptr<ServerCarry> self_;
  std::mutex mutex_;
  wire::CarryFrame in_, out_;
  Events events_;
  bool begun_ = false;  // of OnReadDone only
  bool writing_ = false, finished_ = false, sent_last_ = false, got_last_ = false, told_broken_ = false;
};

// A call that is refused before it began.
template <class In, class Out>
class Refusal final : public grpc::ServerBidiReactor<In, Out> {
 public:
  explicit Refusal(const grpc::Status& status) { this->Finish(status); }

 private:
  void OnDone() override { delete this; }
};

// Renew: waits for a task of the core, or for its caller to give up.
class RenewCall final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<RenewCall> {
 public:
  explicit RenewCall(wire::RenewReply& reply) : reply_(reply) {}
  void live() { self_ = shared_from_this(); }

  void answer(const Result<IssuedCertificate>& issued) {
    std::lock_guard lock(mutex_);
    if (finished_) return;  // the reply is gRPC's, and may be gone
    if (issued) {
      reply_.set_certificate_pem(issued->certificate_pem);
      reply_.set_ca_pem(issued->ca_pem);
    }
    finish(issued ? grpc::Status::OK : status_of(issued.error()));
  }

 private:
  void OnCancel() override {
    std::lock_guard lock(mutex_);
    finish({grpc::StatusCode::CANCELLED, "cancelled"});
  }
  void OnDone() override { self_.reset(); }
  void finish(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    Finish(status);
  }

  wire::RenewReply& reply_;
  std::shared_ptr<RenewCall> self_;
  std::mutex mutex_;
  bool finished_ = false;
};

}  // namespace

struct GrpcServer::Impl final : wire::AgentLink::CallbackService {
  Impl(Core& c, const Authority& a, GrpcServerConfig cfg, Admission adm)
      : core(c), authority(a), config(std::move(cfg)), admission(std::move(adm)) {
    owner.said = [this](std::shared_ptr<ServerStream> stream, AgentMessage message) {
      said(std::move(stream), std::move(message));
    };
    owner.gone = [this](std::shared_ptr<ServerStream> stream) { gone(std::move(stream)); };
  }

  Core& core;
  const Authority& authority;
  const GrpcServerConfig config;
  const Admission admission;
  ServerStream::Owner owner;
  CallCount calls;
  Expected expected;
  AgentEvents* events = nullptr;
  std::map<HostId, std::shared_ptr<ServerStream>> streams;  // the present connection of each host; core thread
  Counters counters;                                        // core thread
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Timer> certificate_timer;
  Alive alive;  // last: tasks that come late find nobody

  // ---- on gRPC's threads ----

  grpc::ServerBidiReactor<wire::AgentToServer, wire::ServerToAgent>* Connect(
      grpc::CallbackServerContext* context) override {
    auto peer = peer_of(*context);
    using Refused = Refusal<wire::AgentToServer, wire::ServerToAgent>;
    if (!peer) return new Refused({grpc::StatusCode::UNAUTHENTICATED, peer.error().message()});
    const auto stream = std::make_shared<ServerStream>(*context, std::move(*peer), owner, calls, config.limits);
    stream->live();
    core.post("agent connects", alive.guard([this, stream] { admit(stream); }),
              alive.guard([this, stream] { not_admitted(stream); }));
    return stream.get();
  }

  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context, const wire::RenewRequest* request,
                                  wire::RenewReply* reply) override {
    const auto call = std::make_shared<RenewCall>(*reply);
    call->live();
    auto* reactor = call.get();
    const auto peer = peer_of(*context);
    if (!peer) {
      call->answer(fail(peer.error()));
      return reactor;
    }
    auto task = [this, call, peer = *peer, csr = request->csr_pem()] { renew(call, peer, csr); };
    auto failed = [call] { call->answer(fail(Reason::unavailable, {{"detail", "the renewal was not recorded"}})); };
    core.post("agent renews", alive.guard(std::move(task)), std::move(failed));
    return reactor;
  }

  grpc::ServerBidiReactor<wire::CarryFrame, wire::CarryFrame>* Carry(grpc::CallbackServerContext* context) override {
    using Refused = Refusal<wire::CarryFrame, wire::CarryFrame>;
    const auto peer = peer_of(*context);
    if (!peer) return new Refused({grpc::StatusCode::UNAUTHENTICATED, peer.error().message()});
    const auto carry = std::make_shared<ServerCarry>(*context, peer->host, expected, calls);
    carry->live();
    return carry.get();
  }

  void said(std::shared_ptr<ServerStream> stream, AgentMessage message) {
    auto task = [this, stream, message = std::move(message)] {
      if (!is_present(stream)) return;  // replaced meanwhile
      ++counters.received;
      core.after_commit([stream] { stream->read_next(); });
      events->agent_said(stream->peer().host, message);
    };
    // The agent sends its whole state again when it is back.
    auto failed = [stream] { stream->close({grpc::StatusCode::UNAVAILABLE, "the message could not be recorded"}); };
    core.post("agent said", alive.guard(std::move(task)), std::move(failed));
  }

  void gone(std::shared_ptr<ServerStream> stream) {
    core.post("agent left", alive.guard([this, stream = std::move(stream)] {
      const auto host = stream->peer().host;
      if (!is_present(stream)) return;
      streams.erase(host);
      say_disconnected(host);
    }));
  }

  // ---- in tasks of the core ----

  bool is_present(const std::shared_ptr<ServerStream>& stream) const {
    const auto found = streams.find(stream->peer().host);
    return found != streams.end() && found->second == stream;
  }

  void admit(const std::shared_ptr<ServerStream>& stream) {
    const auto& peer = stream->peer();
    if (stream->closing()) return;
    if (!admission.is_known(peer.host, peer.fingerprint)) {
      ++counters.refused;
      log::warn("a host was refused", {{"host", peer.host.str()}, {"fingerprint", peer.fingerprint}});
      stream->close({grpc::StatusCode::PERMISSION_DENIED, "this host is retired, or this is not its certificate"});
      return;
    }
    if (const auto old = streams.find(peer.host); old != streams.end()) {
      ++counters.replaced;
      old->second->close({grpc::StatusCode::ABORTED, "a newer connection of this host took over"});
      streams.erase(old);
      events->agent_disconnected(peer.host);
    }
    ++counters.accepted;
    streams[peer.host] = stream;
    core.after_commit([stream] { stream->begin(); });  // before what agent_connected wants to send
    events->agent_connected(peer.host);
  }

  // The task threw or its commit failed: nobody knows of the connection, and maybe of the end of the one before.
  void not_admitted(const std::shared_ptr<ServerStream>& stream) {
    stream->close({grpc::StatusCode::UNAVAILABLE, "the connection could not be recorded"});
    if (is_present(stream)) streams.erase(stream->peer().host);
    const auto host = stream->peer().host;
    core.post("agent left", alive.guard([this, host] { say_disconnected(host); }));
  }

  void say_disconnected(const HostId& host) {
    if (!streams.contains(host)) events->agent_disconnected(host);
  }

  void renew(const std::shared_ptr<RenewCall>& call, const Peer& peer, const std::string& csr_pem) {
    Result<IssuedCertificate> issued =
        fail(Reason::host_refused, {{"detail", "it is retired, or this is not its certificate"}});
    if (admission.is_known(peer.host, peer.fingerprint))
      issued = core.transact([&] { return admission.renew(peer.host, csr_pem); });
    core.after_commit([call, issued] { call->answer(issued); });
  }

  // ---- the server's own certificate ----

  Result<ServerCertificate> ensure_certificate(Time now) const {
    return authority.ensure_server_certificate("agents", config.names, now, config.certificate_life);
  }

  void check_certificate_now_and_then() {
    certificate_timer = std::make_unique<Timer>(core.runtime());
    certificate_timer->repeat(config.certificate_check, [this] {
      const auto outcome = std::make_shared<Result<ServerCertificate>>();
      core.runtime().work(
          [this, outcome, now = core.now()] { *outcome = ensure_certificate(now); },
          [outcome] {
            if (!*outcome)
              log::error("the agents' port could not renew its certificate", {{"problem", outcome->error().message()}});
            else if ((*outcome)->renewed)
              log::info("the agents' port has a new certificate", {{"until", rfc3339((*outcome)->facts.not_after)}});
          });
    });
  }
};

GrpcServer::GrpcServer(Core& core, const Authority& authority, GrpcServerConfig config, Admission admission)
    : impl_(std::make_unique<Impl>(core, authority, std::move(config), std::move(admission))) {
  CHECK(impl_->admission.is_known && impl_->admission.renew);
  prepare_grpc();
}

GrpcServer::~GrpcServer() {
  if (!impl_->server) return;
  for (const auto& [host, stream] : impl_->streams)
    stream->close({grpc::StatusCode::UNAVAILABLE, "the server is stopping"});
  // Streams that are not yet admitted and renewals end by the cancellation; none of it needs the core.
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  impl_->server->Wait();
  impl_->calls.wait_for_none();
}

Result<int> GrpcServer::start(AgentEvents& events) {
  CHECK(!impl_->server);
  impl_->events = &events;
  const auto certificate = TRY(impl_->ensure_certificate(impl_->core.now()));
  const auto& config = impl_->config;

  const auto reload = std::chrono::ceil<std::chrono::seconds>(config.certificate_reload).count();
  const auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      certificate.key_file.string(), certificate.certificate_file.string(), certificate.ca_file.string(),
      static_cast<unsigned>(reload));
  grpc::experimental::TlsServerCredentialsOptions options(provider);
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);

  const auto keepalive = static_cast<int>(config.keepalive.count());
  const auto message_limit = static_cast<int>(config.limits.message_bytes);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(message_limit);
  builder.SetMaxSendMessageSize(message_limit);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second server on the port is an error, not a rival
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 8 + config.carries_per_host);
  // What a carry may send before its reader has taken any of it; with the probe of bandwidth on, it would be megabytes.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, carry_window_bytes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive / 2);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Agents ping too, every 20 s by default; gRPC's own limit of one in five minutes would throw them out.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  int port = 0;
  builder.AddListeningPort(config.listen, grpc::experimental::TlsServerCredentials(options), &port);
  builder.RegisterService(impl_.get());
  impl_->server = builder.BuildAndStart();
  if (!impl_->server || port == 0) return fail(Reason::agents_port_unusable, {{"listen", config.listen}});
  impl_->check_certificate_now_and_then();
  return port;
}

void GrpcServer::send(const HostId& host, ServerMessage message) {
  const auto found = impl_->streams.find(host);
  if (found == impl_->streams.end()) return;
  switch (found->second->send(message)) {
    case ServerStream::Sent::yes:
      ++impl_->counters.sent;
      break;
    case ServerStream::Sent::closed:
      break;
    case ServerStream::Sent::too_large:
      log::error("a message to an agent is too large and was not sent", {{"host", host.str()}});
      break;
    case ServerStream::Sent::too_slow:
      ++impl_->counters.closed_as_slow;
      log::warn("an agent reads too slowly; its connection was closed", {{"host", host.str()}});
      break;
  }
}

bool GrpcServer::connected(const HostId& host) const {
  const auto found = impl_->streams.find(host);
  return found != impl_->streams.end() && !found->second->closing();
}

std::string GrpcServer::address_of(const HostId& host) const {
  const auto found = impl_->streams.find(host);
  return found == impl_->streams.end() ? std::string() : found->second->peer().address;
}

void GrpcServer::expect(const HostId& host, const std::string& token, Arrived arrived) {
  impl_->expected.add(host, token, std::move(arrived));
}

void GrpcServer::forget(const std::string& token) { impl_->expected.remove(token); }

void GrpcServer::disconnect(const HostId& host) {
  const auto found = impl_->streams.find(host);
  if (found != impl_->streams.end())
    found->second->close({grpc::StatusCode::PERMISSION_DENIED, "the server has let this host go"});
}

GrpcServer::Counters GrpcServer::counters() const {
  auto out = impl_->counters;
  out.connected = impl_->streams.size();
  out.carries = impl_->expected.open;
  return out;
}

}  // namespace gyre::link
