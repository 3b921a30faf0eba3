// Bodies and views of machine types and quotas.
#pragma once

#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "json/schema.hpp"
#include "quotas/quota_service.hpp"

namespace gyre {

struct CreateMachineType {
  std::string name;
  std::optional<std::string> description, gpuTypeId;
  std::optional<int> gpuCount;
  int vcpuCount = 0, memoryInGb = 0;
};
BOOST_DESCRIBE_STRUCT(CreateMachineType, (), (name, description, gpuTypeId, gpuCount, vcpuCount, memoryInGb))
json::Fields fields(const CreateMachineType*);

struct UpdateMachineType {
  std::optional<std::string> name, description, gpuTypeId;
  std::optional<int> gpuCount, vcpuCount, memoryInGb;
};
BOOST_DESCRIBE_STRUCT(UpdateMachineType, (), (name, description, gpuTypeId, gpuCount, vcpuCount, memoryInGb))
json::Fields fields(const UpdateMachineType*);

struct MachineTypeView {
  std::string id, name, description;
  std::optional<std::string> gpuTypeId;
  int gpuCount = 0, vcpuCount = 0, memoryInGb = 0;
  std::string summary;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(MachineTypeView, (),
                      (id, name, description, gpuTypeId, gpuCount, vcpuCount, memoryInGb, summary, createdAt))
json::Fields fields(const MachineTypeView*);

struct QuotaGrantView {
  std::string id;
  int count = 0;
  Time startsAt{}, endsAt{};
  std::optional<std::string> quotaRequestId;
};
BOOST_DESCRIBE_STRUCT(QuotaGrantView, (), (id, count, startsAt, endsAt, quotaRequestId))
json::Fields fields(const QuotaGrantView*);

struct QuotaView {
  MachineTypeView machineType;
  int used = 0, total = 0, available = 0;
  std::vector<QuotaGrantView> grants;
};
BOOST_DESCRIBE_STRUCT(QuotaView, (), (machineType, used, total, available, grants))
json::Fields fields(const QuotaView*);

struct CreateQuotaRequest {
  std::string machineType;
  int count = 0;
  std::optional<Time> startsAt;
  Time endsAt{};
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(CreateQuotaRequest, (), (machineType, count, startsAt, endsAt, reason))
json::Fields fields(const CreateQuotaRequest*);

struct ApproveQuotaRequest {
  std::optional<int> count;
  std::optional<Time> endsAt;
  std::optional<std::string> reason;
};
BOOST_DESCRIBE_STRUCT(ApproveQuotaRequest, (), (count, endsAt, reason))
json::Fields fields(const ApproveQuotaRequest*);

struct RejectQuotaRequest {
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(RejectQuotaRequest, (), (reason))
json::Fields fields(const RejectQuotaRequest*);

struct QuotaRequestView {
  std::string id, workspaceId, accountId, machineType, machineTypeId;
  int count = 0;
  Time startsAt{}, endsAt{};
  std::string reason;
  QuotaRequestState status = QuotaRequestState::PENDING;
  std::optional<std::string> decision;
  std::optional<Time> decidedAt;
  Time createdAt{};
};
BOOST_DESCRIBE_STRUCT(QuotaRequestView, (),
                      (id, workspaceId, accountId, machineType, machineTypeId, count, startsAt, endsAt, reason, status,
                       decision, decidedAt, createdAt))
json::Fields fields(const QuotaRequestView*);

MachineTypeView view(const MachineType& type);
QuotaView view(const QuotaService::Quota& quota);
QuotaRequestView view(const QuotaRequest& request, const std::optional<MachineType>& type);

}  // namespace gyre
