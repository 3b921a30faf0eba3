#include "accounts/account_routes.hpp"

#include <charconv>

#include "accounts/credentials.hpp"
#include "http/page.hpp"
#include "json/codec.hpp"

namespace gyre {
namespace {

// --- what the wire says ---

enum class ApiKeyScope { READ, READ_WRITE };
BOOST_DESCRIBE_ENUM(ApiKeyScope, READ, READ_WRITE)

struct ApiKeyCreateInput {
  std::string name = "API key";
  ApiKeyScope scope = ApiKeyScope::READ_WRITE;
};
BOOST_DESCRIBE_STRUCT(ApiKeyCreateInput, (), (name, scope))
json::Fields fields(const ApiKeyCreateInput*) {
  return {{"name", "what you call it", R"("laptop")", json::defaulted},
          {"scope", "what it may do; READ cannot change anything", R"("READ_WRITE")", json::defaulted}};
}

struct ApiKeyUpdateInput {
  bool enabled = true;
};
BOOST_DESCRIBE_STRUCT(ApiKeyUpdateInput, (), (enabled))
json::Fields fields(const ApiKeyUpdateInput*) {
  return {{"enabled", "false: refused until it is enabled again; the secret stays the same", "false"}};
}

struct ApiKeyView {
  ApiKeyId id;
  std::string name;
  ApiKeyScope scope = ApiKeyScope::READ;
  bool enabled = true;
  std::string lastCharacters;
  Time createdAt;
  std::optional<Time> lastUsedAt;
  std::optional<std::string> key;
};
BOOST_DESCRIBE_STRUCT(ApiKeyView, (), (id, name, scope, enabled, lastCharacters, createdAt, lastUsedAt, key))
json::Fields fields(const ApiKeyView*) {
  return {{"id", "for changing and revoking it; not the key itself", R"("k3v0q8m1x2z4ab")"},
          {"name", "what you call it", R"("laptop")"},
          {"scope", "what it may do", R"("READ_WRITE")"},
          {"enabled", "whether it is accepted", "true"},
          {"lastCharacters", "the end of the key, to tell keys apart", R"("9fQ2")"},
          {"createdAt", "when it was made", R"("2026-11-22T01:15:00.250Z")"},
          {"lastUsedAt", "when it was last accepted, to the minute; null: never", R"("2026-11-22T02:00:00.000Z")"},
          {"key", "the key itself, in the answer that creates it and never again", R"("rpa_EXAMPLE")"}};
}

struct LogInInput {
  std::string email, password;
};
BOOST_DESCRIBE_STRUCT(LogInInput, (), (email, password))
json::Fields fields(const LogInInput*) {
  return {{"email", "upper and lower case are the same", R"("kim@example.org")"},
          {"password", "as it was set", R"("correct Horse 1")"}};
}

struct OneTimeLogInInput {
  std::string token;
  std::optional<std::string> email, password;
};
BOOST_DESCRIBE_STRUCT(OneTimeLogInInput, (), (token, email, password))
json::Fields fields(const OneTimeLogInInput*) {
  return {
      {"token", "what the server printed, or the operator gave you; works once, for 24 hours", R"("q8M1x2Z4abK3v0")"},
      {"email", "sets the e-mail to log in with from now on", R"("kim@example.org")"},
      {"password",
       "sets the password: 8 to 256 characters with an upper-case and a lower-case letter, a digit and a "
       "special character",
       R"("correct Horse 1")"}};
}

struct ProfileUpdateInput {
  std::optional<std::string> name, email, password, currentPassword;
};
BOOST_DESCRIBE_STRUCT(ProfileUpdateInput, (), (name, email, password, currentPassword))
json::Fields fields(const ProfileUpdateInput*) {
  return {{"name", "how you are shown", R"("Kim")"},
          {"email", "to log in with", R"("kim@example.org")"},
          {"password", "a new one; ends all your other sessions", R"("correct Horse 2")"},
          {"currentPassword", "needed to change the e-mail or the password once there is one", R"("correct Horse 1")"}};
}

struct WorkspaceView {
  WorkspaceId id;
  WorkspaceKind kind = WorkspaceKind::personal;
  std::string name;
  Role role = Role::basic;
};
BOOST_DESCRIBE_STRUCT(WorkspaceView, (), (id, kind, name, role))
json::Fields fields(const WorkspaceView*) {
  return {{"id", "everything you make here belongs to it", R"("w4x1m8q0v2z3ab")"},
          {"kind", "whose it is", R"("personal")"},
          {"name", "what it is called", R"("personal")"},
          {"role", "what you may do in it", R"("admin")"}};
}

struct Me {
  AccountId id;
  std::optional<std::string> email;
  std::string name;
  bool isOperator = false;
  bool hasPassword = false;
  ApiKeyScope scope = ApiKeyScope::READ;
  WorkspaceView workspace;
};
BOOST_DESCRIBE_STRUCT(Me, (), (id, email, name, isOperator, hasPassword, scope, workspace))
json::Fields fields(const Me*) {
  return {{"id", "your account", R"("user_2a8x0v1m4q9z7k3b5c6d8e0f1g2")"},
          {"email", "what you log in with; null until you give one", R"("kim@example.org")"},
          {"name", "how you are shown", R"("Kim")"},
          {"isOperator", "you run this installation: you may add hosts", "true"},
          {"hasPassword", "you can log in by e-mail and password", "true"},
          {"scope", "what this key or session may do", R"("READ_WRITE")"},
          {"workspace", "where this key or session works",
           R"({"id": "w4x1m8q0v2z3ab", "kind": "personal", "name": "personal", "role": "admin"})"}};
}

ApiKeyScope scope_view(Scope scope) { return scope == Scope::read_write ? ApiKeyScope::READ_WRITE : ApiKeyScope::READ; }

ApiKeyView view(const ApiKey& key) {
  return {key.id,         key.name,         scope_view(key.scope), key.enabled, key.last_characters,
          key.created_at, key.last_used_at, std::nullopt};
}

Me view(const Profile& profile) {
  const auto& [account, in, scope] = profile;
  return {account.id,
          account.email,
          account.name,
          account.is_operator,
          account.password_hash.has_value(),
          scope_view(scope),
          {in.workspace, in.kind, in.name, in.role}};
}

// --- answering later ---

// What an answer needs of its request, without the password that may be in the body.
http::Request asker(const http::Request& request) {
  http::Request out;
  out.method = request.method;
  out.path = request.path;
  out.request_id = request.request_id;
  out.language = request.language;
  out.secure = request.secure;
  return out;
}

http::Response logged_in(const http::Request& request, const Result<NewSession>& result) {
  if (!result) return http::problem(result.error(), request);
  auto response = http::json_response(200, json::encode(view(result->profile)));
  response.headers.add("Set-Cookie", session_cookie(result->token, result->life, request.secure));
  return response;
}

// A page of another site must not log its visitor in as somebody else.
Result<> refuse_other_sites(const http::Request& request) {
  if (site_of(request) == Site::foreign) return fail(Reason::cross_site_request);
  return {};
}

// --- the routes ---

http::Route log_in_route(AccountService& accounts) {
  return {.method = http::Method::post,
          .path = "/v1/auth/login",
          .access = http::Access::open,
          .summary = "Log in with e-mail and password",
          .description =
              "Begins a session: the answer sets the cookie `gyre_session`. Requests that change something with "
              "that cookie need the header `X-Gyre-CSRF: 1`. After some failures log-ins are slowed down "
              "(429 with Retry-After).",
          .tag = "Accounts",
          .body = json::schema<LogInInput>(),
          .answer = json::schema<Me>(),
          .errors = {Reason::log_in_failed, Reason::too_many_log_ins, Reason::log_in_busy, Reason::cross_site_request},
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            TRY(refuse_other_sites(request));
            auto input = TRY(json::decode<LogInInput>(request.body));
            auto later = std::make_shared<http::Later>();
            accounts.log_in({std::move(input.email), std::move(input.password), request.remote_address},
                            [later, asked = asker(request)](Result<NewSession> result) {
                              later->complete(logged_in(asked, result));
                            });
            return http::later_response(later);
          }};
}

http::Route one_time_route(AccountService& accounts) {
  return {
      .method = http::Method::post,
      .path = "/v1/auth/one-time",
      .access = http::Access::open,
      .summary = "Log in once with a token",
      .description =
          "For the first log-in, and for who forgot the password. Sets e-mail and password at the same time, "
          "if given. Begins a session like /v1/auth/login.",
      .tag = "Accounts",
      .body = json::schema<OneTimeLogInInput>(),
      .answer = json::schema<Me>(),
      .errors = {Reason::one_time_login_invalid, Reason::too_many_log_ins, Reason::log_in_busy, Reason::email_taken,
                 Reason::password_length, Reason::password_needs_upper_case, Reason::password_needs_lower_case,
                 Reason::password_needs_digit, Reason::password_needs_special, Reason::cross_site_request},
      .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
        TRY(refuse_other_sites(request));
        auto input = TRY(json::decode<OneTimeLogInInput>(request.body));
        auto later = std::make_shared<http::Later>();
        accounts.log_in_once(
            {std::move(input.token), std::move(input.email), std::move(input.password), request.remote_address},
            [later, asked = asker(request)](Result<NewSession> result) { later->complete(logged_in(asked, result)); });
        return http::later_response(later);
      }};
}

