#include "http/client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "base/check.hpp"
#include "base/secrets.hpp"

namespace gyre::http {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDelete {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Exchange {
  const ClientRequest* request = nullptr;
  const Chunk* chunk = nullptr;  // null: collect
  CURL* easy = nullptr;
  ClientResponse response;
  bool too_large = false;
  bool enough = false;  // the reader wants no more
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // a new status line: what came before was a 100 Continue or a proxy's answer
    exchange.response.headers.clear();
    return size;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  auto value = line.substr(colon + 1);
  while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
  exchange.response.headers.emplace_back(line.substr(0, colon), value);
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  long status = 0;
  curl_easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
  if (exchange.chunk != nullptr && status >= 200 && status < 300) {
    if ((*exchange.chunk)({data, size})) return size;
    exchange.enough = true;
    return CURL_WRITEFUNC_ERROR;
  }
  if (exchange.response.body.size() + size > exchange.request->body_limit) {
    exchange.too_large = true;
    return CURL_WRITEFUNC_ERROR;
  }
  exchange.response.body.append(data, size);
  return size;
}

std::string fingerprint(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) return {};
  return hex({reinterpret_cast<const char*>(digest), size});
}

// In place of OpenSSL's own check: the authority that the token names, if the server sent it, is trusted as a root too.
// Everything else (signatures, dates, purpose; the host name, which curl checks) stays as it is.
int verify_with_fingerprint(X509_STORE_CTX* context, void* wanted_prefix) {
  const auto& prefix = *static_cast<const std::string*>(wanted_prefix);
  STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(context);
  std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> named(nullptr,
                                                                   [](STACK_OF(X509) * s) { sk_X509_free(s); });
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    X509* certificate = sk_X509_value(sent, i);
    if (X509_check_ca(certificate) == 0 || !fingerprint(certificate).starts_with(prefix)) continue;
    named.reset(sk_X509_new_null());
    CHECK(named && sk_X509_push(named.get(), certificate) > 0);
    X509_STORE_CTX_set0_trusted_stack(context, named.get());
    break;
  }
  return X509_verify_cert(context);
}

CURLcode on_ssl_context(CURL*, void* ssl_context, void* wanted_prefix) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(ssl_context), verify_with_fingerprint, wanted_prefix);
  return CURLE_OK;
}

template <class V>
void set(CURL* easy, CURLoption option, V value) {
  CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

std::string host_of(const std::string& url) {  // for messages; a URL may carry a key
  const auto start = url.find("://");
  if (start == std::string::npos) return url.substr(0, url.find('?'));
  return url.substr(0, url.find_first_of("/?", start + 3));
}

Error refused(CURLcode code, const char* detail, const Exchange& exchange) {
  const auto server = host_of(exchange.request->url);
  const std::string words = *detail != '\0' ? detail : curl_easy_strerror(code);
  if (exchange.too_large)
    return {
        Reason::answer_too_large, {{"server", server}, {"limit", std::to_string(exchange.request->body_limit)}}, {}};
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {Reason::invalid_field, invalid("url", Detail::url_shape, {{"value", server}}).value().args, "url"};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return {Reason::server_not_trusted, {{"server", server}, {"detail", words}}, {}};
    case CURLE_OPERATION_TIMEDOUT: {
      double connected = 0;
      curl_easy_getinfo(exchange.easy, CURLINFO_PRETRANSFER_TIME, &connected);
      if (connected > 0) return {Reason::answer_timed_out, {{"server", server}, {"detail", words}}, {}};
      [[fallthrough]];
    }
    default:
      return {Reason::server_unreachable, {{"server", server}, {"detail", words}}, {}};
  }
}

// The first of the chain is the server's own; empty without TLS.
std::string certificate_of(CURL* easy) {
  curl_certinfo* chain = nullptr;
  if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == nullptr || chain->num_of_certs < 1)
    return {};
  constexpr std::string_view name = "Cert:";
  for (const curl_slist* fact = chain->certinfo[0]; fact != nullptr; fact = fact->next)
    if (const std::string_view text = fact->data; text.starts_with(name)) return std::string(text.substr(name.size()));
  return {};
}

bool is_public(const in_addr& address) {
  const auto ip = ntohl(address.s_addr);
  const auto in = [&](std::uint32_t network, int bits) { return (ip >> (32 - bits)) == (network >> (32 - bits)); };
  return !(in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) || in(0xa9fe0000, 16) ||
           in(0xac100000, 12) || in(0xc0000000, 24) || in(0xc0000200, 24) || in(0xc0a80000, 16) || in(0xc6120000, 15) ||
           in(0xc6336400, 24) || in(0xcb007100, 24) || in(0xe0000000, 3));
}

