// gRPC and protobuf write lines of their own to standard error, for every port scan and every damaged message. They go
// into our log instead, at the lowest level: what matters of it reaches us as a status and is logged with its meaning.
#pragma once

namespace gyre::link {
void take_over_grpc_logs();  // once; later calls do nothing
}  // namespace gyre::link
