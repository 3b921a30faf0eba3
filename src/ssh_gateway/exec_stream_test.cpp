// Both ends full at the same time must not stop it: what an earlier gateway died of.
#include "ssh_gateway/exec_stream.hpp"

#include <gtest/gtest.h>

#include "ssh_gateway/test_exec.hpp"

namespace gyre::ssh {
namespace {

// Reads with a small window, as a client of SSH does; returns what it has read.
std::string drained(ExecStream& stream, std::size_t window) {
  std::string out;
  while (window > 0) {
    const auto output = stream.output();
    if (!output) break;
    const auto size = std::min(window, output->bytes.size());
    out += output->bytes.substr(0, size);
    stream.read(size);
    window -= size;
  }
  return out;
}

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 1;
  for (auto& c : out) c = static_cast<char>((state = state * 1664525u + 1013904223u) >> 24);
  return out;
}

// Writes as much as it may and reads at most `window` each time round.
void echoes(TestExec& exec, std::size_t bytes, std::size_t window) {
  const auto data = pattern(bytes);
  ExecStream stream([] {});
  stream.attach(exec.socket);
  std::string back;
  std::size_t at = 0;
  int idle = 0;
  while (!stream.end() || stream.output()) {
    const auto before = at + back.size() + exec.moved;
    stream.advance();
    const auto size = std::min(stream.room(), bytes - at);
    stream.write(std::string_view(data).substr(at, size));
    at += size;
    if (at == bytes) stream.end_input();
    stream.advance();
    exec.turn();
    stream.advance();
    back += drained(stream, window);
    idle = at + back.size() + exec.moved == before ? idle + 1 : 0;
    ASSERT_LT(idle, 10) << "it stands still after " << at << " bytes there and " << back.size() << " back";
  }
  EXPECT_EQ(stream.end()->code, 0);
  EXPECT_TRUE(back == data) << back.size() << " of " << bytes;
}

TEST(ExecStream, EchoesMoreThanAllBuffersHold) {
  TestExec exec;
  echoes(exec, 5'000'000, 1'000'000);
}

TEST(ExecStream, EchoesThroughSmallBuffersAndASlowReader) {
  TestExec exec;
  exec.program_holds = 1'000;
  exec.kept_max = 4'000;
  echoes(exec, 300'000, 777);
}

TEST(ExecStream, HoldsNoMoreInputThanItsBound) {
  TestExec exec;
  exec.program_holds = 0;  // it never reads
  ExecStream stream([] {});
  stream.attach(exec.socket);
  std::size_t wrote = 0;
  for (int i = 0; i < 100; ++i) {
    stream.advance();
    const auto size = std::min<std::size_t>(stream.room(), 50'000);
    stream.write(std::string(size, 'x'));
    wrote += size;
    stream.advance();
    exec.turn();
  }
  EXPECT_EQ(wrote, ExecStream::under_way_max);
}

// The server takes nothing more of a client whose input is full: what was seen must get there all the same.
TEST(ExecStream, SaysWhatWasSeenWhileTheInputIsFull) {
  TestExec exec;
  exec.program_holds = 0;
  ExecStream stream([] {});
  stream.attach(exec.socket);
  exec.turn();
  stream.advance();
  stream.write(std::string(stream.room(), 'x'));
  stream.advance();
  exec.print(std::string(100'000, 'o'));
  exec.turn();
  stream.advance();
  EXPECT_EQ(drained(stream, 1'000'000).size(), 100'000u);
  stream.advance();
  exec.turn();
  EXPECT_EQ(exec.seen, 100'000u);
}

// ... and the other way round: a reader that takes nothing does not hold up what the program says of its input.
TEST(ExecStream, HearsWhatWasTakenWhileNobodyReads) {
  TestExec exec;
  exec.echo = false;
  exec.print(std::string(200'000, 'o'));
  ExecStream stream([] {});
  stream.attach(exec.socket);
  std::size_t wrote = 0;
  for (int i = 0; i < 100; ++i) {
    stream.advance();
    const auto size = stream.room();
    stream.write(std::string(size, 'x'));
    wrote += size;
    stream.advance();
    exec.turn();
  }
  EXPECT_GT(wrote, 10 * ExecStream::under_way_max);
}

TEST(ExecStream, TheEndOfInputFollowsTheLastByte) {
  TestExec exec;
  ExecStream stream([] {});
  stream.attach(exec.socket);
  stream.write("abc");
  stream.end_input();
  EXPECT_EQ(stream.room(), 0u);
  for (int i = 0; i < 10; ++i) {
    stream.advance();
    exec.turn();
  }
  stream.advance();
  EXPECT_EQ(drained(stream, 100), "abc");
  ASSERT_TRUE(stream.end());
  EXPECT_EQ(stream.end()->kind, ExecStream::End::Kind::exited);
}

TEST(ExecStream, GoesOnWhereItWasWhenTheHostsConnectionBroke) {
  const auto data = pattern(400'000);
  TestExec exec;
  ExecStream stream([] {});
  stream.attach(exec.socket);
  std::string back;
  std::size_t at = 0;
  for (int round = 0; !stream.end() || stream.output() || stream.end()->kind == ExecStream::End::Kind::broken;
       ++round) {
    ASSERT_LT(round, 2'000);
    if (round % 7 == 3 && !exec.ended()) exec.break_off();
    stream.advance();
    if (stream.end() && stream.end()->kind == ExecStream::End::Kind::broken) {
      EXPECT_EQ(stream.session(), "the-session");
      exec.resume(stream.received());
      stream.attach(exec.socket);
      stream.advance();
    }
    const auto size = std::min({stream.room(), data.size() - at, std::size_t{30'000}});
    stream.write(std::string_view(data).substr(at, size));
    at += size;
    if (at == data.size()) stream.end_input();
    stream.advance();
    exec.turn();
    stream.advance();
    back += drained(stream, 20'000);
  }
  EXPECT_TRUE(back == data) << back.size();
}

TEST(ExecStream, ARefusalSaysWhyAndWhatToDo) {
  ExecStream stream([] {});
  auto socket = std::make_shared<http::WebSocket>();
  stream.attach(socket);
  socket->send({true, R"({"error":{"code":"pod_not_running","message":"the pod is stopped","fix":"start it"}})"});
  socket->close(4409, "pod_not_running");
  stream.advance();
  ASSERT_TRUE(stream.end());
  EXPECT_EQ(stream.end()->kind, ExecStream::End::Kind::refused);
  EXPECT_EQ(stream.end()->message, "the pod is stopped");
  EXPECT_EQ(stream.end()->fix, "start it");
}

TEST(ExecStream, TheNewestSizeIsSaidOnceItIsKnownWhere) {
  TestExec exec;
  ExecStream stream([] {});
  stream.attach(exec.socket);
  stream.resize(80, 24);
  stream.resize(123, 41);
  stream.advance();
  exec.turn();
  stream.advance();
  exec.turn();
  EXPECT_EQ(exec.sizes, (std::vector<std::pair<int, int>>{{123, 41}}));
}

}  // namespace
}  // namespace gyre::ssh
