#include "engine/docker_wire.hpp"

#include "engine/network_guard.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace gyre::engine::docker {
namespace {

namespace json = boost::json;

json::object body_of(const ContainerSpec& spec, Peer peer = {}) {
  return json::parse(container_body(spec, peer, {})).as_object();
}

std::vector<std::string> environment_of(const json::object& body) {
  std::vector<std::string> out;
  for (const auto& variable : body.at("Env").as_array()) out.emplace_back(variable.as_string());
  return out;
}

TEST(DockerWire, EveryContainerIsHardenedWhateverTheSpecSays) {
  const auto body = body_of({.name = "a", .image = "x", .cpus = 1.5, .memory_bytes = 1000, .pids = 77});
  const auto& host = body.at("HostConfig").as_object();
  EXPECT_EQ(host.at("Privileged"), false);
  EXPECT_EQ(host.at("CapDrop"), json::parse(R"(["ALL"])"));
  EXPECT_EQ(host.at("SecurityOpt"), json::parse(R"(["no-new-privileges"])"));
  EXPECT_EQ(host.at("PidsLimit"), 77);
  EXPECT_EQ(host.at("Memory"), 1000);
  EXPECT_EQ(host.at("MemorySwap"), 1000);
  EXPECT_EQ(host.at("NanoCpus"), 1'500'000'000);
  EXPECT_EQ(host.at("IpcMode"), "private");
  EXPECT_EQ(host.at("RestartPolicy"), json::parse(R"({"Name":"no"})"));
  EXPECT_FALSE(host.contains("Binds"));
  for (const auto& capability : host.at("CapAdd").as_array())
    for (const char* dangerous :
         {"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "MKNOD", "SYS_MODULE", "DAC_READ_SEARCH"})
      EXPECT_NE(capability, dangerous);
}

TEST(DockerWire, APodWithoutGpusSeesNoneEvenWhereNvidiaIsTheDefaultRuntime) {
  EXPECT_EQ(environment_of(body_of({.image = "x", .env = {{"NVIDIA_VISIBLE_DEVICES", "all"}}})),
            (std::vector<std::string>{"NVIDIA_VISIBLE_DEVICES=void"}));
  EXPECT_EQ(
      environment_of(body_of({.image = "x", .env = {{"NVIDIA_VISIBLE_DEVICES", "all"}}, .gpus = {"GPU-1", "GPU-2"}})),
      (std::vector<std::string>{"NVIDIA_VISIBLE_DEVICES=GPU-1,GPU-2"}));
}

TEST(DockerWire, GpusAreAskedForByUuidInTheWayTheEngineKnows) {
  const ContainerSpec spec{.image = "x", .gpus = {"GPU-1"}};
  const auto request = [&](Peer peer) {
    return json::serialize(body_of(spec, peer).at("HostConfig").at("DeviceRequests"));
  };
  EXPECT_EQ(request({.nvidia_runtime = true}),
            R"([{"Driver":"nvidia","DeviceIDs":["GPU-1"],"Capabilities":[["gpu"]]}])");
  EXPECT_EQ(request({.nvidia_runtime = true, .cdi = true}), request({.nvidia_runtime = true}));
  EXPECT_EQ(request({.cdi = true}), R"([{"Driver":"cdi","DeviceIDs":["nvidia.com/gpu=GPU-1"]}])");
  EXPECT_EQ(json::serialize(body_of(spec, {.podman = true}).at("HostConfig").at("Devices")),
            R"([{"PathOnHost":"nvidia.com/gpu=GPU-1"}])");
}

TEST(DockerWire, DeviceFilesAreGivenToReadAndWriteAndNothingIsAskedOfNvidia) {
  const ContainerSpec spec{.image = "x", .devices = {"/dev/kfd", "/dev/dri/renderD129"}};
  constexpr const char* expected =
      R"([{"PathOnHost":"/dev/kfd","PathInContainer":"/dev/kfd","CgroupPermissions":"rw"},)"
      R"({"PathOnHost":"/dev/dri/renderD129","PathInContainer":"/dev/dri/renderD129","CgroupPermissions":"rw"}])";
  for (const Peer& peer : {Peer{}, Peer{.cdi = true}, Peer{.podman = true}}) {
    const auto body = body_of(spec, peer);
    EXPECT_EQ(json::serialize(body.at("HostConfig").at("Devices")), expected);
    EXPECT_FALSE(body.at("HostConfig").as_object().contains("DeviceRequests"));
    EXPECT_EQ(environment_of(body), (std::vector<std::string>{"NVIDIA_VISIBLE_DEVICES=void"}));
  }
  EXPECT_FALSE(body_of({.image = "x"}).at("HostConfig").as_object().contains("Devices"));
  EXPECT_FALSE(body_of(spec).at("HostConfig").as_object().contains("GroupAdd"));
  const auto with_groups = json::parse(container_body(spec, {}, {}, {44, 109}));
  EXPECT_EQ(json::serialize(with_groups.at("HostConfig").at("GroupAdd")), R"(["44","109"])");
}

TEST(DockerWire, PortsAndTheHostnameBelongToWhoOwnsTheNetwork) {
  ContainerSpec spec{.image = "x",
                     .hostname = "p1",
                     .network = "n",
                     .ports = {{.container_port = 53, .udp = true, .host_address = "127.0.0.1"}}};
  const auto owner = body_of(spec);
  EXPECT_EQ(owner.at("Hostname"), "p1");
  EXPECT_EQ(json::serialize(owner.at("HostConfig").at("PortBindings")),
            R"({"53/udp":[{"HostIp":"127.0.0.1","HostPort":""}]})");
  spec.share_network_with = "abc";
  const auto guest = body_of(spec);
  EXPECT_FALSE(guest.contains("Hostname"));
  EXPECT_FALSE(guest.at("HostConfig").as_object().contains("PortBindings"));
  EXPECT_EQ(guest.at("HostConfig").at("NetworkMode"), "container:abc");
}

TEST(DockerWire, TheContainerDiskIsBoundedOnlyWhereTheFileSystemCan) {
  const ContainerSpec spec{.image = "x", .disk_bytes = 1 << 30};
  EXPECT_FALSE(body_of(spec).at("HostConfig").as_object().contains("StorageOpt"));
  EXPECT_EQ(body_of(spec, {.container_disk_limit = true}).at("HostConfig").at("StorageOpt").at("size"), "1073741824");
}

TEST(DockerWire, VersionsAreTheLowerOfTheirsAndOurs) {
  EXPECT_EQ(negotiate("1.41").value(), "1.41");
  EXPECT_EQ(negotiate("1.44").value(), "1.44");
  EXPECT_EQ(negotiate("1.99").value(), api_version_max);
  EXPECT_EQ(negotiate("2.0").value(), api_version_max);
  EXPECT_EQ(negotiate("1.40").error().reason, Reason::engine_too_old);
  EXPECT_EQ(negotiate("1.9").error().reason, Reason::engine_too_old);
  EXPECT_EQ(negotiate("").error().reason, Reason::engine_too_old);
}

struct Said {
  const char* words;
  Reason reason;
};

TEST(DockerWire, WhatRegistriesSayBecomesAReason) {
  for (const auto& [said, reason] :
       {// Docker 20.10 and Podman 4.3, as heard
        Said{"manifest for 127.0.0.1:15000/gyre/hello:nope not found: manifest unknown: manifest unknown",
             Reason::image_not_found},
        Said{"initializing source docker://127.0.0.1:15000/x:1: reading manifest 1 in 127.0.0.1:15000/x: manifest "
             "unknown: manifest unknown",
             Reason::image_not_found},
        Said{"Head \"http://127.0.0.1:15001/v2/gyre/private/manifests/1\": no basic auth credentials",
             Reason::image_access_denied},
        Said{"unauthorized: authentication required", Reason::image_access_denied},
        Said{"no matching manifest for linux/amd64 in the manifest list entries", Reason::image_wrong_platform},
        Said{"choosing an image from manifest list docker://x: no image found in manifest list for architecture amd64, "
             "variant \"\", OS linux",
             Reason::image_wrong_platform},
        Said{"image operating system \"windows\" cannot be used on this platform", Reason::image_for_windows},
        Said{"Get \"https://nosuch.invalid/v2/\": dial tcp: lookup nosuch.invalid on 192.0.2.53:53: no such host",
             Reason::registry_unreachable},
        Said{"Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
             Reason::registry_unreachable},
        Said{"initializing source docker://x: pinging container registry r.example.com: Get "
             "\"https://r.example.com/v2/\": x509: certificate signed by unknown authority",
             Reason::registry_unreachable},
        // as their sources and users report them
        Said{"pull access denied for nosuchimage, repository does not exist or may require 'docker login': denied: "
             "requested access to the resource is denied",
             Reason::image_access_denied},
        Said{"toomanyrequests: You have reached your pull rate limit.", Reason::registry_rate_limited},
        Said{"image with reference x was found but its platform (linux/arm64) does not match the specified platform "
             "(linux/amd64)",
             Reason::image_wrong_platform},
        Said{"received unexpected HTTP status: 503 Service Unavailable", Reason::registry_unreachable},
        Said{"net/http: TLS handshake timeout", Reason::registry_unreachable},
        Said{"failed to register layer: write /x: no space left on device", Reason::host_disk_full},
        Said{"something nobody has seen", Reason::engine_refused}}) {
    const auto error = pull_error("team/x", said);
    EXPECT_EQ(error.reason, reason) << said << " became " << reason_text(error.reason);
    if (error.reason == Reason::image_wrong_platform || error.reason == Reason::image_for_windows) continue;
    EXPECT_NE(error.message().find(said), std::string::npos)
        << "the registry's own words are passed on: " << error.message();
  }
}

TEST(DockerWire, AWrongPlatformIsNamedWithTheWayOut) {
  Image image;
  image.os = "linux";
  image.architecture = "arm64";
  const auto error = platform_error("team/x", image);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message(), "team/x is built for linux/arm64, hosts run linux/amd64");
  EXPECT_NE(error->fix().find("--platform linux/amd64"), std::string::npos);
  image.architecture = "amd64";
  EXPECT_FALSE(platform_error("team/x", image));
  image.os = "windows";
  EXPECT_EQ(platform_error("team/x", image)->reason, Reason::image_for_windows);
}

TEST(DockerWire, WhatAStartSaysBecomesAReason) {
  const auto missing = start_error(
      "OCI runtime create failed: runc create failed: unable to start container process: exec: \"python9\": executable "
      "file not found in $PATH: unknown");
  EXPECT_EQ(missing.reason, Reason::command_not_found);
  EXPECT_NE(missing.message().find("`python9`"), std::string::npos);
  EXPECT_EQ(start_error("crun: executable file `python9` not found in $PATH: No such file or directory: OCI runtime "
                        "attempted to invoke a command that was not found")
                .args[0]
                .second,
            "python9");
  const auto port = start_error(
      "driver failed programming external connectivity on endpoint a (0123456789ab): Bind for 0.0.0.0:8888 failed: "
      "port is already allocated");
  EXPECT_EQ(port.reason, Reason::host_port_taken);
  EXPECT_EQ(port.args[0].second, "8888");
  EXPECT_EQ(start_error("listen tcp4 0.0.0.0:22: bind: address already in use").args[0].second, "22");
  EXPECT_EQ(start_error("could not select device driver \"nvidia\" with capabilities: [[gpu]]").reason,
            Reason::gpu_not_given);
  EXPECT_EQ(start_error("failed to mount: no space left on device").reason, Reason::host_disk_full);
  EXPECT_EQ(start_error("task 3f2a9c: already exists: unknown").reason, Reason::engine_refused)
      << "a daemon that was killed halfway left it; the agent tries again";
  EXPECT_EQ(start_error("id already in use").reason, Reason::engine_refused)
      << "containerd still has what an earlier start left; crash drill, seed 11";
  EXPECT_EQ(start_error("whatever").reason, Reason::container_start_failed);
}

TEST(DockerWire, AContainerIsReadFromEitherEngine) {
  const auto docker =
      read_container(R"({"Id":"abc","Name":"/gyre-p1","Image":"sha256:1","State":{"Status":"running","OOMKilled":false,
    "ExitCode":0,"Error":"","StartedAt":"2026-11-22T01:53:25.941341999Z","FinishedAt":"0001-01-01T00:00:00Z"},
    "Config":{"Labels":{"pod":"p1"}},"NetworkSettings":{"IPAddress":"","Ports":{"8888/tcp":[{"HostIp":"0.0.0.0","HostPort":"32768"},
    {"HostIp":"::","HostPort":"32768"}],"9/udp":null},"Networks":{"n1":{"IPAddress":"10.0.0.2"}}}})")
          .value();
  EXPECT_EQ(docker.name, "gyre-p1");
  EXPECT_EQ(docker.state, ContainerState::running);
  EXPECT_EQ(rfc3339(*docker.started_at), "2026-11-22T01:53:25.941Z");
  EXPECT_FALSE(docker.finished_at);
  EXPECT_EQ(docker.ip_address, "10.0.0.2");
  ASSERT_EQ(docker.ports.size(), 1u);
  EXPECT_EQ(docker.ports[0].container_port, 8888);
  EXPECT_EQ(docker.ports[0].host_port, 32768);
  const auto podman =
      read_container(R"({"Id":"abc","Name":"/x","Image":"1f","State":{"Status":"exited","ExitCode":137,"OOMKilled":true,
    "StartedAt":"2026-11-22T10:00:00+09:00","FinishedAt":"2026-11-22T10:00:05+09:00"},"Config":{"Labels":null}})")
          .value();
  EXPECT_EQ(podman.state, ContainerState::exited);
  EXPECT_EQ(podman.image_id, "sha256:1f");
  EXPECT_EQ(podman.exit_code, 137);
  EXPECT_TRUE(podman.oom_killed);
  EXPECT_EQ(*podman.finished_at - *podman.started_at, 5s);
  for (const char* paused : {"paused", "stopping", "restarting"}) {
    const auto text = std::string(R"({"Id":"a","State":{"Status":")") + paused + R"("}})";
    EXPECT_EQ(read_container(text).value().state, ContainerState::running) << "it still holds its memory and GPUs";
  }
  EXPECT_FALSE(read_container("not JSON"));
  EXPECT_FALSE(read_container("[]"));
}

