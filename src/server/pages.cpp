#include "server/pages.hpp"

#include "base/secrets.hpp"

namespace gyre::server {
namespace {

// Only our own files, no inline scripts, no frames: what a pod's owner typed can never become code here.
constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

http::Response serve(const Asset& asset, const std::string& tag, const http::Request& request) {
  http::Response response;
  response.headers.set("Content-Type", std::string(type_of(asset.name)));
  response.headers.set("Cache-Control", "no-cache");  // kept, but asked about: a new version shows at once
  response.headers.set("ETag", tag);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Content-Security-Policy", std::string(content_security_policy));
  if (request.headers.get("If-None-Match") == tag) {
    response.status = 304;
    return response;
  }
  response.body = asset.content;
  return response;
}

http::Route route(std::string path, const Asset& asset, std::string summary) {
  http::Route out;
  out.path = std::move(path);
  out.access = http::Access::open;
  out.summary = std::move(summary);
  out.tag = "Page";
  out.answer_type = std::string(type_of(asset.name));
  out.answer_type.resize(std::min(out.answer_type.find(';'), out.answer_type.size()));
  out.handler = [&asset, tag = "\"" + sha256_hex(asset.content).substr(0, 16) + "\""](const http::Request& request) {
    return Result<http::Response>(serve(asset, tag, request));
  };
  return out;
}

}  // namespace

std::vector<http::Route> page_routes() {
  std::vector<http::Route> out;
  for (const auto& asset : assets()) {
    if (asset.name == "pods.html") {
      out.push_back(route("/", asset, "The pods in a browser"));
      out.push_back(route("/login", asset, "Log in with a link that works once"));
    } else if (asset.name == "terminal.html") {
      out.push_back(route("/pods/{id}/terminal", asset, "A terminal in a pod, in a browser"));
    } else if (asset.name == "sync.html") {
      out.push_back(route("/pods/{id}/sync", asset, "Copies between a pod's volume and a bucket, in a browser"));
    } else {
      out.push_back(route("/assets/" + std::string(asset.name), asset, "A file of the page"));
    }
  }
  return out;
}

}  // namespace gyre::server
