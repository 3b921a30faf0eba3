#include "http/router.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <stdexcept>

#include "base/enum_text.hpp"
#include "base/log.hpp"
#include "base/secrets.hpp"
#include "http/idempotency.hpp"
#include "http/web_socket.hpp"
#include "json/utf8.hpp"

namespace gyre::http {
namespace {

constexpr std::size_t shown_path_max = 200;

// Empty segments do not count: clients join with one slash too many ("//v1/pods", "/v1/pods/").
std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (const auto segment = path.substr(0, slash); !segment.empty()) out.push_back(segment);
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return out;
}

bool is_param(std::string_view segment) { return segment.starts_with('{') && segment.ends_with('}'); }
std::string param_name(std::string_view segment) { return std::string(segment.substr(1, segment.size() - 2)); }

bool is_safe(Method method) { return method == Method::get || method == Method::head || method == Method::options; }

std::string shown(std::string_view text) { return json::valid_utf8(text.substr(0, shown_path_max)); }

// What the caller lacks for this route, as a scope is called; nothing when they may.
std::optional<std::string_view> lacking(const Route& route, const Request& request) {
  const auto& caller = request.caller;
  if (route.access == Access::open || route.access == Access::guest) return std::nullopt;
  if (caller.scope == Scope::pod) {
    const auto id = request.params.find("id");
    const bool own = route.pod_key && route.access != Access::admin && caller.pod && id != request.params.end() &&
                     id->second == caller.pod->str();
    if (own) return std::nullopt;
    return route.access == Access::reader ? "READ" : route.access == Access::writer ? "READ_WRITE" : "OPERATOR";
  }
  if (route.access == Access::admin && !caller.operator_of_installation) return "OPERATOR";
  if (route.access != Access::reader && caller.scope != Scope::read_write) return "READ_WRITE";
  return std::nullopt;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// A body without a type is taken for JSON; a form or plain text is not, since a foreign page can send those unasked.
Result<void> check_content_type(const Request& request) {
  const auto header = request.headers.get("Content-Type");
  if (request.body.empty() || header.empty()) return {};
  const auto type = lower(trimmed(header.substr(0, header.find(';'))));
  if (type == "application/json" || type.ends_with("+json")) return {};
  return fail(Reason::unsupported_media_type, {{"type", shown(type)}});
}

bool names_tag(std::string_view header, std::string_view tag) {
  while (!header.empty()) {
    const auto comma = header.find(',');
    auto candidate = trimmed(header.substr(0, comma));
    if (candidate == "*") return true;
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == tag) return true;
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  return false;
}

bool sends_a_key(const Request& request) {
  return request.headers.has("Authorization") || request.query.get("api_key").has_value();
}

// ---- pages of other sites (CORS): with a key that the page itself has, and never with a visitor's session ----

// What a browser asks before it sends such a request. Any path: what is wrong with it, the request itself is told.
bool is_preflight(const Request& request) {
  return request.method == Method::options && request.headers.has("Origin") &&
         request.headers.has("Access-Control-Request-Method");
}

Response preflight_answer() {
  Response out;
  out.status = 204;
  out.headers.add("Access-Control-Allow-Origin", "*");  // with which browsers send no cookies
  out.headers.add("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
  out.headers.add("Access-Control-Allow-Headers",
                  "Authorization, Content-Type, Accept-Language, Idempotency-Key, If-Match, Last-Event-ID, User-Agent, "
                  "X-Request-Id");
  out.headers.add("Access-Control-Max-Age", "7200");
  return out;
}

// Not for routes that are open: what they tell is for who reaches this server, not for every page its users look at.
Response readable_by_pages(const Request& request, Response response) {
  if (!request.headers.has("Origin") || !sends_a_key(request)) return response;
  response.headers.set("Access-Control-Allow-Origin", "*");
  response.headers.set("Access-Control-Expose-Headers", "ETag, Link, Retry-After, X-Next-Cursor, X-Request-Id");
  return response;
}

// The reader has this version already.
Response not_modified_if_known(const Request& request, Response response) {
  const auto tag = response.headers.get("ETag");
  if (!is_safe(request.method) || response.status != 200 || tag.empty() || response.stream || response.later ||
      !names_tag(request.headers.get("If-None-Match"), tag))
    return response;
  Response out;
  out.status = 304;
  out.headers.add("ETag", std::string(tag));
  return out;
}

}  // namespace

struct Router::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literal;
  std::unique_ptr<Node> any;
  std::map<Method, std::size_t> routes;  // index into routes_

  // The node of a path; a literal segment is tried before a parameter. Values of the parameters in `values`.
  const Node* find(const std::vector<std::string_view>& path, std::size_t at,
                   std::vector<std::string_view>& values) const {
    if (at == path.size()) return routes.empty() ? nullptr : this;
    if (const auto next = literal.find(path[at]); next != literal.end())
      if (const auto* found = next->second->find(path, at + 1, values)) return found;
    if (!any) return nullptr;
    values.push_back(path[at]);
    if (const auto* found = any->find(path, at + 1, values)) return found;
    values.pop_back();
    return nullptr;
  }

  std::string allowed() const {
    std::string out;
    const auto add = [&](std::string_view name) { out += (out.empty() ? "" : ", ") + std::string(name); };
    for (const auto& [method, route] : routes) {
      add(method_text(method));
      if (method == Method::get && !routes.contains(Method::head)) add("HEAD");
    }
    if (!routes.contains(Method::options)) add("OPTIONS");
    return out;
  }
};

Router::Router(Core& core, Authenticate authenticate)
    : core_(core), authenticate_(std::move(authenticate)), paths_(std::make_unique<Node>()) {}

Router::~Router() = default;

void Router::add(std::vector<Route> routes) {
  boost::json::object definitions;
  for (auto& route : routes) {
    const auto name = std::string(method_text(route.method)) + " " + route.path;
    const auto require = [&](bool condition, const char* what) {
      if (!condition) throw std::logic_error("route " + name + ": " + what);
    };
    require(route.path.starts_with('/'), "the path begins with a slash");
    require(route.handler != nullptr, "it needs a handler");
    require(!route.summary.empty() && !route.tag.empty(), "it needs a summary and a tag");
    require(!route.pod_key || (route.path.find("{id}") != std::string::npos && route.access != Access::admin),
            "a pod's key is for one {id}, and never for the operator's routes");
    require(!route.idempotency_key || (route.method == Method::post && route.access != Access::open),
            "idempotency keys are for POST, and belong to a workspace");
    require(route.body.empty() || !is_safe(route.method), "a safe method has no body");
    if (!route.body.empty()) route.body.build(definitions);
    if (!route.answer.empty()) route.answer.build(definitions);

    Node* node = paths_.get();
    for (const auto segment : segments(route.path)) {
      const bool odd = segment.find_first_of("{}") != std::string_view::npos;
      require(is_param(segment) ? segment.size() > 2 : !odd, "a parameter is a whole segment, {name}");
      auto& next = is_param(segment) ? node->any : node->literal[std::string(segment)];
      if (!next) next = std::make_unique<Node>();
      node = next.get();
    }
    require(node->routes.emplace(route.method, routes_.size()).second, "it is there twice");
    routes_.push_back(std::move(route));
  }
}

Response Router::dispatch(Request request) {
  request.language = preferred_language(request.headers.get("Accept-Language"));
  if (request.request_id.empty()) {
    const auto given = request.headers.get("X-Request-Id");
    if (is_request_id(given))
      request.request_id = given;
    else
      request.request_id = "req-" + core_.random().letters_and_digits(14);
  }
  auto response = is_preflight(request) ? preflight_answer() : answer(request);
  response.headers.set("X-Request-Id", request.request_id);
  if (!response.headers.has("Cache-Control")) response.headers.add("Cache-Control", "no-store");
  return response;
}

Response Router::answer(Request& request) {
  std::vector<std::string_view> values;
  const auto path = segments(request.path);
  const auto* node = paths_->find(path, 0, values);
  if (!node)
    return readable_by_pages(request,
                             problem(Error{Reason::route_not_found, {{"path", shown(request.path)}}, ""}, request));

  auto found = node->routes.find(request.method);
  if (found == node->routes.end() && request.method == Method::head) found = node->routes.find(Method::get);
  if (found == node->routes.end()) {
    Response response;
    if (request.method == Method::options) {
      response.status = 204;
    } else {
      Args args{{"method", std::string(method_text(request.method))},
                {"path", shown(request.path)},
                {"allowed", node->allowed()}};
      response = problem(Error{Reason::method_not_allowed, std::move(args), ""}, request);
    }
    response.headers.add("Allow", node->allowed());
    return readable_by_pages(request, std::move(response));
  }

  const Route& route = routes_[found->second];
  std::size_t next = 0;
  for (const auto segment : segments(route.path))
    if (is_param(segment)) request.params[param_name(segment)] = values[next++];
  const auto of_route = [&](Response response) {
    response = not_modified_if_known(request, std::move(response));
    if (route.access != Access::open) response = readable_by_pages(request, std::move(response));
    response.route = route.path;
    return response;
  };
  try {
    auto result = serve(route, request);
    if (result) return of_route(std::move(*result));
    return of_route(problem(result.error(), request));
  } catch (const std::exception& trouble) {
    log::error("request failed", {{"requestId", request.request_id},
                                  {"method", std::string(method_text(request.method))},
                                  {"route", route.path},
                                  {"problem", trouble.what()}});
    return of_route(problem(Error{}, request));
  }
}

Result<Response> Router::serve(const Route& route, Request& request) {
  if (route.access == Access::guest) {
    auto caller = authenticate_(request);
    const bool nobody = !caller && caller.error().reason == Reason::not_logged_in && !sends_a_key(request);
    if (!nobody) request.caller = TRY(std::move(caller));
  } else if (route.access != Access::open) {
    request.caller = TRY(authenticate_(request));
    if (const auto needed = lacking(route, request))
      return fail(Reason::access_denied, {{"needed", std::string(*needed)}});
  }
  if (route.web_socket) TRY(check_upgrade(request));
  if (!route.body.empty()) TRY(check_content_type(request));
  std::optional<std::string> key;
  if (route.idempotency_key) key = TRY(idempotency_key(request));

  // What only reads has nothing to undo. A WebSocket begins with a GET, too, and may write.
  if (is_safe(request.method) && !route.web_socket) return route.handler(request);
  return core_.transact([&]() -> Result<Response> {
    if (!key) return route.handler(request);
    IdempotencyStore store(core_.db());
    if (auto again = TRY(store.find(*key, request, core_.now()))) return std::move(*again);
    auto response = TRY(route.handler(request));
    const bool whole = !response.stream && !response.later;
    if (whole && response.status < 400) store.keep(*key, request, response, core_.now());
    return response;
  });
}

std::string etag(std::string_view version) { return '"' + sha256_hex(version).substr(0, 20) + '"'; }

Result<void> check_if_match(const Request& request, std::string_view etag) {
  if (!request.headers.has("If-Match") || names_tag(request.headers.get("If-Match"), etag)) return {};
  return fail(Reason::stale_version);
}

}  // namespace gyre::http