TEST(DockerWire, DigestsAreThoseOfTheRepositoryThatWasPulled) {
  const std::string inspect =
      R"({"RepoDigests":["python@sha256:1","r.io:5000/a/b@sha256:2","r.io:5000/a/b@sha256:3","other/b@sha256:4"]})";
  EXPECT_EQ(repo_digests(inspect, "docker.io/library/python"), (std::vector<std::string>{"sha256:1"}));
  EXPECT_EQ(repo_digests(inspect, "r.io:5000/a/b"), (std::vector<std::string>{"sha256:2", "sha256:3"}));
  EXPECT_EQ(repo_digests(inspect, "r.io:5000/a"), std::vector<std::string>());
  EXPECT_EQ(repo_digests(R"({"RepoDigests":null})", "x"), std::vector<std::string>());
}

TEST(DockerWire, PullProgressAddsUpTheLayers) {
  PullTracker pull;
  EXPECT_EQ(pull.progress().phase, "resolving");
  pull.line(R"({"status":"Pulling from gyre/large","id":"1"})");
  pull.line(R"({"status":"Already exists","progressDetail":{},"id":"a"})");
  pull.line(R"({"status":"Pulling fs layer","progressDetail":{},"id":"b"})");
  pull.line(R"({"status":"Pulling fs layer","progressDetail":{},"id":"c"})");
  pull.line(R"({"status":"Downloading","progressDetail":{"current":100,"total":1000},"id":"b"})");
  auto now = pull.progress();
  EXPECT_EQ(now.phase, "downloading");
  EXPECT_EQ(now.layers_total, 3);
  EXPECT_EQ(now.layers_done, 1);
  EXPECT_EQ(now.bytes_done, 100);
  EXPECT_EQ(now.bytes_total, 1000);
  pull.line(R"({"status":"Downloading","progressDetail":{"current":50,"total":500},"id":"c"})");
  pull.line(R"({"status":"Download complete","progressDetail":{},"id":"b"})");
  EXPECT_EQ(pull.progress().bytes_done, 1050);
  pull.line(R"({"status":"Download complete","progressDetail":{},"id":"c"})");
  pull.line(R"({"status":"Extracting","progressDetail":{"current":5,"total":1000},"id":"b"})");
  now = pull.progress();
  EXPECT_EQ(now.phase, "extracting");
  EXPECT_EQ(now.bytes_done, 1500) << "bytes never go back: what is downloaded stays downloaded";
  pull.line(R"({"status":"Pull complete","progressDetail":{},"id":"b"})");
  pull.line(R"({"status":"Digest: sha256:77"})");
  EXPECT_EQ(pull.progress().layers_done, 2);
  EXPECT_EQ(pull.digest(), "sha256:77");
  EXPECT_EQ(pull.error(), "");
  pull.line("garbage");
  pull.line(R"({"errorDetail":{"message":"no"},"error":"no"})");
  EXPECT_EQ(pull.error(), "no");
}

