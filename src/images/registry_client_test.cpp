#include "images/registry_client.hpp"

#include <gtest/gtest.h>

#include <map>

#include "base/secrets.hpp"

namespace gyre::images {
namespace {

std::string digest_of(const std::string& body) { return "sha256:" + sha256_hex(body); }

// A registry and its token server, as far as the flows need them; each test makes it strict in another way.
class Registry {
 public:
  enum class Flow { open, bearer, basic };

  explicit Registry(std::string name) : host(std::move(name)) {}

  std::string host, realm = "https://auth.example.org/token", service = "registry";
  Flow flow = Flow::open;
  std::optional<Login> login;  // who may have it; absent: anybody with a token
  std::map<std::string, std::string> manifests, blobs;
  bool speaks_https = true, redirects_blobs = false;
  std::vector<std::string> seen;  // "GET url [authorization]"
  bool only_public = true;        // of the last request

  // linux/amd64 with these ports; its tag.
  void add(const std::string& tag, const std::string& os = "linux", const std::string& architecture = "amd64") {
    const auto config = R"({"os":")" + os + R"(","architecture":")" + architecture +
                        R"(","config":{"ExposedPorts":{"8888/tcp":{}},"Cmd":["serve"]}})";
    const auto manifest = R"({"config":{"digest":")" + digest_of(config) + R"("},"layers":[{"size":7},{"size":5}]})";
    blobs[digest_of(config)] = config;
    manifests[digest_of(manifest)] = manifests[tag] = manifest;
  }
  std::string digest(const std::string& tag) const { return digest_of(manifests.at(tag)); }

  Result<http::ClientResponse> answer(const http::ClientRequest& request) {
    only_public = request.only_public_addresses;
    std::string authorization;
    for (const auto& [name, value] : request.headers)
      if (name == "Authorization") authorization = value;
    seen.push_back(request.url + (authorization.empty() ? "" : " " + authorization));
    const std::string scheme = speaks_https ? "https://" : "http://";
    if (request.url.starts_with(realm)) return token(request.url, authorization);
    if (request.url.starts_with("https://storage.example.org/")) {
      const auto found = blobs.find(request.url.substr(28));
      if (!authorization.empty() || found == blobs.end()) return said(403, "");
      return said(200, found->second);
    }
    if (!request.url.starts_with(scheme + host + "/v2/"))
      return fail(Reason::server_unreachable, {{"server", request.url}, {"detail", "nobody is there"}});
    const bool allowed = flow == Flow::open || (flow == Flow::bearer && authorization == "Bearer good") ||
                         (flow == Flow::basic && authorization == "Basic " + base64("ann:pw"));
    if (!allowed) {
      auto refused = said(401, R"({"errors":[{"message":"authentication required"}]})");
      refused.headers.emplace_back(
          "www-authenticate",
          flow == Flow::basic ? R"(Basic realm="r")" : "Bearer realm=\"" + realm + "\",service=\"" + service + "\"");
      return refused;
    }
    const auto last = request.url.substr(request.url.rfind('/') + 1);
    const bool blob = request.url.find("/blobs/") != std::string::npos;
    if (blob && redirects_blobs) {
      auto elsewhere = said(307, "");
      elsewhere.headers.emplace_back("Location", "https://storage.example.org/" + last);
      return elsewhere;
    }
    const auto& from = blob ? blobs : manifests;
    const auto found = from.find(last);
    if (found == from.end()) return said(404, R"({"errors":[{"message":"manifest unknown"}]})");
    return said(200, found->second);
  }

 private:
  static http::ClientResponse said(int status, std::string body) {
    http::ClientResponse out;
    out.status = status;
    out.body = std::move(body);
    return out;
  }
  Result<http::ClientResponse> token(const std::string& url, const std::string& authorization) const {
    EXPECT_NE(url.find("scope=repository%3A"), std::string::npos) << url;
    if (login && authorization != "Basic " + base64(login->username + ":" + login->password))
      return said(401, R"({"details":"incorrect username or password"})");
    return said(200, R"({"token":"good"})");
  }
};

class RegistryClient : public testing::Test {
 protected:
  Result<Facts> ask(const std::string& name, const std::optional<Login>& login = {}) {
    ClientSettings settings;
    settings.trusted = trusted;
    settings.uptime = [this] { return uptime += step; };
    return ask_registry(parse_image_reference(name).value(), login, settings,
                        [this](const http::ClientRequest& request) { return registry.answer(request); });
  }
  std::string refusal(const std::string& name, const std::optional<Login>& login = {}) {
    const auto facts = ask(name, login);
    if (facts) return "none";
    EXPECT_EQ(facts.error().field, "image");
    EXPECT_EQ(facts.error().message().find("pw"), std::string::npos);
    return std::string(reason_text(facts.error().reason));
  }

  Registry registry{"registry.example.org"};
  std::vector<std::string> trusted;
  Duration uptime{0}, step{1};
  const std::string image = "registry.example.org/team/app:1";
};

