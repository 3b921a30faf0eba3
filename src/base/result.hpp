// Expected trouble is returned, never thrown: Result<T> holds a value or an Error that names its reason and its field.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/reasons.hpp"

namespace gyre {

struct Error {
  Reason reason = Reason::internal_error;
  Args args;
  std::string field;  // "ports[1]" when one input is to blame, else empty

  ErrorCode code() const { return error_code(reason); }
  std::string message(Language language = Language::en) const { return sentence(reason, args, language); }
  std::string fix(Language language = Language::en) const { return way_out(reason, args, language); }
  bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = tl::expected<T, Error>;

// fail(Reason::pod_not_found, {{"pod", id.str()}})
inline tl::unexpected<Error> fail(Reason reason, Args args = {}, std::string field = {}) {
  return tl::unexpected<Error>(Error{reason, std::move(args), std::move(field)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// The commonest refusal: one field of the input is wrong. invalid("gpuCount", Detail::between, {{"low", "0"}, ...})
inline tl::unexpected<Error> invalid(std::string field, Detail detail, const Args& args = {}) {
  auto values = in_both_languages("detail", detail, args);
  values.emplace_back("field", field);
  return fail(Reason::invalid_field, std::move(values), std::move(field));
}
// For words that are nobody's language or another program's: a field of the API takes a Detail.
inline tl::unexpected<Error> invalid(std::string field, std::string detail) {
  Args args{{"field", field}, {"detail", std::move(detail)}};
  return fail(Reason::invalid_field, std::move(args), std::move(field));
}

namespace detail {
template <class T>
T take(tl::expected<T, Error>&& result) {
  return std::move(*result);
}
inline void take(tl::expected<void, Error>&&) {}
}  // namespace detail

// TRY(expression): the value, or returns the error to our caller. In plain functions only, never in a coroutine.
#define TRY(expression) GYRE_TRY(expression, __COUNTER__)
#define GYRE_TRY(expression, number) GYRE_TRY_NAMED(expression, number)
#define GYRE_TRY_NAMED(expression, number) GYRE_TRY_AS(expression, try_result_##number)
#define GYRE_TRY_AS(expression, name)                        \
  ({                                                         \
    auto name = (expression);                                \
    if (!name) return ::gyre::fail(std::move(name).error()); \
    ::gyre::detail::take(std::move(name));                   \
  })

}  // namespace gyre
