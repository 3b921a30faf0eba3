#include "edge/body.hpp"

#include <algorithm>

namespace gyre::edge {
namespace {

constexpr std::uint32_t size_digits_max = 15;
constexpr std::uint32_t extension_max = 256;
constexpr std::uint32_t trailers_max = 8 * 1024;

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

}  // namespace

std::size_t BodyEnd::take(std::string_view bytes) {
  std::size_t at = 0;
  const auto go_wrong = [&] {
    state_ = State::broken;
    return at;
  };
  while (at < bytes.size()) {
    const char c = bytes[at];
    switch (state_) {
      case State::ended:
      case State::broken:
        return at;
      case State::for_ever:
        return bytes.size();
      case State::counted:
      case State::data: {
        const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
        at += step;
        left_ -= step;
        if (left_ == 0) state_ = state_ == State::counted ? State::ended : State::data_cr;
        continue;
      }
      case State::size:
        if (const int digit = hex(c); digit >= 0) {
          if (++seen_ > size_digits_max) return go_wrong();
          left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        } else if (seen_ == 0) {
          return go_wrong();
        } else if (c == ';') {
          seen_ = 0;
          state_ = State::extension;
        } else if (c == '\r') {
          state_ = State::size_end;
        } else {
          return go_wrong();
        }
        break;
      case State::extension:
        if (c == '\r')
          state_ = State::size_end;
        else if (!is_text(c) || ++seen_ > extension_max)
          return go_wrong();
        break;
      case State::size_end:
        if (c != '\n') return go_wrong();
        seen_ = 0;
        state_ = left_ > 0 ? State::data : State::trailer_start;
        break;
      case State::data_cr:
        if (c != '\r') return go_wrong();
        state_ = State::data_lf;
        break;
      case State::data_lf:
        if (c != '\n') return go_wrong();
        seen_ = 0;
        state_ = State::size;
        break;
      case State::trailer_start:
        if (c == '\r') {
          state_ = State::last_lf;
          break;
        }
        if (c == ' ' || c == '\t') return go_wrong();
        state_ = State::trailer;
        [[fallthrough]];
      case State::trailer:
        if (c == '\r')
          state_ = State::trailer_end;
        else if (!is_text(c) || ++seen_ > trailers_max)
          return go_wrong();
        break;
      case State::trailer_end:
        if (c != '\n') return go_wrong();
        state_ = State::trailer_start;
        break;
      case State::last_lf:
        if (c != '\n') return go_wrong();
        state_ = State::ended;
        break;
    }
    ++at;
  }
  return at;
}

}  // namespace gyre::edge
