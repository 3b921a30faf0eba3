// For tests only: a server on loopback that gives prepared answers, one connection at a time, plain or over TLS. It
// knows nothing of HTTP but where a request ends, so it can also answer what no proper server would.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.hpp"

namespace gyre::http {

class CannedServer {
 public:
  using Send = std::function<bool(std::string_view)>;  // false: the client is gone
  using Answer = std::function<void(const std::string& request, const Send& send)>;

  explicit CannedServer(Answer answer, const std::string& certificate_pem = {}, const std::string& key_pem = {})
      : answer_(std::move(answer)) {
    if (!certificate_pem.empty()) use_tls(certificate_pem, key_pem);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CHECK(listen(listener_, 16) == 0);
    socklen_t size = sizeof address;
    CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    shutdown(listener_, SHUT_RDWR);  // accept returns, and so does a read in flight
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      if (connection_ >= 0) shutdown(connection_, SHUT_RDWR);
    }
    thread_.join();
    close(listener_);
    SSL_CTX_free(tls_);
  }

  int port() const { return port_; }
  std::string url() const { return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_); }
  std::vector<std::string> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void use_tls(const std::string& certificate_pem, const std::string& key_pem) {
    tls_ = SSL_CTX_new(TLS_server_method());
    BIO* certificates = BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size()));
    X509* leaf = PEM_read_bio_X509(certificates, nullptr, nullptr, nullptr);
    CHECK(leaf && SSL_CTX_use_certificate(tls_, leaf) == 1);
    X509_free(leaf);
    while (X509* more = PEM_read_bio_X509(certificates, nullptr, nullptr, nullptr))
      SSL_CTX_add_extra_chain_cert(tls_, more);
    BIO_free(certificates);
    BIO* keys = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(keys, nullptr, nullptr, nullptr);
    CHECK(key && SSL_CTX_use_PrivateKey(tls_, key) == 1);
    EVP_PKEY_free(key);
    BIO_free(keys);
  }

  void serve() {
    for (;;) {
      const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      {
        std::lock_guard lock(mutex_);
        if (stopping_) {
          close(connection);
          return;
        }
        connection_ = connection;
      }
      converse(connection);
      std::lock_guard lock(mutex_);
      connection_ = -1;
      close(connection);
    }
  }

  void converse(int connection) {
    SSL* ssl = nullptr;
    if (tls_) {
      ssl = SSL_new(tls_);
      SSL_set_fd(ssl, connection);
      if (SSL_accept(ssl) != 1) {
        SSL_free(ssl);
        return;
      }
    }
    std::string request;
    char buffer[4096];
    while (!whole(request)) {
      const auto got =
          ssl ? SSL_read(ssl, buffer, sizeof buffer) : static_cast<int>(recv(connection, buffer, sizeof buffer, 0));
      if (got <= 0) break;
      request.append(buffer, static_cast<std::size_t>(got));
    }
    if (!request.empty()) {
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      answer_(request, [&](std::string_view bytes) {
        if (ssl) return SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size())) > 0;
        return send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
      });
    }
    if (ssl) {
      SSL_shutdown(ssl);
      SSL_free(ssl);
    }
  }

  static bool whole(const std::string& request) {
    const auto end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const auto length = request.find("Content-Length: ");
    if (length == std::string::npos || length > end) return true;
    return request.size() >= end + 4 + std::stoul(request.substr(length + 16));
  }

  Answer answer_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1, port_ = 0;
  std::mutex mutex_;
  bool stopping_ = false;
  int connection_ = -1;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// "HTTP/1.1 200 OK" with a Content-Length.
inline std::string canned(int status, const std::string& body, const std::string& more_headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

}  // namespace gyre::http
