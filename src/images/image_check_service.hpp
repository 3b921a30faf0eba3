// Checks of images, several at a time on threads of their own: a registry that does not answer holds up nobody else.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/caller.hpp"
#include "images/image_source.hpp"
#include "images/registry_client.hpp"
#include "runtime/core.hpp"

namespace gyre {

struct ImageCheckConfig {
  std::vector<std::string> trusted_registries;  // images::ClientSettings::trusted
  std::function<std::optional<images::Login>(const WorkspaceId&, const std::string& registry_auth)> login;
  images::Fetch fetch = [](const http::ClientRequest& request) { return http::fetch(request); };
};

class ImageCheckService {
 public:
  ImageCheckService(Core& core, ImageCheckConfig config);
  ~ImageCheckService();  // waits for nobody: what is under way is cancelled

  using Done = std::function<void(Result<images::Facts>)>;
  // `done` comes on the core thread, not within a task. Refused at once: a name that is none (image_name_invalid,
  // image_other_registry), registry_auth_not_found, image_checks_busy.
  Result<> check(const Caller& caller, std::optional<RegistryKind> registry, const std::string& image,
                 const std::string& registry_auth, Done done);

  static constexpr std::size_t waiting_max = 64, waiting_per_workspace_max = 8;
  static constexpr int threads = 4;

 private:
  struct Check {
    ImageReference image;
    std::optional<images::Login> login;
    std::function<void(Result<images::Facts>)> answer;  // on any thread
  };
  void work(std::stop_token stop);

  Core& core_;
  ImageCheckConfig config_;
  std::map<WorkspaceId, std::size_t> of_workspace_;  // core thread: waiting or under way
  std::size_t in_all_ = 0;
  Alive alive_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Check> waiting_;
  std::vector<std::jthread> threads_;  // last: stopped and joined before the rest goes
};

}  // namespace gyre
