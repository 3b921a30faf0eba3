// Who may enter a pod by SSH, and with what: the core's answers to the gateway's questions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "accounts/account_service.hpp"
#include "pods/pod_service.hpp"
#include "ssh_gateway/gateway.hpp"

namespace gyre::server {

class SshDoor {
 public:
  // The public keys with which somebody logs in, each a line of an authorized_keys file without options.
  using KeysOf = std::function<std::vector<std::string>(const AccountId&)>;

  SshDoor(Core& core, AccountService& accounts, PodService& pods, KeysOf keys_of)
      : core_(core), accounts_(accounts), pods_(pods), keys_of_(std::move(keys_of)) {}

  // They outlive no core.
  ssh::Decisions decisions();

 private:
  Result<Caller> caller_of(const ssh::Login& login) const;  // within a task

  Core& core_;
  AccountService& accounts_;
  PodService& pods_;
  KeysOf keys_of_;
};

}  // namespace gyre::server