http::Route log_out_route(AccountService& accounts) {
  return {.method = http::Method::post,
          .path = "/v1/auth/logout",
          .access = http::Access::open,
          .summary = "End the session",
          .description = "Never fails, also without a session.",
          .tag = "Accounts",
          .status = 204,
          .errors = {Reason::cross_site_request},
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            TRY(refuse_other_sites(request));
            if (const auto token = session_token_of(request)) accounts.log_out(*token);
            http::Response response;
            response.status = 204;
            response.headers.add("Set-Cookie", no_session_cookie(request.secure));
            return response;
          }};
}

http::Route me_route(AccountService& accounts) {
  return {.method = http::Method::get,
          .path = "/v1/me",
          .access = http::Access::reader,
          .summary = "Who am I",
          .description = "The account and the workspace of this key or session.",
          .tag = "Accounts",
          .answer = json::schema<Me>(),
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            return http::json_response(200, json::encode(view(TRY(accounts.profile(request.caller)))));
          }};
}

http::Route change_me_route(AccountService& accounts) {
  return {
      .method = http::Method::patch,
      .path = "/v1/me",
      .access = http::Access::reader,  // one's own account, whatever one's role in the workspace
      .summary = "Change your name, e-mail or password",
      .description = "With a session only. A new password ends all other sessions of the account.",
      .tag = "Accounts",
      .body = json::schema<ProfileUpdateInput>(),
      .answer = json::schema<Me>(),
      .errors = {Reason::session_needed, Reason::current_password_wrong, Reason::too_many_log_ins, Reason::log_in_busy,
                 Reason::email_taken, Reason::password_length, Reason::password_needs_upper_case,
                 Reason::password_needs_lower_case, Reason::password_needs_digit, Reason::password_needs_special},
      .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
        auto input = TRY(json::decode<ProfileUpdateInput>(request.body));
        auto later = std::make_shared<http::Later>();
        accounts.change_profile(request.caller,
                                {std::move(input.name), std::move(input.email), std::move(input.password),
                                 std::move(input.currentPassword)},
                                [later, asked = asker(request)](Result<Profile> result) {
                                  later->complete(result ? http::json_response(200, json::encode(view(*result)))
                                                         : http::problem(result.error(), asked));
                                });
        return http::later_response(later);
      }};
}

