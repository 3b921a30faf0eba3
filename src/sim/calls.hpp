// Short words for tests that speak to the simulated world through its API.
#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sim/world.hpp"

namespace gyre::sim {

inline boost::json::object object_of(const http::Response& response) {
  auto value = boost::json::parse(response.body);
  EXPECT_TRUE(value.is_object()) << response.body;
  return value.is_object() ? value.as_object() : boost::json::object();
}
inline boost::json::array list_of(const http::Response& response) {
  auto value = boost::json::parse(response.body);
  EXPECT_TRUE(value.is_array()) << response.body;
  return value.is_array() ? value.as_array() : boost::json::array();
}
// The text of a member; "" when there is none.
inline std::string text_of(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}
inline std::string text_of(const http::Response& response, const char* key) {
  return text_of(object_of(response), key);
}

}  // namespace gyre::sim
