#include "http/admission.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace gyre::http {
namespace {

using Tickets = std::vector<std::shared_ptr<Admission::Ticket>>;

TEST(Admission, AClientThatFloodsWaitsAndOthersAreServed) {
  Admission admission({.requests_per_second = 10, .burst = 5, .in_hand_per_client = 100, .in_hand = 100});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(admission.enter("flood", 0s));
  const auto refused = admission.enter("flood", 0s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, Reason::too_many_requests);
  EXPECT_EQ(refused.error().args, (Args{{"seconds", "1"}}));
  EXPECT_TRUE(admission.enter("other", 0s));
  EXPECT_TRUE(admission.enter("flood", 100ms)) << "a tenth of a second gives one request back";
  EXPECT_FALSE(admission.enter("flood", 100ms));
}

TEST(Admission, WhatIsInHandOfOneClientIsBounded) {
  Admission admission({.requests_per_second = 1000, .burst = 1000, .in_hand_per_client = 3, .in_hand = 100});
  Tickets held;
  for (int i = 0; i < 3; ++i) held.push_back(*admission.enter("slow", 0s));
  EXPECT_EQ(admission.enter("slow", 0s).error().reason, Reason::too_many_requests);
  held.pop_back();
  EXPECT_TRUE(admission.enter("slow", 0s));
}

TEST(Admission, AnOverloadIsForThoseWhoMakeIt) {
  Admission admission({.requests_per_second = 1000, .burst = 1000, .in_hand_per_client = 50, .in_hand = 4});
  Tickets held;
  for (int i = 0; i < 4; ++i) held.push_back(*admission.enter("busy", 0s));
  EXPECT_EQ(admission.enter("busy", 0s).error().reason, Reason::overloaded);
  for (int i = 0; i < 4; ++i) {
    const auto entered = admission.enter("quiet " + std::to_string(i), 0s);
    ASSERT_TRUE(entered) << "a client with nothing in hand has room of its own";
    held.push_back(*entered);
  }
  EXPECT_EQ(admission.enter("one more", 0s).error().reason, Reason::overloaded) << "there is an end to that too";
  held.clear();
  EXPECT_EQ(admission.counters().in_hand, 0u);
  EXPECT_EQ(admission.counters().shed, 2u);
}

TEST(Admission, TheTableOfClientsIsBoundedAndNobodyInHandIsForgotten) {
  Admission admission({.burst = 2, .in_hand = 100, .clients_remembered = 10});
  const auto held = admission.enter("held", 0s);
  ASSERT_TRUE(held);
  for (int i = 0; i < 1000; ++i) admission.enter("client " + std::to_string(i), 0s);
  EXPECT_LE(admission.counters().clients, 11u);
  EXPECT_TRUE(admission.enter("held", 0s));
  EXPECT_FALSE(admission.enter("held", 0s)) << "its burst was remembered";
}

TEST(Admission, CountsHoldWhateverHappens) {
  std::mt19937 dice(7);
  Admission admission(
      {.requests_per_second = 50, .burst = 20, .in_hand_per_client = 8, .in_hand = 30, .clients_remembered = 12});
  std::vector<std::pair<std::string, std::shared_ptr<Admission::Ticket>>> held;
  Duration now{0};
  for (int i = 0; i < 20'000; ++i) {
    now += Duration(dice() % 20);
    if (dice() % 2 == 0 && !held.empty()) {
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(dice() % held.size()));
    } else if (const auto name = std::to_string(dice() % 20); auto entered = admission.enter(name, now)) {
      held.emplace_back(name, *entered);
    }
    ASSERT_EQ(admission.counters().in_hand, held.size());
    ASSERT_LE(held.size(), 60u);
    std::map<std::string, std::size_t> of;
    for (const auto& [name, ticket] : held) ASSERT_LE(++of[name], 8u);
  }
}

TEST(Admission, ThreadsDoNotLoseCount) {
  Admission admission({.requests_per_second = 1e9, .burst = 1e9, .in_hand_per_client = 1000, .in_hand = 1000});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&admission, t] {
      for (int i = 0; i < 5000; ++i) {
        const auto entered = admission.enter(std::to_string((t + i) % 7), Duration(i));
        if (!entered) std::abort();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(admission.counters().in_hand, 0u);
  EXPECT_EQ(admission.counters().admitted, 20'000u);
}

TEST(Admission, AClientIsItsCredentialElseItsAddress) {
  Request request;
  request.remote_address = "198.51.100.7";
  EXPECT_EQ(client_of(request), "a198.51.100.7");
  request.headers.set("Authorization", "Bearer rpa_secret");
  const auto by_key = client_of(request);
  EXPECT_EQ(by_key.find("rpa_"), std::string::npos);
  request.remote_address = "198.51.100.8";
  EXPECT_EQ(client_of(request), by_key);
  request.headers.set("Authorization", "Bearer rpa_other");
  EXPECT_NE(client_of(request), by_key);
}

}  // namespace
}  // namespace gyre::http
