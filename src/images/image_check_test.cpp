#include <gtest/gtest.h>

#include <future>

#include "db/backends.hpp"
#include "images/image_check_service.hpp"
#include "runtime/asio_runtime.hpp"

namespace gyre {
namespace {

// A registry that answers only when it is told to, so that checks stay in hand.
class SlowRegistry {
 public:
  images::Fetch fetch() {
    return [this](const http::ClientRequest& request) -> Result<http::ClientResponse> {
      ++asked;
      std::unique_lock lock(mutex_);
      std::condition_variable_any changed;
      while (!open_ && !request.stop.stop_requested()) changed.wait_for(lock, request.stop, 10ms, [] { return false; });
      return fail(Reason::server_unreachable, {{"server", "r"}, {"detail", "slow"}});
    };
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
  }
  std::atomic<int> asked = 0;

 private:
  std::mutex mutex_;
  bool open_ = false;
};

Caller caller_of(const std::string& workspace) {
  Caller caller;
  caller.workspace = WorkspaceId(workspace);
  return caller;
}

TEST(ImageCheck, OnlySoManyChecksAreInHand) {
  AsioRuntime runtime;
  const auto db = db::open("sqlite::memory:");
  Core core(runtime, *db);
  SlowRegistry registry;
  ImageCheckConfig config;
  config.fetch = registry.fetch();
  ImageCheckService service(core, std::move(config));
  std::size_t done = 0, begun = 0;
  const auto count = [&](const Result<images::Facts>& facts) {
    EXPECT_EQ(facts.error().reason, Reason::registry_unreachable);
    if (++done == begun) runtime.stop();
  };
  const auto begin = [&](const std::string& workspace) {
    const auto refused = service.check(caller_of(workspace), std::nullopt, "team/app:1", "", count);
    begun += refused ? 1 : 0;
    return refused ? "" : std::string(reason_text(refused.error().reason));
  };
  runtime.post([&] {
    for (std::size_t i = 0; i < ImageCheckService::waiting_per_workspace_max; ++i) EXPECT_EQ(begin("a"), "");
    EXPECT_EQ(begin("a"), "image_checks_busy");
    EXPECT_EQ(begin("b"), "") << "one workspace takes nothing from another";
    for (int workspace = 0; begun < ImageCheckService::waiting_max; ++workspace)
      for (int i = 0; i < 4 && begun < ImageCheckService::waiting_max; ++i)
        EXPECT_EQ(begin("w" + std::to_string(workspace)), "");
    EXPECT_EQ(begin("z"), "image_checks_busy");
    registry.open();
  });
  runtime.run();
  EXPECT_EQ(done, ImageCheckService::waiting_max);
}

TEST(ImageCheck, ItsEndWaitsForNoRegistry) {
  AsioRuntime runtime;
  const auto db = db::open("sqlite::memory:");
  Core core(runtime, *db);
  SlowRegistry registry;
  {
    ImageCheckConfig config;
    config.fetch = registry.fetch();
    ImageCheckService service(core, std::move(config));
    for (int i = 0; i < 8; ++i)
      EXPECT_TRUE(service.check(caller_of("a"), std::nullopt, "team/app:1", "", [](const auto&) { FAIL(); }));
    while (registry.asked == 0) std::this_thread::yield();
  }
  SUCCEED() << "no registry was ever told to answer";
}

}  // namespace
}  // namespace gyre
