#include "cli/http_api.hpp"

#include "cli/wait.hpp"
#include "http/client.hpp"

namespace gyre::cli {
namespace {

class HttpApi final : public Api {
 public:
  HttpApi(Context context, Language language, std::stop_token stop)
      : context_(std::move(context)), language_(language), stop_(std::move(stop)) {}

  Outcome<Answer> call(const Call& call) override {
    const bool safe = call.method == "GET" || call.method == "DELETE" || !call.idempotency_key.empty();
    constexpr int tries = 3;
    for (int attempt = 1;; ++attempt) {
      const auto response = http::fetch(request(call, stop_));
      if (response) return answer(*response);
      if (attempt == tries || !safe || response.error().reason != Reason::server_unreachable)
        return failure(response.error());
      interrupted_within(stop_, Duration(200 * attempt));
    }
  }

  Outcome<> stream(const Call& call, const Chunk& chunk, std::stop_token stop) override {
    // Either may end it: the caller, or Ctrl C.
    std::stop_source both;
    std::stop_callback from_caller(stop, [&] { both.request_stop(); });
    std::stop_callback from_user(stop_, [&] { both.request_stop(); });
    auto sent = request(call, both.get_token());
    sent.timeout = Duration(0);
    sent.silence_timeout = Duration(120'000);  // the server's streams say at least "still here" more often
    const auto response = http::fetch(sent, chunk);
    if (!response) return failure(response.error());
    if (auto got = answer(*response); !got) return tl::unexpected(got.error());
    return {};
  }

  Outcome<std::unique_ptr<http::WebSocketClient>> socket(const std::string& target,
                                                         const std::string& protocol) override {
    Call call;
    call.target = target;
    auto wanted = request(call, stop_);
    wanted.timeout = Duration(30'000);
    auto answer = http::connect(wanted, protocol);
    if (!answer) return failure(answer.error());
    if (!answer->socket) return tl::unexpected(failure_of(answer->response, context_.server, language_));
    return std::move(answer->socket);
  }

  const std::string& url() const override { return context_.server; }

 private:
  http::ClientRequest request(const Call& call, std::stop_token stop) const {
    http::ClientRequest out;
    out.method = call.method;
    out.url = context_.server + call.target;
    out.headers.emplace_back("Accept", "application/json");
    out.headers.emplace_back("Accept-Language", language_ == Language::ko ? "ko" : "en");
    out.headers.emplace_back("User-Agent", "gyre/" GYRE_VERSION);
    if (!context_.api_key.empty()) out.headers.emplace_back("Authorization", "Bearer " + context_.api_key);
    if (!call.body.empty()) out.headers.emplace_back("Content-Type", "application/json");
    if (!call.idempotency_key.empty()) out.headers.emplace_back("Idempotency-Key", call.idempotency_key);
    out.body = call.body;
    out.stop = std::move(stop);
    return out;
  }

  Outcome<Answer> answer(const Answer& response) const {
    if (!response.ok()) return tl::unexpected(failure_of(response, context_.server, language_));
    return response;
  }

  tl::unexpected<Failure> failure(const Error& error) const { return tl::unexpected(Failure::from(error, language_)); }

  Context context_;
  Language language_;
  std::stop_token stop_;
};

}  // namespace

std::unique_ptr<Api> http_api(Context context, Language language, std::stop_token stop) {
  return std::make_unique<HttpApi>(std::move(context), language, std::move(stop));
}

}  // namespace gyre::cli
