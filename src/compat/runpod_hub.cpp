// RunPod's hub and its model store. They are not here: lists are empty and whoever asks for one finds none, so that the
// clients' commands that show them work.
#include "compat/runpod_resolvers.hpp"

namespace gyre::compat {
namespace {

using graphql::Ask;
using Text = std::optional<std::string>;

struct ListingBuild {
  Text imageName;
};
BOOST_DESCRIBE_STRUCT(ListingBuild, (), (imageName))

struct ListingRelease {
  std::string id;
  Text name, tagName, body, readme, branch, license, config;
  std::optional<int> deploys;
  Text iconUrl, authorName, createdAt, releasedAt, updatedAt;
  std::optional<ListingBuild> build;
  Text tests;
};
BOOST_DESCRIBE_STRUCT(ListingRelease, (),
                      (id, name, tagName, body, readme, branch, license, config, deploys, iconUrl, authorName,
                       createdAt, releasedAt, updatedAt, build, tests))

struct Listing {
  std::string id;
  Text title, repoName, repoOwner, description, category, type;
  std::optional<std::vector<std::string>> tags;
  std::optional<int> stars, views, deploys;
  Text language, createdAt, updatedAt;
  std::optional<ListingRelease> listedRelease;
};
BOOST_DESCRIBE_STRUCT(Listing, (),
                      (id, title, repoName, repoOwner, description, category, type, tags, stars, views, deploys,
                       language, createdAt, updatedAt, listedRelease))

struct ModelUser {
  std::string userId;
  Text credentialType, credentialReference, status, updatedAt;
};
BOOST_DESCRIBE_STRUCT(ModelUser, (), (userId, credentialType, credentialReference, status, updatedAt))

struct ModelVersion {
  std::string uuid;
  Text hash, status, metadata, createdAt, updatedAt;
};
BOOST_DESCRIBE_STRUCT(ModelVersion, (), (uuid, hash, status, metadata, createdAt, updatedAt))

struct Model {
  std::string id;
  Text owner, provider, name, status, createdAt, updatedAt;
  std::optional<std::vector<ModelUser>> users;
  std::optional<std::vector<ModelVersion>> versions;
};
BOOST_DESCRIBE_STRUCT(Model, (), (id, owner, provider, name, status, createdAt, updatedAt, users, versions))

}  // namespace

void add_hub(graphql::Resolvers& resolvers) {
  resolvers.type<ListingBuild>("ListingBuild").members();
  resolvers.type<ListingRelease>("ListingRelease").members();
  resolvers.type<Listing>("Listing").members();
  resolvers.type<ModelUser>("ModelUser").members();
  resolvers.type<ModelVersion>("ModelVersion").members();
  resolvers.type<Model>("Model").members();
  const auto none = [](Ask&) { return std::optional<Listing>(); };
  resolvers.query().field("listings", [](Ask&) { return std::vector<Listing>(); });
  resolvers.query().field("listing", none);
  resolvers.query().field("listingFromRepo", none);
  resolvers.query().field("myModels", [](Ask& ask) {
    caller_of(ask);
    return std::vector<Model>();
  });
}

}  // namespace gyre::compat
