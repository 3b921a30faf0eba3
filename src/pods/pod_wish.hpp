// What a user wants a pod to be, checked and complete: the part of a pod that its owner writes. Stored as JSON with the
// pod; a newer Gyre reads what an older one wrote, since absent members keep their initial values.
#pragma once

#include <boost/describe.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "link/messages.hpp"
#include "pods/pod_input.hpp"
#include "quotas/quota.hpp"
#include "scheduler/placement.hpp"

namespace gyre {

struct ContainerWish {
  std::string name;
  std::string image;
  std::optional<std::vector<std::string>> entrypoint, command;
  std::map<std::string, std::string> env;
  std::string registry_user, registry_password_sealed;  // sealed with the installation's key
};
BOOST_DESCRIBE_STRUCT(ContainerWish, (),
                      (name, image, entrypoint, command, env, registry_user, registry_password_sealed))

struct PodWish {
  std::vector<ContainerWish> containers;  // at least one; the first is the main one
  std::vector<std::string> ports;         // as given, checked
  int gpu_count = 0;
  std::vector<std::string> gpu_types;  // empty: any
  bool gpu_types_in_order = false;
  int gpu_memory_gb_min = 0;
  std::optional<double> vcpus;   // of the whole pod
  std::optional<int> memory_gb;  // of the whole pod
  int container_disk_gb = 50, volume_gb = 0;
  std::string volume_path = "/workspace";
  double shm_gb = 0;  // 0: half of the pod's memory
  link::RestartPolicy restart = link::RestartPolicy::always;
  std::optional<std::string> cuda_min;
  std::vector<std::string> cuda_allowed;
  std::string cloud_type = "SECURE";
  bool locked = false;
  std::string machine_type;                   // its name when the pod was made; empty for none
  std::string template_id, registry_auth_id;  // empty: none
  std::string network_volume;                 // its id; mounted at volume_path instead of a volume of the pod's own
  std::string volume_data_center;             // of the network volume; empty with one: LOCAL, as there was no other
  std::vector<std::string> data_centers, countries;  // where it may be; empty: anywhere
  bool data_centers_in_order = false;
  std::string cpu_flavor;  // of a pod without GPUs, as it was asked for; nothing depends on it
};
BOOST_DESCRIBE_STRUCT(PodWish, (),
                      (containers, ports, gpu_count, gpu_types, gpu_types_in_order, gpu_memory_gb_min, vcpus, memory_gb,
                       container_disk_gb, volume_gb, volume_path, shm_gb, restart, cuda_min, cuda_allowed, cloud_type,
                       locked, machine_type, template_id, registry_auth_id, network_volume, volume_data_center,
                       data_centers, countries, data_centers_in_order, cpu_flavor))

// A container's disk is counted in GiB, as Docker's `--storage-opt size=20G` is and `df -h` shows it: 20 read 20G
// inside. Volumes are counted in GB.
std::int64_t container_disk_bytes(const PodWish& wish);
std::int64_t disk_bytes(const PodWish& wish);  // what it takes of its host's disk

std::string gb_words(std::int64_t bytes);  // "1.1 GB"

using Seal = std::function<std::string(const std::string& plain)>;

// Checks every field of the input; the first wrong one is named. `seal` encrypts a registry password.
Result<PodWish> wish_from(const CreatePod& input, const Seal& seal);

// The same for a pod of a machine type, which brings GPUs, vCPUs and memory: fields that would say otherwise are
// refused.
Result<PodWish> wish_from(CreatePod input, const MachineType& type, const Seal& seal);

// The wish after an update: absent fields stay, volumes only grow. `resets`: what runs must be made anew to have it.
struct WishChange {
  PodWish wish;
  std::optional<std::string> name;
  bool resets = false;
};
Result<WishChange> changed(const PodWish& before, const UpdatePod& input);

std::string wish_to_text(const PodWish& wish);
PodWish wish_from_text(const std::string& text);  // of the database; throws DbError when it is not one

// Whether the body asks for a spot pod; refused where the pod cannot be one. A bid alone says it too.
Result<bool> asks_for_spot(const CreatePod& input, const PodWish& wish);

// What the scheduler is asked for this wish. `zero_gpu`: it is started to reach its data only, and then bids for
// nothing.
scheduler::Request request_for(const PodId& pod, const PodWish& wish, bool zero_gpu,
                               const std::optional<HostId>& bound_to, const std::optional<Money>& bid);

}  // namespace gyre
