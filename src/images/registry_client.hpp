// Asks a registry about an image without pulling it: the digest that its tag means now, whether it runs on our hosts,
// and which ports it exposes. Blocking, for a worker thread; every answer is bounded in size, and all of it in time.
//
// The flows (distribution specification, "Authentication"): an answer of 401 carries a challenge. Bearer (Docker Hub,
// NGC, GitHub, Quay, Hugging Face): a token is fetched from the realm, with the login if there is one. Basic (ECR, many
// of one's own): the login itself. Blobs may be redirected to a storage, which is sent neither.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/image_reference.hpp"
#include "http/client.hpp"

namespace gyre::images {

struct Login {
  std::string username, password;
};

struct Facts {
  ImageReference image;
  std::string digest;  // of the manifest for linux/amd64, or of the list that holds it: what a pull by tag would pin
  std::string os, architecture;
  std::vector<std::string> ports;  // "8888/tcp"
  std::vector<std::string> entrypoint, command;
  std::int64_t bytes = 0;  // of its layers, compressed
};

using Fetch = std::function<Result<http::ClientResponse>(const http::ClientRequest&)>;

struct ClientSettings {
  // Registries that the operator trusts, as "host" or "host:port": reached also at private addresses, and over http
  // when they do not speak https.
  std::vector<std::string> trusted;
  Duration time{15'000};  // for all of it
  std::function<Duration()> uptime;
};

// Refusals, with the field `image`: image_not_found, image_access_denied, image_wrong_platform, image_for_windows,
// registry_unreachable, registry_answer_unusable.
Result<Facts> ask_registry(const ImageReference& image, const std::optional<Login>& login,
                           const ClientSettings& settings, const Fetch& fetch);

}  // namespace gyre::images
