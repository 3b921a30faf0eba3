#include "link/authority.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/files.hpp"
#include "base/secrets.hpp"

namespace gyre::link {
namespace {

constexpr Duration authority_life = std::chrono::days(3650);
constexpr Duration clock_skew = 1h;  // certificates begin in the past: a host's clock may lag behind ours
constexpr std::size_t request_limit = 16 * 1024;
constexpr std::string_view host_uri = "gyre://host/";

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using CertificateRequest = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;

std::string openssl_words() {
  std::string words;
  while (const auto code = ERR_get_error()) {
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    if (words.empty()) words = text;
  }
  return words.empty() ? "unreadable" : words;
}
tl::unexpected<Error> unusable(std::string what, std::string detail) {
  return fail(Reason::identity_unusable, {{"what", std::move(what)}, {"detail", std::move(detail)}});
}

// ---- PEM ----

Bio reader(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio);
  return bio;
}
template <class Write>
std::string written(Write write) {
  Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio && write(bio.get()) == 1);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}
Certificate certificate_from(std::string_view pem) {
  return Certificate(PEM_read_bio_X509(reader(pem).get(), nullptr, nullptr, nullptr));
}
Key key_from(std::string_view pem) {
  return Key(PEM_read_bio_PrivateKey(reader(pem).get(), nullptr, nullptr, nullptr));
}
std::string pem_of(X509* certificate) {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}
std::string pem_of(EVP_PKEY* key) {
  return written(
      [&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

Key make_key() {
  Key key(EVP_EC_gen("P-256"));
  CHECK(key);
  return key;
}

// ---- reading ----

std::string fingerprint_of(X509* certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(X509_digest(certificate, EVP_sha256(), digest, &size) == 1);
  return hex({reinterpret_cast<const char*>(digest), size});
}

Time time_of(const ASN1_TIME* time) {
  std::tm parts{};
  CHECK(ASN1_TIME_to_tm(time, &parts) == 1);
  return std::chrono::sys_days(std::chrono::year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday) +
         std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_text(const std::string& bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes.size() == 4 || bytes.size() == 16)
    inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

CertificateFacts facts_of(X509* certificate) {
  CertificateFacts facts;
  const auto* subject = X509_get_subject_name(certificate);
  if (const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0)
    facts.common_name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  facts.fingerprint = fingerprint_of(certificate);
  facts.not_before = time_of(X509_get0_notBefore(certificate));
  facts.not_after = time_of(X509_get0_notAfter(certificate));
  const Names names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) facts.names.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_IPADD) facts.names.push_back(address_text(text_of(name->d.iPAddress)));
    if (name->type != GEN_URI) continue;
    const auto uri = text_of(name->d.uniformResourceIdentifier);
    if (uri.starts_with(host_uri)) facts.host = HostId(uri.substr(host_uri.size()));
  }
  return facts;
}

// ---- making ----

struct Wanted {
  std::string common_name;
  Time now{};
  Duration life{};
  std::vector<std::pair<int, std::string>> extensions;  // NID and OpenSSL's notation
  std::vector<std::string> host_names;                  // DNS names and addresses
  std::string uri;
};

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  CHECK(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

GENERAL_NAME* general_name(int type, const std::string& text) {
  auto* string = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  CHECK(string && ASN1_STRING_set(string, text.data(), static_cast<int>(text.size())) == 1);
  auto* name = GENERAL_NAME_new();
  CHECK(name);
  GENERAL_NAME_set0_value(name, type, string);
  return name;
}

// Built by hand and not in OpenSSL's notation, in which a comma in a name would begin another one.
void add_names(X509* certificate, const Wanted& wanted) {
  const Names names(sk_GENERAL_NAME_new_null());
  CHECK(names);
  const auto add = [&names](int type, const std::string& text) {
    CHECK(sk_GENERAL_NAME_push(names.get(), general_name(type, text)) > 0);
  };
  for (const auto& host : wanted.host_names) {
    unsigned char address[16];
    if (inet_pton(AF_INET, host.c_str(), address) == 1)
      add(GEN_IPADD, {reinterpret_cast<const char*>(address), 4});
    else if (inet_pton(AF_INET6, host.c_str(), address) == 1)
      add(GEN_IPADD, {reinterpret_cast<const char*>(address), 16});
    else
      add(GEN_DNS, host);
  }
  if (!wanted.uri.empty()) add(GEN_URI, wanted.uri);
  if (sk_GENERAL_NAME_num(names.get()) > 0)
    CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1);
}

void set_time(ASN1_TIME* field, Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  CHECK(ASN1_TIME_set(field, static_cast<std::time_t>(seconds)) != nullptr);
}

// Signed by the issuer, or by itself when there is none.
Certificate make_certificate(const Wanted& wanted, EVP_PKEY* subject_key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate made(X509_new());
  CHECK(made && X509_set_version(made.get(), X509_VERSION_3) == 1);
  unsigned char serial[16];
  CHECK(RAND_bytes(serial, sizeof serial) == 1);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7F) | 0x40);  // positive, and always of one length
  const BigNumber number(BN_bin2bn(serial, sizeof serial, nullptr));
  CHECK(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get())) != nullptr);

  auto not_after = wanted.now + wanted.life;
  if (issuer) not_after = std::min(not_after, time_of(X509_get0_notAfter(issuer)));
  set_time(X509_getm_notBefore(made.get()), wanted.now - clock_skew);
  set_time(X509_getm_notAfter(made.get()), not_after);

  auto* subject = X509_get_subject_name(made.get());
  const auto* common_name = reinterpret_cast<const unsigned char*>(wanted.common_name.data());
  CHECK(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, common_name,
                                   static_cast<int>(wanted.common_name.size()), -1, 0) == 1);
  CHECK(X509_set_issuer_name(made.get(), issuer ? X509_get_subject_name(issuer) : subject) == 1);
  CHECK(X509_set_pubkey(made.get(), subject_key) == 1);
  for (const auto& [nid, value] : wanted.extensions)
    add_extension(made.get(), issuer ? issuer : made.get(), nid, value);
  add_names(made.get(), wanted);
  CHECK(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0);
  return made;
}

