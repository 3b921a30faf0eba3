#include "link/grpc_logs.hpp"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <mutex>
#include <string>

#include "base/log.hpp"

namespace gyre::link {

void take_over_grpc_logs() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* line) { log::debug("grpc", {{"words", line->message}}); });
    google::protobuf::SetLogHandler([](google::protobuf::LogLevel, const char*, int, const std::string& words) {
      log::debug("protobuf", {{"words", words}});
    });
  });
}

}  // namespace gyre::link
