// One client's connection at the proxy: a request, its upstream, the answer, the next request; or, after an upgrade,
// two streams of bytes. One buffer each way: what the one side has not taken is not read from the other.
//
//   resting --head--> opening --upstream open--> busy --answer sent--> resting
//                                                busy --101--> upgraded
//   any of them --last answer sent--> leaving --client's goodbye--> over
#pragma once

#include <optional>
#include <string>

#include "edge/body.hpp"
#include "edge/edge.hpp"
#include "edge/upstream.hpp"
#include "http/trusted_proxies.hpp"

namespace gyre::edge {

// What all sessions share. Any thread.
struct Site {
  Settings settings;
  http::TrustedProxies proxies;
  const RouteTable* routes = nullptr;
  OpenTunnel tunnel;
  Metrics::Counter by_status[6];  // 1xx .. 5xx
  Metrics::Counter bytes_in, bytes_out, reused, straight, tunnelled, cut;
  struct Numbers {
    std::atomic<int> sessions = 0, open = 0, upgraded = 0;
  };
  std::shared_ptr<Numbers> numbers = std::make_shared<Numbers>();
};

class Session final : public http::Member, public Upstream::User, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Site> site, http::HandOver handed);
  ~Session() override;
  void start();  // once it belongs to a shared_ptr

  void on_open() override {}
  void on_read(Read what, std::size_t size) override;
  void on_written(bool ok, std::size_t size) override;
  void on_time() override;
  void on_gone() override;
  void drain() override;
  void end_now() override;
  void give_up(const char* why) override;

  void upstream_open() override;
  void upstream_failed() override;
  void upstream_read(Read what) override;
  void upstream_written(bool ok, std::size_t size) override;

 private:
  enum class Phase { resting, opening, busy, upgraded, leaving, over };

  // The request under way.
  struct Exchange {
    std::shared_ptr<const Route> route;
    std::string head;  // for the pod
    std::size_t head_at = 0;
    std::string method;
    BodyEnd request, answer;
    bool http11 = true, keep_alive = true, wants_upgrade = false, wants_html = false;
    bool retryable = false;  // nothing of it would be done twice
    bool counted = false;    // among those open
    bool answered = false;   // the head of the answer is in `out_`
    bool pod_keeps_alive = false;
    bool tunnel = false;  // not straight
    bool deaf = false;    // the pod takes no more of it
    Language language = Language::en;
    int port = 0;
  };

  Pool& pool();
  void advance();
  void next_request();
  bool admit();
  void connect();
  void use_tunnel();
  void tunnel_arrived(std::uint64_t request, const Result<std::shared_ptr<link::Carry>>& carry);
  void let_go_of_upstream();
  void pump_request();
  bool last_piece_is_out() const;
  void pump_answer();
  bool read_answer_head();
  void write_to_client();
  void read_client();
  void end_exchange();
  void uncount();
  void upstream_lost();
  void refuse(int status, Error why);
  void upgrade();
  void pump_raw();
  void leave();
  void over();
  void moved() { moved_at_ = loop_.now(); }
  void set_alarm();
  std::optional<http::TimePoint> deadline() const;

  const std::shared_ptr<Site> site_;
  http::Loop& loop_;
  const std::shared_ptr<http::Wire> client_;
  const std::string peer_;
  const bool tls_;
  std::shared_ptr<void> seat_;
  const bool trusted_;  // the peer is a proxy whose word counts

  Phase phase_ = Phase::resting;
  Buffer in_;                   // from the client
  std::size_t up_pending_ = 0;  // at the front of in_: on its way to the pod
  std::string out_;             // to the client, before what is at the front of the upstream's buffer
  std::size_t out_at_ = 0;
  std::size_t down_pending_ = 0;
  bool client_reading_ = false, client_writing_ = false, client_done_ = false;
  bool last_word_ = false;  // what is being written is our last
  bool draining_ = false, write_ended_ = false, pod_write_ended_ = false;
  Exchange exchange_;
  std::uint64_t request_ = 0;  // counts; a tunnel that comes late finds another
  std::shared_ptr<Upstream> up_;
  http::TimePoint moved_at_{};  // something went through, or a phase began
};

// The page that stands for an answer which there is none of.
std::string error_page(int status, const Error& why, bool html, Language language, bool http11, bool close,
                       bool head_only);

}  // namespace gyre::edge