TEST(DockerWire, LogFramesSurviveAnyCut) {
  const std::string stream("\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\3two", 8 + 3 + 8 + 8 + 3);
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    LogFrames frames;
    std::string out, error;
    const auto piece = [&](Output output, std::string_view text) {
      (output == Output::standard_output ? out : error) += text;
    };
    EXPECT_TRUE(frames.feed(std::string_view(stream).substr(0, cut), piece));
    EXPECT_TRUE(frames.feed(std::string_view(stream).substr(cut), piece));
    EXPECT_EQ(out, "one");
    EXPECT_EQ(error, "two");
  }
  LogFrames frames;
  EXPECT_FALSE(frames.feed("plain text of a container with a terminal", [](Output, std::string_view) {}));
}

TEST(DockerWire, LinesAreCutWhereverTheBytesAreAndTooLongOnesAreDropped) {
  const std::string bytes = "one\n\ntwo\nthree";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Lines lines;
    std::vector<std::string> heard;
    const auto line = [&](std::string_view text) { heard.emplace_back(text); };
    lines.feed(std::string_view(bytes).substr(0, cut), line);
    lines.feed(std::string_view(bytes).substr(cut), line);
    EXPECT_EQ(heard, (std::vector<std::string>{"one", "two"}));
  }
  Lines lines;
  std::vector<std::string> heard;
  const auto line = [&](std::string_view text) { heard.emplace_back(text); };
  for (int i = 0; i < 40; ++i) lines.feed(std::string(100'000, 'x'), line);
  lines.feed("\nshort\n", line);
  EXPECT_EQ(heard, (std::vector<std::string>{"short"}));
}

TEST(DockerWire, CommandsAreLookedForWhereTheContainerWould) {
  ContainerSpec spec;
  EXPECT_EQ(command_places("/start.sh", {}, spec), (std::vector<std::string>{"/start.sh"}));
  EXPECT_EQ(command_places("bash", {"PATH=/usr/bin:/bin", "A=b"}, spec),
            (std::vector<std::string>{"/usr/bin/bash", "/bin/bash"}));
  spec.env["PATH"] = "/opt";
  EXPECT_EQ(command_places("bash", {"PATH=/usr/bin"}, spec), (std::vector<std::string>{"/opt/bash"}));
  EXPECT_TRUE(command_places("./run.sh", {}, spec).empty()) << "relative to a working directory";
  spec.mounts = {{.volume = "v", .path = "/workspace"}};
  EXPECT_TRUE(command_places("/workspace/run.sh", {}, spec).empty()) << "the volume may have it";
  EXPECT_FALSE(command_places("/workspaces/run.sh", {}, spec).empty());
}

TEST(DockerWire, QueriesCarryNothingUnencoded) {
  EXPECT_EQ(percent_encoded("a/b:1@sha256:2"), "a/b:1@sha256:2");
  EXPECT_EQ(percent_encoded("a&b=c d\n%"), "a%26b%3dc%20d%0a%25");
  EXPECT_EQ(labels_filter({{"a", "1"}, {"b", "\"2\""}}), R"({"label":["a=1","b=\"2\""]})");
  EXPECT_EQ(log_query({.follow = true, .tail = 5, .since = Time{1'700'000'000'025ms}}),
            "stdout=true&stderr=true&follow=true&tail=5&since=1700000000.025000000");
}

