// The agent on a real machine: its container engine, its GPUs or pretended ones.
#include "agent/run.hpp"
#include "engine/docker_engine.hpp"

namespace gyre::agent {

Result<> run_agent(const AgentRunOptions& options) {
  const AgentParts parts{.engine =
                             [&](Runtime& runtime) {
                               engine::DockerOptions docker;
                               docker.host_ports_for_containers = options.host_ports_for_containers;
                               return engine::docker_engine(runtime, options.engine_socket, std::move(docker));
                             },
                         .gpus = [&](const std::string& host) -> Result<std::unique_ptr<engine::GpuProbe>> {
                           if (options.simulate_gpus.empty()) return engine::system_gpu_probe();
                           return engine::simulated_gpu_probe(options.simulate_gpus, host);
                         }};
  return run_agent(options, parts);
}

}  // namespace gyre::agent
