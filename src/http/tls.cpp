#include "http/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.hpp"

namespace gyre::http {
namespace {

std::string openssl_words() {
  std::string out;
  while (const auto code = ERR_get_error()) {
    if (!out.empty()) continue;  // the first is the cause, the rest is the way back up
    const char* words = ERR_reason_error_string(code);
    out = words ? words : "error " + std::to_string(code);
  }
  return out.empty() ? "no reason given" : out;
}

tl::unexpected<Error> unusable(const std::string& what) {
  return fail(Reason::tls_unusable, {{"detail", what + ": " + openssl_words()}});
}

int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                  unsigned int offered_size, void*) {
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, offered, offered_size);
  // A client that speaks only something else (gRPC on the wrong port) hears it now rather than in riddles later.
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Where a context keeps the other one, and lets it go: connections hold the context itself, and may ask after a reload.
int other_context_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* other, CRYPTO_EX_DATA*, int, long, void*) { SSL_CTX_free(static_cast<SSL_CTX*>(other)); });
  return index;
}

int choose_by_name(SSL* connection, int*, void*) {
  const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
  auto* other = static_cast<SSL_CTX*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), other_context_index()));
  if (name != nullptr && other != nullptr && X509_check_host(SSL_CTX_get0_certificate(other), name, 0, 0, nullptr) == 1)
    SSL_set_SSL_CTX(connection, other);
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

void show_by_name(ssl_ctx_st& context, ssl_ctx_st& other) {
  SSL_CTX_up_ref(&other);
  CHECK(SSL_CTX_set_ex_data(&context, other_context_index(), &other) == 1);
  SSL_CTX_set_tlsext_servername_callback(&context, choose_by_name);
}

Result<std::shared_ptr<ssl_ctx_st>> server_tls(const TlsFiles& files) {
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return unusable("OpenSSL");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // Of TLS 1.2 only what has forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
  if (SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) return unusable("OpenSSL");
  SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Most connections are idle: their 32 KiB of buffers are given back while they are.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_http11, nullptr);
  // A key with a passphrase is refused; by default OpenSSL would stop and ask the terminal for it.
  SSL_CTX_set_default_passwd_cb(context.get(), [](char*, int, int, void*) { return 0; });

  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return unusable("certificate " + files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return unusable("key " + files.key);
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return unusable("key " + files.key + " for certificate " + files.certificate);
  return context;
}

}  // namespace gyre::http