TEST(DockerWire, OnlyAnEndThatPodmanMissedIsAskedAgain) {
  const auto missed =
      R"({"cause":"no such process","message":"read /proc/10811/cgroup: no such process","response":500})";
  EXPECT_TRUE(podman_missed_an_end(500, missed));
  EXPECT_FALSE(podman_missed_an_end(200, missed));
  EXPECT_FALSE(podman_missed_an_end(500, R"({"message":"no such process"})"));
  EXPECT_FALSE(podman_missed_an_end(500, ""));
}

TEST(DockerWire, NetworksOfPodmanAreToldToKeepApart) {
  const auto podman = json::parse(network_body("n", "gyre-1", {{"a", "b"}}, {.podman = true}));
  EXPECT_EQ(podman.at("options").at("isolate"), "true");
  EXPECT_EQ(podman.at("network_interface"), "gyre-1");
  const auto docker = json::parse(network_body("n", "gyre-1", {{"a", "b"}}, {}));
  EXPECT_EQ(docker.at("Options").at("com.docker.network.bridge.name"), "gyre-1");
  EXPECT_EQ(docker.at("Labels").at("a"), "b");
}

TEST(NetworkGuard, BridgesHaveShortStableNamesWithOurPrefix) {
  EXPECT_EQ(bridge_name("gyre-workspace-1"), bridge_name("gyre-workspace-1"));
  EXPECT_NE(bridge_name("gyre-workspace-1"), bridge_name("gyre-workspace-2"));
  EXPECT_TRUE(bridge_name("x").starts_with(bridge_prefix));
  EXPECT_LE(bridge_name(std::string(200, 'x')).size(), 15u);
}

