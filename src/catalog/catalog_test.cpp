#include <map>
#include <random>
#include <set>

#include "catalog/catalog_store.hpp"
#include "db/test_database.hpp"
#include "sim/calls.hpp"

namespace gyre {
namespace {

using http::Method;
using sim::list_of;
using sim::object_of;
using sim::text_of;

GpuPrice price(const std::string& type, Time from, std::int64_t secure) {
  GpuPrice out;
  out.gpu_type = type;
  out.from_at = from;
  out.secure = Money::micros(secure);
  return out;
}

class CatalogStoreTest : public testing::TestWithParam<db::Backend> {
 protected:
  db::TestDatabase database_{GetParam()};
};

// Prices written in any order, asked at any time: always the latest that has begun, as a map says it.
TEST_P(CatalogStoreTest, ThePriceAtATimeIsTheLatestThatHasBegun) {
  if (!database_.available()) GTEST_SKIP() << db::no_postgres;
  const auto db = database_.connect();
  db::migrate(*db);
  CatalogStore store(*db);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 dice(seed);
    const auto type = "type " + std::to_string(seed);
    store.save(price("another type", Time(Duration(static_cast<std::int64_t>(seed))), 1));
    std::map<Time, std::int64_t> model;
    for (int i = 0; i < 30; ++i) {
      const Time from(Duration(static_cast<std::int64_t>(dice() % 40)));
      const auto amount = static_cast<std::int64_t>(dice() % 1'000'000'000);
      store.save(price(type, from, amount));
      model[from] = amount;
      const Time at(Duration(static_cast<std::int64_t>(dice() % 45) - 2));
      const auto found = store.price_at(type, at);
      const auto later = model.upper_bound(at);
      ASSERT_EQ(found.has_value(), later != model.begin()) << "seed " << seed;
      if (found) {
        EXPECT_EQ(found->secure->in_micros(), std::prev(later)->second) << "seed " << seed;
      }
    }
    EXPECT_EQ(store.prices(type, 1000).size(), model.size());
    EXPECT_EQ(store.prices(type, 1000).front().from_at, model.begin()->first);
  }
  GpuType added{"My GPU", "Mine", 12, std::nullopt, Time(Duration(1))};
  store.insert(added);
  EXPECT_EQ(store.type("My GPU")->memory_gb, 12);
  EXPECT_FALSE(store.type("My GPU")->pool);
  EXPECT_EQ(store.types().size(), 1u);
}
GYRE_TEST_ON_EVERY_DATABASE(CatalogStoreTest);

TEST(GpuPrice, CommunitySecureAndAllMeanWhatIsThere) {
  GpuPrice both;
  both.secure = Money::micros(3);
  both.community = Money::micros(2);
  EXPECT_EQ(on_demand(both, "SECURE"), Money::micros(3));
  EXPECT_EQ(on_demand(both, "COMMUNITY"), Money::micros(2));
  EXPECT_EQ(on_demand(both, "ALL"), Money::micros(2));
  GpuPrice one;
  EXPECT_FALSE(on_demand(one, "SECURE"));
  one.secure = Money::micros(3);
  EXPECT_EQ(on_demand(one, "COMMUNITY"), Money::micros(3));
}

class CatalogTest : public testing::Test {
 protected:
  sim::World world{1};
  boost::json::object gpu(const std::string& id) {
    for (const auto& type : list_of(world.call(Method::get, "/v1/catalog/gputypes")))
      if (text_of(type.as_object(), "id") == id) return type.as_object();
    ADD_FAILURE() << "no GPU type " << id;
    return {};
  }
  // World::call takes decoded paths.
  http::Response set_price(const std::string& body, const std::string& key = {}) {
    return world.call(Method::post, "/v1/catalog/gputypes/NVIDIA A40/prices", body, key);
  }
  double cost(const std::string& pod) {
    return object_of(world.call(Method::get, "/v1/pods/" + pod)).at("costPerHr").to_number<double>();
  }
  std::string pod(const std::string& more = {}) {
    const auto made =
        world.call(Method::post, "/v1/pods", R"({"imageName":"x:1","gpuTypeIds":["NVIDIA A40"])" + more + "}");
    EXPECT_EQ(made.status, 201) << made.body;
    return text_of(made, "id");
  }
};

TEST_F(CatalogTest, HasTheThirtyTypesOfTheSpecificationWithTheirNamesAndMemory) {
  const std::map<std::string, std::pair<std::string, int>> wanted{
      {"NVIDIA A100 80GB PCIe", {"A100 PCIe", 80}},
      {"NVIDIA A100-SXM4-80GB", {"A100 SXM", 80}},
      {"NVIDIA A30", {"A30", 24}},
      {"NVIDIA A40", {"A40", 48}},
      {"NVIDIA H100 NVL", {"H100 NVL", 94}},
      {"NVIDIA H100 PCIe", {"H100 PCIe", 80}},
      {"NVIDIA H100 80GB HBM3", {"H100 SXM", 80}},
      {"NVIDIA L4", {"L4", 24}},
      {"NVIDIA L40", {"L40", 48}},
      {"NVIDIA L40S", {"L40S", 48}},
      {"AMD Instinct MI300X OAM", {"MI300X", 192}},
      {"NVIDIA RTX 2000 Ada Generation", {"RTX 2000 Ada", 16}},
      {"NVIDIA GeForce RTX 3070", {"RTX 3070", 8}},
      {"NVIDIA GeForce RTX 3080", {"RTX 3080", 10}},
      {"NVIDIA GeForce RTX 3080 Ti", {"RTX 3080 Ti", 12}},
      {"NVIDIA GeForce RTX 3090", {"RTX 3090", 24}},
      {"NVIDIA GeForce RTX 3090 Ti", {"RTX 3090 Ti", 24}},
      {"NVIDIA RTX 4000 Ada Generation", {"RTX 4000 Ada", 20}},
      {"NVIDIA GeForce RTX 4070 Ti", {"RTX 4070 Ti", 12}},
      {"NVIDIA GeForce RTX 4080", {"RTX 4080", 16}},
      {"NVIDIA GeForce RTX 4090", {"RTX 4090", 24}},
      {"NVIDIA RTX 5000 Ada Generation", {"RTX 5000 Ada", 32}},
      {"NVIDIA RTX 6000 Ada Generation", {"RTX 6000 Ada", 48}},
      {"NVIDIA RTX A2000", {"RTX A2000", 6}},
      {"NVIDIA RTX A4000", {"RTX A4000", 16}},
      {"NVIDIA RTX A4500", {"RTX A4500", 20}},
      {"NVIDIA RTX A5000", {"RTX A5000", 24}},
      {"NVIDIA RTX A6000", {"RTX A6000", 48}},
      {"Tesla V100-SXM2-16GB", {"V100 SXM2", 16}},
      {"Tesla V100-SXM2-32GB", {"V100 SXM2 32GB", 32}}};
  EXPECT_EQ(wanted.size(), 30u);
  for (const auto& [id, said] : wanted) {
    const auto shown = gpu(id);
    EXPECT_EQ(text_of(shown, "displayName"), said.first);
    EXPECT_EQ(shown.at("memoryInGb").as_int64(), said.second) << id;
    EXPECT_TRUE(shown.at("securePrice").is_null()) << "no prices unless the operator says so";
  }
  EXPECT_EQ(text_of(gpu("NVIDIA RTX A4000"), "pool"), "AMPERE_16");
  EXPECT_EQ(text_of(gpu("NVIDIA H100 NVL"), "pool"), "ADA_80_PRO");
  EXPECT_TRUE(gpu("NVIDIA A30").at("pool").is_null());
}

TEST_F(CatalogTest, StockIsWhatTheFleetHasAndNoPodHolds) {
  world.registry.push("x:1", {});
  world.add_host("h1", {.gpus = 4});
  world.add_host("h2", {.gpus = 2, .gpu_type = "Some Card"});
  EXPECT_EQ(gpu("NVIDIA A40").at("totalCount").as_int64(), 4);
  EXPECT_EQ(gpu("NVIDIA A40").at("availableCount").as_int64(), 4);
  EXPECT_EQ(text_of(gpu("Some Card"), "displayName"), "Some Card") << "installed and unknown: by its driver's name";
  pod(R"(,"gpuCount":3)");
  world.run_for(20s);
  EXPECT_EQ(gpu("NVIDIA A40").at("availableCount").as_int64(), 1);
  EXPECT_EQ(gpu("NVIDIA A40").at("maxGpuCount").as_int64(), 4);
  EXPECT_EQ(text_of(gpu("NVIDIA A40"), "stockStatus"), "Low");
  const auto centers = list_of(world.call(Method::get, "/v1/catalog/datacenters"));
  ASSERT_EQ(centers.size(), 1u);
  EXPECT_EQ(centers.front().as_object().at("gpuAvailability").as_array().size(), 2u);
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/catalog/cputypes")).size(), 6u);
  // A host that is away offers nothing.
  world.cut_link(world.hosts().back(), true);
  world.run_for(2min);
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/catalog/datacenters"))
                .front()
                .as_object()
                .at("gpuAvailability")
                .as_array()
                .size(),
            1u);
}

TEST_F(CatalogTest, APodPaysThePriceOfWhenItWasMade) {
  EXPECT_EQ(set_price(R"({"securePrice":0.44,"communityPrice":"0.34"})").status, 201);
  world.run_for(1s);
  const auto early = pod(R"(,"gpuCount":3)");
  const auto community = pod(R"(,"cloudType":"COMMUNITY")");
  EXPECT_EQ(cost(early), 1.32);
  EXPECT_EQ(cost(community), 0.34);
  // Set in the same moment: for what is made later.
  EXPECT_EQ(set_price(R"({"securePrice":9.000001})").status, 201);
  world.run_for(1h);
  EXPECT_EQ(cost(early), 1.32);
  EXPECT_EQ(cost(pod()), 9.000001);
  const auto shown = gpu("NVIDIA A40");
  EXPECT_EQ(shown.at("securePrice").to_number<double>(), 9.000001);
  EXPECT_TRUE(shown.at("communityPrice").is_null());
  const auto prices = list_of(world.call(Method::get, "/v1/catalog/gputypes/NVIDIA A40/prices"));
  EXPECT_EQ(prices.size(), 2u);
}

TEST_F(CatalogTest, PricesBeginInTheFutureAndAreExact) {
  EXPECT_EQ(text_of(set_price(R"({"from":"2001-01-01T00:00:00Z","securePrice":1})"), "field"), "from");
  EXPECT_EQ(text_of(set_price(R"({"securePrice":0.0000001})"), "field"), "securePrice") << "refused, not rounded";
  EXPECT_EQ(text_of(set_price(R"({"communitySpotPrice":-1})"), "field"), "communitySpotPrice");
  EXPECT_EQ(text_of(set_price(R"({"securePrice":"a lot"})"), "field"), "securePrice");
  EXPECT_EQ(set_price(R"({"from":"2999-01-01T00:00:00Z","securePrice":1})").status, 201);
  EXPECT_EQ(set_price(R"({"from":"2999-01-01T00:00:00Z","securePrice":2})").status, 201) << "not begun: written again";
  EXPECT_TRUE(gpu("NVIDIA A40").at("securePrice").is_null());
  EXPECT_EQ(list_of(world.call(Method::get, "/v1/catalog/gputypes/NVIDIA A40/prices")).size(), 1u);
}

TEST_F(CatalogTest, OnlyTheOperatorChangesIt) {
  const auto stranger = world.stranger_key();
  EXPECT_EQ(set_price(R"({"securePrice":1})", stranger).status, 403);
  EXPECT_EQ(set_price(R"({"securePrice":1})", world.new_key(Scope::read)).status, 403);
  const auto body = R"({"id":"NVIDIA GeForce GTX 1080 Ti","displayName":"GTX 1080 Ti","memoryInGb":11})";
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/gputypes", body, stranger).status, 403);
  EXPECT_EQ(world.call(Method::post, "/v1/catalog/gputypes", body).status, 201);
  EXPECT_EQ(text_of(world.call(Method::post, "/v1/catalog/gputypes", body), "code"), "gpu_type_exists");
  EXPECT_EQ(gpu("NVIDIA GeForce GTX 1080 Ti").at("memoryInGb").as_int64(), 11);
  EXPECT_EQ(world.call(Method::get, "/v1/catalog/gputypes", "", stranger).status, 200);
  EXPECT_EQ(text_of(world.call(Method::get, "/v1/catalog/gputypes/None/prices"), "code"), "gpu_type_not_found");
}

}  // namespace
}  // namespace gyre
