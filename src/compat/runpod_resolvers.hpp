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
void add_hub(graphql::Resolvers& resolvers);

struct Discount {
  std::optional<double> discountFactor;
  std::optional<std::string> type, expirationDate;
};
BOOST_DESCRIBE_STRUCT(Discount, (), (discountFactor, type, expirationDate))
// Who `myself` is, a pod's own key nobody but an id: the fields of its parts are added by the files of the parts.
struct Myself {
  std::string id;
  std::optional<std::string> email, pubKey;
  // Null until this installation keeps accounts of money and sends mail.
  std::optional<double> clientBalance, spendLimit;
  std::optional<bool> notifyPodsStale, notifyPodsGeneral, notifyLowBalance;
  std::optional<Discount> serverlessDiscount;
};
BOOST_DESCRIBE_STRUCT(Myself, (),
                      (id, email, pubKey, clientBalance, spendLimit, notifyPodsStale, notifyPodsGeneral,
                       notifyLowBalance, serverlessDiscount))

// Who asks: a guest, who has no key, and a pod's own key are refused by what is thrown, up to the route.
struct NotForThem {
  Error error;
};
Caller& caller_of(const graphql::Ask& ask);
// The same for what a pod's own key may do, if it is of this pod.
Caller& caller_of(const graphql::Ask& ask, const PodId& pod);

// A field of Mutation: refused for keys that may only read. `of_pod`: its input names a pod, whose own key may.
enum class Theirs { workspaces, of_pod };
Result<> may_write(const graphql::Ask& ask, Theirs theirs);
template <class F>
void mutation(graphql::Resolvers& resolvers, std::string_view name, F f, Theirs theirs = Theirs::workspaces) {
  resolvers.mutation().field(name, [f = std::move(f), theirs](graphql::Ask& ask) -> decltype(f(ask)) {
    TRY(may_write(ask, theirs));
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

// "cpu3c-2-4": 2 vCPUs and 4 GB of the flavour cpu3c. None: it is no such text.
struct Instance {
  std::string flavor;
  int vcpus = 0, memory_gb = 0;
};
std::optional<Instance> instance_of(const std::string& id);

std::string joined(const std::vector<std::string>& words, std::string_view between = ",");
std::vector<std::string> parts_of(std::string_view text);  // "a, b" -> a and b; empty ones left out

}  // namespace gyre::compat
