// Every refusal and every "why is it so" has a stable code, a sentence and a way out, in English and Korean.
// The words live in reasons/*.def, one file per folder, so that the compiler knows the list and no text is typed twice.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gyre {

// What kind of trouble a reason is; the only thing that decides an HTTP or gRPC status. `none` is a reason that
// explains a state (why a pod waits) and is never the answer to a request.
enum class ErrorCode : std::uint8_t {
  none,
  invalid_argument,     // 400
  unauthenticated,      // 401
  payment_required,     // 402
  permission_denied,    // 403
  not_found,            // 404
  method_not_allowed,   // 405
  already_exists,       // 409
  failed_precondition,  // 409
  stale_version,        // 412
  too_large,            // 413
  unsupported_media,    // 415
  rate_limited,         // 429
  out_of_capacity,      // 503
  unavailable,          // 503
  deadline_exceeded,    // 504
  internal,             // 500
};

enum class Reason : std::uint16_t {
#define REASON(name, ...) name,
#include "base/reasons/all.def"
#undef REASON
};

enum class Language : std::uint8_t { en, ko };

// Values for the {placeholders} of a reason's sentence. Never put a secret here: they are shown and logged. A value
// that is words itself stands there twice: as "detail" in English and as "detail:ko" in Korean.
using Args = std::vector<std::pair<std::string, std::string>>;

// What is expected of one field, in both languages: details.def.
enum class Detail : std::uint16_t {
#define DETAIL(name, ...) name,
#include "base/details.def"
#undef DETAIL
};

std::string_view reason_text(Reason reason);                    // the stable code, e.g. "pod_not_found"
std::optional<Reason> reason_from_text(std::string_view text);  // empty for a code this version does not know
ErrorCode error_code(Reason reason);
std::string sentence(Reason reason, const Args& args, Language language);  // what is the matter
std::string way_out(Reason reason, const Args& args, Language language);   // what to do; may be empty
std::vector<std::string> argument_names(Reason reason);                    // the {placeholders} of its words, each once
std::size_t reason_count();

std::string detail_text(Detail detail, const Args& args, Language language);
std::size_t detail_count();
// "name" and "name:ko": words in both languages as a value of a sentence.
Args in_both_languages(const std::string& name, Detail detail, const Args& args = {});
Args in_both_languages(const std::string& name, Reason reason, const Args& args = {});
// The values as a reader of this language sees them: one of each name.
Args args_in(const Args& args, Language language);

}  // namespace gyre
