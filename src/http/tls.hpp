// The server's side of TLS: a context from a certificate file and a key file. TLS 1.2 and later, HTTP/1.1 by ALPN.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace gyre::http {

struct TlsFiles {
  std::string certificate;  // PEM: the server's certificate, then those between it and the root
  std::string key;          // PEM, without a passphrase

  bool empty() const { return certificate.empty() && key.empty(); }
};

// Reads both files now. tls_unusable names the file and what OpenSSL says of it.
Result<std::shared_ptr<ssl_ctx_st>> server_tls(const TlsFiles& files);

// Clients of `context` who ask for a name that stands in the certificate of `other` are shown that one.
void show_by_name(ssl_ctx_st& context, ssl_ctx_st& other);

}  // namespace gyre::http