TEST(NetworkGuard, WhatIsConnectedStaysAndWhatIsAllowedComesBeforeTheRefusal) {
  const auto rules = guard_rules(IpFamily::v4, {8080});
  const auto established = rules.find("ESTABLISHED,RELATED -j RETURN"), allowed = rules.find("--dport 8080 -j RETURN");
  const auto refusal = rules.find("-A GYRE-GUARD -j REJECT");
  EXPECT_LT(established, allowed);
  EXPECT_LT(allowed, refusal);
  EXPECT_NE(rules.find("-d 169.254.0.0/16 -j DROP"), std::string::npos);
  EXPECT_EQ(guard_rules(IpFamily::v6, {}).find("*raw"), std::string::npos);
}

TEST(DockerWire, AnEngineTellsWhatItCan) {
  const std::string mounts = "/dev/a / ext4 rw 0 0\n/dev/b /var/lib/docker xfs rw,noatime,prjquota 0 0\n";
  const std::string about = R"({"Driver":"overlay2","DockerRootDir":"/var/lib/docker","LiveRestoreEnabled":true,
                               "CDISpecDirs":["/etc/cdi"],"Runtimes":{"nvidia":{},"runc":{}}})";
  const auto docker =
      read_info(R"({"Version":"25.0.1","ApiVersion":"1.44","Components":[{"Name":"Engine"}]})", about, mounts);
  EXPECT_EQ(docker.name, "docker");
  EXPECT_EQ(docker.version, "25.0.1");
  EXPECT_TRUE(docker.container_disk_limit && docker.live_restore && docker.cdi && docker.nvidia_runtime);
  EXPECT_EQ(docker.data_path, "/var/lib/docker");
  EXPECT_FALSE(read_info("{}", about, "/dev/a / xfs rw,prjquota 0 0\n/dev/b /var/lib/docker ext4 rw 0 0\n")
                   .container_disk_limit);
  EXPECT_FALSE(read_info("{}", about, "/dev/a / xfs rw,noquota 0 0\n").container_disk_limit);
  EXPECT_TRUE(read_info("{}", about, "/dev/a / xfs rw,pquota 0 0\n").container_disk_limit);
  const auto plain = read_info("{}", R"({"Driver":"overlay2","CDISpecDirs":null})", mounts);
  EXPECT_FALSE(plain.container_disk_limit || plain.live_restore || plain.cdi || plain.nvidia_runtime);
  EXPECT_EQ(read_info(R"({"Components":[{"Name":"Podman Engine"}]})", "", "").name, "podman");
}

