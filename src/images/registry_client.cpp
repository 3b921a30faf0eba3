#include "images/registry_client.hpp"

#include <algorithm>

#include "base/secrets.hpp"
#include "images/registry_answers.hpp"

namespace gyre::images {
namespace {

constexpr std::size_t answer_max = 4 * 1024 * 1024;
constexpr int redirects_max = 3;
constexpr const char* manifest_types =
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

std::string origin_of(std::string_view url) {
  const auto start = url.find("://");
  const auto end = start == std::string_view::npos ? url.size() : std::min(url.find('/', start + 3), url.size());
  return std::string(url.substr(0, end));
}

class Conversation {
 public:
  Conversation(const ImageReference& image, const std::optional<Login>& login, const ClientSettings& settings,
               const Fetch& fetch)
      : image_(image), login_(login), settings_(settings), fetch_(fetch), until_(settings.uptime() + settings.time) {
    // Docker Hub's registry does not answer under the name that images have.
    const auto host = image.registry == "docker.io" ? std::string("registry-1.docker.io") : image.registry;
    trusted_ = std::find(settings.trusted.begin(), settings.trusted.end(), image.registry) != settings.trusted.end();
    base_ = "https://" + host;
  }

  Result<Facts> ask() {
    Facts out;
    out.image = image_;
    auto answer = TRY(manifest(image_.digest.empty() ? image_.tag : image_.digest));
    out.digest = digest_of(answer.body);
    if (!image_.digest.empty() && out.digest != image_.digest) return unusable("its manifest has another digest");
    auto read = read_manifest(answer.body);
    if (!read) return unusable(read.error());
    if (!read->entries.empty()) {
      const auto* ours = for_our_hosts(*read);
      if (!ours) return for_others(platforms_of(*read));
      answer = TRY(manifest(ours->digest));
      if (digest_of(answer.body) != ours->digest) return unusable("a manifest of its list has another digest");
      read = read_manifest(answer.body);
      if (!read) return unusable(read.error());
      if (!read->entries.empty()) return unusable("its list of platforms holds another list");
    }
    out.bytes = read->layer_bytes;
    const auto blob = TRY(get("/v2/" + image_.repository + "/blobs/" + read->config_digest, "*/*"));
    if (digest_of(blob.body) != read->config_digest) return unusable("its configuration has another digest");
    const auto config = read_config(blob.body);
    if (!config) return unusable(config.error());
    out.os = config->os;
    out.architecture = config->architecture;
    if (out.os != "linux" || out.architecture != "amd64") return for_others(out.os + "/" + out.architecture);
    out.ports = config->ports;
    out.entrypoint = config->entrypoint;
    out.command = config->command;
    return out;
  }

 private:
  tl::unexpected<Error> refuse(Reason reason, const std::string& detail) const {
    return fail(reason, {{"image", image_.str()}, {"detail", detail}}, "image");
  }
  tl::unexpected<Error> unusable(const std::string& detail) const {
    return refuse(Reason::registry_answer_unusable, detail);
  }
  tl::unexpected<Error> for_others(const std::string& platforms) const {
    if (platforms.starts_with("windows")) return fail(Reason::image_for_windows, {{"image", image_.str()}}, "image");
    return fail(Reason::image_wrong_platform, {{"image", image_.str()}, {"platform", platforms}}, "image");
  }

  static std::string digest_of(const std::string& body) { return "sha256:" + sha256_hex(body); }

  Result<http::ClientResponse> manifest(const std::string& reference) {
    return get("/v2/" + image_.repository + "/manifests/" + reference, manifest_types);
  }

