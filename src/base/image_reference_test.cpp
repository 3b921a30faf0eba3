#include "base/image_reference.hpp"

#include <gtest/gtest.h>

namespace gyre {
namespace {

const std::string digest = "sha256:" + std::string(64, 'a');

TEST(ImageReferences, AShortNameMeansTheDefaultRegistry) {
  EXPECT_EQ(parse_image_reference("python").value().str(), "docker.io/library/python:latest");
  EXPECT_EQ(parse_image_reference("python:3.11").value().str(), "docker.io/library/python:3.11");
  EXPECT_EQ(parse_image_reference("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel").value().str(),
            "docker.io/runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel");
  EXPECT_EQ(parse_image_reference("index.docker.io/library/python").value().str(), "docker.io/library/python:latest");
}

TEST(ImageReferences, AHostWithADotOrAPortIsARegistry) {
  EXPECT_EQ(parse_image_reference("ghcr.io/team/x").value().registry, "ghcr.io");
  EXPECT_EQ(parse_image_reference("127.0.0.1:5000/gyre/hello:1").value().str(), "127.0.0.1:5000/gyre/hello:1");
  EXPECT_EQ(parse_image_reference("localhost/x").value().registry, "localhost");
  EXPECT_EQ(parse_image_reference("[::1]:5000/x").value().registry, "[::1]:5000");
}

TEST(ImageReferences, ADigestWinsOverTheTag) {
  const auto both = parse_image_reference("ghcr.io/team/x:1@" + digest).value();
  EXPECT_EQ(both.tag, "1");
  EXPECT_EQ(both.str(), "ghcr.io/team/x@" + digest);
  EXPECT_EQ(parse_image_reference("x@" + digest).value().tag, "");
}

TEST(ImageReferences, AWrongNameIsRefusedWithThePartThatIsWrong) {
  for (const std::string wrong :
       {"",           ":",          "x:",  "x:a b", "x:-a",   "Team/x",         "team/Xy",     "team//x",
        "/x",         "x/",         "-x",  "x-",    "x..y",   "x___y",          "x@sha256:12", "x@md5:0",
        "reg:port/x", "http://x/y", "a b", "x\n",   "x/../y", "reg.io:123456/x"}) {
    const auto parsed = parse_image_reference(wrong);
    ASSERT_FALSE(parsed) << wrong << " became " << parsed->str();
    EXPECT_EQ(parsed.error().reason, Reason::image_name_invalid) << wrong;
  }
  EXPECT_FALSE(parse_image_reference(std::string(300, 'a')));
  EXPECT_FALSE(parse_image_reference("x:" + std::string(129, 'a')));
  const auto upper = parse_image_reference("ghcr.io/Team/x");
  EXPECT_NE(upper.error().message().find("`Team`"), std::string::npos) << upper.error().message();
}

}  // namespace
}  // namespace gyre