http::Route create_key_route(AccountService& accounts) {
  // No idempotency key: the kept answer would hold the secret.
  return {.method = http::Method::post,
          .path = "/v1/apikeys",
          .access = http::Access::writer,
          .summary = "Create an API key",
          .description = "The answer holds the key itself, once; we keep only its digest. Treat it like a password.",
          .tag = "Accounts",
          .body = json::schema<ApiKeyCreateInput>(),
          .status = 201,
          .answer = json::schema<ApiKeyView>(),
          .errors = {Reason::too_many_api_keys},
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            const auto input = TRY(json::decode<ApiKeyCreateInput>(request.body));
            const auto scope = input.scope == ApiKeyScope::READ_WRITE ? Scope::read_write : Scope::read;
            const auto made = TRY(accounts.make_api_key(request.caller, input.name, scope));
            auto shown = view(made.key);
            shown.key = made.secret;
            return http::json_response(201, json::encode(shown));
          }};
}

std::optional<KeyPosition> position_of(const http::Page& page) {
  if (!page.after) return std::nullopt;
  std::int64_t milliseconds = 0;
  const auto& text = page.after->at(0);
  std::from_chars(text.data(), text.data() + text.size(), milliseconds);
  return KeyPosition{Time(Duration(milliseconds)), ApiKeyId(page.after->at(1))};
}