bool signed_by(X509* certificate, X509* authority, Time now) {
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  CHECK(store && context && X509_STORE_add_cert(store.get(), authority) == 1);
  CHECK(X509_STORE_CTX_init(context.get(), store.get(), certificate, nullptr) == 1);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  X509_STORE_CTX_set_time(context.get(), 0, static_cast<std::time_t>(seconds));
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return good;
}

bool proper_host_id(const std::string& id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool same_key(X509* certificate, EVP_PKEY* key) {
  const auto* held = X509_get0_pubkey(certificate);
  return held && EVP_PKEY_eq(held, key) == 1;
}

}  // namespace

Result<CertificateFacts> read_certificate(std::string_view pem) {
  const auto certificate = certificate_from(pem);
  if (!certificate) return unusable("the certificate", openssl_words());
  return facts_of(certificate.get());
}

KeyAndRequest make_key_and_request(const std::string& common_name) {
  const auto key = make_key();
  const CertificateRequest request(X509_REQ_new());
  CHECK(request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1);
  const auto short_name = common_name.substr(0, 64);  // the standard's bound; only the authority's word counts anyway
  CHECK(X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(short_name.data()),
                                   static_cast<int>(short_name.size()), -1, 0) == 1);
  CHECK(X509_REQ_set_pubkey(request.get(), key.get()) == 1);
  CHECK(X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0);
  return {.key_pem = pem_of(key.get()),
          .csr_pem = written([&](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request.get()); })};
}

Result<> check_issued(std::string_view certificate_pem, std::string_view key_pem, std::string_view ca_pem, Time now) {
  const auto certificate = certificate_from(certificate_pem);
  if (!certificate) return unusable("the certificate", openssl_words());
  const auto authority = certificate_from(ca_pem);
  if (!authority) return unusable("the authority's certificate", openssl_words());
  const auto key = key_from(key_pem);
  if (!key) return unusable("the key", openssl_words());
  if (!same_key(certificate.get(), key.get())) return unusable("the certificate", "it is for another key");
  if (!signed_by(certificate.get(), authority.get(), now))
    return unusable("the certificate", "it is not signed by the authority, or not good at this time");
  return {};
}

struct Authority::Impl {
  std::filesystem::path folder;
  Key key;
  Certificate certificate;
  std::string certificate_pem, fingerprint;
};

Authority::Authority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Authority::Authority(Authority&&) noexcept = default;
Authority& Authority::operator=(Authority&&) noexcept = default;
Authority::~Authority() = default;

const std::string& Authority::certificate_pem() const { return impl_->certificate_pem; }
const std::string& Authority::fingerprint() const { return impl_->fingerprint; }

