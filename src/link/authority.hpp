// The installation's own certificate authority: it vouches for agents to the server, for the server to agents, and
// makes the certificate the server starts with for HTTPS. EC P-256 throughout. Times are given, so that expiry can be
// tested.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace gyre::link {

// Every server certificate of the authority carries this name, and agents ask for it whatever address they dial. Only
// the authority can give it, so it proves as much as a host name would, and a server that moves needs no new
// certificate.
inline constexpr std::string_view server_name = "server.gyre.internal";

inline constexpr Duration host_certificate_life = std::chrono::days(30);
inline constexpr Duration server_certificate_life = std::chrono::days(90);

// What stands in a certificate, as far as we use it.
struct CertificateFacts {
  std::string common_name;
  HostId host;              // from the URI gyre://host/<id>; empty when there is none
  std::string fingerprint;  // SHA-256 of the DER, 64 lower-case hex digits
  Time not_before{}, not_after{};
  std::vector<std::string> names;  // DNS names and addresses it is good for

  // Less than a third of its life is left: time to ask for another.
  bool due_for_renewal(Time now) const { return (not_after - now) * 3 < not_after - not_before; }
};
Result<CertificateFacts> read_certificate(std::string_view pem);  // of the first in a chain; error: identity_unusable

// A fresh key and the request to have it signed. The key never leaves the machine it was made on.
struct KeyAndRequest {
  std::string key_pem;  // PKCS #8
  std::string csr_pem;
};
KeyAndRequest make_key_and_request(const std::string& common_name);

// True when the certificate holds the public half of this key, is signed by that authority and is good at `now`.
Result<> check_issued(std::string_view certificate_pem, std::string_view key_pem, std::string_view ca_pem, Time now);

// What a host gets for its request.
struct IssuedCertificate {
  std::string certificate_pem;
  std::string ca_pem;  // what it shall trust from now on
};

struct ServerCertificate {
  std::filesystem::path key_file;
  std::filesystem::path certificate_file;  // the chain: the certificate, then the authority's
  std::filesystem::path ca_file;           // the authority's alone
  CertificateFacts facts;
  bool renewed = false;  // by this call
};

class Authority {
 public:
  // Loads `ca.key` and `ca.crt` of the folder, or makes them (10 years). Errors: file_unusable, identity_unusable (a
  // key without its certificate, or damaged: never replaced by itself, since every agent trusts the old one).
  static Result<Authority> open(const std::filesystem::path& folder, Time now);

  Authority(Authority&&) noexcept;
  Authority& operator=(Authority&&) noexcept;
  ~Authority();

  const std::string& certificate_pem() const;
  const std::string& fingerprint() const;  // what join tokens carry the first 16 digits of

  // A client certificate for this host. Of the request only the public key counts; who it is for is the caller's
  // knowledge. Errors: certificate_request_invalid. Under 1 ms, so it may run on the core.
  Result<std::string> sign(std::string_view csr_pem, const HostId& host, Time now,
                           Duration life = host_certificate_life) const;

  // `<name>.key` and `<name>.crt` in the authority's folder, for `names` (host names and addresses) and server_name.
  // Made when missing, damaged, of another authority, for other names or due for renewal. The key stays the same over
  // renewals, so that the pair matches at every moment of the swap. Call it at the start and now and then.
  Result<ServerCertificate> ensure_server_certificate(const std::string& name, const std::vector<std::string>& names,
                                                      Time now, Duration life = server_certificate_life) const;

 private:
  struct Impl;
  explicit Authority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre::link
