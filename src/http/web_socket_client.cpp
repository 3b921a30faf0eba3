#include "http/web_socket_client.hpp"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>

#include <array>
#include <charconv>

#include "base/check.hpp"

namespace gyre::http {
namespace {

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

template <class V>
void set(CURL* easy, CURLoption option, V value) {
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1);
  return out;
}

std::string random_key() {
  const auto bytes = random_bytes(16);
  std::array<unsigned char, 32> out{};
  const auto length = EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(bytes.data()), 16);
  return {reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(length)};
}

// scheme://[user@]HOST[:PORT]/rest?query
struct Parts {
  std::string server, host, target;
};
Parts parts_of(const std::string& url) {
  Parts out;
  const auto scheme_end = url.find("://");
  const auto start = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  const auto end = std::min(url.find_first_of("/?", start), url.size());
  out.server = url.substr(0, end);
  out.host = url.substr(start, end - start);
  out.target = url.substr(end);
  if (!out.target.starts_with('/')) out.target = "/" + out.target;
  return out;
}

Error broken(CURLcode code, const char* detail, const std::string& server) {
  const std::string words = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
    return {Reason::invalid_field,
            {{"field", "url"}, {"detail", "expected http://HOST[:PORT] or https://HOST[:PORT], got " + server}},
            "url"};
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    return {Reason::server_not_trusted, {{"server", server}, {"detail", words}}, {}};
  return {Reason::server_unreachable, {{"server", server}, {"detail", words}}, {}};
}

}  // namespace

struct WebSocketClient::Impl {
  std::unique_ptr<CURL, EasyDelete> easy;
  curl_socket_t socket = CURL_SOCKET_BAD;
  WebSocketDecoder decoder{WebSocketDecoder::From::server, message_bytes};
  std::string out, early;  // early: came with the head of the answer
  std::size_t out_at = 0;
  bool over = false;

  // 1: all there is has been read, 0: the end.
  int receive(std::string& into) const {
    std::array<char, 16 * 1024> buffer;
    for (;;) {
      std::size_t size = 0;
      const auto code = curl_easy_recv(easy.get(), buffer.data(), buffer.size(), &size);
      if (code == CURLE_AGAIN) return 1;
      if (code != CURLE_OK || size == 0) return 0;
      into.append(buffer.data(), size);
      if (into.size() >= 256 * 1024) return 1;
    }
  }
  bool wait(short events, Duration limit) const {
    pollfd one{socket, events, 0};
    return ::poll(&one, 1, static_cast<int>(limit.count())) > 0;
  }
};

WebSocketClient::WebSocketClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebSocketClient::~WebSocketClient() = default;

int WebSocketClient::socket() const { return impl_->socket; }
bool WebSocketClient::wants_to_write() const { return impl_->out_at < impl_->out.size(); }
std::size_t WebSocketClient::unsent_bytes() const { return impl_->out.size() - impl_->out_at; }

bool WebSocketClient::send(Opcode kind, std::string_view bytes) {
  if (impl_->over) return false;
  impl_->out += web_socket_frame(kind, bytes, random_bytes(4));
  return flush();
}

bool WebSocketClient::flush() {
  auto& at = *impl_;
  while (!at.over && at.out_at < at.out.size()) {
    std::size_t sent = 0;
    const auto code = curl_easy_send(at.easy.get(), at.out.data() + at.out_at, at.out.size() - at.out_at, &sent);
    if (code == CURLE_AGAIN) return true;
    if (code != CURLE_OK) at.over = true;
    at.out_at += sent;
  }
  if (at.out_at == at.out.size()) {
    at.out.clear();
    at.out_at = 0;
  }
  return !at.over;
}

bool WebSocketClient::read(const std::function<void(WebSocketEvent)>& event) {
  auto& at = *impl_;
  if (at.over) return false;
  std::string bytes = std::exchange(at.early, {});
  if (at.receive(bytes) == 0) at.over = true;
  bool closed = false;
  const auto hear = [&](WebSocketEvent one) {
    if (one.kind == Opcode::ping) {
      at.out += web_socket_frame(Opcode::pong, one.bytes, random_bytes(4));
      return;
    }
    if (one.kind == Opcode::pong) return;
    if (one.kind == Opcode::close) {
      closed = true;
      at.out += web_socket_close(one.code, {}, random_bytes(4));
    }
    event(std::move(one));
  };
  if (!at.decoder.feed(bytes, hear)) closed = true;
  flush();
  if (closed) at.over = true;
  return !at.over;
}

