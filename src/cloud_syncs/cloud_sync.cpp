#include "cloud_syncs/cloud_sync.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

namespace gyre {
namespace {

constexpr std::size_t path_max = 4096, prefix_max = 1024, url_max = 2048;
constexpr std::size_t key_id_max = 256, key_max = 1024, token_max = 8192;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

// Without "." and ".." between slashes, and without slashes that say nothing.
std::optional<std::string> plain_path(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto slash = std::min(text.find('/'), text.size());
    const auto part = text.substr(0, slash);
    if (part == "." || part == "..") return std::nullopt;
    if (!part.empty()) out.append("/").append(part);
    text.remove_prefix(std::min(slash + 1, text.size()));
  }
  return out;
}

Result<std::string> path_in(const std::string& volume_path, const std::string& path) {
  if (path.empty()) return volume_path;
  const auto refused = [&] { return invalid("path", Detail::path_in_volume, {{"example", volume_path + "/data"}}); };
  if (path.size() > path_max) return invalid("path", Detail::bytes_at_most, {{"limit", std::to_string(path_max)}});
  if (has_control_characters(path)) return invalid("path", Detail::control_characters);
  const auto plain = plain_path(path);
  const auto root = plain_path(volume_path).value_or(volume_path);
  if (!path.starts_with('/') || !plain || !(*plain == root || plain->starts_with(root + "/"))) return refused();
  return *plain;
}

Result<> check_bucket(const std::string& bucket) {
  const auto usable = [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_'; };
  if (bucket.size() < 3 || bucket.size() > 63 || !is_letter_or_digit(bucket.front()) ||
      !is_letter_or_digit(bucket.back()) || !std::all_of(bucket.begin(), bucket.end(), usable))
    return invalid("bucket", Detail::bucket);
  return {};
}

Result<std::string> prefix_in_bucket(std::string prefix) {
  prefix.erase(0, std::min(prefix.find_first_not_of('/'), prefix.size()));
  if (prefix.size() > prefix_max)
    return invalid("prefix", Detail::bytes_at_most, {{"limit", std::to_string(prefix_max)}});
  if (has_control_characters(prefix)) return invalid("prefix", Detail::control_characters);
  return prefix;
}

Result<std::string> region_of(const std::string& region) {
  if (region.empty()) return std::string("us-east-1");
  const auto usable = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; };
  if (region.size() > 64 || !std::all_of(region.begin(), region.end(), usable))
    return invalid("region", Detail::region);
  return region;
}

Result<> check_url(const std::string& url) {
  if (url.empty()) return {};
  if (url.size() > url_max) return invalid("endpointUrl", Detail::bytes_at_most, {{"limit", std::to_string(url_max)}});
  std::string_view rest = url;
  if (rest.starts_with("https://"))
    rest.remove_prefix(8);
  else if (rest.starts_with("http://"))
    rest.remove_prefix(7);
  else
    return invalid("endpointUrl", Detail::storage_url);
  const auto host = rest.substr(0, std::min(rest.find_first_of("/?#"), rest.size()));
  const bool visible = std::all_of(url.begin(), url.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (host.empty() || host.find('@') != std::string_view::npos || !visible)
    return invalid("endpointUrl", Detail::storage_url);
  return {};
}

Result<> check_key(const std::string& field, const std::string& key, std::size_t max) {
  const bool visible = std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!key.empty() && key.size() <= max && visible) return {};
  return invalid(field, Detail::characters_visible, {{"low", "1"}, {"high", std::to_string(max)}});
}

std::string remote_of(const CloudSyncWish& wish) {
  return "cloud:" + wish.bucket + (wish.prefix.empty() ? "" : "/" + wish.prefix);
}

}  // namespace

Result<CloudSyncWish> cloud_sync_wish(const CloudSyncInput& input, const std::string& volume_path) {
  CloudSyncWish out;
  out.direction = input.direction;
  out.volume_path = volume_path;
  out.path = TRY(path_in(volume_path, input.path));
  TRY(check_bucket(input.bucket));
  out.bucket = input.bucket;
  out.prefix = TRY(prefix_in_bucket(input.prefix));
  out.region = TRY(region_of(input.region));
  TRY(check_url(input.endpoint_url));
  out.endpoint_url = input.endpoint_url;
  return out;
}

