// The route table as data, and the way through it: find the route, know the caller, check what they may, keep
// idempotency keys, call the handler, turn an error into a problem body. Runs on the core thread; knows no socket.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.hpp"
#include "json/schema.hpp"
#include "runtime/core.hpp"

namespace gyre::http {

enum class Access {
  open,    // anyone
  guest,   // anyone; who sends a key or has a session is known, and a key that is none is refused. Also a pod's own key
  reader,  // any valid key or session of the workspace, not a pod's own key
  writer,  // READ_WRITE
  admin,   // the operator of this installation, READ_WRITE
};
BOOST_DESCRIBE_ENUM(Access, open, guest, reader, writer, admin)

struct QueryParameter {
  std::string name, description, example;
  bool repeatable = false;
};

using Handler = std::function<Result<Response>(const Request&)>;

struct Route {
  Method method = Method::get;
  std::string path;  // "/v1/pods/{id}"
  Access access = Access::reader;
  std::string summary;      // one short line
  std::string description;  // what a caller should know beyond it
  std::string tag;          // "Pods"
  bool pod_key = false;     // a pod-scoped key may use it when {id} is its pod
  // POST that makes something: an Idempotency-Key is honoured. The answer is then kept for a day as it is, so not for
  // one that holds a secret, nor for a stream or a Later.
  bool idempotency_key = false;
  bool web_socket = false;             // it answers with 101 and a WebSocket; others get upgrade_required
  std::vector<std::string> protocols;  // its subprotocols, which `description` explains
  std::vector<QueryParameter> query;
  json::SchemaRef body;  // empty: no body is read
  int status = 200;
  json::SchemaRef answer;  // empty: no body, or described in `description`
  std::string answer_type = "application/json";
  // Where it may also succeed with another status; an empty schema: without a body. `description` says when.
  std::vector<std::pair<int, json::SchemaRef>> other_answers;
  std::vector<Reason> errors;  // beyond those every route may give
  Handler handler;
};

// Who the request comes from, from its credentials; accounts/ implements it, and refuses a cookie that a browser sent
// at another site's wish (cross_site_request). An open route does not ask.
using Authenticate = std::function<Result<Caller>(const Request&)>;

class Router {
 public:
  Router(Core& core, Authenticate authenticate);
  ~Router();

  // Throws std::logic_error for a table that contradicts itself (a path twice, words that a schema lacks): at start.
  void add(std::vector<Route> routes);
  const std::vector<Route>& routes() const { return routes_; }

  // Called within a core task; the answer leaves after that task's commit. Never throws for bad input; an exception of
  // a handler undoes its changes and becomes a 500. So does an error that a handler returns; a handler that must keep
  // rows and refuse (counting failed log-ins) returns problem(...) as a Response.
  // A HEAD is answered as GET: the body is there for its length and is not sent.
  // Pages of other sites may ask with a key of their own; the border that keeps them from a visitor's session stays.
  Response dispatch(Request request);

 private:
  struct Node;

  Response answer(Request& request);
  Result<Response> serve(const Route& route, Request& request);

  Core& core_;
  Authenticate authenticate_;
  std::vector<Route> routes_;
  std::unique_ptr<Node> paths_;
};

// The tag of one version of a thing, from whatever changes with each of its versions (a generation, or its whole JSON).
std::string etag(std::string_view version);

// stale_version when the request carries an If-Match and none of its tags is this one. A weak mark (W/) is looked past:
// our tags name versions, not bytes, and proxies that compress add it.
Result<void> check_if_match(const Request& request, std::string_view etag);

// The OpenAPI 3.1 document of a route table, as text with line breaks; of all of it, or of what is below /v2/.
enum class OpenapiPart { whole, rest_v2 };
std::string openapi(const std::vector<Route>& routes, const std::string& version,
                    OpenapiPart part = OpenapiPart::whole);

}  // namespace gyre::http
