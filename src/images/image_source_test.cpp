#include "images/image_source.hpp"

#include <gtest/gtest.h>

namespace gyre {
namespace {

std::string in(std::optional<RegistryKind> kind, std::string_view text) {
  const auto image = image_in(kind, text);
  return image ? image->str() : std::string(reason_text(image.error().reason));
}

// Requirements G-6 to G-10: what a person may type for each of the five registries.
TEST(ImageSource, TheExamplesOfEachRegistry) {
  using K = RegistryKind;
  EXPECT_EQ(in(K::DOCKER_HUB, "ollama/ollama:latest"), "docker.io/ollama/ollama:latest");
  EXPECT_EQ(in(K::DOCKER_HUB, "ollama/ollama"), "docker.io/ollama/ollama:latest");
  EXPECT_EQ(in(K::DOCKER_HUB, "ollama"), "docker.io/library/ollama:latest");
  EXPECT_EQ(in(K::DOCKER_HUB, "docker.io/ollama/ollama"), "docker.io/ollama/ollama:latest");
  EXPECT_EQ(in(K::NGC, "nvcr.io/nvidia/cuda:12.0.0-base-ubuntu22.04"), "nvcr.io/nvidia/cuda:12.0.0-base-ubuntu22.04");
  EXPECT_EQ(in(K::QUAY, "nvcr.io/nvidia/cuda:12.0.0-base-ubuntu22.04"), "image_other_registry");
  EXPECT_EQ(in(K::GITHUB, "ghcr.io/organization/app:1.0"), "ghcr.io/organization/app:1.0");
  EXPECT_EQ(in(K::GITHUB, "data-alliance/lora-tuning:1.02"), "ghcr.io/data-alliance/lora-tuning:1.02");
  EXPECT_EQ(in(K::QUAY, "quay.io/redhat/ubi8:latest"), "quay.io/redhat/ubi8:latest");
  EXPECT_EQ(in(K::HUGGING_FACE, "registry.hf.space/username/model-server:v1"),
            "registry.hf.space/username/model-server:v1");
}

TEST(ImageSource, AnotherRegistryIsNamedAndNoneIsDockers) {
  EXPECT_EQ(in(RegistryKind::OTHER, "registry.example.org:5000/team/app"), "registry.example.org:5000/team/app:latest");
  EXPECT_EQ(in(RegistryKind::OTHER, "team/app"), "image_name_invalid");
  EXPECT_EQ(in(std::nullopt, "team/app"), "docker.io/team/app:latest");
  EXPECT_EQ(in(std::nullopt, "quay.io/team/app:2"), "quay.io/team/app:2");
}

TEST(ImageSource, WhatIsNoNameIsRefusedWithTheField) {
  for (const char* text : {"", "a b", "UPPER/case", "x:", "x@sha256:12", "ghcr.io/", "/x"})
    for (const auto kind : {std::optional<RegistryKind>(), std::optional(RegistryKind::GITHUB)}) {
      const auto image = image_in(kind, text);
      ASSERT_FALSE(image) << text;
      EXPECT_EQ(image.error().field, "image") << text;
    }
}

}  // namespace
}  // namespace gyre
