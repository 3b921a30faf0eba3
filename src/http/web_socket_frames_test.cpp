#include "http/web_socket_frames.hpp"

#include <gtest/gtest.h>

#include <random>

namespace gyre::http {
namespace {

using From = WebSocketDecoder::From;
const std::string mask = "\x01\x02\x03\x04";

struct Heard {
  std::vector<WebSocketEvent> events;
  bool ok = true;
  int failure = 0;
};
Heard hear(const std::string& bytes, std::size_t step = 1 << 20, From from = From::client, std::size_t max = 1 << 20) {
  Heard out;
  WebSocketDecoder decoder(from, max);
  for (std::size_t at = 0; at < bytes.size(); at += step)
    out.ok = decoder.feed(std::string_view(bytes).substr(at, step),
                          [&](WebSocketEvent event) { out.events.push_back(std::move(event)); });
  out.failure = decoder.failure();
  return out;
}
std::string frame(unsigned first, const std::string& payload, const std::string& with = mask) {
  auto out = web_socket_frame(Opcode::binary, payload, with);
  out[0] = static_cast<char>(first);
  return out;
}

TEST(WebSocketFrames, TheAnswerToAKeyIsTheOneOfTheStandard) {
  EXPECT_EQ(web_socket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketFrames, MessagesOfEveryLengthArriveHoweverTheyAreCut) {
  for (const std::size_t size : {0u, 1u, 125u, 126u, 127u, 65'535u, 65'536u, 200'000u})
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
      std::string payload(size, '\0');
      for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 31);
      const auto heard = hear(web_socket_frame(Opcode::binary, payload, mask), step);
      ASSERT_EQ(heard.events.size(), 1u) << size << " by " << step;
      EXPECT_TRUE(heard.events[0].bytes == payload) << size << " by " << step;
    }
}

TEST(WebSocketFrames, FragmentsAreOneMessageAndAPingMayStandBetweenThem) {
  const auto heard = hear(frame(0x01, "\xed\x95") + frame(0x89, "p") + frame(0x80, "\x9c"));
  ASSERT_EQ(heard.events.size(), 2u);
  EXPECT_EQ(heard.events[0].kind, Opcode::ping);
  EXPECT_EQ(heard.events[1].kind, Opcode::text);
  EXPECT_EQ(heard.events[1].bytes, "한");  // cut within the character
}

TEST(WebSocketFrames, WhoBreaksTheRulesIsToldWhich) {
  const auto failure = [](const std::string& bytes, From from = From::client, std::size_t max = 1 << 20) {
    return hear(bytes, 1 << 20, from, max).failure;
  };
  EXPECT_EQ(failure(frame(0xc2, "x")), close_protocol_error) << "a reserved bit";
  EXPECT_EQ(failure(frame(0x83, "x")), close_protocol_error) << "an unknown kind";
  EXPECT_EQ(failure(web_socket_frame(Opcode::binary, "x")), close_protocol_error) << "a client that does not mask";
  EXPECT_EQ(failure(web_socket_frame(Opcode::binary, "x", mask), From::server), close_protocol_error);
  EXPECT_EQ(failure(frame(0x09, "x")), close_protocol_error) << "a ping in pieces";
  EXPECT_EQ(failure(frame(0x89, std::string(126, 'x'))), close_protocol_error) << "a ping too long";
  EXPECT_EQ(failure(frame(0x80, "x")), close_protocol_error) << "a continuation of nothing";
  EXPECT_EQ(failure(frame(0x02, "x") + frame(0x82, "y")), close_protocol_error) << "a message within a message";
  EXPECT_EQ(failure(std::string("\x82\xfe\x00\x05", 4) + mask + "12345"), close_protocol_error) << "a length too long";
  EXPECT_EQ(failure(frame(0x81, "\xff")), close_not_utf8);
  EXPECT_EQ(failure(frame(0x82, std::string(11, 'x')), From::client, 10), close_too_large);
  EXPECT_EQ(failure(frame(0x02, "123456") + frame(0x80, "78901"), From::client, 10), close_too_large) << "in pieces";
  EXPECT_EQ(failure(std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10) + mask, From::client, 10),
            close_too_large);
  EXPECT_EQ(failure(frame(0x88, "x")), close_protocol_error) << "half a close code";
  EXPECT_EQ(failure(frame(0x88, std::string("\x03\xed", 2))), close_protocol_error) << "1005 is never sent";
  EXPECT_EQ(failure(frame(0x88, std::string("\x03\xe8\xff", 3))), close_not_utf8);
}

TEST(WebSocketFrames, NothingIsHeardAfterAGoodbye) {
  const auto heard = hear(web_socket_close(close_normal, "done", mask) + frame(0x81, "more"));
  ASSERT_EQ(heard.events.size(), 1u);
  EXPECT_EQ(heard.events[0].code, close_normal);
  EXPECT_EQ(heard.events[0].bytes, "done");
}

TEST(WebSocketFrames, AReasonIsCutBetweenCharacters) {
  std::string reason;
  for (int i = 0; i < 60; ++i) reason += "한";
  const auto heard = hear(web_socket_close(4404, reason, mask));
  ASSERT_TRUE(heard.ok) << heard.failure;
  EXPECT_EQ(heard.events.at(0).bytes.size() % 3, 0u);
}

// Random conversations: what is written is heard, however it is cut; and with one byte changed, the decoder fails or
// hears something else, but it never hears more than was sent, nor keeps more than it may.
TEST(WebSocketFrames, AnyBytesAreHeardOrRefused) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    std::mt19937 dice(seed);
    const auto below = [&](std::size_t limit) { return dice() % limit; };
    std::string bytes;
    std::vector<std::string> sent;
    for (auto left = below(6); left > 0; --left) {
      std::string payload;
      for (auto size = below(4) == 0 ? below(70'000) : below(200); size > 0; --size)
        payload += static_cast<char>(dice());
      bytes += web_socket_frame(Opcode::binary, payload, mask);
      sent.push_back(std::move(payload));
    }
    const auto whole = hear(bytes, 1 + below(5000));
    ASSERT_TRUE(whole.ok) << "seed " << seed;
    ASSERT_EQ(whole.events.size(), sent.size()) << "seed " << seed;
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_TRUE(whole.events[i].bytes == sent[i]) << "seed " << seed;
    if (bytes.empty()) continue;
    for (auto changes = 1 + below(3); changes > 0; --changes) bytes[below(bytes.size())] = static_cast<char>(dice());
    const auto changed = hear(bytes, 1 + below(5000), From::client, 100'000);
    std::size_t total = 0;
    for (const auto& event : changed.events) total += event.bytes.size();
    ASSERT_LE(total, bytes.size()) << "seed " << seed;
  }
}

TEST(WebSocketFrames, NoiseIsRefusedOrWaitedFor) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 dice(seed);
    std::string bytes;
    for (auto size = dice() % 300; size > 0; --size) bytes += static_cast<char>(dice());
    for (const auto from : {From::client, From::server}) hear(bytes, 1 + dice() % 40, from, 1000);
  }
}

}  // namespace
}  // namespace gyre::http