TEST(DockerWire, WhatAContainerUsesIsReadOfBothKindsOfCgroups) {
  const auto second = read_stats(R"({"cpu_stats":{"cpu_usage":{"total_usage":3500000000},"online_cpus":4},
      "memory_stats":{"usage":20000000,"stats":{"inactive_file":5000000,"anon":9}},
      "networks":{"eth0":{"rx_bytes":100,"tx_bytes":7},"eth1":{"rx_bytes":1,"tx_bytes":2}}})");
  ASSERT_TRUE(second);
  EXPECT_EQ(second->cpu_microseconds, 3'500'000);
  EXPECT_EQ(second->memory_bytes, 15'000'000);
  EXPECT_EQ(second->received_bytes, 101);
  EXPECT_EQ(second->sent_bytes, 9);
  const auto first = read_stats(R"({"cpu_stats":{"cpu_usage":{"total_usage":1000}},
      "memory_stats":{"usage":20000000,"stats":{"total_inactive_file":5000000}}})");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->memory_bytes, 15'000'000);
  EXPECT_EQ(first->received_bytes, 0) << "it shares another's network";
}

TEST(DockerWire, WhatDoesNotRunUsesNothingRatherThanZero) {
  EXPECT_FALSE(read_stats(R"({"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}})"));
  for (const char* broken : {"", "{", "[]", "7", R"({"cpu_stats":7})", R"({"networks":[1]})"})
    EXPECT_FALSE(read_stats(broken)) << broken;
}

}  // namespace
}  // namespace gyre::engine::docker
