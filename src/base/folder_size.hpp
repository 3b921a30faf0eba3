// How much the files of a folder take on disk.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>

namespace gyre {

// Bytes, each file counted once however often it is linked; links are not followed, what disappears meanwhile is not
// counted. The error says what could not be read. Takes as long as there are files: for a worker thread.
tl::expected<std::int64_t, std::string> bytes_under(const std::string& folder);

}  // namespace gyre
