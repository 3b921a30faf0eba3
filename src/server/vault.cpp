#include "server/vault.hpp"

#include <sodium.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/files.hpp"
#include "base/secrets.hpp"

namespace gyre::server {
namespace {

constexpr std::size_t secret_bytes = 32;
static_assert(crypto_secretbox_KEYBYTES == secret_bytes && crypto_auth_hmacsha256_KEYBYTES == secret_bytes);

// One secret, several uses: each gets a key of its own, so that none can be turned against another.
void derive(std::array<unsigned char, 32>& out, const std::string& secret, std::uint64_t use) {
  crypto_kdf_derive_from_key(out.data(), out.size(), use, "gyrevalt",
                             reinterpret_cast<const unsigned char*>(secret.data()));
}

}  // namespace

Vault::Vault(const std::string& secret) {
  derive(sealing_, secret, 1);
  derive(keys_, secret, 2);
}

Result<Vault> Vault::open(const std::filesystem::path& file) {
  CHECK(sodium_init() >= 0);
  auto secret = TRY(read_file(file));
  if (!secret) {
    secret.emplace(secret_bytes, '\0');
    randombytes_buf(secret->data(), secret->size());
    TRY(write_private_file(file, *secret));
  }
  if (secret->size() != secret_bytes)
    return fail(Reason::file_unusable, {{"path", file.string()}, {"detail", "it does not hold 32 bytes"}});
  return Vault(*secret);
}

std::string Vault::seal(std::string_view plain) const {
  std::string out(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + plain.size(), '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  randombytes_buf(bytes, crypto_secretbox_NONCEBYTES);
  crypto_secretbox_easy(bytes + crypto_secretbox_NONCEBYTES, reinterpret_cast<const unsigned char*>(plain.data()),
                        plain.size(), bytes, sealing_.data());
  return base64url(out);
}

std::optional<std::string> Vault::unseal(std::string_view sealed) const {
  constexpr std::size_t around = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  const auto bytes = from_base64url(sealed);
  if (!bytes || bytes->size() < around) return std::nullopt;
  std::string out(bytes->size() - around, '\0');
  const auto* nonce = reinterpret_cast<const unsigned char*>(bytes->data());
  const int wrong =
      crypto_secretbox_open_easy(reinterpret_cast<unsigned char*>(out.data()), nonce + crypto_secretbox_NONCEBYTES,
                                 bytes->size() - crypto_secretbox_NONCEBYTES, nonce, sealing_.data());
  if (wrong != 0) return std::nullopt;
  return out;
}

std::string Vault::pod_key(const PodId& pod) const {
  unsigned char code[crypto_auth_hmacsha256_BYTES];
  crypto_auth_hmacsha256(code, reinterpret_cast<const unsigned char*>(pod.str().data()), pod.str().size(),
                         keys_.data());
  // Base 32, five bits a character: 43 of them are 215 bits.
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out = "rpa_";
  for (std::size_t i = 0; i < 43; ++i) {
    const auto bit = i * 5;
    const unsigned pair =
        static_cast<unsigned>(code[bit / 8]) << 8 | (bit / 8 + 1 < sizeof code ? code[bit / 8 + 1] : 0u);
    out += alphabet[pair >> (11 - bit % 8) & 31u];
  }
  return out;
}

}  // namespace gyre::server