Result<> check_credentials(const CloudCredentials& credentials) {
  TRY(check_key("accessKeyId", credentials.access_key_id, key_id_max));
  TRY(check_key("secretAccessKey", credentials.secret_access_key, key_max));
  if (!credentials.session_token.empty()) TRY(check_key("sessionToken", credentials.session_token, token_max));
  return {};
}

std::vector<std::string> rclone_arguments(const CloudSyncWish& wish) {
  const bool up = wish.direction == CloudSyncDirection::TO_CLOUD;
  // Its own words on progress, one line every five seconds: that is the log a user follows.
  return {"copy",
          up ? wish.path : remote_of(wish),
          up ? remote_of(wish) : wish.path,
          "--config=",
          "--stats=5s",
          "--stats-one-line",
          "--stats-log-level=NOTICE",
          "--error-on-no-transfer"};
}

std::map<std::string, std::string> rclone_environment(const CloudSyncWish& wish, const CloudCredentials& credentials) {
  std::map<std::string, std::string> out{{"RCLONE_CONFIG_CLOUD_TYPE", "s3"},
                                         {"RCLONE_CONFIG_CLOUD_PROVIDER", wish.endpoint_url.empty() ? "AWS" : "Other"},
                                         {"RCLONE_CONFIG_CLOUD_REGION", wish.region},
                                         {"RCLONE_CONFIG_CLOUD_ACCESS_KEY_ID", credentials.access_key_id},
                                         {"RCLONE_CONFIG_CLOUD_SECRET_ACCESS_KEY", credentials.secret_access_key},
                                         {"RCLONE_CONFIG_CLOUD_NO_CHECK_BUCKET", "true"}};  // never makes a bucket
  if (!wish.endpoint_url.empty()) out["RCLONE_CONFIG_CLOUD_ENDPOINT"] = wish.endpoint_url;
  if (!credentials.session_token.empty()) out["RCLONE_CONFIG_CLOUD_SESSION_TOKEN"] = credentials.session_token;
  return out;
}

bool apply(CloudSync& sync, CloudSyncEvent event, Time now, const CloudSyncBecause& because) {
  const auto to = next_state(sync.state, event);
  if (!to) return false;
  sync.state = *to;
  // A cancelled one keeps saying why it was cancelled.
  if (because.reason) {
    sync.reason = reason_text(*because.reason);
    boost::json::object args;
    for (const auto& [name, value] : because.args) args[name] = value;
    sync.reason_args = boost::json::serialize(args);
  }
  if (has_ended(*to)) {
    sync.ended_at = now;
    sync.credentials_sealed.clear();
  }
  return true;
}

CloudSyncExit meaning_of_exit(const CloudSyncId& id, const CloudSyncWish& wish, const link::ContainerFacts& container) {
  if (container.oom_killed) return {CloudSyncEvent::broke, {Reason::cloud_sync_out_of_memory, {}}};
  const bool up = wish.direction == CloudSyncDirection::TO_CLOUD;
  switch (container.exit_code) {
    case 0:
      return {CloudSyncEvent::copied, {Reason::cloud_sync_copied, {}}};
    case 3:  // directory not found
    case 4:  // file not found
      return {CloudSyncEvent::broke,
              {Reason::cloud_sync_source_missing,
               {{"source", up ? wish.path : wish.bucket + (wish.prefix.empty() ? "" : "/" + wish.prefix)}}}};
    case 9:  // well, but no file was copied
      return {CloudSyncEvent::copied, {Reason::cloud_sync_nothing_copied, {}}};
    default:
      return {CloudSyncEvent::broke,
              {Reason::cloud_sync_failed, {{"exit_code", std::to_string(container.exit_code)}, {"id", id.str()}}}};
  }
}

}  // namespace gyre