Result<Authority> Authority::open(const std::filesystem::path& folder, Time now) {
  TRY(make_private_folder(folder));
  auto key_pem = TRY(read_file(folder / "ca.key"));
  auto certificate_pem = TRY(read_file(folder / "ca.crt"));
  if (!certificate_pem) {
    // The key is written first: a crash in between leaves a key that no one trusts yet, and the next start uses it.
    const auto key = key_pem ? key_from(*key_pem) : make_key();
    if (!key) return unusable((folder / "ca.key").string(), openssl_words());
    if (!key_pem) TRY(write_private_file(folder / "ca.key", key_pem.emplace(pem_of(key.get()))));
    unsigned char tag[4];
    CHECK(RAND_bytes(tag, sizeof tag) == 1);
    const Wanted wanted{.common_name = "Gyre agents " + hex({reinterpret_cast<const char*>(tag), sizeof tag}),
                        .now = now,
                        .life = authority_life,
                        .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                       {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                       {NID_subject_key_identifier, "hash"}},
                        .host_names = {},
                        .uri = {}};
    const auto made = make_certificate(wanted, key.get(), nullptr, key.get());
    TRY(write_public_file(folder / "ca.crt", certificate_pem.emplace(pem_of(made.get()))));
  }
  if (!key_pem) return unusable((folder / "ca.key").string(), "the key of ca.crt is missing");

  auto impl = std::make_unique<Impl>();
  impl->folder = folder;
  impl->key = key_from(*key_pem);
  if (!impl->key) return unusable((folder / "ca.key").string(), openssl_words());
  impl->certificate = certificate_from(*certificate_pem);
  if (!impl->certificate) return unusable((folder / "ca.crt").string(), openssl_words());
  if (!same_key(impl->certificate.get(), impl->key.get()))
    return unusable((folder / "ca.key").string(), "it is not the key of ca.crt");
  impl->certificate_pem = pem_of(impl->certificate.get());
  impl->fingerprint = fingerprint_of(impl->certificate.get());
  return Authority(std::move(impl));
}

Result<std::string> Authority::sign(std::string_view csr_pem, const HostId& host, Time now, Duration life) const {
  CHECK(proper_host_id(host.str()));
  const auto refuse = [](std::string detail) {
    return fail(Reason::certificate_request_invalid, {{"detail", std::move(detail)}}, "csr");
  };
  if (csr_pem.size() > request_limit) return refuse("it is larger than 16 KiB");
  const CertificateRequest request(PEM_read_bio_X509_REQ(reader(csr_pem).get(), nullptr, nullptr, nullptr));
  if (!request) return refuse(openssl_words());
  auto* key = X509_REQ_get0_pubkey(request.get());
  if (!key) return refuse(openssl_words());
  if (EVP_PKEY_get_security_bits(key) < 112) return refuse("its key is too weak");
  if (X509_REQ_verify(request.get(), key) != 1) {  // whoever asks must hold the key
    ERR_clear_error();
    return refuse("its signature does not match its key");
  }
  const Wanted wanted{.common_name = host.str(),
                      .now = now,
                      .life = life,
                      .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                                     {NID_key_usage, "critical,digitalSignature"},
                                     {NID_ext_key_usage, "clientAuth"},
                                     {NID_subject_key_identifier, "hash"},
                                     {NID_authority_key_identifier, "keyid:always"}},
                      .host_names = {},
                      .uri = std::string(host_uri) + host.str()};
  return pem_of(make_certificate(wanted, key, impl_->certificate.get(), impl_->key.get()).get());
}

Result<ServerCertificate> Authority::ensure_server_certificate(const std::string& name,
                                                               const std::vector<std::string>& names, Time now,
                                                               Duration life) const {
  ServerCertificate out{.key_file = impl_->folder / (name + ".key"),
                        .certificate_file = impl_->folder / (name + ".crt"),
                        .ca_file = impl_->folder / "ca.crt",
                        .facts = {}};
  std::vector<std::string> wanted_names = names;
  wanted_names.emplace_back(server_name);
  std::sort(wanted_names.begin(), wanted_names.end());
  wanted_names.erase(std::unique(wanted_names.begin(), wanted_names.end()), wanted_names.end());

  const auto key_pem = TRY(read_file(out.key_file));
  Key key = key_pem ? key_from(*key_pem) : nullptr;
  if (const auto present = TRY(read_file(out.certificate_file)); present && key) {
    if (const auto certificate = certificate_from(*present)) {
      out.facts = facts_of(certificate.get());
      auto present_names = out.facts.names;
      std::sort(present_names.begin(), present_names.end());
      if (same_key(certificate.get(), key.get()) && signed_by(certificate.get(), impl_->certificate.get(), now) &&
          present_names == wanted_names && !out.facts.due_for_renewal(now))
        return out;
    }
    ERR_clear_error();
  }
  ERR_clear_error();
  if (!key) {
    key = make_key();
    TRY(write_private_file(out.key_file, pem_of(key.get())));
  }
  const Wanted wanted{.common_name = "Gyre server",
                      .now = now,
                      .life = life,
                      .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                                     {NID_key_usage, "critical,digitalSignature"},
                                     {NID_ext_key_usage, "serverAuth"},
                                     {NID_subject_key_identifier, "hash"},
                                     {NID_authority_key_identifier, "keyid:always"}},
                      .host_names = wanted_names,
                      .uri = {}};
  const auto made = make_certificate(wanted, key.get(), impl_->certificate.get(), impl_->key.get());
  TRY(write_public_file(out.certificate_file, pem_of(made.get()) + impl_->certificate_pem));
  out.facts = facts_of(made.get());
  out.renewed = true;
  return out;
}

}  // namespace gyre::link
