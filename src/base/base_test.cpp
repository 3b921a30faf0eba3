#include <gtest/gtest.h>

#include "base/enum_text.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "base/secrets.hpp"
#include "base/time.hpp"

namespace gyre {
namespace {

TEST(Reasons, EveryReasonHasWordsInBothLanguages) {
  for (std::size_t i = 0; i < reason_count(); ++i) {
    const auto reason = static_cast<Reason>(i);
    EXPECT_FALSE(sentence(reason, {}, Language::en).empty()) << reason_text(reason);
    EXPECT_FALSE(sentence(reason, {}, Language::ko).empty()) << reason_text(reason);
    EXPECT_EQ(reason_from_text(reason_text(reason)), reason) << "two reasons share the code " << reason_text(reason);
    if (error_code(reason) != ErrorCode::none) {
      EXPECT_FALSE(way_out(reason, {}, Language::en).empty()) << reason_text(reason);
      EXPECT_FALSE(way_out(reason, {}, Language::ko).empty()) << reason_text(reason);
    }
  }
}

TEST(Reasons, ASentenceIsFilledFromItsArguments) {
  const Error error{Reason::pod_not_found, {{"pod", "2s56cp0pof1rmt"}}, ""};
  EXPECT_EQ(error.message(), "no pod 2s56cp0pof1rmt");
  EXPECT_EQ(error.message(Language::ko), "파드 2s56cp0pof1rmt이(가) 없습니다");
}

bool has_korean(std::string_view text) {
  for (std::size_t i = 0; i + 2 < text.size(); ++i)  // U+AC00 to U+D7A3 in UTF-8
    if (const auto a = static_cast<unsigned char>(text[i]); a >= 0xEA && a <= 0xED) return true;
  return false;
}

TEST(Reasons, EveryDetailHasWordsInBothLanguagesAndNoneIsEnglishForAKoreanReader) {
  for (std::size_t i = 0; i < detail_count(); ++i) {
    const auto detail = static_cast<Detail>(i);
    const auto en = detail_text(detail, {}, Language::en), ko = detail_text(detail, {}, Language::ko);
    EXPECT_FALSE(en.empty() || has_korean(en)) << en;
    EXPECT_TRUE(has_korean(ko)) << ko;
    const auto refusal = invalid("ports[1]", detail).value();
    EXPECT_EQ(refusal.message(Language::en), "ports[1]: " + en);
    EXPECT_EQ(refusal.message(Language::ko), "ports[1]: " + ko);
  }
}

TEST(Reasons, AValueThatIsWordsIsShownInTheReadersLanguageUnderOneName) {
  const auto args = in_both_languages("detail", Detail::integer_between, {{"low", "1"}, {"high", "8"}});
  EXPECT_EQ(args_in(args, Language::en), (Args{{"detail", "expected an integer between 1 and 8"}}));
  EXPECT_EQ(args_in(args, Language::ko), (Args{{"detail", "1 이상 8 이하의 정수여야 합니다"}}));
  EXPECT_EQ(args_in({{"pod", "p"}}, Language::ko), (Args{{"pod", "p"}}));
  EXPECT_EQ(sentence(Reason::invalid_json, args, Language::ko),
            "본문이 JSON 형식이 아닙니다: 1 이상 8 이하의 정수여야 합니다");
}

TEST(Reasons, ArgumentNamesAreThePlaceholdersOfTheirWords) {
  EXPECT_EQ(argument_names(Reason::unknown_field), (std::vector<std::string>{"field", "known"}));
  EXPECT_EQ(argument_names(Reason::internal_error), std::vector<std::string>{});
}

Result<int> half(int n) {
  if (n % 2) return invalid("n", "expected an even number");
  return n / 2;
}
Result<int> quarter(int n) { return TRY(half(TRY(half(n)))); }

TEST(ResultTest, TryReturnsTheErrorToTheCaller) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().field, "n");
}

TEST(TimeTest, Rfc3339GoesThereAndBack) {
  const auto time = parse_rfc3339("2024-02-29T23:59:59.125+09:00");
  ASSERT_TRUE(time);
  EXPECT_EQ(rfc3339(*time), "2024-02-29T14:59:59.125Z");
  EXPECT_EQ(parse_rfc3339(rfc3339(*time)), time);
  for (const char* wrong :
       {"", "2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z", "2024-02-29T00:00:00", "2024-02-29T00:00:00Zx"})
    EXPECT_FALSE(parse_rfc3339(wrong)) << wrong;
}

TEST(LogTest, ApiKeysInAddressesAreHidden) {
  EXPECT_EQ(log::redact_url("/graphql?api_key=rpa_SECRET&x=1"), "/graphql?api_key=***&x=1");
}

TEST(SecretsTest, DigestAndBase64) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string any_bytes{'a', '\0', 'b', '\xff'};
  EXPECT_EQ(from_base64url(base64url(any_bytes)), any_bytes);
  EXPECT_FALSE(from_base64url("a+b/"));
  EXPECT_TRUE(equal_in_constant_time("x", "x"));
  EXPECT_FALSE(equal_in_constant_time("x", "xy"));
}

TEST(SecretsTest, WhatIsSealedOpensWithItsKeyAlone) {
  const std::string key(32, 'k'), nonce(24, 'n');
  const auto sealed = seal(key, nonce, "password");
  EXPECT_EQ(sealed.find("password"), std::string::npos);
  EXPECT_EQ(unseal(key, sealed), "password");
  EXPECT_EQ(unseal(key, seal(key, nonce, "")), "");
  EXPECT_FALSE(unseal(std::string(32, 'x'), sealed));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto changed = sealed;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(unseal(key, changed), "password") << i;
  }
  EXPECT_FALSE(unseal(key, ""));
}

}  // namespace
}  // namespace gyre
