// graphql_compare SECONDS CASE: how many requests one CPU second answers, documents fresh each time. Case `pod` is the
// largest query of a client over one pod, `pods` the same over a hundred. Prints {"requests": N, "seconds": CPU}.
#include <ctime>
#include <iostream>
#include <string>

#include "graphql/engine.hpp"

namespace gyre::graphql {
namespace {

struct Port {
  std::string ip = "10.0.0.1";
  bool isIpPublic = true;
  int privatePort = 22, publicPort = 40022;
  std::string type = "tcp";
};
BOOST_DESCRIBE_STRUCT(Port, (), (ip, isIpPublic, privatePort, publicPort, type))

struct Runtime {
  std::vector<Port> ports{Port{}, Port{}};
};
BOOST_DESCRIBE_STRUCT(Runtime, (), (ports))

struct Machine {
  std::string gpuDisplayName = "A40", location = "KR";
};
BOOST_DESCRIBE_STRUCT(Machine, (), (gpuDisplayName, location))

struct Pod {
  std::string id = "abcdefghij1234";
  int containerDiskInGb = 20;
  double costPerHr = 0.39;
  std::string desiredStatus = "RUNNING", dockerArgs = "bash -c 'sleep infinity'", dockerId = "d";
  std::vector<std::string> env{"A=b", "PUBLIC_KEY=ssh-ed25519 AAAA"};
  int gpuCount = 1;
  std::string imageName = "runpod/pytorch:2.1.0", lastStatusChange = "Rented by User: now", machineId = "m1";
  int memoryInGb = 64;
  std::string name = "a pod", podType = "RESERVED";
  std::optional<int> port;
  std::string ports = "8888/http,22/tcp";
  int uptimeSeconds = 12345, vcpuCount = 8, volumeInGb = 100;
  std::string volumeMountPath = "/workspace";
  Runtime runtime;
  Machine machine;
};
BOOST_DESCRIBE_STRUCT(Pod, (),
                      (id, containerDiskInGb, costPerHr, desiredStatus, dockerArgs, dockerId, env, gpuCount, imageName,
                       lastStatusChange, machineId, memoryInGb, name, podType, port, ports, uptimeSeconds, vcpuCount,
                       volumeInGb, volumeMountPath, runtime, machine))

struct User {
  std::vector<Pod> pods;
};
BOOST_DESCRIBE_STRUCT(User, (), (pods))

constexpr std::string_view schema_text =
#include "schema.graphql.inc"
    ;

int run(double seconds, const std::string& which) {
  const Schema schema(schema_text);
  Resolvers resolvers(schema);
  User user;
  user.pods.resize(which == "pods" ? 100 : 1);
  resolvers.query().field("myself", [&user](Ask&) -> const User& { return user; });
  resolvers.type<User>("User").members();
  resolvers.type<Pod>("Pod").members();
  resolvers.type<Runtime>("Runtime").members();
  resolvers.type<Port>("Port").members();
  resolvers.type<Machine>("Machine").members();
  Engine engine(resolvers);
  const Request request;
  const auto cpu = [] {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  };
  const auto begin = cpu();
  std::size_t requests = 0, bytes = 0;
  while (cpu() - begin < seconds) {
    // A new name each time: nothing may come out of the cache of documents.
    const auto name = "myPods" + std::to_string(requests);
    const auto document =
        "query " + name +
        " { myself { pods { id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount "
        "imageName lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount "
        "volumeInGb volumeMountPath runtime { ports { ip isIpPublic privatePort publicPort type } } machine "
        "{ gpuDisplayName location } } } }";
    auto execution = engine.run(document, {}, std::nullopt, request);
    if (!execution.errors.empty()) throw std::runtime_error(execution.errors[0].message);
    bytes += write_answer(std::move(execution)).size();
    ++requests;
  }
  std::cout << "{\"requests\": " << requests << ", \"seconds\": " << cpu() - begin << ", \"bytes\": " << bytes << "}\n";
  return 0;
}

}  // namespace
}  // namespace gyre::graphql

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: graphql_compare SECONDS pod|pods\n";
    return 2;
  }
  return gyre::graphql::run(std::stod(argv[1]), argv[2]);
}
