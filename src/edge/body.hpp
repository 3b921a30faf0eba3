// Where a message's body ends in bytes that are passed on as they are. Pure; one number of state, no buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "edge/head.hpp"

namespace gyre::edge {

class BodyEnd {
 public:
  BodyEnd() = default;  // no body: it has ended
  BodyEnd(Body body, std::uint64_t length) : body_(body), left_(length) {
    if (body == Body::chunked)
      state_ = State::size;
    else if (body == Body::until_close)
      state_ = State::for_ever;
    else if (body == Body::counted && length > 0)
      state_ = State::counted;
  }

  // How many of these bytes belong to the body. Fewer than all: the rest is what comes after it, or `broken`.
  std::size_t take(std::string_view bytes);

  bool ended() const { return state_ == State::ended; }
  bool broken() const { return state_ == State::broken; }  // chunks that cannot be read
  bool until_close() const { return body_ == Body::until_close; }

 private:
  enum class State {
    ended,
    broken,
    counted,
    for_ever,
    size,
    extension,
    size_end,
    data,
    data_cr,
    data_lf,  // of chunks
    trailer_start,
    trailer,
    trailer_end,
    last_lf,
  };
  Body body_ = Body::none;
  State state_ = State::ended;
  std::uint64_t left_ = 0;  // of the body or of this chunk
  std::uint32_t seen_ = 0;  // digits of a size, characters of an extension, or of all trailers
};

}  // namespace gyre::edge
