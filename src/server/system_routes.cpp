#include "server/system_routes.hpp"

#include "json/codec.hpp"

namespace gyre::server {
namespace {

struct About {
  std::string installation, version;
};
BOOST_DESCRIBE_STRUCT(About, (), (installation, version))
json::Fields fields(const About*) {
  return {{"installation", "which it is: the same on all its servers, under all their names", R"("5f2c9d0a1b3e4f67")"},
          {"version", "of the program that answers", R"("0.1.0")"}};
}

http::Route open_route(std::string path, std::string summary, std::string description, http::Handler handler) {
  http::Route out;
  out.path = std::move(path);
  out.access = http::Access::open;
  out.summary = std::move(summary);
  out.description = std::move(description);
  out.tag = "System";
  out.handler = std::move(handler);
  return out;
}

http::Response text(std::string body, std::string type = "text/plain; charset=utf-8") {
  http::Response out;
  out.headers.set("Content-Type", std::move(type));
  out.headers.set("Cache-Control", "no-store");
  out.body = std::move(body);
  return out;
}

}  // namespace

std::vector<http::Route> system_routes(SystemRoutesNeeds needs) {
  std::vector<http::Route> out;
  out.push_back(
      open_route("/healthz", "Is the server alive",
                 "200 when the core takes requests and its database answers. What restarts a hung server asks this.",
                 [](const http::Request&) { return Result<http::Response>(text("ok\n")); }));
  out.back().answer_type = "text/plain";
  out.push_back(
      open_route("/readyz", "Does the server take new work",
                 "200 when it does; 503 from the moment it begins to shut down, and while it stands by for another "
                 "server. What spreads load asks this.",
                 [ready = needs.ready](const http::Request&) -> Result<http::Response> {
                   if (!ready()) return fail(Reason::shutting_down);
                   return text("ready\n");
                 }));
  out.back().answer_type = "text/plain";
  out.back().errors = {Reason::shutting_down, Reason::standing_by, Reason::no_leader};
  out.push_back(
      open_route("/metrics", "Numbers for Prometheus",
                 "In Prometheus's text format: of this process, and the last "
                 "values of every pod that runs, labelled with pod, workspace and GPU. Open to whoever reaches "
                 "this address: keep it from strangers at the proxy in front.",
                 [&metrics = needs.metrics, pods = needs.pods](const http::Request&) {
                   return Result<http::Response>(text(metrics.text() + pods(), Metrics::content_type));
                 }));
  out.back().answer_type = "text/plain";
  out.push_back(
      open_route("/.well-known/gyre", "Which installation is this",
                 "By it a client knows, before it sends a key, that another name leads here too: gyre compat check.",
                 [about = About{needs.installation, GYRE_VERSION}](const http::Request&) {
                   return Result<http::Response>(text(json::encode(about), "application/json"));
                 }));
  out.back().answer = json::schema<About>();
  for (const std::string path : {"/openapi.json", "/v1/openapi.json", "/v2/openapi.json"}) {
    const auto part = path.starts_with("/v2/") ? http::OpenapiPart::rest_v2 : http::OpenapiPart::whole;
    // Made once, at the first question: the table does not change while the server runs.
    auto document = std::make_shared<std::string>();
    out.push_back(open_route(path, "This description", "OpenAPI 3.1, printed from the table of routes.",
                             [&router = needs.router, document, part](const http::Request&) {
                               if (document->empty()) *document = http::openapi(router.routes(), GYRE_VERSION, part);
                               return Result<http::Response>(text(*document, "application/json"));
                             }));
  }
  return out;
}

}  // namespace gyre::server
