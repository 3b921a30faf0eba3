#include "images/image_check_service.hpp"

#include <chrono>
#include <memory>

namespace gyre {

ImageCheckService::ImageCheckService(Core& core, ImageCheckConfig config) : core_(core), config_(std::move(config)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this](std::stop_token stop) { work(std::move(stop)); });
}

ImageCheckService::~ImageCheckService() {
  for (auto& thread : threads_) thread.request_stop();
}

Result<> ImageCheckService::check(const Caller& caller, std::optional<RegistryKind> registry, const std::string& image,
                                  const std::string& registry_auth, Done done) {
  Check wanted;
  wanted.image = TRY(image_in(registry, image));
  if (!registry_auth.empty()) {
    wanted.login = config_.login(caller.workspace, registry_auth);
    if (!wanted.login) return fail(Reason::registry_auth_not_found, {{"id", registry_auth}}, "containerRegistryAuthId");
  }
  if (in_all_ >= waiting_max || of_workspace_[caller.workspace] >= waiting_per_workspace_max)
    return fail(Reason::image_checks_busy);
  ++in_all_;
  ++of_workspace_[caller.workspace];
  auto known = std::make_shared<std::optional<Result<images::Facts>>>();
  auto back = alive_.guard([this, workspace = caller.workspace, known, done = std::move(done)] {
    --in_all_;
    if (--of_workspace_[workspace] == 0) of_workspace_.erase(workspace);
    done(std::move(**known));
  });
  wanted.answer = [&runtime = core_.runtime(), known, back](Result<images::Facts> facts) {
    known->emplace(std::move(facts));
    runtime.post(back);
  };
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(wanted));
  }
  wake_.notify_one();
  return {};
}

void ImageCheckService::work(std::stop_token stop) {
  images::ClientSettings settings;
  settings.trusted = config_.trusted_registries;
  settings.uptime = [] {
    return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch());
  };
  const images::Fetch fetch = [&](const http::ClientRequest& asked) {
    auto request = asked;
    request.stop = stop;
    return config_.fetch(request);
  };
  for (;;) {
    Check next;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    next.answer(images::ask_registry(next.image, next.login, settings, fetch));
  }
}

}  // namespace gyre