http::Route list_keys_route(AccountService& accounts) {
  return {.method = http::Method::get,
          .path = "/v1/apikeys",
          .access = http::Access::reader,
          .summary = "List API keys",
          .description =
              "Yours in this workspace, the newest first; an admin of the workspace sees everybody's. Revoked "
              "ones are gone.",
          .tag = "Accounts",
          .query = http::page_parameters(),
          .answer = json::schema_list<ApiKeyView>(),
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            const auto page = TRY(http::page_of(request, "-createdAt", 2));
            auto keys = accounts.api_keys(request.caller, position_of(page), page.limit + 1);
            const bool more = static_cast<std::int64_t>(keys.size()) > page.limit;
            if (more) keys.pop_back();
            std::vector<ApiKeyView> views;
            for (const auto& key : keys) views.push_back(view(key));
            auto response = http::json_response(200, json::encode(views));
            if (more)
              http::add_next(response, request, page,
                             {std::to_string(keys.back().created_at.time_since_epoch().count()), keys.back().id.str()});
            return response;
          }};
}

http::Route update_key_route(AccountService& accounts) {
  return {.method = http::Method::patch,
          .path = "/v1/apikeys/{id}",
          .access = http::Access::writer,
          .summary = "Enable or disable an API key",
          .description = "At once, for every connection that uses it.",
          .tag = "Accounts",
          .body = json::schema<ApiKeyUpdateInput>(),
          .answer = json::schema<ApiKeyView>(),
          .errors = {Reason::api_key_not_found},
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            const auto input = TRY(json::decode<ApiKeyUpdateInput>(request.body));
            const auto key =
                TRY(accounts.set_api_key_enabled(request.caller, ApiKeyId(request.param("id")), input.enabled));
            return http::json_response(200, json::encode(view(key)));
          }};
}

http::Route revoke_key_route(AccountService& accounts) {
  return {.method = http::Method::del,
          .path = "/v1/apikeys/{id}",
          .access = http::Access::writer,
          .summary = "Revoke an API key",
          .description = "For good: it cannot be restored.",
          .tag = "Accounts",
          .status = 204,
          .errors = {Reason::api_key_not_found},
          .handler = [&accounts](const http::Request& request) -> Result<http::Response> {
            TRY(accounts.revoke_api_key(request.caller, ApiKeyId(request.param("id"))));
            http::Response response;
            response.status = 204;
            return response;
          }};
}

}  // namespace

std::vector<http::Route> account_routes(AccountService& accounts) {
  std::vector<http::Route> routes;
  for (auto* make : {log_in_route, one_time_route, log_out_route, me_route, change_me_route, create_key_route,
                     list_keys_route, update_key_route, revoke_key_route})
    routes.push_back(make(accounts));
  return routes;
}

}  // namespace gyre