TEST_F(RegistryClient, SaysWhatATagMeansAndWhichPortsItExposes) {
  registry.add("1");
  const auto facts = ask(image);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->digest, registry.digest("1"));
  EXPECT_EQ(facts->ports, std::vector<std::string>{"8888/tcp"});
  EXPECT_EQ(facts->command, std::vector<std::string>{"serve"});
  EXPECT_EQ(facts->bytes, 12);
  EXPECT_TRUE(registry.only_public) << "a stranger's name leads nowhere inside";
  EXPECT_TRUE(ask("registry.example.org/team/app@" + registry.digest("1")));
}

TEST_F(RegistryClient, FetchesATokenWithTheLoginWhereOneIsAskedFor) {
  registry.add("1");
  registry.flow = Registry::Flow::bearer;
  ASSERT_TRUE(ask(image));
  EXPECT_EQ(registry.seen[1], "https://auth.example.org/token?scope=repository%3Ateam%2Fapp%3Apull&service=registry");
  registry.login = Login{"ann", "pw"};
  EXPECT_EQ(refusal(image), "image_access_denied");
  EXPECT_EQ(refusal(image, Login{"ann", "other"}), "image_access_denied");
  registry.seen.clear();
  EXPECT_TRUE(ask(image, Login{"ann", "pw"}));
  for (const auto& request : registry.seen)
    EXPECT_TRUE(request.find("Basic") == std::string::npos || request.starts_with("https://auth.example.org/"))
        << "the login goes to the token server alone";
}

TEST_F(RegistryClient, DockerHubAnswersUnderAnotherName) {
  registry = Registry("registry-1.docker.io");
  registry.flow = Registry::Flow::bearer;
  registry.realm = "https://auth.docker.io/token";
  registry.add("latest");
  const auto facts = ask("ollama");
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->image.str(), "docker.io/library/ollama:latest");
}

TEST_F(RegistryClient, GivesTheLoginItselfToABasicRegistry) {
  registry.add("1");
  registry.flow = Registry::Flow::basic;
  EXPECT_EQ(refusal(image), "image_access_denied");
  EXPECT_TRUE(ask(image, Login{"ann", "pw"}));
}

TEST_F(RegistryClient, ABlobElsewhereIsFetchedWithoutTheToken) {
  registry.add("1");
  registry.flow = Registry::Flow::bearer;
  registry.redirects_blobs = true;
  EXPECT_TRUE(ask(image));
}

TEST_F(RegistryClient, OfAListThePlatformOfOurHostsCounts) {
  registry.add("arm", "linux", "arm64");
  registry.add("ours");
  const auto entry = [&](const std::string& tag, const std::string& architecture) {
    return R"({"digest":")" + registry.digest(tag) + R"(","platform":{"os":"linux","architecture":")" + architecture +
           "\"}}";
  };
  registry.manifests["1"] = R"({"manifests":[)" + entry("arm", "arm64") + "," + entry("ours", "amd64") + "]}";
  const auto facts = ask(image);
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->digest, registry.digest("1")) << "of the list, as a pull would pin it";
  registry.manifests["1"] = R"({"manifests":[)" + entry("arm", "arm64") + "]}";
  EXPECT_EQ(refusal(image), "image_wrong_platform");
  EXPECT_EQ(refusal("registry.example.org/team/app:arm"), "image_wrong_platform");
  registry.add("windows", "windows");
  EXPECT_EQ(refusal("registry.example.org/team/app:windows"), "image_for_windows");
}

TEST_F(RegistryClient, SaysWhatIsWrong) {
  EXPECT_EQ(refusal(image), "image_not_found");
  EXPECT_EQ(refusal("elsewhere.example.org/team/app:1"), "registry_unreachable");
  registry.manifests["1"] = "<html>a captive portal</html>";
  EXPECT_EQ(refusal(image), "registry_answer_unusable");
  registry.add("1");
  EXPECT_EQ(refusal("registry.example.org/team/app@sha256:" + std::string(64, '0')), "image_not_found");
  registry.manifests["sha256:" + std::string(64, '0')] = registry.manifests["1"];
  EXPECT_EQ(refusal("registry.example.org/team/app@sha256:" + std::string(64, '0')), "registry_answer_unusable");
  for (auto& [digest, body] : registry.blobs) body += " ";
  EXPECT_EQ(refusal(image), "registry_answer_unusable") << "its configuration is not what its digest says";
  step = 8s;
  registry.add("2");
  EXPECT_EQ(refusal("registry.example.org/team/app:2"), "registry_unreachable") << "slow answers end in time";
}

TEST_F(RegistryClient, OnlyATrustedRegistryIsSpokenToWithoutTls) {
  registry.add("1");
  registry.speaks_https = false;
  EXPECT_EQ(refusal(image), "registry_unreachable");
  trusted = {"registry.example.org"};
  EXPECT_TRUE(ask(image));
  EXPECT_FALSE(registry.only_public);
  registry.flow = Registry::Flow::bearer;
  registry.realm = "http://auth.example.org/token";
  EXPECT_TRUE(ask(image));
  trusted.clear();
  registry.speaks_https = true;
  EXPECT_EQ(refusal(image), "registry_answer_unusable") << "a token server without TLS is no place for a login";
}

}  // namespace
}  // namespace gyre::images
