// What is fuzzed: each takes bytes as a stranger sends them, and ends the process when a promise is broken. libFuzzer
// drives them (main.cpp); fuzz_test.cpp runs every committed input through them in every build.
#pragma once

#include <cstdint>
#include <string_view>

namespace gyre::fuzz {

void request(std::string_view bytes);         // http/request_parser: a connection's bytes, in pieces
void json(std::string_view bytes);            // json/codec: a document, and POST /v1/pods made of it
void image(std::string_view bytes);           // base/image_reference
void registry(std::string_view bytes);        // images/registry_answers: what a registry and its token server say
void pod_fields(std::string_view bytes);      // pods/parse: ports, variables, commands
void tokens(std::string_view bytes);          // page cursors, join tokens, credentials of a request
void agent_messages(std::string_view bytes);  // link/convert: what an agent or a server sends
void logs(std::string_view bytes);            // rest_v2/log_events: lines with times, and places in them
void graphql(std::string_view bytes);         // graphql: a schema, an HTTP body, a document
void rest(std::string_view bytes);            // a request to any route, answered by the whole server

struct Target {
  std::string_view name;
  void (*run)(std::string_view);
};
inline constexpr Target all_targets[] = {{"request", request}, {"json", json},
                                         {"image", image},     {"pod_fields", pod_fields},
                                         {"tokens", tokens},   {"agent_messages", agent_messages},
                                         {"graphql", graphql}, {"registry", registry},
                                         {"logs", logs},       {"rest", rest}};

}  // namespace gyre::fuzz
