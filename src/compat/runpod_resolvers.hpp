// Inside of compat/: what the resolvers of the nouns share. Each file adds its own; runpod_graphql.cpp puts them
// together.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "accounts/account_store.hpp"
#include "base/caller.hpp"
#include "graphql/resolvers.hpp"
#include "monitoring/metrics_service.hpp"
#include "pods/pod_service.hpp"
#include "resources/resources.hpp"

namespace gyre::compat {

std::string_view runpod_schema();

// Whom the resolvers ask. Borrowed.
struct Services {
  Core& core;
  PodService& pods;
  Resources& resources;
  const MonitoringService& monitoring;
  const AccountStore& accounts;
};

void add_pods(graphql::Resolvers& resolvers, const Services& services);
void add_catalog(graphql::Resolvers& resolvers, const Services& services);
void add_templates(graphql::Resolvers& resolvers, const Services& services);
void add_endpoints(graphql::Resolvers& resolvers, const Services& services);
void add_account(graphql::Resolvers& resolvers, const Services& services);

// Who `myself` is: the fields of its parts are added by the files of the parts.
struct Myself {
  std::string id;
  std::optional<std::string> email, pubKey;
};
BOOST_DESCRIBE_STRUCT(Myself, (), (id, email, pubKey))

inline Caller& caller_of(const graphql::Ask& ask) { return ask.context<Caller>(); }

// A field of Mutation: refused for keys that may only read.
Result<> may_write(const graphql::Ask& ask);
template <class F>
void mutation(graphql::Resolvers& resolvers, std::string_view name, F f) {
  resolvers.mutation().field(name, [f = std::move(f)](graphql::Ask& ask) -> decltype(f(ask)) {
    TRY(may_write(ask));
    return f(ask);
  });
}

template <class T>
Result<T> input_of(const graphql::Ask& ask) {
  return ask.get<T>("input", json::UnknownKeys::ignore);
}

// Old clients send "" where they mean nothing.
std::optional<std::string> given(const std::optional<std::string>& text);

struct KeyValue {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(KeyValue, (), (key, value))
std::map<std::string, std::string> env_of(const std::vector<KeyValue>& list);  // the last of a name counts
std::vector<KeyValue> env_list(const std::map<std::string, std::string>& env);

std::string joined(const std::vector<std::string>& words, std::string_view between = ",");
std::vector<std::string> parts_of(std::string_view text);  // "a, b" -> a and b; empty ones left out
// Words as one line that a shell, and dockerArgs, would cut into the same words.
std::string command_line(const std::vector<std::string>& words);

}  // namespace gyre::compat