Result<WebSocketAnswer> connect(const ClientRequest& request, const std::string& protocol) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(ready == CURLE_OK);
  const auto parts = parts_of(request.url);
  auto impl = std::make_unique<WebSocketClient::Impl>();
  impl->easy.reset(curl_easy_init());
  CHECK(impl->easy);
  auto* easy = impl->easy.get();
  char detail[CURL_ERROR_SIZE] = "";
  set(easy, CURLOPT_ERRORBUFFER, detail);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_URL, parts.server.c_str());
  set(easy, CURLOPT_CONNECT_ONLY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_blob authorities{const_cast<char*>(request.ca_pem.data()), request.ca_pem.size(), CURL_BLOB_COPY};
  if (!request.ca_pem.empty()) set(easy, CURLOPT_CAINFO_BLOB, &authorities);
  const auto connected = curl_easy_perform(easy);
  const auto unreachable = [&](const char* why) {
    return fail(Reason::server_unreachable, {{"server", parts.server}, {"detail", why}});
  };
  if (connected != CURLE_OK) return fail(broken(connected, detail, parts.server));
  if (curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &impl->socket) != CURLE_OK || impl->socket == CURL_SOCKET_BAD)
    return unreachable("no connection");

  const auto key = random_key();
  impl->out =
      "GET " + parts.target + " HTTP/1.1\r\nHost: " + parts.host +
      "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key +
      "\r\nUser-Agent: gyre/" GYRE_VERSION "\r\n";
  if (!protocol.empty()) impl->out += "Sec-WebSocket-Protocol: " + protocol + "\r\n";
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of("\r\n") != std::string::npos)
      return invalid("headers", "a header holds a line break");
    impl->out += name + ": " + value + "\r\n";
  }
  impl->out += "\r\n";
  auto client = std::unique_ptr<WebSocketClient>(new WebSocketClient(std::move(impl)));
  auto& at = *client->impl_;
  const auto deadline = std::chrono::steady_clock::now() + request.timeout;
  const auto left = [&] { return std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now()); };
  while (client->wants_to_write()) {
    if (!client->flush()) return unreachable("the connection broke");
    if (client->wants_to_write() && (left() <= 0ms || !at.wait(POLLOUT, left())))
      return unreachable("no answer in time");
  }

  WebSocketAnswer answer;
  std::string in;
  std::size_t head_end = std::string::npos, length = 0;
  bool ended = false;
  while (head_end == std::string::npos || (answer.response.status != 101 && !ended && in.size() < head_end + length)) {
    if (left() <= 0ms || request.stop.stop_requested()) return unreachable("no answer in time");
    ended = at.receive(in) == 0;
    if (head_end == std::string::npos && (head_end = in.find("\r\n\r\n")) != std::string::npos) {
      head_end += 4;
      std::string_view head(in.data(), head_end - 2);
      const auto space = head.find(' ');
      if (space != std::string_view::npos)
        std::from_chars(head.data() + space + 1, head.data() + head.size(), answer.response.status);
      head.remove_prefix(head.find("\r\n") + 2);
      while (!head.empty()) {
        const auto line = head.substr(0, head.find("\r\n"));
        const auto colon = line.find(':');
        auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        if (colon != std::string_view::npos) answer.response.headers.emplace_back(line.substr(0, colon), value);
        head.remove_prefix(line.size() + 2);
      }
      const auto announced = answer.response.header("Content-Length");
      std::from_chars(announced.data(), announced.data() + announced.size(), length);
      if (length > request.body_limit) length = request.body_limit;
    }
    if (ended && head_end == std::string::npos) return unreachable("the connection broke");
    if (head_end == std::string::npos && in.size() > 64 * 1024) return unreachable("the answer is not HTTP");
    if (!ended && (head_end == std::string::npos || (answer.response.status != 101 && in.size() < head_end + length)))
      at.wait(POLLIN, std::min(left(), Duration(1'000)));
  }
  if (answer.response.status == 101) {
    if (answer.response.header("Sec-WebSocket-Accept") != web_socket_accept(key))
      return unreachable("what answers there speaks no WebSocket");
    at.early = in.substr(head_end);
    answer.socket = std::move(client);
  } else {
    answer.response.body = in.substr(head_end, length);
  }
  return answer;
}

}  // namespace gyre::http
