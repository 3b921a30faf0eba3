#include "quotas/quota_view.hpp"

namespace gyre {
namespace {

const json::Field name{"name", "lower-case letters, digits, '.' and '-', at most 63; unique", R"("g2.small")"};
const json::Field description{"description", "for people who choose, at most 500 bytes", R"("one A40 for notebooks")"};
const json::Field gpu_type{"gpuTypeId", "the GPU type; absent: any, or none with gpuCount 0", R"("NVIDIA A40")"};
const json::Field gpu_count{"gpuCount", "how many GPUs", "1"};
const json::Field vcpus{"vcpuCount", "vCPUs of the whole machine", "4"};
const json::Field memory{"memoryInGb", "memory of the whole machine in GB", "16"};
const json::Field starts{"startsAt", "when it may be used first", R"("2026-11-23T00:00:00Z")"};
const json::Field ends{"endsAt", "when it is taken back", R"("2026-12-07T00:00:00Z")"};
const json::Field count{"count", "how many of the machine type at the same time", "2"};

// "4 CPU, 16 Gi, GPU 1 x NVIDIA A40", as Ocean's `get machine-type` prints it.
std::string summary_of(const MachineType& type) {
  auto out = std::to_string(type.vcpus) + " CPU, " + std::to_string(type.memory_gb) + " GB";
  if (type.gpu_count > 0)
    out += ", GPU " + std::to_string(type.gpu_count) + " x " + (type.gpu_type.empty() ? "any" : type.gpu_type);
  return out;
}

}  // namespace

json::Fields fields(const CreateMachineType*) { return {name, description, gpu_type, gpu_count, vcpus, memory}; }
json::Fields fields(const UpdateMachineType*) { return {name, description, gpu_type, gpu_count, vcpus, memory}; }

json::Fields fields(const MachineTypeView*) {
  return {{"id", "the machine type's id", R"("x7k2m9q4w1ab")"},
          name,
          description,
          gpu_type,
          gpu_count,
          vcpus,
          memory,
          {"summary", "all of it on one line", R"("4 CPU, 16 GB, GPU 1 x NVIDIA A40")"},
          {"createdAt", "when it was made", R"("2026-11-22T01:15:00Z")"}};
}

json::Fields fields(const QuotaGrantView*) {
  return {{"id", "the grant's id", R"("q3v8n2k5t7w1zc")"},
          count,
          starts,
          ends,
          {"quotaRequestId", "the request that it answers", R"("r5t8w2x4y7z1ab")"}};
}

json::Fields fields(const QuotaView*) {
  return {{"machineType", "what the quota is of",
           R"({"id":"x7k2m9q4w1ab","name":"g2.small","description":"","gpuTypeId":"NVIDIA A40","gpuCount":1,)"
           R"("vcpuCount":4,"memoryInGb":16,"summary":"4 CPU, 16 GB, GPU 1 x NVIDIA A40",)"
           R"("createdAt":"2026-11-22T01:15:00Z"})"},
          {"used", "pods of this machine type that are not stopped", "1"},
          {"total", "how many there may be now", "2"},
          {"available", "how many more may be started now", "1"},
          {"grants", "what the total is made of, and grants that begin later", "[]"}};
}

json::Fields fields(const CreateQuotaRequest*) {
  return {{"machineType", "the machine type's name or id", R"("g2.small")"},
          count,
          {"startsAt", "when it may be used first; absent: as soon as it is approved", R"("2026-11-23T00:00:00Z")"},
          {"endsAt", "when it is taken back; at most 366 days after it begins", R"("2026-12-07T00:00:00Z")"},
          {"reason", "what it is for, at most 1000 bytes", R"("fine-tuning for the thesis")"}};
}

json::Fields fields(const ApproveQuotaRequest*) {
  return {{"count", "another number than was asked for", "1"},
          {"endsAt", "another end than was asked for", R"("2026-12-01T00:00:00Z")"},
          {"reason", "words for the requester", R"("one is free until December")"}};
}

json::Fields fields(const RejectQuotaRequest*) {
  return {{"reason", "why; shown to the requester, at most 1000 bytes", R"("all are in use until December")"}};
}

json::Fields fields(const QuotaRequestView*) {
  return {{"id", "the request's id", R"("r5t8w2x4y7z1ab")"},
          {"workspaceId", "whose workspace is to have it", R"("w2k5m8q1t4vz")"},
          {"accountId", "who asked", R"("a9d3f6h2k5mx")"},
          {"machineType", "the machine type's name", R"("g2.small")"},
          {"machineTypeId", "the machine type's id", R"("x7k2m9q4w1ab")"},
          count,
          starts,
          ends,
          {"reason", "what it is for", R"("fine-tuning for the thesis")"},
          {"status", "PENDING until somebody decides", R"("REJECTED")"},
          {"decision", "the administrator's words", R"("all are in use until December")"},
          {"decidedAt", "when it was decided or withdrawn", R"("2026-11-22T02:15:00Z")"},
          {"createdAt", "when it was made", R"("2026-11-22T01:15:00Z")"}};
}

MachineTypeView view(const MachineType& type) {
  MachineTypeView out;
  out.id = type.id.str();
  out.name = type.name;
  out.description = type.description;
  if (!type.gpu_type.empty()) out.gpuTypeId = type.gpu_type;
  out.gpuCount = type.gpu_count;
  out.vcpuCount = type.vcpus;
  out.memoryInGb = type.memory_gb;
  out.summary = summary_of(type);
  out.createdAt = type.created_at;
  return out;
}

QuotaView view(const QuotaService::Quota& quota) {
  QuotaView out;
  out.machineType = view(quota.type);
  out.used = quota.used;
  out.total = quota.total;
  out.available = std::max(0, quota.total - quota.used);
  for (const auto& grant : quota.grants) {
    QuotaGrantView shown;
    shown.id = grant.id.str();
    shown.count = grant.amount;
    shown.startsAt = grant.starts_at;
    shown.endsAt = grant.ends_at;
    if (grant.request) shown.quotaRequestId = grant.request->str();
    out.grants.push_back(std::move(shown));
  }
  return out;
}

QuotaRequestView view(const QuotaRequest& request, const std::optional<MachineType>& type) {
  QuotaRequestView out;
  out.id = request.id.str();
  out.workspaceId = request.workspace.str();
  out.accountId = request.account.str();
  out.machineTypeId = request.machine_type.str();
  out.machineType = type ? type->name : out.machineTypeId;
  out.count = request.amount;
  out.startsAt = request.starts_at;
  out.endsAt = request.ends_at;
  out.reason = request.why;
  out.status = request.state;
  if (!request.decision.empty()) out.decision = request.decision;
  out.decidedAt = request.decided_at;
  out.createdAt = request.created_at;
  return out;
}

}  // namespace gyre
