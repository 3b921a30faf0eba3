// Every access level against every kind of caller: the table below is the whole of the rule.
#include "http/router_world_test.hpp"

namespace gyre::http {
namespace {

struct Expected {
  Access access;
  bool pod_key;  // the route is open to a pod's own key
  int nobody, reader, writer, stranger, pod, other_pod, browser, operator_of_it, read_only_operator;
};

constexpr Expected table[] = {
    // access       pod_key  none  read  write foreign pod  other browser oper  oper, read only
    {Access::open, false, 200, 200, 200, 200, 200, 200, 200, 200, 200},
    {Access::guest, false, 200, 200, 200, 200, 200, 200, 200, 200, 200},
    {Access::reader, false, 401, 200, 200, 200, 403, 403, 200, 200, 200},
    {Access::reader, true, 401, 200, 200, 200, 200, 403, 200, 200, 200},
    {Access::writer, false, 401, 403, 200, 200, 403, 403, 200, 200, 403},
    {Access::writer, true, 401, 403, 200, 200, 200, 403, 200, 200, 403},
    {Access::admin, false, 401, 403, 403, 403, 403, 403, 403, 200, 403},
};

TEST(AccessTest, EveryLevelLetsInExactlyWhomItSays) {
  World world;
  std::vector<Route> routes;
  for (const auto& row : table)
    for (const auto method : {Method::get, Method::post, Method::del}) {
      const auto path = "/" + std::string(enum_text(row.access)) + (row.pod_key ? "/pod" : "/any") + "/{id}";
      auto made = route(method, path, row.access, [](const Request&) { return ok(); });
      made.pod_key = row.pod_key;
      routes.push_back(std::move(made));
    }
  world.router->add(std::move(routes));

  int asked = 0;
  for (const auto& row : table) {
    const std::pair<const char*, int> callers[] = {{"", row.nobody},
                                                   {"nonsense", row.nobody},
                                                   {"reader", row.reader},
                                                   {"writer", row.writer},
                                                   {"stranger", row.stranger},
                                                   {"pod", row.pod},
                                                   {"other_pod", row.other_pod},
                                                   {"browser", row.browser},
                                                   {"operator", row.operator_of_it},
                                                   {"read_only_operator", row.read_only_operator}};
    const auto path = "/" + std::string(enum_text(row.access)) + (row.pod_key ? "/pod" : "/any") + "/p1";
    for (const auto& [who, status] : callers)
      for (const auto method : {Method::get, Method::post, Method::del, Method::head}) {
        if (row.access == Access::guest && who == std::string_view("nonsense")) continue;  // below
        const auto response = world.call(method, path, who);
        EXPECT_EQ(response.status, status) << method_text(method) << ' ' << path << " as '" << who << "'";
        ++asked;
      }
  }
  EXPECT_EQ(asked, 7 * 10 * 4 - 4);
}

TEST(AccessTest, AGuestIsNobodyAndAWrongKeyIsNoGuest) {
  World world;
  std::optional<Caller> seen;
  world.router->add({route(Method::post, "/g", Access::guest, [&](const Request& request) {
    seen = request.caller;
    return ok();
  })});
  EXPECT_EQ(world.call(Method::post, "/g", "").status, 200);
  EXPECT_EQ(seen->account, AccountId());
  EXPECT_EQ(seen->scope, Scope::read);
  EXPECT_EQ(world.call(Method::post, "/g", "writer").status, 200);
  EXPECT_EQ(seen->account, AccountId("a1"));
  seen.reset();
  EXPECT_EQ(world.call(Method::post, "/g", "nonsense").status, 401);
  EXPECT_EQ(world.call(Method::post, "/g?api_key=nonsense", "").status, 401);
  EXPECT_FALSE(seen);
}

TEST(AccessTest, ARefusalNamesWhatIsNeeded) {
  World world;
  world.router->add({route(Method::post, "/w", Access::writer, [](const Request&) { return ok(); }),
                     route(Method::post, "/a", Access::admin, [](const Request&) { return ok(); })});
  EXPECT_NE(world.call(Method::post, "/w", "reader").body.find("it needs READ_WRITE"), std::string::npos);
  EXPECT_NE(world.call(Method::post, "/a", "writer").body.find("it needs OPERATOR"), std::string::npos);
  EXPECT_NE(world.call(Method::post, "/a", "read_only_operator").body.find("it needs READ_WRITE"), std::string::npos);
}

TEST(AccessTest, WhatAuthenticateRefusesIsAnsweredAsItIs) {
  World world;
  int handled = 0;
  Router router(*world.core, [](const Request&) -> Result<Caller> { return fail(Reason::cross_site_request); });
  router.add({route(Method::post, "/w", Access::writer, [&](const Request&) {
    ++handled;
    return ok();
  })});
  Request request;
  request.method = Method::post;
  request.path = "/w";
  const auto refused = router.dispatch(request);
  EXPECT_EQ(refused.status, 403);
  EXPECT_NE(refused.body.find("cross_site_request"), std::string::npos);
  EXPECT_EQ(handled, 0);
}

TEST(AccessTest, AnOpenRouteDoesNotAskWhoItIs) {
  World world;
  int asked = 0;
  Router router(*world.core, [&](const Request&) -> Result<Caller> {
    ++asked;
    return fail(Reason::not_logged_in);
  });
  router.add({route(Method::get, "/o", Access::open, [](const Request&) { return ok(); })});
  Request request;
  request.path = "/o";
  EXPECT_EQ(router.dispatch(request).status, 200);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace gyre::http
