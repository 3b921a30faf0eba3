// What this process must do once before it uses gRPC 1.51, and why it never lets go of it again.
#pragma once

namespace gyre::link {

// Called before the first server or channel is made; later calls do nothing. Takes effect for the life of the process:
//   - gRPC's and protobuf's own lines go into our log, at the lowest level: what matters of them reaches us as a status
//     and is logged with its meaning;
//   - the completion queue that runs callbacks, and its threads, stay. gRPC makes them with the first server or channel
//     of a process that uses callbacks and ends them with the last, on whatever thread that happens; a new first that
//     comes while the old last goes races with it (a double free, seen rarely in the tests of this folder);
//   - abseil's search for deadlocks is off: Debian builds abseil without NDEBUG, where every lock of gRPC's walks a
//     graph of all locks under one global lock, and it is not our code that it would tell us about.
void prepare_grpc();

}  // namespace gyre::link
