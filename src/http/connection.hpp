// One client's connection, without its socket: requests in, answers out in order, limits and time-outs. The socket is a
// Wire (server.cpp has the two real ones, tests have one of their own), the thread it lives on is a Loop.
//
//   opening --TLS done--> open --last answer sent--> leaving --client's goodbye, or linger_time--> over
//      any of them --time-out, broken socket, give_up--> over
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/request_parser.hpp"
#include "http/server.hpp"
#include "http/trusted_proxies.hpp"
#include "http/web_socket_session.hpp"
#include "http/wire.hpp"

namespace gyre::http {

// What all connections of a server share. Any thread.
class Site {
 public:
  Site(ServerOptions with, TrustedProxies proxies, Server::Dispatch dispatch, Metrics& metrics);

  enum class Admission { welcome, refused, dropped };  // refused: it gets a 503; dropped: not even that
  Admission admit(const std::string& remote);
  void released(const std::string& remote);  // whatever the answer was

  void answered(const std::string& route, std::string_view method, int status, Duration after);
  void cut(const char* why);

  const ServerOptions options;
  const TrustedProxies proxies;
  const Server::Dispatch dispatch;

  // Also read by gauges, which may outlive the server.
  struct Numbers {
    std::atomic<std::size_t> connections = 0, requests_at_core = 0, requests_open = 0, streams = 0;
    std::atomic<Reason> unanswered = Reason::internal_error;  // what nobody answers is answered with
  };
  const std::shared_ptr<Numbers> numbers = std::make_shared<Numbers>();
  std::atomic<bool> draining = false;
  Metrics::Counter bytes_received, bytes_sent;

 private:
  struct PerRoute {
    Metrics::Counter requests;
    Metrics::Histogram seconds;
  };
  Metrics& metrics_;
  Metrics::Counter refused_, dropped_;
  std::mutex mutex_;
  std::map<std::string, std::size_t> by_remote_;
  std::map<std::string, PerRoute> by_route_;
};

class Connection final : public Member, public std::enable_shared_from_this<Connection> {
 public:
  struct Peer {
    std::string address;
    bool tls = false;
    Site::Admission admission = Site::Admission::welcome;
  };
  Connection(std::shared_ptr<Site> site, Loop& loop, std::shared_ptr<Wire> wire, Peer peer);

  void start();

  // The wire's answers.
  void on_open() override;
  void on_read(Read what, std::size_t size) override;
  void on_written(bool ok, std::size_t size) override;
  void on_time() override;
  void on_gone() override;

  // The server's wishes.
  void drain() override;
  void end_now() override;
  void give_up(const char* why) override;

  // From dispatch, by way of the loop.
  void answered(std::uint64_t number, Response response);
  void waits_for(std::uint64_t number, const std::shared_ptr<Later>& later);

 private:
  enum class Phase { opening, open, leaving, over };

  // A request and its answer; they stand in the order in which the answers must leave.
  struct Exchange {
    std::uint64_t number = 0;
    std::string method = "-", target = "-", path, remote, request_id;
    TimePoint started{};
    bool http11 = true, head_only = false, safe = false;
    bool last = false;               // "Connection: close"
    std::optional<Request> waiting;  // not dispatched yet
    std::weak_ptr<Later> later;      // weak: when its handler forgets it, that is noticed
    std::optional<Response> answer;
    bool begun = false;          // the answer's head is on its way
    std::size_t bytes = 0;       // of the answer's body
    std::string web_socket_key;  // it asks for a WebSocket; nothing after it is a request until that is answered
  };

  void advance();
  void parse();
  enum class HandedOver { no, not_yet, yes };
  HandedOver hand_over();
  void accept();
  void refuse(Error why);
  Exchange exchange_of_parser(Request& request);
  void dispatch_back();
  void fill();
  void begin(Exchange& exchange);
  bool fill_from_stream(Exchange& exchange);
  void begin_web_socket(Exchange& exchange);
  void advance_web_socket();
  void drop_exchanges(const char* why);
  void start_write_clock();
  void write_out();
  void read_more();
  void leave();
  void over();
  void record(const Exchange& exchange, const char* cut);
  std::optional<TimePoint> read_deadline() const;
  void set_alarm();

  const std::shared_ptr<Site> site_;
  Loop& loop_;
  std::shared_ptr<Wire> wire_;  // null once it was handed over
  const Peer peer_;
  Phase phase_ = Phase::opening;

  std::string read_buffer_, in_;
  bool reading_ = false, client_done_ = false;
  bool no_more_ = false;           // the last request of this connection has been read
  std::size_t ignored_bytes_ = 0;  // read after that
  std::unique_ptr<RequestParser> parser_;
  bool head_seen_ = false, continue_owed_ = false;
  bool handing_over_ = false;  // as soon as the answers before it have left; nothing is read meanwhile
  bool looking_ = false;       // at the first bytes of a request: whether it is for us
  TimePoint since_{};          // we wait for the TLS handshake, the head or the body
  TimePoint idle_since_{};     // we wait for a request

  std::deque<Exchange> exchanges_;
  std::uint64_t next_number_ = 1;
  std::string out_;
  std::size_t out_at_ = 0, write_mark_ = 0;  // sent; sent when write_since_ was taken
  bool writing_ = false, closing_ = false, reset_at_end_ = false;
  TimePoint write_since_{}, leave_since_{};
  std::vector<Exchange> leaving_;                 // their last bytes are in out_
  std::unique_ptr<WebSocketSession> web_socket_;  // from then on in_ and out_ are its bytes
};

}  // namespace gyre::http