  Result<http::ClientResponse> get(const std::string& path, const std::string& accept) {
    auto answer = TRY(send(base_ + path, accept, authorization_));
    if (answer.status == 401 && !asked_for_token_) {
      asked_for_token_ = true;
      TRY(authorise(answer));
      answer = TRY(send(base_ + path, accept, authorization_));
    }
    std::string from = base_ + path;
    for (int i = 0; i < redirects_max && (answer.status == 307 || answer.status == 302 || answer.status == 308 ||
                                          answer.status == 301 || answer.status == 303);
         ++i) {
      std::string to(answer.header("Location"));
      if (to.starts_with('/')) to = origin_of(from) + to;
      if (!to.starts_with("https://") && !(trusted_ && to.starts_with("http://")))
        return unusable("it sends us to " + origin_of(to));
      // What the login or the token is good for is this registry alone.
      answer = TRY(send(to, accept, origin_of(to) == origin_of(base_) ? authorization_ : ""));
      from = to;
    }
    return judged(std::move(answer));
  }

  Result<http::ClientResponse> judged(http::ClientResponse answer) const {
    if (answer.ok()) return answer;
    auto words = read_error(answer.body);
    if (words.empty()) words = "HTTP " + std::to_string(answer.status);
    switch (answer.status) {
      case 404:
        return refuse(Reason::image_not_found, words);
      case 401:
      case 403:
        return refuse(Reason::image_access_denied, words);
      default:
        return refuse(Reason::registry_unreachable, words);
    }
  }

  // Over https; a registry of the operator's that does not speak it, over http from then on.
  Result<http::ClientResponse> send(const std::string& url, const std::string& accept,
                                    const std::string& authorization) {
    http::ClientRequest request;
    request.url = url;
    request.headers.emplace_back("Accept", accept);
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    request.body_limit = answer_max;
    request.only_public_addresses = !trusted_;
    const auto left = until_ - settings_.uptime();
    if (left <= Duration(0)) return refuse(Reason::registry_unreachable, "it took too long");
    request.timeout = left;
    request.connect_timeout = std::min(left, Duration(5'000));
    auto answer = fetch_(request);
    if (!answer && trusted_ && base_.starts_with("https://") && url.starts_with(base_)) {
      const auto path = url.substr(base_.size());
      base_ = "http://" + base_.substr(8);
      request.url = base_ + path;
      answer = fetch_(request);
    }
    if (!answer) return refuse(Reason::registry_unreachable, answer.error().message());
    return std::move(*answer);
  }

  Result<> authorise(const http::ClientResponse& refused) {
    const auto challenge = read_challenge(refused.header("WWW-Authenticate"));
    if (!challenge) return {};  // the second answer says so again
    const auto basic = login_ ? "Basic " + base64(login_->username + ":" + login_->password) : std::string();
    if (!challenge->bearer) {
      authorization_ = basic;
      return {};
    }
    const bool plain = trusted_ && challenge->realm.starts_with("http://");
    if (!challenge->realm.starts_with("https://") && !plain)
      return unusable("it names no token server that can be used");
    auto scope = challenge->scope;
    if (scope.empty()) scope = "repository:" + image_.repository + ":pull";
    auto url = challenge->realm + (challenge->realm.find('?') == std::string::npos ? "?" : "&") +
               "scope=" + http::url_encode(scope);
    if (!challenge->service.empty()) url += "&service=" + http::url_encode(challenge->service);
    const auto answer = TRY(send(url, "application/json", basic));
    if (!answer.ok()) {
      // It knows who may have what: its refusal is about the login, or about an image that nobody may see.
      TRY(judged(answer));
      return {};
    }
    const auto token = read_token(answer.body);
    if (token.empty()) return unusable("its token server gave no token");
    authorization_ = "Bearer " + token;
    return {};
  }

  const ImageReference& image_;
  const std::optional<Login>& login_;
  const ClientSettings& settings_;
  const Fetch& fetch_;
  const Duration until_;
  std::string base_;
  bool trusted_ = false;
  std::string authorization_;
  bool asked_for_token_ = false;
};

}  // namespace

Result<Facts> ask_registry(const ImageReference& image, const std::optional<Login>& login,
                           const ClientSettings& settings, const Fetch& fetch) {
  return Conversation(image, login, settings, fetch).ask();
}

}  // namespace gyre::images
