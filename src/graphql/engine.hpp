// Answers GraphQL requests over a schema and its resolvers: limits, parsed documents kept, GraphQL over HTTP as plain
// data. Not thread-safe: it belongs to the thread that runs it, with all its resolvers.
#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graphql/execute.hpp"
#include "graphql/limits.hpp"
#include "graphql/resolvers.hpp"
#include "graphql/schema.hpp"

namespace gyre::graphql {

struct EngineOptions {
  Limits limits;
  Leniency leniency;
  bool places_in_messages = false;  // of what is wrong with a document, for clients that show nothing but messages
  std::size_t cached_documents_max = 256;
  std::size_t cached_bytes_max = 4 * 1024 * 1024;  // of document text
};

// What came over HTTP. Media types may carry parameters.
struct Question {
  std::string method = "POST";
  std::string content_type = "application/json";
  std::string accept;                                      // empty: anything
  std::vector<std::pair<std::string, std::string>> query;  // of the URL, decoded
  std::string body;
};

struct Reply {
  int status = 200;
  std::string content_type;
  std::string body;
  std::string allow;  // for the header of that name; empty: none
};

// One request's own: its services, and what to do around each mutation.
struct Request {
  Context context;
  AroundMutation around_mutation;  // may be empty
};

class Engine {
 public:
  // Adds the resolvers of introspection and checks that no field is without one: throws std::logic_error. Borrows the
  // resolvers, which borrow their schema.
  explicit Engine(Resolvers& resolvers, EngineOptions options = {});

  // Status codes are those that RunPod's clients need: with application/json every well-formed request is answered with
  // 200, whatever its errors; 400, 405, 413 and 415 are for what is no GraphQL request. A client that asks for
  // application/graphql-response+json gets 400 when nothing could be executed.
  Reply answer(const Question& question, const Request& request);

  // The same without HTTP. `read_only` refuses mutations.
  Execution run(std::string_view document, const boost::json::object& variables,
                const std::optional<std::string>& operation_name, const Request& request, bool read_only = false);

  std::size_t cached_documents() const { return recent_.size(); }

 private:
  struct Cached {
    std::string text;
    std::shared_ptr<const ast::Document> document;
  };
  // Parsed, within the limits, and valid. Only such documents are kept.
  tl::expected<std::shared_ptr<const ast::Document>, GraphErrors> prepare(std::string_view text);

  const Resolvers& resolvers_;
  EngineOptions options_;
  std::list<Cached> recent_;  // the last used first
  std::unordered_map<std::string_view, std::list<Cached>::iterator> by_text_;
  std::size_t cached_bytes_ = 0, last_bytes_ = 0;
};

}  // namespace gyre::graphql
