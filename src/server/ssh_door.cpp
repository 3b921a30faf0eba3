#include "server/ssh_door.hpp"

#include <algorithm>

#include "ssh_gateway/words.hpp"

namespace gyre::server {

// A pod that is not there, a wrong name and a key that is nobody's look the same.
Result<Caller> SshDoor::caller_of(const ssh::Login& login) const {
  const auto user = ssh::user_name(login.user);
  const auto pod = pods_.find(user.pod);
  const bool there = pod && pod->state != PodState::deleting && pod->state != PodState::deleted &&
                     (user.host_name.empty() || user.host_name == pod->host_name);
  if (!there) return fail(Reason::pod_not_found, {{"pod", user.pod.str()}});
  for (const auto& member : accounts_.members(pod->workspace)) {
    if (allowed_scope(Scope::read_write, member.role) != Scope::read_write) continue;
    const auto keys = keys_of_(member.account);
    if (std::none_of(keys.begin(), keys.end(), [&](const auto& line) { return ssh::holds_key(line, login.key); }))
      continue;
    Caller caller;
    caller.account = member.account;
    caller.workspace = pod->workspace;
    caller.scope = Scope::read_write;
    return caller;
  }
  return fail(Reason::pod_not_found, {{"pod", user.pod.str()}});
}

ssh::Decisions SshDoor::decisions() {
  ssh::Decisions out;
  out.may_enter = [this](const ssh::Login& login, std::function<void(bool)> answer) {
    core_.post(
        "ssh log-in",
        [this, login, answer] {
          const bool may = caller_of(login).has_value();
          core_.after_commit([answer, may] { answer(may); });
        },
        [answer] { answer(false); });
  };
  out.open = [this](const ssh::Login& login, link::ExecRequest request, Language language,
                    ssh::Decisions::Opened answer) {
    core_.post(
        "ssh program",
        [this, login, request = std::move(request), language, answer] {
          const auto caller = caller_of(login);
          auto opened = caller ? pods_.exec(*caller, ssh::user_name(login.user).pod, request, true, language)
                               : fail(caller.error());
          core_.after_commit([answer, opened = std::move(opened)] { answer(opened); });
        },
        [answer] { answer(fail(Reason::internal_error)); });
  };
  return out;
}

}  // namespace gyre::server
