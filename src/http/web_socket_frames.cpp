#include "http/web_socket_frames.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "json/utf8.hpp"

namespace gyre::http {
namespace {

constexpr std::size_t control_max = 125;

bool is_control(Opcode kind) { return (static_cast<unsigned>(kind) & 8u) != 0; }
unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

std::uint64_t number(std::string_view big_endian) {
  std::uint64_t out = 0;
  for (const char c : big_endian) out = (out << 8) | static_cast<unsigned char>(c);
  return out;
}

}  // namespace

bool is_close_code(int code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

bool WebSocketDecoder::feed(std::string_view bytes, const std::function<void(WebSocketEvent)>& event) {
  while (failure_ == 0 && !closed_) {
    if (!in_payload_) {
      if (bytes.empty()) break;
      header_ += bytes.front();
      bytes.remove_prefix(1);
      if (!begin_frame()) return false;
      if (in_payload_ && left_ == 0 && !end_frame(event)) return false;
      continue;
    }
    if (bytes.empty()) break;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    auto& into = is_control(opcode_) ? control_ : message_;
    const auto start = into.size();
    into.append(bytes.substr(0, size));
    if (!mask_.empty())
      for (auto at = start; at < into.size(); ++at)
        into[at] = static_cast<char>(byte_at(into, at) ^ byte_at(mask_, masked_++ % 4));
    bytes.remove_prefix(size);
    left_ -= size;
    if (left_ == 0 && !end_frame(event)) return false;
  }
  return failure_ == 0;
}

// After every byte of a header: is it complete, and may it be so?
bool WebSocketDecoder::begin_frame() {
  if (header_.size() < 2) return true;
  const auto first = byte_at(header_, 0), second = byte_at(header_, 1);
  const bool masked = (second & 0x80u) != 0;
  const auto short_length = second & 0x7fu;
  if (header_.size() == 2) {
    if ((first & 0x70u) != 0 || masked != (from_ == From::client)) return fail(close_protocol_error);
    final_ = (first & 0x80u) != 0;
    opcode_ = static_cast<Opcode>(first & 0x0fu);
    switch (opcode_) {
      case Opcode::text:
      case Opcode::binary:
        if (in_message_) return fail(close_protocol_error);
        break;
      case Opcode::continuation:
        if (!in_message_) return fail(close_protocol_error);
        break;
      case Opcode::close:
      case Opcode::ping:
      case Opcode::pong:
        if (!final_ || short_length > control_max) return fail(close_protocol_error);
        break;
      default:
        return fail(close_protocol_error);
    }
  }
  const std::size_t more = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
  if (header_.size() < 2 + more + (masked ? 4 : 0)) return true;
  left_ = more == 0 ? short_length : number(std::string_view(header_).substr(2, more));
  // Longer than it need be written: two ways to say one thing.
  if ((more == 2 && left_ < 126) || (more == 8 && (left_ < 65'536 || left_ >> 63 != 0)))
    return fail(close_protocol_error);
  if (!is_control(opcode_)) {
    if (left_ > message_max_ || message_.size() > message_max_ - left_) return fail(close_too_large);
    if (!in_message_) message_kind_ = opcode_;
    in_message_ = true;
  }
  mask_ = masked ? header_.substr(2 + more, 4) : std::string();
  masked_ = 0;
  header_.clear();
  in_payload_ = true;
  return true;
}

bool WebSocketDecoder::end_frame(const std::function<void(WebSocketEvent)>& event) {
  in_payload_ = false;
  WebSocketEvent out;
  out.kind = opcode_;
  if (!is_control(opcode_)) {
    if (!final_) return true;
    in_message_ = false;
    out.kind = message_kind_;
    out.bytes = std::exchange(message_, {});
    if (out.kind == Opcode::text && !json::is_utf8(out.bytes)) return fail(close_not_utf8);
    event(std::move(out));
    return true;
  }
  out.bytes = std::exchange(control_, {});
  if (opcode_ == Opcode::close) {
    out.code = close_nothing_said;
    if (out.bytes.size() == 1) return fail(close_protocol_error);
    if (out.bytes.size() >= 2) {
      out.code = static_cast<int>(number(std::string_view(out.bytes).substr(0, 2)));
      out.bytes.erase(0, 2);
      if (!is_close_code(out.code)) return fail(close_protocol_error);
      if (!json::is_utf8(out.bytes)) return fail(close_not_utf8);
    }
    closed_ = true;
  }
  event(std::move(out));
  return true;
}

std::string web_socket_frame(Opcode kind, std::string_view bytes, std::string_view mask) {
  CHECK(mask.empty() || mask.size() == 4);
  const unsigned mark = mask.empty() ? 0 : 0x80u;
  std::string out;
  out.reserve(bytes.size() + 14);
  out += static_cast<char>(0x80u | static_cast<unsigned>(kind));
  const auto put = [&](int count) {
    for (int shift = (count - 1) * 8; shift >= 0; shift -= 8)
      out += static_cast<char>((static_cast<std::uint64_t>(bytes.size()) >> shift) & 0xffu);
  };
  if (bytes.size() <= control_max) {
    out += static_cast<char>(mark | static_cast<unsigned>(bytes.size()));
  } else if (bytes.size() < 65'536) {
    out += static_cast<char>(mark | 126u);
    put(2);
  } else {
    out += static_cast<char>(mark | 127u);
    put(8);
  }
  out += mask;
  const auto start = out.size();
  out += bytes;
  if (!mask.empty())
    for (std::size_t i = 0; i < bytes.size(); ++i)
      out[start + i] = static_cast<char>(byte_at(out, start + i) ^ byte_at(mask, i % 4));
  return out;
}

std::string web_socket_close(int code, std::string_view reason, std::string_view mask) {
  std::string payload;
  if (is_close_code(code)) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code & 0xff);
    auto size = std::min(reason.size(), control_max - 2);
    while (size > 0 && size < reason.size() && (byte_at(reason, size) & 0xc0u) == 0x80u)
      --size;  // not within a character
    payload += reason.substr(0, size);
  }
  return web_socket_frame(Opcode::close, payload, mask);
}

std::string web_socket_accept(std::string_view key) {
  const auto text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  std::array<unsigned char, 64> out{};
  const auto length = EVP_EncodeBlock(out.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(length)};
}

}  // namespace gyre::http
