#include "images/image_check_routes.hpp"

namespace gyre {
namespace {

using http::Request;
using http::Response;

struct ImageCheckInput {
  std::string image;
  std::optional<RegistryKind> registry;
  std::optional<std::string> containerRegistryAuthId;
};
BOOST_DESCRIBE_STRUCT(ImageCheckInput, (), (image, registry, containerRegistryAuthId))
json::Fields fields(const ImageCheckInput*) {
  return {
      {"image", "as `docker pull` would name it; with `registry` the registry may be left out", R"("ollama/ollama")"},
      {"registry", "where it is: DOCKER_HUB, NGC, GITHUB, QUAY, HUGGING_FACE or OTHER", R"("DOCKER_HUB")"},
      {"containerRegistryAuthId", "a credential, for a private image", R"("clzdaifot0001l90809257ynb")"}};
}

struct ImageCheckView {
  std::string image, digest, platform;
  std::vector<std::string> ports;
  std::optional<int> port;
  std::int64_t bytes = 0;
  std::vector<std::string> entrypoint, command;
};
BOOST_DESCRIBE_STRUCT(ImageCheckView, (), (image, digest, platform, ports, port, bytes, entrypoint, command))
json::Fields fields(const ImageCheckView*) {
  return {{"image", "its name in full", R"("docker.io/ollama/ollama:latest")"},
          {"digest", "what the tag means now",
           R"("sha256:2f7c1d5a9c0be2f0e1c3f7a2f9d1e8b7c6a5d4c3b2a1908f7e6d5c4b3a291807")"},
          {"platform", "that it runs on", R"("linux/amd64")"},
          {"ports", "that it exposes, by number", R"(["11434/tcp"])"},
          {"port", "the first TCP port; null when it exposes none", "11434"},
          {"bytes", "of its layers, as they are pulled", "1630000000"},
          {"entrypoint", "the image's own", R"(["/bin/ollama"])"},
          {"command", "the image's own", R"(["serve"])"}};
}

ImageCheckView view(const images::Facts& facts) {
  ImageCheckView out{facts.image.str(), facts.digest, facts.os + "/" + facts.architecture,
                     facts.ports,       std::nullopt, facts.bytes,
                     facts.entrypoint,  facts.command};
  for (const auto& port : facts.ports)
    if (!out.port && port.ends_with("/tcp")) out.port = std::stoi(port);
  return out;
}

}  // namespace

std::vector<http::Route> image_check_routes(ImageCheckService& images, json::UnknownKeys unknown) {
  return {http::Route{
      .method = http::Method::post,
      .path = "/v1/images/check",
      .access = http::Access::writer,  // it makes the server speak to others
      .summary = "Check an image",
      .description =
          "Asks its registry, without pulling: is it there, may we have it, does it run on linux/amd64, and which "
          "ports does it expose.",
      .tag = "Images",
      .body = json::schema<ImageCheckInput>(),
      .answer = json::schema<ImageCheckView>(),
      .errors = {Reason::image_name_invalid, Reason::image_other_registry, Reason::image_not_found,
                 Reason::image_access_denied, Reason::image_wrong_platform, Reason::image_for_windows,
                 Reason::registry_unreachable, Reason::registry_answer_unusable, Reason::registry_auth_not_found,
                 Reason::image_checks_busy, Reason::invalid_field, Reason::missing_field, Reason::unknown_field},
      .handler = [&images, unknown](const Request& request) -> Result<Response> {
        const auto input = TRY(json::decode<ImageCheckInput>(request.body, unknown));
        auto later = std::make_shared<http::Later>();
        // What an error is answered with depends on the request, which is gone by then.
        auto asked = std::make_shared<Request>();
        asked->request_id = request.request_id;
        asked->language = request.language;
        TRY(images.check(request.caller, input.registry, input.image, input.containerRegistryAuthId.value_or(""),
                         [later, asked](Result<images::Facts> facts) {
                           later->complete(facts ? http::json_response(200, json::encode(view(*facts)))
                                                 : http::problem(facts.error(), *asked));
                         }));
        return http::later_response(later);
      }}};
}

}  // namespace gyre
