#include "pods/pod_input.hpp"

namespace gyre {
namespace {

// Words that the create and the update body share.
const json::Field image{"imageName",
                        "the image to run, as `docker pull` would name it; its digest is pinned at the first pull",
                        R"("ubuntu:22.04")"};
const json::Field disk{"containerDiskInGb",
                       "size of the container's own disk in GB (of 1024^3 bytes, as Docker and df count); its contents "
                       "are lost when the pod stops",
                       "50"};
const json::Field volume{"volumeInGb",
                         "size of the pod's own volume in GB, kept over stop and start, gone with the pod; 0 for none. "
                         "It may grow, never shrink",
                         "20"};
const json::Field mount{"volumeMountPath", "where the volume is mounted", R"("/workspace")"};
const json::Field entrypoint{
    "dockerEntrypoint",
    "replaces the image's ENTRYPOINT: a list of words, or one string cut as a shell would; empty: the image's own",
    R"(["/bin/sh"])"};
const json::Field command{
    "dockerStartCmd",
    "replaces the image's CMD: a list of words, or one string cut as a shell would; empty: the image's own",
    R"(["python3","app.py"])"};
const json::Field args{"dockerArgs", "RunPod's older form of the command: one string, or JSON with cmd and entrypoint",
                       R"("bash -c 'mkdir /testdir1 && /start.sh'")"};
const json::Field env{"env", "environment variables, at most 50; names beginning with RUNPOD_ are ours",
                      R"({"MODEL":"llama"})"};
const json::Field ports{
    "ports",
    "ports to expose: PORT/http through the proxy, PORT/tcp mapped on the host; a list, or one comma-separated string",
    R"(["8888/http","22/tcp"])"};
const json::Field locked{"locked", "a locked pod cannot be stopped, reset or deleted", "false"};
const json::Field networking{"globalNetworking",
                             "a private network between hosts; not offered yet, only false is accepted", "false"};
const json::Field registry_auth_id{"containerRegistryAuthId",
                                   "a stored registry credential of the workspace, for a private image", R"("")"};
const json::Field stop_after{"stopAfter",
                             "when the pod stops by itself: a span from now such as 45m, 1h30m or 7d, or a time; its "
                             "volume stays. Empty: never",
                             R"("12h")"};
const json::Field terminate_after{
    "terminateAfter",
    "when the pod is deleted by itself, with its volume: a span from now or a time. Empty: "
    "never",
    R"("7d")"};
const json::Field restart{"restartPolicy", "what happens when the main container ends: always, on_failure or never",
                          R"("always")"};

}  // namespace

json::Fields fields(const ContainerInput*) {
  return {{"name", "unique in the pod: lower-case letters, digits and '-'", R"("sidecar")"},
          image,
          entrypoint,
          command,
          env};
}

json::Fields fields(const RegistryAuthInput*) {
  return {{"username", "user name at the image's registry", R"("alice")"},
          {"password", "password or token; kept encrypted and never shown again", R"("dckr_pat_example")"}};
}

json::Fields fields(const CreatePod*) {
  return {
      {"name", "what you call the pod, at most 191 characters; need not be unique", R"("train")"},
      image,
      {"templateId",
       "a template to take from what is left out here; variables are merged by name, and those given here win",
       R"("")"},
      {"computeType", "GPU or CPU", R"("GPU")"},
      {"cloudType", "SECURE, COMMUNITY or ALL; every host of this installation counts as both", R"("SECURE")"},
      {"gpuTypeIds", "acceptable GPU types; none given: any", R"(["NVIDIA A40"])"},
      {"gpuTypePriority", "availability: the best fit among the types; custom: the first in the list that is free",
       R"("availability")"},
      {"dataCenterPriority",
       "availability: the best fit among the data centres; custom: the first in the list with room",
       R"("availability")"},
      {"cpuFlavorPriority", "availability or custom; without effect while CPU flavours are not offered",
       R"("availability")"},
      {"gpuCount", "how many GPUs, all of one type on one host", "1"},
      {"cpuFlavorIds", "CPU flavours (computeType CPU); accepted and not used yet", R"(["cpu3c"])"},
      {"vcpuCount", "vCPUs of a CPU pod", "2"},
      {"minRAMPerGPU", "memory in GB for each GPU; without it a GPU brings its even share of the host", "8"},
      {"minVCPUPerGPU", "vCPUs for each GPU; without it a GPU brings its even share of the host", "2"},
      {"minDiskBandwidthMBps", "accepted and not used yet", "0"},
      {"minDownloadMbps", "accepted and not used yet", "0"},
      {"minUploadMbps", "accepted and not used yet", "0"},
      {"allowedCudaVersions", "the host's driver must support one of these", R"(["12.4"])"},
      {"dataCenterIds", "data centres where it may be (GET /v1/catalog/datacenters); none given: any", R"(["LOCAL"])"},
      {"countryCodes", "countries where it may be, as those of the data centres; none given: any", R"([])"},
      disk,
      volume,
      mount,
      {"networkVolumeId", "a network volume instead of the pod's own; volumeInGb is then without effect",
       R"("agv6w2qcg7")"},
      entrypoint,
      command,
      args,
      env,
      ports,
      {"supportPublicIp", "accepted; TCP ports are always mapped on the host's address", "true"},
      networking,
      {"interruptible",
       "a spot pod: cheaper, and stopped when a pod on demand or a higher bid needs its room (SIGTERM, SIGKILL after "
       "5 s; the volume stays)",
       "false"},
      locked,
      registry_auth_id,
      {"containers", "further containers that share the pod's network, GPUs and volume", "[]"},
      restart,
      {"minCudaVersion", "the lowest CUDA version the host's driver must support", R"("12.1")"},
      {"shmSizeInGb", "size of /dev/shm in GB, counted into the pod's memory; without it half of the memory", "1"},
      {"minGpuMemoryInGb", "the least memory of each GPU in GB", "24"},
      {"memoryInGb", "memory of a CPU pod in GB", "4"},
      {"registryAuth", "credentials for a private image", R"({"username":"alice","password":"dckr_pat_example"})"},
      {"machineType",
       "a machine type by its name or id: it brings the GPUs, vCPUs and memory, and counts against the workspace's "
       "quota of it while the pod is not stopped",
       R"("g2.small")"},
      {"bidPerGpu",
       "what a spot pod bids: dollars an hour for each GPU; without it the lowest bid that its GPU types take", "0.22"},
      stop_after,
      terminate_after,
  };
}

json::Fields fields(const UpdatePod*) {
  return {{"name", "what you call the pod, at most 191 characters", R"("train-2")"},
          image,
          disk,
          volume,
          mount,
          entrypoint,
          command,
          args,
          env,
          ports,
          networking,
          locked,
          registry_auth_id,
          restart,
          stop_after,
          terminate_after};
}

}  // namespace gyre
