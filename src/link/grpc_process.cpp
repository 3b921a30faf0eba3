#include "link/grpc_process.hpp"

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <string>

#include "base/check.hpp"
#include "base/log.hpp"

namespace gyre::link {
namespace {

void take_over_logs() {
  gpr_set_log_function([](gpr_log_func_args* line) { log::debug("grpc", {{"words", line->message}}); });
  google::protobuf::SetLogHandler([](google::protobuf::LogLevel, const char*, int, const std::string& words) {
    log::debug("protobuf", {{"words", words}});
  });
}

// gRPC counts who uses the queue, and what counts is not public. A server with a callback service takes a share of it
// when it is built and gives it back when it is destroyed; this one has no port, so nobody can call it, and is never
// destroyed: it stands in a pointer that is never deleted, which leak checkers understand.
void hold_the_callback_queue() {
  static auto* const service = new grpc::CallbackGenericService();
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(service);
  static auto* const holder = builder.BuildAndStart().release();
  CHECK(holder != nullptr);
}

}  // namespace

void prepare_grpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    take_over_logs();
    grpc_init();  // without its grpc_shutdown: the library's own threads stay as well
    hold_the_callback_queue();
  });
}

}  // namespace gyre::link