bool is_public(const in6_addr& address) {
  const auto* bytes = address.s6_addr;
  const auto embedded = [&](std::size_t at) {
    in_addr inside{};
    std::memcpy(&inside, bytes + at, sizeof inside);
    return is_public(inside);
  };
  if (IN6_IS_ADDR_V4MAPPED(&address)) return embedded(12);
  constexpr unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  if (std::memcmp(bytes, nat64, sizeof nat64) == 0) return embedded(12);
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return embedded(2);  // 6to4
  const bool global = (bytes[0] & 0xe0) == 0x20;                 // 2000::/3, all that is given out
  const bool documentation = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8;
  return global && !documentation;
}

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) return is_public(reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  if (address.sa_family == AF_INET6) return is_public(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return false;
}

// After the name was looked up and before anything is sent: a name that means another address the second time is looked
// at again.
curl_socket_t open_public_socket(void*, curlsocktype, curl_sockaddr* address) {
  if (!is_public(address->addr)) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Runs the exchange on this thread. A multi handle, because only its poll can be woken by another thread.
std::optional<CURLcode> perform(CURL* easy, const std::stop_token& stop) {
  std::unique_ptr<CURLM, MultiDelete> multi(curl_multi_init());
  CHECK(multi);
  CHECK(curl_multi_add_handle(multi.get(), easy) == CURLM_OK);
  std::optional<CURLcode> outcome;
  {
    std::stop_callback wake(stop, [&multi] { curl_multi_wakeup(multi.get()); });
    while (!stop.stop_requested() && !outcome) {
      int running = 0;
      CHECK(curl_multi_perform(multi.get(), &running) == CURLM_OK);
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left))
        if (message->msg == CURLMSG_DONE) outcome = message->data.result;
      if (!outcome) curl_multi_poll(multi.get(), nullptr, 0, 60'000, nullptr);
    }
  }
  curl_multi_remove_handle(multi.get(), easy);
  return outcome;
}

Result<ClientResponse> exchange_over(const ClientRequest& request, const Chunk* chunk) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK(ready == CURLE_OK);
  std::unique_ptr<CURL, EasyDelete> easy(curl_easy_init());
  CHECK(easy);
  Exchange exchange{.request = &request, .chunk = chunk, .easy = easy.get(), .response = {}};
  char detail[CURL_ERROR_SIZE] = "";

  set(easy.get(), CURLOPT_ERRORBUFFER, detail);
  set(easy.get(), CURLOPT_NOSIGNAL, 1L);
  set(easy.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy.get(), CURLOPT_URL, request.url.c_str());
  if (!request.unix_socket.empty()) set(easy.get(), CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  set(easy.get(), CURLOPT_CERTINFO, 1L);
  set(easy.get(), CURLOPT_USERAGENT, "gyre/" GYRE_VERSION);
  set(easy.get(), CURLOPT_TCP_KEEPALIVE, 1L);
  if (request.only_public_addresses) {
    set(easy.get(), CURLOPT_OPENSOCKETFUNCTION, open_public_socket);
    set(easy.get(), CURLOPT_PROXY, "");  // a proxy would look for us
  }
  set(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(easy.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (request.silence_timeout > 0ms) {
    set(easy.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(easy.get(), CURLOPT_LOW_SPEED_TIME,
        static_cast<long>(std::chrono::ceil<std::chrono::seconds>(request.silence_timeout).count()));
  }
  if (request.method == "HEAD")
    set(easy.get(), CURLOPT_NOBODY, 1L);
  else
    set(easy.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
  const bool carries_body =
      !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (carries_body) {
    set(easy.get(), CURLOPT_POSTFIELDS, request.body.data());
    set(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  std::unique_ptr<curl_slist, ListDelete> headers;
  const auto add_header = [&headers](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    CHECK(longer);
    static_cast<void>(headers.release());
    headers.reset(longer);
  };
  if (carries_body) add_header("Expect:");  // no waiting for 100 Continue
  bool typed = false;
  for (const auto& [name, value] : request.headers) {
    if (name.find_first_of("\r\n:") != std::string::npos || value.find_first_of("\r\n") != std::string::npos)
      return invalid("headers", Detail::header);
    typed = typed || same_name(name, "content-type");
    add_header(value.empty() ? name + ";" : name + ": " + value);
  }
  if (carries_body && !typed) add_header("Content-Type: application/json");
  set(easy.get(), CURLOPT_HTTPHEADER, headers.get());

  curl_blob authorities{const_cast<char*>(request.ca_pem.data()), request.ca_pem.size(), CURL_BLOB_COPY};
  if (!request.ca_pem.empty()) set(easy.get(), CURLOPT_CAINFO_BLOB, &authorities);
  // As curl, Python and Go do; libcurl by itself knows only the path that it was compiled with.
  const char* authorities_file = std::getenv("SSL_CERT_FILE");
  if (request.ca_pem.empty() && authorities_file != nullptr && *authorities_file != '\0')
    set(easy.get(), CURLOPT_CAINFO, authorities_file);
  if (!request.ca_fingerprint.empty()) {
    set(easy.get(), CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
    set(easy.get(), CURLOPT_SSL_CTX_DATA, const_cast<std::string*>(&request.ca_fingerprint));
  }
  set(easy.get(), CURLOPT_HEADERFUNCTION, on_header);
  set(easy.get(), CURLOPT_HEADERDATA, &exchange);
  set(easy.get(), CURLOPT_WRITEFUNCTION, on_body);
  set(easy.get(), CURLOPT_WRITEDATA, &exchange);

  const auto outcome = perform(easy.get(), request.stop);
  if (!outcome) return fail(Reason::request_cancelled, {{"server", host_of(request.url)}});
  if (*outcome != CURLE_OK && !exchange.enough) return fail(refused(*outcome, detail, exchange));
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  exchange.response.status = static_cast<int>(status);
  exchange.response.certificate_pem = certificate_of(easy.get());
  return std::move(exchange.response);
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_name(key, name)) return value;
  return {};
}

Result<ClientResponse> fetch(const ClientRequest& request) { return exchange_over(request, nullptr); }
Result<ClientResponse> fetch(const ClientRequest& request, const Chunk& chunk) {
  return exchange_over(request, &chunk);
}

bool is_public_address(const std::string& address) {
  in_addr four{};
  if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return is_public(four);
  in6_addr six{};
  return ::inet_pton(AF_INET6, address.c_str(), &six) == 1 && is_public(six);
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80 && (std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string_view::npos)) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

}  // namespace gyre::http
