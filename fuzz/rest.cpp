// Any request to any route of both APIs and of GraphQL, answered by the whole server in the simulated world: services,
// SQL and all. A stranger's bytes are answered or refused in words, and never with an error of ours.
#include <boost/json.hpp>
#include <map>
#include <memory>
#include <string>

#include "base/check.hpp"
#include "base/log.hpp"
#include "sim/world.hpp"
#include "targets.hpp"

namespace gyre::fuzz {
namespace {

using http::Method;

// A world with one of each thing, so that requests reach beyond "there is no such thing".
class House {
 public:
  House() : world_(1) {
    world_.registry.push("x", {});
    things_["host"] = world_.add_host("h1", {.gpus = 2}).str();
    make("pod", "/v1/pods", R"({"imageName":"x","gpuCount":1})");
    make("template", "/v1/templates", R"({"name":"t","imageName":"x"})");
    make("serverless", "/v1/templates", R"({"name":"s","imageName":"x","isServerless":true})");
    make("endpoint", "/v1/endpoints", R"({"name":"e","templateId":")" + things_["serverless"] + "\"}");
    make("volume", "/v1/networkvolumes", R"({"name":"v","size":1,"dataCenterId":"LOCAL"})");
    make("auth", "/v1/containerregistryauth", R"({"name":"a","username":"u","password":"p"})");
    make("key", "/v1/apikeys", R"({"name":"k","scope":"READ"})");
    make("machine", "/v1/machinetypes",
         R"({"name":"m","gpuTypeId":"NVIDIA A40","gpuCount":1,"vcpuCount":1,"memoryInGb":1})");
    world_.run_for(10s);
  }

  // {pod} and the like, by what there is.
  std::string named(std::string text) const {
    for (const auto& [name, id] : things_) {
      const auto mark = '{' + name + '}';
      for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + id.size()))
        text.replace(at, mark.size(), id);
    }
    return text;
  }

  http::Response ask(Method method, const std::string& target, const std::string& body) {
    auto answer = world_.call(method, target, body);
    asked_ += method == Method::del && answer.status == 204 ? asked_max : 1;  // one of its things is gone
    return answer;
  }
  bool is_worn() const { return asked_ >= asked_max; }  // what was made in it so far would only slow the rest down

 private:
  void make(const std::string& name, const std::string& path, const std::string& body) {
    const auto answer = world_.call(Method::post, path, body);
    CHECK(answer.status == 200 || answer.status == 201);
    things_[name] = boost::json::parse(answer.body).at("id").as_string().c_str();
  }

  sim::World world_;
  std::map<std::string, std::string> things_;
  static constexpr int asked_max = 300;
  int asked_ = 0;
};

void check_refusal(const http::Response& answer) {
  CHECK(answer.status < 500 || answer.status == 503);  // 503: a host that does not answer, no room
  if (answer.status < 400 || answer.body.empty()) return;
  boost::system::error_code problem;
  const auto told = boost::json::parse(answer.body, problem);
  CHECK(!problem && told.is_object());
  if (!told.as_object().contains("code")) {  // GraphQL's form
    CHECK(!told.at("errors").as_array().empty());
    return;
  }
  CHECK(!told.at("code").as_string().empty() && !told.at("detail").as_string().empty());
  CHECK(told.at("status").to_number<int>() == answer.status);
}

}  // namespace

// "METHOD TARGET", a line feed, and the body.
void rest(std::string_view bytes) {
  const auto end = bytes.find('\n');
  if (end == std::string_view::npos) return;
  const auto line = bytes.substr(0, end);
  const auto blank = line.find(' ');
  if (blank == std::string_view::npos) return;
  const auto method = http::method_from_text(line.substr(0, blank));
  const auto target = line.substr(blank + 1);
  if (!method || !target.starts_with('/')) return;
  static std::unique_ptr<House> house;
  if (!house || house->is_worn()) {
    log::set_level(log::Level::error);
    house.reset();
    house = std::make_unique<House>();
  }
  const auto where = house->named(std::string(target));
  http::Request read;
  if (!http::set_target(read, where)) return;  // refused before any route: target `request`
  check_refusal(house->ask(*method, where, house->named(std::string(bytes.substr(end + 1)))));
}

}  // namespace gyre::fuzz
